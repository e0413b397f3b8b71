package clickhouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// TestCommit_Meddled commits to a table that somebody has changed since the last commit, by both protocols, in a block or staged.
// The other tables go on.
func TestCommit_Meddled(t *testing.T) {
	server := servers.SharedClickHouse(t)
	for name, c := range map[string]struct {
		statement string // %s: the table
		words     []string
		fine      bool
	}{
		"dropped":         {"DROP TABLE %s SYNC", []string{"dropped", "copy"}, false},
		"column dropped":  {"ALTER TABLE %s DROP COLUMN note", []string{"altered"}, false},
		"column renamed":  {"ALTER TABLE %s RENAME COLUMN note TO remark", []string{"altered"}, false},
		"type changed":    {"ALTER TABLE %s MODIFY COLUMN n Nullable(UInt8)", []string{"altered"}, false},
		"no more NULLs":   {"ALTER TABLE %s MODIFY COLUMN n Int64 DEFAULT 0", []string{"altered"}, false},
		"column added":    {"ALTER TABLE %s ADD COLUMN loaded DateTime DEFAULT now() FIRST", nil, true},
		"index added":     {"ALTER TABLE %s ADD INDEX i note TYPE bloom_filter", nil, true},
		"made anew":       {"EXCHANGE TABLES %s AND " + "`SPACE`.`spare`", []string{"in its place"}, false},
		"column enlarged": {"ALTER TABLE %s MODIFY COLUMN n Nullable(Int128)", []string{"altered"}, false},
	} {
		for _, protocol := range []Protocol{HTTP, Native} {
			for _, block := range []option.Bytes{32 << 20, 1, 2} { // of 2 the blocks are not of the table's types
				t.Run(fmt.Sprintf("%s/%s_%s", name, protocol, block), func(t *testing.T) {
					r := newRig(t, server, func(c *Config) {
						if block == 2 {
							c.JSON = JSONType
						}
						if c.BlockSize = block; protocol == Native {
							native := serverConfig(t, server.Addr, c.StateDatabase)
							c.Protocol, c.Hostname, c.Port = Native, native.Hostname, native.Port
						}
					})
					o, good, spare := r.shape("orders"), r.create("good"), r.shape("spare")
					for _, x := range []*schema.Table{o, spare} {
						x.Columns = append(x.Columns, schema.Column{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 64}, Nullable: true}, schema.Column{Name: "doc", Type: schema.Type{Kind: schema.JSON}, Nullable: true})
						r.evolve(nil, x)
					}
					r.commit(r.batch(o, insert(1, "a")))
					server.Exec(t, strings.ReplaceAll(strings.ReplaceAll(c.statement, "%s", quoteTable(o.Name)), "SPACE", r.space))
					err := r.try(r.batch(good, insert(1, "x")), r.batch(o, insert(2, "b")))
					r.expect(good.Name, "1 x")
					if !c.fine {
						wantTableError(t, err, o.Name, c.words...)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if got := server.Value(t, "SELECT count() FROM "+quoteTable(o.Name)); got != "2" {
						t.Errorf("got %s rows, want 2", got)
					}
				})
			}
		}
	}
}

// TestEvolve_Foreign refuses tables that are not this pipeline's, and leaves them alone.
func TestEvolve_Foreign(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	o := r.shape("orders")
	r.server.Exec(t, "CREATE TABLE "+quoteTable(o.Name)+" (id Int64, note String) ENGINE = MergeTree ORDER BY id", "INSERT INTO "+quoteTable(o.Name)+" VALUES (1, 'precious')")
	for name, c := range map[string]*schema.Change{
		"create": {After: o}, "copy": {Before: o, After: o, Edits: []schema.Edit{{Kind: schema.BeginCopy}}}, "drop": {Before: o},
		"truncate": {Before: o, After: next(o, func(*schema.Table) {}), Edits: []schema.Edit{{Kind: schema.TruncateTable}}},
	} {
		t.Run(name, func(t *testing.T) {
			r.sink.cfg.Drop = DropTable
			wantTableError(t, r.sink.Evolve(t.Context(), c), o.Name, "did not make", "route")
		})
	}
	other, err := Open(t.Context(), "other", r.cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := other.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	mine := r.create("mine")
	wantTableError(t, other.Evolve(t.Context(), &schema.Change{After: mine}), mine.Name, `pipeline "test"`, `"other"`)
	if got := r.server.Value(t, "SELECT note FROM "+quoteTable(o.Name)); got != "precious" {
		t.Errorf("got %q: somebody's rows are gone", got)
	}
}

// TestStart_TakesOver ends what an older run has under way: its staging tables are gone, and whatever it does next is refused.
func TestStart_TakesOver(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.BlockSize = 1 })
	o := r.create("orders")
	late := r.sink
	x, err := late.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Write(t.Context(), r.batch(o, insert(1, "late"))); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	stages := "SELECT count() FROM system.tables WHERE startsWith(name, " + quoteText(late.stagePrefix()) + ") AND database = " + quoteText(r.space)
	if got := r.server.Value(t, stages); got != "0" {
		t.Errorf("%s staging tables are left", got)
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{o.Name: {Run: 1, Epoch: 1}}); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("commit: got %v, want %v", err, sink.ErrFenced)
	}
	if err := late.Evolve(t.Context(), &schema.Change{Before: o}); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("evolve: got %v, want %v", err, sink.ErrFenced)
	}
	if err := late.Start(t.Context(), 1); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("start: got %v, want %v", err, sink.ErrFenced)
	}
	r.expect(o.Name)
}

// TestStart_KillsQueries ends an insert that a dead process has left at the server.
func TestStart_KillsQueries(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	id := r.sink.queryID()
	done := make(chan error)
	go func() {
		done <- r.sink.control.exec(t.Context(), id, "SELECT count(sleepEachRow(1)) FROM numbers(100000) SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1")
	}()
	for r.server.Value(t, "SELECT count() FROM system.processes WHERE query_id = "+quoteText(id)) == "0" {
		t.Log("waiting for the query")
	}
	r.reopen()
	if err := <-done; codeOf(err) != 394 {
		t.Errorf("got %v, want that the query was killed", err)
	}
}

// TestStart_RollsBack takes rows out of a table in append mode whose mark was not written, and only those.
func TestStart_RollsBack(t *testing.T) {
	for name, block := range map[string]option.Bytes{"block": 32 << 20, "staged": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.BlockSize = block })
			o := r.shape("changes")
			o.Key = nil
			r.evolve(nil, o)
			r.commit(r.batch(o, insert(1, "kept")))
			r.reopen()
			r.commit(r.batch(o, insert(2, "kept")))
			x, err := r.sink.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Write(t.Context(), r.batch(o, insert(3, "lost"), insert(4, "lost"))); err != nil {
				t.Fatal(err)
			}
			for _, l := range x.(*Txn).all() { // the process dies before the marks
				if err := l.commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r.expect(o.Name, "1 kept", "2 kept", "3 lost", "4 lost")
			r.reopen()
			r.expect(o.Name, "1 kept", "2 kept")
			r.expectMark(o.Name)
			r.commit(r.batch(o, insert(3, "kept")))
			r.reopen()
			r.expect(o.Name, "1 kept", "2 kept", "3 kept")
		})
	}
}

// TestCommit_EqualVersions proves that of rows with one key and one version the last written counts: in a block, in the blocks of a
// staging table, in those of several commits, before merges and after them.
func TestCommit_EqualVersions(t *testing.T) {
	for name, block := range map[string]option.Bytes{"block": 32 << 20, "staged": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.BlockSize = block })
			o := r.create("orders")
			for commit := range 4 {
				var batches []*row.Batch
				for i := range 5 {
					b := r.batch(o, insert(1, fmt.Sprintf("%d/%d", commit, i)), insert(2, fmt.Sprintf("%d/%d", commit, i)), change{row.Delete, 2, ""})
					for k := range b.Seqs {
						b.Seqs[k] = 7
					}
					batches = append(batches, b)
				}
				r.commit(batches...)
				r.expect(o.Name, fmt.Sprintf("1 %d/4", commit))
			}
			r.server.Exec(t, "OPTIMIZE TABLE "+quoteTable(o.Name)+" FINAL")
			r.expect(o.Name, "1 3/4")
		})
	}
}

// TestWriteMarks_DoesNotGrow keeps one row for each table after merges, however many commits there were.
func TestWriteMarks_DoesNotGrow(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	a, b := r.create("a"), r.create("b")
	for i := range 30 {
		r.commit(r.batch(a, insert(i, "x")), r.batch(b, insert(i, "x")))
	}
	r.server.Exec(t, "OPTIMIZE TABLE "+r.sink.stateTable(marksTable)+" FINAL")
	if got := r.server.Value(t, "SELECT count() FROM "+r.sink.stateTable(marksTable)); got != "2" {
		t.Errorf("got %s rows in the state table, want 2", got)
	}
	r.expectMark(a.Name)
}
