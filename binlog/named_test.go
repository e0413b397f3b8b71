package binlog

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
)

// TestSkipped stops the tables that the server's own transactions changed when the log has a gap behind them, and no others:
// not those of another server's transactions, nor what was changed where nothing is left out, nor what is captured no more.
func TestSkipped(t *testing.T) {
	self := [16]byte{1}
	tables := map[schema.Name]*table{}
	for _, name := range []string{"own", "theirs", "renamed", "last"} {
		n := schema.Name{Namespace: "d", Table: name}
		tables[n] = &table{shape: &schema.Table{Name: n}}
	}
	named := func(name string) *table { return tables[schema.Name{Namespace: "d", Table: name}] }
	a := &assembler{facts: &serverFacts{named: true}, tables: tables, self: self, pos: Position{Flavor: MySQL, File: "b.000001", Offset: 100, Ragged: true}}
	changed := func(server [16]byte, t *table) {
		a.txn.origin.Server = server
		a.own(t)
		a.reset()
	}
	stopped := func() string {
		var names []string
		for _, ev := range a.out {
			names = append(names, ev.Stopped.Table.Table)
		}
		a.out = nil
		return strings.Join(names, " ")
	}
	changed(self, named("own"))
	changed(self, named("own"))
	changed(self, nil) // a table that is not captured any more
	changed(self, named("renamed"))
	changed([16]byte{2}, named("theirs"))
	delete(tables, schema.Name{Namespace: "d", Table: "renamed"})
	if a.skipped(100); stopped() != "" {
		t.Error("a table has stopped, and there is no gap")
	}
	if a.skipped(101); len(a.mixed) > 0 || !named("own").stopped {
		t.Error("the table has not stopped at a gap")
	} else if got := stopped(); got != "own" {
		t.Errorf("stopped %q, want own", got)
	}
	changed(self, named("theirs"))
	a.unplace()
	a.pos.File = "b.000001"
	if a.skipped(100); stopped() != "" {
		t.Error("a table has stopped when the reading went on where the connection was lost")
	}
	if a.skipped(180); stopped() != "theirs" {
		t.Error("the table has not stopped at a gap where the connection was lost")
	}
	a.unplaced, a.pos.Offset, a.pos.Ragged = false, 180, false
	changed(self, named("last"))
	if a.skipped(200); stopped() != "" {
		t.Error("a table has stopped, though nothing that was read is behind the position")
	}
}
