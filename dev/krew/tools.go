//go:build tools

// Package tools holds Krew, the plugin manager of kubectl, in go.mod, from which it is compiled as it is.
package tools

import _ "sigs.k8s.io/krew/cmd/krew"
