//go:build tools

// Package tools holds kube-router in go.mod, from which it is compiled as it is.
package tools

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
