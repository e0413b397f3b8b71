package servers

import (
	"sync"
	"testing"
)

// A RegistryServer is a running schema registry: Apicurio 2.6, with the API of Confluent's, level BACKWARD and no user.
type RegistryServer struct {
	*Process
	URL string // with the path of that API
}

// SchemaRegistry starts a private schema registry, which ends with the test.
func SchemaRegistry(t testing.TB) *RegistryServer {
	t.Helper()
	return asRegistry(beside(t, "registry.sh", nil))
}

var sharedRegistry = sync.OnceValues(startRegistry)

// SharedSchemaRegistry returns the URL of the test binary's schema registry, started again if it has died. Take subjects
// of your own.
func SharedSchemaRegistry(t testing.TB) string {
	t.Helper()
	skipShort(t)
	s, err := sharedRegistry()
	if err != nil {
		t.Fatalf("start schema registry: %v", err)
	}
	s.Revive(t)
	return s.URL
}

func startRegistry() (*RegistryServer, error) {
	p, err := spawn("registry.sh", nil, nil)
	if err != nil {
		return nil, err
	}
	return asRegistry(p), nil
}

func asRegistry(p *Process) *RegistryServer {
	return &RegistryServer{Process: p, URL: "http://" + p.Addr + "/apis/ccompat/v7"}
}
