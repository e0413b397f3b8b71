package servers

import (
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

func registryClient(t *testing.T, url string) *sr.Client {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const (
	recordV1 = `{"type":"record","name":"r","fields":[{"name":"a","type":"long"}]}`
	recordV2 = `{"type":"record","name":"r","fields":[{"name":"a","type":"string"}]}`
)

func TestSharedSchemaRegistry(t *testing.T) {
	url := SharedSchemaRegistry(t)
	if again := SharedSchemaRegistry(t); again != url {
		t.Errorf("two shared registries: %s and %s", url, again)
	}
	client := registryClient(t, url)
	made, err := client.CreateSchema(t.Context(), t.Name(), sr.Schema{Schema: recordV1})
	if err != nil {
		t.Fatal(err)
	}
	read, err := client.SchemaByID(t.Context(), made.ID)
	if err != nil || read.Schema != recordV1 {
		t.Errorf("schema %d reads as %q: %v", made.ID, read.Schema, err)
	}
	if _, err := client.CreateSchema(t.Context(), t.Name(), sr.Schema{Schema: recordV2}); err == nil {
		t.Error("a schema that old rows cannot be read with is taken")
	}
}

func TestSchemaRegistry_KillAndRestart(t *testing.T) {
	s := SchemaRegistry(t)
	made, err := registryClient(t, s.URL).CreateSchema(t.Context(), "subject", sr.Schema{Schema: recordV1})
	if err != nil {
		t.Fatal(err)
	}
	s.Kill9(t)
	if s.listens() {
		t.Fatal("a killed registry answers")
	}
	s.Restart(t)
	client := registryClient(t, s.URL)
	if read, err := client.SchemaByID(t.Context(), made.ID); err != nil || read.Schema != recordV1 {
		t.Errorf("schema %d after kill and restart reads as %q: %v", made.ID, read.Schema, err)
	}
	again, err := client.CreateSchema(t.Context(), "subject", sr.Schema{Schema: recordV1})
	if err != nil || again.ID != made.ID || again.Version != made.Version {
		t.Errorf("the same schema again is %d version %d, want %d version %d: %v", again.ID, again.Version, made.ID, made.Version, err)
	}
}
