//go:build tools

// Package servers pins the real servers that the end-to-end tests run against. Nothing
// imports it: its blank imports make `go mod tidy` keep the two modules whose main
// packages the build script compiles.
package servers

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
)
