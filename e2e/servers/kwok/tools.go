//go:build tools

// Package kwok pins the program that plays the nodes and their pods. It is a module of its own, so that its
// dependencies are not those of Kubernetes' servers.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
