package clickhouse

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfig_DefaultIsGood(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Hostname = "db"
	if ps := cfg.Check(); len(ps) > 0 {
		t.Errorf("got %v, want no problems", ps)
	}
}

// All problems are found at once, each under its key.
func TestConfig_Check(t *testing.T) {
	wrong := Config{
		Hostname: "http://db:8123", Protocol: "grpc", Compression: "gzip", CA: "ca.pem", ConnectTimeout: time.Millisecond, RequestTimeout: -1, RetryTimeout: -1,
		Settings: map[string]string{"async_insert": "1", "max_threads": "4", "insert_deduplication_token": "x"}, BlockSize: 1, BlockRows: -1,
		DatabaseEngine: "Atomic; DROP", Engine: "Log", Mode: "upsert", TableSettings: map[string]string{"non_replicated_deduplication_window": "0", "index_granularity": "1"},
		Tables: map[string]string{"shop.orders.colour": "red", "shop.orders.order.by": "a,,b", "ttl": "x", "a.b.ttl": "x + INTERVAL 1 DAY"}, Drop: "purge",
		Dates: "clamp", Time: "nanoseconds", Enum: "enum8", Set: "list", JSON: "map", Geometry: "geojson",
	}
	want := []string{
		"block.rows", "block.size", "columns.prefix", "compression", "connect.timeout", "database.engine", "drop.table", "engine", "enum.mode",
		"geometry.mode", "hostname", "json.mode", "out.of.range.dates", "protocol", "request.timeout", "retry.timeout", "set.mode", "settings.async_insert",
		"settings.insert_deduplication_token", "state.database", "table.mode", "table.settings.non_replicated_deduplication_window",
		"tables.shop.orders.colour", "tables.shop.orders.order.by", "tables.ttl", "time.mode", "tls.ca", "username", "view.suffix",
	}
	var keys []string
	for _, p := range wrong.Check() {
		keys = append(keys, p.Key)
		if p.Text == "" {
			t.Errorf("%s: got no text", p.Key)
		}
	}
	slices.Sort(keys)
	if !slices.Equal(keys, want) {
		t.Errorf("got\n%q, want\n%q", keys, want)
	}
	half := DefaultConfig()
	half.Hostname, half.TLS, half.Key = "db", true, "key.pem"
	if ps := half.Check(); len(ps) != 1 || ps[0].Key != "tls.certificate" {
		t.Errorf("got %v, want a problem with tls.certificate", ps)
	}
}

// Each option has a key of its own, in the style of the others.
func TestConfig_Keys(t *testing.T) {
	seen := map[string]bool{}
	for f := range reflect.TypeFor[Config]().Fields() {
		if !f.IsExported() {
			continue
		}
		key := f.Tag.Get("yaml")
		if key == "" || seen[key] || key != strings.ToLower(key) || strings.ContainsAny(key, "_ ") {
			t.Errorf("field %s: got key %q, want one of its own in lower case with dots", f.Name, key)
		}
		seen[key] = true
	}
}

func TestConfig_HidesThePassword(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Password = "canary-3141"
	if text := fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg); strings.Contains(text, "canary") {
		t.Errorf("got the password in %s", text)
	}
}
