//go:build tools

// Package gateway pins the controller that writes the conditions of Gateway API's objects. It is a module of its
// own, so that its dependencies are not those of Kubernetes' servers.
package gateway

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
