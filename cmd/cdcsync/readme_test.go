package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/pipeline/config"
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
	" scan.incremental.close-idle-reader.enabled include-comments.enabled use.legacy.json.format" +
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
