package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink/clickhouse"
	"github.com/cdcsync/cdcsync/sink/iceberg"
	"github.com/cdcsync/cdcsync/sink/kafka"
	"github.com/cdcsync/cdcsync/source/mysql"
)

func readme(t *testing.T) string {
	t.Helper()
	return document(t, "README.md")
}

// document returns a file of the project's.
func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flinkOnly are keys that only keep files of Flink CDC valid: they have no effect, or one accepted value.
const flinkOnly = " scan.startup.specific-offset.skip-events scan.startup.specific-offset.skip-rows treat-tinyint1-as-boolean.enabled" +
	" server-time-zone scan.snapshot.fetch.size scan.incremental.snapshot.unbounded-chunk-first.enabled scan.incremental.snapshot.backfill.skip" +
	" chunk-key.even-distribution.factor.upper-bound chunk-key.even-distribution.factor.lower-bound chunk-meta.group.size" +
	" scan.incremental.close-idle-reader.enabled scan.parse.online.schema.changes.enabled include-comments.enabled use.legacy.json.format" +
	" schema-change.enabled scan.incremental.snapshot.enabled scan.read-changelog-as-append-only.enabled scan.newly-added-table.enabled" +
	" scan.binlog.newly-added-table.enabled scan.incremental.snapshot.chunk.key-column sink.compaction.* hadoop.conf.* job.id.prefix" +
	" metadata.list connect.max-retries connection.pool.size jdbc.properties.* debezium.* execution.* local-time-zone" +
	" schema-operator.rpc-timeout schema.operator.uid operator.uid.prefix sink.partitioning.strategy transform.decimal.precision.mode "

// The README, or a sink's own, names every key that does something.
func TestReadme_NamesEveryKey(t *testing.T) {
	keys := 0
	for _, c := range []struct {
		config any
		file   string
	}{
		{mysql.Config{}, "README.md"}, {iceberg.Config{}, "README.md"}, {config.Pipeline{}, "README.md"}, {config.Route{}, "README.md"},
		{clickhouse.Config{}, "sink/clickhouse/README.md"}, {kafka.Config{}, "sink/kafka/README.md"},
	} {
		typ, text := reflect.TypeOf(c.config), document(t, c.file)
		for f := range typ.Fields() {
			key := f.Tag.Get("yaml")
			if key == "" || key == "-" || strings.Contains(flinkOnly, " "+key+" ") {
				continue
			}
			keys++
			short := "`" + key[strings.LastIndexByte(key, '.')+1:] + "`"
			if !strings.Contains(text, "`"+key+"`") && !(strings.HasPrefix(key, "scan.startup.specific-offset") && strings.Contains(text, "`."+short[1:])) {
				t.Errorf("%s.%s has the key %s, which %s does not have", typ.PkgPath(), f.Name, key, c.file)
			}
		}
	}
	if keys < 30 {
		t.Errorf("got %d keys: the check has become vacuous", keys)
	}
}

func TestReadme_Defaults(t *testing.T) {
	text, source, sink := readme(t), mysql.DefaultConfig(), iceberg.DefaultConfig()
	p := config.Parse("shop.yaml", []byte("pipeline:"), os.LookupEnv).Pipeline
	for _, row := range []string{
		"| `scan.startup.mode` | `" + string(source.StartupMode) + "` |", "| `tls.mode` | `" + string(source.TLSMode) + "` |",
		"| `foreign-key.cascades` | `" + string(source.Cascades) + "` |",
		"| `schema.incompatible` | `" + string(sink.Incompatible) + "` |", "| `drop.table` | `" + string(sink.Drop) + "` |",
		"| `write.buffer` | " + sink.Buffer.String() + " |", "| `commit.interval` | 10s |",
		"| `memory.budget` | " + p.MemoryBudget.String() + " |", "| `state.dir` | `" + p.StateDir + "` |",
		"| `route-mode` | `" + string(p.RouteMode) + "` |", "| `schema.change.behavior` | `" + p.SchemaChange + "` |",
	} {
		if !strings.Contains(text, row) {
			t.Errorf("README.md has no row that begins with %s", row)
		}
	}
}

// The pipeline of the README is one that loads, and every command and no other is named.
func TestReadme_Example(t *testing.T) {
	text := readme(t)
	_, rest, _ := strings.Cut(text, "   ```yaml\n")
	example, _, ok := strings.Cut(rest, "   ```\n")
	if !ok {
		t.Fatal("README.md has no example")
	}
	path := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll("\n"+example, "\n   ", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{out: t.Output(), err: t.Output(), env: func(string) (string, bool) { return "x", true }}
	if _, err := a.load(path); err != nil {
		t.Error(err)
	}
	for _, c := range commands() {
		if !strings.Contains(text, "`"+c.name) {
			t.Errorf("README.md does not name the command %s", c.name)
		}
	}
}

func TestReadme_Types(t *testing.T) {
	text := readme(t)
	for _, c := range []struct {
		row   string
		typ   schema.Type
		key   bool
		wants string
	}{
		{"| tinyint, smallint, mediumint, int, year; unsigned below int | int (in a key: long, but year) |", schema.Type{Kind: schema.Int, Bits: 32}, false, "int"},
		{"| tinyint, smallint, mediumint, int, year; unsigned below int | int (in a key: long, but year) |", schema.Type{Kind: schema.Uint, Bits: 24}, true, "long required"},
		{"| tinyint, smallint, mediumint, int, year; unsigned below int | int (in a key: long, but year) |", schema.Type{Kind: schema.Year}, true, "int required"},
		{"| bigint, int unsigned | long |", schema.Type{Kind: schema.Uint, Bits: 32}, false, "long"},
		{"| bigint unsigned | decimal(20, 0) |", schema.Type{Kind: schema.Uint, Bits: 64}, true, "decimal(20, 0) required"},
		{"| float, double | float, double; refused in a key |", schema.Type{Kind: schema.Float, Bits: 32}, false, "float"},
		{"| float, double | float, double; refused in a key |", schema.Type{Kind: schema.Float, Bits: 64}, true, ""},
		{"| decimal up to 38 digits; more | decimal; string |", schema.Type{Kind: schema.Decimal, Precision: 38, Scale: 2}, false, "decimal(38, 2)"},
		{"| decimal up to 38 digits; more | decimal; string |", schema.Type{Kind: schema.Decimal, Precision: 39}, false, "string"},
		{"| bit(1); bit(2) to bit(63); bit(64) | boolean; long; binary, big-endian |", schema.Type{Kind: schema.Bit, Bits: 1}, false, "boolean"},
		{"| bit(1); bit(2) to bit(63); bit(64) | boolean; long; binary, big-endian |", schema.Type{Kind: schema.Bit, Bits: 63}, false, "long"},
		{"| bit(1); bit(2) to bit(63); bit(64) | boolean; long; binary, big-endian |", schema.Type{Kind: schema.Bit, Bits: 64}, false, "binary"},
		{"| time | long, microseconds", schema.Type{Kind: schema.Time}, false, "long"},
		{"| datetime | timestamp |", schema.Type{Kind: schema.Datetime}, false, "timestamp"},
		{"| timestamp | timestamptz", schema.Type{Kind: schema.Timestamp}, false, "timestamptz"},
		{"| char, varchar, text, enum, set, json, inet4, inet6 | string", schema.Type{Kind: schema.Enum}, false, "string"},
		{"| binary, varbinary, blob, geometry, vector | binary", schema.Type{Kind: schema.Geometry}, false, "binary"},
		{"| uuid (MariaDB) | uuid; in a key: string |", schema.Type{Kind: schema.UUID}, false, "uuid"},
		{"| uuid (MariaDB) | uuid; in a key: string |", schema.Type{Kind: schema.UUID}, true, "string required"},
	} {
		if !strings.Contains(text, c.row) {
			t.Errorf("README.md has no row %s", c.row)
		}
		tb := &schema.Table{Name: schema.Name{Namespace: "n", Table: "t"}, Columns: []schema.Column{{Name: "c", Type: c.typ}}}
		if c.key {
			tb.Key = []int{0}
		}
		columns, err := icebergPlan(tb)
		if c.wants == "" {
			if err == nil {
				t.Errorf("%v in a key: got %v, want it refused", c.typ, columns)
			}
			continue
		}
		if err != nil || columns[0].kind != c.wants {
			t.Errorf("%v: got %v, %v, want %s", c.typ, columns, err, c.wants)
		}
	}
}
