//go:build tools

// Package tools holds Prometheus in go.mod, from which it is compiled as it is.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
