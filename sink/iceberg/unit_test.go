package iceberg

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

func TestConfig_Check(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		key    string
		word   string
	}{
		{"fine", func(*Config) {}, "", ""},
		{"no_type", func(c *Config) { delete(c.Catalog, "type") }, "catalog.properties.type", "required"},
		{"unknown_type", func(c *Config) { c.Catalog["type"] = "nessie" }, "catalog.properties.type", "nessie"},
		{"no_warehouse", func(c *Config) { delete(c.Catalog, "warehouse") }, "catalog.properties.warehouse", "required"},
		{"odd_warehouse", func(c *Config) { c.Catalog["warehouse"] = "/my lake" }, "catalog.properties.warehouse", "plain letters"},
		{"odd_bracket", func(c *Config) { c.Catalog["warehouse"] = "/lake(1)" }, "catalog.properties.warehouse", "plain letters"},
		{"remote_without_uri", func(c *Config) { c.Catalog["warehouse"] = "s3://lake" }, "catalog.properties.uri", "sqlite:///PATH"},
		{"rest_without_uri", func(c *Config) { c.Catalog = map[string]string{"type": "rest"} }, "catalog.properties.uri", "required"},
		{"hive_without_uri", func(c *Config) { c.Catalog = map[string]string{"type": "hive"} }, "catalog.properties.uri", "required"},
		{"partition_without_table", func(c *Config) { c.PartitionKey = "day(ts)" }, "partition.key", "namespace.table"},
		{"partition_transform", func(c *Config) { c.PartitionKey = "a.b:weekly(ts)" }, "partition.key", "bucket[N]"},
		{"partition_bucket", func(c *Config) { c.PartitionKey = "a.b:bucket[x](ts)" }, "partition.key", "bucket[N]"},
		{"incompatible", func(c *Config) { c.Incompatible = "maybe" }, "schema.incompatible", "maybe"},
		{"drop", func(c *Config) { c.Drop = "perhaps" }, "drop.table", "perhaps"},
		{"buffer", func(c *Config) { c.Buffer = 10 }, "write.buffer", "1MiB"},
		{"retries", func(c *Config) { c.Table = map[string]string{"commit.retry.num-retries": "4"} }, "table.properties.commit.retry.num-retries", "cannot be set"},
		{"own_property", func(c *Config) { c.Table = map[string]string{"cdcsync.pipeline": "x"} }, "table.properties.cdcsync.pipeline", "cannot be set"},
		{"version", func(c *Config) { c.Table = map[string]string{"format-version": "3"} }, "table.properties.format-version", "version 2"},
		{"codec", func(c *Config) { c.Table = map[string]string{"write.parquet.compression-codec": "rar"} }, "table.properties", "rar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Catalog = map[string]string{"type": "sql", "warehouse": "/lake"}
			c.change(&cfg)
			ps := cfg.Check()
			if c.key == "" && len(ps) == 0 {
				return
			}
			if len(ps) != 1 || ps[0].Key != c.key || !strings.Contains(ps[0].Text, c.word) {
				t.Errorf("got %v, want one problem of %s that says %q", ps, c.key, c.word)
			}
		})
	}
}

func TestConfig_Warnings(t *testing.T) {
	cfg := DefaultConfig()
	if ws := cfg.Warnings(); len(ws) != 0 {
		t.Errorf("the defaults have warnings: %q", ws)
	}
	cfg.Compaction, cfg.Hadoop, cfg.JobIDPrefix = map[string]string{"enabled": "true"}, map[string]string{"fs.defaultFS": "x"}, "cdc"
	ws := cfg.Warnings()
	for i, key := range []string{"sink.compaction.enabled ", "hadoop.conf.fs.defaultFS ", "job.id.prefix "} {
		if len(ws) != 3 || !strings.HasPrefix(ws[i], key) {
			t.Errorf("got %q, want warning %d to be of %s", ws, i, key)
		}
	}
}

func TestFilter(t *testing.T) {
	var f filter
	const n = 200_000
	hash := func(i uint64) uint64 {
		b := row.New(narrowTable())
		defer b.Free()
		put(b, row.Insert, i, 0)
		return hashKey(maphash.Seed{}, b, 0) // a word key needs no seed
	}
	for i := range uint64(n) {
		f.add(hash(i))
	}
	wrong := 0
	for i := range uint64(n) {
		if !f.may(hash(i)) {
			t.Fatalf("key %d was put in, and is denied", i)
		}
		if f.may(hash(i + n)) {
			wrong++
		}
	}
	if wrong > n/100 {
		t.Errorf("got %d of %d absent keys taken for present, want at most 1 in 100", wrong, n)
	}
	if perKey := 8 * f.bytes() / n; perKey > 3*bitsPerKey {
		t.Errorf("got %d bits a key", perKey)
	}
}

// TestPending_Allocs holds the line: no allocation per row, for inserts and for updates.
func TestPending_Allocs(t *testing.T) {
	shape := narrowTable()
	p := pending{seed: maphash.MakeSeed(), keyed: true}
	touched := func(*row.Batch, int, uint64) error { return nil }
	run := func() {
		for at := range uint64(4) {
			b := row.New(shape)
			for id := range uint64(500) {
				put(b, row.Before, at*100+id, 0)
				put(b, row.After, at*100+id, 1)
			}
			if err := p.add(b, touched); err != nil {
				t.Fatal(err)
			}
		}
		p.reset()
	}
	run()
	if n := testing.AllocsPerRun(20, run); n > 40 { // some for each of 4 batches, none for each of 4,000 rows
		t.Errorf("got %v allocations for 4,000 row images", n)
	}
}

func TestSink_Check(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	for _, f := range s.Check(t.Context()) {
		if f.Level != schema.Fine {
			t.Errorf("got %v, want fine", f)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "cdcsync-check-*")); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v left behind", left, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Check(t.Context()) {
		if f.Level != schema.Problem || f.Why == "" || f.Fix == "" {
			t.Errorf("got %v, want a problem with its reason and cure", f)
		}
	}
}

// TestSink_PartitionedAppends writes a table without a key that is partitioned by columns of many kinds.
func TestSink_PartitionedAppends(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, partitionBy("day(ts),bucket[4](name),truncate[2](name),price,month(d),hour(at),bucket[3](u)"))
	s.cfg.Buffer = 1 << 12
	o := shapeOf(1, "ts", schema.Type{Kind: schema.Datetime, Precision: 6}, "name", typeString, "price", schema.Type{Kind: schema.Decimal, Precision: 9, Scale: 2},
		"d", schema.Type{Kind: schema.Date}, "at", schema.Type{Kind: schema.Timestamp, Precision: 6}, "u", schema.Type{Kind: schema.UUID})
	mustEvolve(t, s, nil, o)
	const n = 40
	for i := range n {
		values := []any{i * 20_000_000_000, "näme" + strings.Repeat("x", i%3), i % 3 * 125, i * 9, i * 1_800_000_000, strings.Repeat(string(rune('a'+i%5)), 16)}
		if i%7 == 0 {
			values[i%6] = nil
		}
		if err := writeRow(t, s, o, uint64(i+1), row.Insert, values...); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Peek(t.Context(), o.Name, 0)
	if err != nil || len(got.Rows) != n {
		t.Errorf("got %d rows, %v, want %d", len(got.Rows), err, n)
	}
	lint(t, dir)
}
