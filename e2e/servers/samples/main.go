// Writes each sample of a Kubernetes object as the API server would: its JSON anew, and its protobuf message, in hexadecimal digits, beside it. The
// decoders of ingress-core are tested with both, so that a wrong field number can't hide behind a test that writes what it reads.
//
//	cd e2e/servers && go run ./samples ../../ingress-core/src/kind/samples
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
)

type message interface{ Marshal() ([]byte, error) }

func kinds() map[string]message {
	return map[string]message{
		"Deployment":    &apps.Deployment{},
		"EndpointSlice": &discovery.EndpointSlice{},
		"Endpoints":     &core.Endpoints{},
		"Event":         &core.Event{},
		"Ingress":       &networking.Ingress{},
		"IngressClass":  &networking.IngressClass{},
		"NetworkPolicy": &networking.NetworkPolicy{},
		"Pod":           &core.Pod{},
		"ReplicaSet":    &apps.ReplicaSet{},
		"Service":       &core.Service{},
	}
}

func write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var meta struct{ Kind string }
	if err := json.Unmarshal(text, &meta); err != nil {
		return err
	}
	object, known := kinds()[meta.Kind]
	if !known {
		return fmt.Errorf("unknown kind %q", meta.Kind)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(object); err != nil {
		return err
	}
	text, err = json.MarshalIndent(object, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return err
	}
	protobuf, err := object.Marshal()
	if err != nil {
		return err
	}
	// As text, so that a change of it can be read.
	var lines strings.Builder
	for digits := hex.EncodeToString(protobuf); digits != ""; {
		end := min(len(digits), 120)
		lines.WriteString(digits[:end] + "\n")
		digits = digits[end:]
	}
	return os.WriteFile(strings.TrimSuffix(path, ".json")+".hex", []byte(lines.String()), 0o644)
}

func main() {
	paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*.json"))
	for _, path := range paths {
		if err := write(path); err != nil {
			fmt.Fprintln(os.Stderr, path, err)
			os.Exit(1)
		}
	}
}
