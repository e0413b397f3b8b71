package format

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// canary is a secret that must not be seen.
const canary = "canary-2718"

// idOf encodes the first row of b, and returns the number of its schema.
func idOf(t *testing.T, c AvroConfig, table *schema.Table, topic string) (int, error) {
	t.Helper()
	f, err := NewAvro(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(t.Context(), table, topic)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint32(e.(*binaryEncoder).head[1:])), nil
}

func TestRegistry_Subjects(t *testing.T) {
	for strategy, want := range map[SubjectStrategy][]string{
		"":                      {"orders-key", "orders-value"},
		RecordNameStrategy:      {"dbserver1.inventory.customers.Envelope", "dbserver1.inventory.customers.Key"},
		TopicRecordNameStrategy: {"orders-dbserver1.inventory.customers.Envelope", "orders-dbserver1.inventory.customers.Key"},
	} {
		for part, subjects := range map[Part][]string{PartBoth: want, PartKeys: named(want, "ey"), PartValues: named(want, "e")} {
			url := fakeRegistry(t)
			c := AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: url, Subjects: strategy}, Part: part}
			if _, err := encoderIn(t, c); err != nil {
				t.Fatal(err)
			}
			client, err := sr.NewClient(sr.URLs(url))
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Subjects(t.Context())
			if slices.Sort(got); err != nil || !slices.Equal(got, subjects) {
				t.Errorf("strategy %q, part %q: got the subjects %q, %v, want %q", strategy, part, got, err, subjects)
			}
		}
	}
}

// named are the names that end in a text.
func named(names []string, end string) (some []string) {
	for _, n := range names {
		if strings.HasSuffix(n, end) {
			some = append(some, n)
		}
	}
	return some
}

func encoderIn(t *testing.T, c AvroConfig) (Encoder, error) {
	t.Helper()
	f, err := NewAvro(c)
	if err != nil {
		t.Fatal(err)
	}
	return f.Encoder(t.Context(), customers(), "orders")
}

func TestRegistry_AsksOnce(t *testing.T) {
	var asked atomic.Int32
	fake := fakeRegistry(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, fake+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(s.Close)
	f, err := NewAvro(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: s.URL}})
	encoderOf(t, f, err, customers())
	first := asked.Load()
	if encoderOf(t, f, err, customers()); first != 4 || asked.Load() != first {
		t.Errorf("got %d requests for a table, then %d more: want 4, then none", first, asked.Load()-first)
	}
}

// TestRegistry_Restarts has a registry that dies: that is for a retry to mend, and the numbers are the same after it.
func TestRegistry_Restarts(t *testing.T) {
	s := servers.SchemaRegistry(t)
	c := AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: s.URL}}
	before, err := idOf(t, c, customers(), "customers")
	if err != nil {
		t.Fatal(err)
	}
	s.Kill9(t)
	if _, err := idOf(t, c, customers(), "customers"); !errors.Is(err, sink.ErrTransient) || !strings.Contains(err.Error(), "subject customers-value") {
		t.Errorf("got %v of a registry that is dead, want a transient error", err)
	}
	s.Restart(t)
	if after, err := idOf(t, c, customers(), "customers"); err != nil || after != before {
		t.Errorf("got the number %d, %v after a restart, want %d", after, err, before)
	}
}

// TestRegistry_Errors says of each answer whether a retry may mend it, and what to do.
func TestRegistry_Errors(t *testing.T) {
	for _, c := range []struct {
		status    int
		body      string
		transient bool
		want      string
	}{
		{http.StatusInternalServerError, `{"error_code":50001,"message":"no store"}`, true, "no store"},
		{http.StatusServiceUnavailable, "", true, "503"},
		{http.StatusTooManyRequests, "", true, "429"},
		{http.StatusUnauthorized, `{"error_code":401,"message":"who?"}`, false, "schema.registry.username"},
		{http.StatusForbidden, "", false, "permissions"},
		{http.StatusNotFound, "<html>no such page</html>", false, "schema.registry.url"},
		{http.StatusUnprocessableEntity, `{"error_code":42201,"message":"bad schema"}`, false, "bad schema"},
		{http.StatusConflict, `{"error_code":409,"message":"` + strings.Repeat("long ", 1000) + `"}`, false, `PUT /config/orders-value {"compatibility":"NONE"}`},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body)) // the client then says so
		}))
		_, err := encoderIn(t, AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: s.URL, Username: "cdc", Password: canary}})
		s.Close()
		if err == nil || errors.Is(err, sink.ErrTransient) != c.transient || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "orders-value") {
			t.Errorf("status %d: got %v, want transient %v and %q", c.status, err, c.transient, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), canary) || len(err.Error()) > 1200) {
			t.Errorf("status %d: got an error of %d bytes: %v", c.status, len(err.Error()), err)
		}
	}
}

func TestRegistry_Authorisation(t *testing.T) {
	fake := fakeRegistry(t)
	for want, c := range map[string]RegistryConfig{
		"Basic Y2RjOnNlY3JldA==": {Username: "cdc", Password: "secret"},
		"Bearer token":           {Token: "token"},
	} {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != want {
				http.Error(w, got, http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, fake+r.URL.Path, http.StatusTemporaryRedirect)
		}))
		c.URL = s.URL
		if _, err := encoderIn(t, AvroConfig{DebeziumConfig: mysqlConfig(), Registry: c}); err == nil || errors.Is(err, sink.ErrTransient) || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("got %v of a certificate that nobody knows", err)
		}
		c.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		c.TLS.RootCAs.AddCert(s.Certificate())
		if _, err := encoderIn(t, AvroConfig{DebeziumConfig: mysqlConfig(), Registry: c}); err != nil {
			t.Errorf("%s: got %v", want, err)
		}
		s.Close()
	}
}

func TestRegistry_LookupOnly(t *testing.T) {
	url := servers.SharedSchemaRegistry(t)
	c := AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: url, LookupOnly: true}}
	if _, err := idOf(t, c, customers(), "looked-up"); err == nil || errors.Is(err, sink.ErrTransient) || !strings.Contains(err.Error(), "subject looked-up-value") ||
		!strings.Contains(err.Error(), `{"type":"record"`) {
		t.Errorf("got %v for a schema that nobody registered", err)
	}
	c.Registry.LookupOnly = false
	want, err := idOf(t, c, customers(), "looked-up")
	if err != nil {
		t.Fatal(err)
	}
	c.Registry.LookupOnly = true
	if got, err := idOf(t, c, customers(), "looked-up"); err != nil || got != want {
		t.Errorf("got the number %d, %v, want %d", got, err, want)
	}
}

func TestRegistry_Settings(t *testing.T) {
	for want, c := range map[string]RegistryConfig{
		"schema.registry.url":                   {},
		"write http://":                         {URL: "localhost:8081"},
		"schema.registry.username":              {URL: "http://cdc:" + canary + "@localhost:8081"},
		"schema.registry.token":                 {URL: "http://localhost:8081", Username: "cdc", Token: option.Secret(canary)},
		"schema.registry.subject.name.strategy": {URL: "http://localhost:8081", Subjects: "none"},
	} {
		for _, bc := range binaryCases {
			if _, err := bc.make(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: c}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s: got %v, want %q", bc.name, err, want)
			}
		}
	}
	if _, err := NewAvro(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: "http://localhost:8081"}, Envelope: "round"}); err == nil || !strings.Contains(err.Error(), "avro.envelope") {
		t.Errorf("got %v for an envelope that is not known", err)
	}
}
