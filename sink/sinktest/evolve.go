package sinktest

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// testEvolve changes a table's columns in each way, each change twice, with a restart between, and rows around it.
func testEvolve(t *testing.T, s *suite) {
	v1 := shape("orders")
	v1.Columns = append(v1.Columns, column("n", schema.Type{Kind: schema.Int, Bits: 32}))
	s.twice(t, schema.Change{After: v1})
	s.commit(t, batch(v1, rowOf(row.Insert, 1, "a", 10)))

	v2 := next(v1, func(t *schema.Table) { t.Columns = append(t.Columns, column("extra", schema.Type{Kind: schema.Date})) })
	s.twice(t, schema.Change{Before: v1, After: v2, Edits: []schema.Edit{{Kind: schema.AddColumn, Column: "extra"}}})
	s.commit(t, batch(v2, rowOf(row.Insert, 2, "b", 20, 1), rowOf(row.Before, 1, "a", 10, nil), rowOf(row.After, 1, "a2", 11, nil)))
	s.expectColumns(t, v2, "1 a2 11 NULL", "2 b 20 1970-01-02")

	v3 := next(v2, func(t *schema.Table) { t.Columns[1].Name = "remark" })
	s.twice(t, schema.Change{Before: v2, After: v3, Edits: []schema.Edit{{Kind: schema.RenameColumn, Column: "note", To: "remark"}}})
	s.expectColumns(t, v3, "1 a2 11 NULL", "2 b 20 1970-01-02")

	v4 := next(v3, func(t *schema.Table) { t.Columns[2].Type.Bits = 64 })
	s.twice(t, schema.Change{Before: v3, After: v4, Edits: []schema.Edit{{Kind: schema.ModifyColumn, Column: "n"}}})
	s.commit(t, batch(v4, rowOf(row.Upsert, 3, "c", 1<<40, nil)))
	s.expectColumns(t, v4, "1 a2 11 NULL", "2 b 20 1970-01-02", "3 c 1099511627776 NULL")

	v5 := next(v4, func(t *schema.Table) { t.Columns = slices.Delete(t.Columns, 1, 2) })
	s.twice(t, schema.Change{Before: v4, After: v5, Edits: []schema.Edit{{Kind: schema.DropColumn, Column: "remark"}}})
	s.expectColumns(t, v5, "1 11 NULL", "2 20 1970-01-02", "3 1099511627776 NULL")

	// A dropped name comes back, first in the table: the old values must not.
	v6 := next(v5, func(t *schema.Table) {
		t.Columns = slices.Insert(t.Columns, 0, column("remark", schema.Type{Kind: schema.String}))
		t.Key = []int{1}
	})
	s.twice(t, schema.Change{Before: v5, After: v6, Edits: []schema.Edit{{Kind: schema.AddColumn, Column: "remark"}}})
	s.commit(t, batch(v6, rowOf(row.Before, "x", 2, 20, nil), rowOf(row.After, "new", 2, 21, nil)))
	s.expectColumns(t, v6, "NULL 1 11 NULL", "new 2 21 NULL", "NULL 3 1099511627776 NULL")

	v7 := next(v6, func(*schema.Table) {})
	s.twice(t, schema.Change{Before: v6, After: v7, Edits: []schema.Edit{{Kind: schema.TruncateTable}}})
	s.expectColumns(t, v7)
	s.expectMarks(t, []schema.Name{v7.Name}, map[schema.Name]sink.Mark{v7.Name: s.last})
	s.commit(t, batch(v7, rowOf(row.Insert, "y", 1, 1, nil)))
	s.reopen(t)
	s.evolve(t, schema.Change{After: v7})
	s.expectColumns(t, v7, "y 1 1 NULL")
}

// twice evolves, restarts, and evolves the same again.
func (s *suite) twice(t *testing.T, c schema.Change) {
	t.Helper()
	s.evolve(t, c)
	s.reopen(t)
	s.evolve(t, c)
}

// expectColumns compares names and rows in the order of the source's columns.
func (s *suite) expectColumns(t *testing.T, o *schema.Table, want ...string) {
	t.Helper()
	names, _ := s.store.Rows(t, o.Name)
	for i, c := range o.Columns {
		if i >= len(names) || names[i] != c.Name {
			t.Fatalf("columns: got %q, want those of %s", names, o)
		}
	}
	s.expect(t, o.Name, want...)
}

func testRenameTable(t *testing.T, s *suite) {
	v1 := shape("old")
	s.evolve(t, schema.Change{After: v1})
	s.commit(t, batch(v1, rowOf(row.Insert, 1, "a")))
	v2 := next(v1, func(t *schema.Table) { t.Name = schema.Name{Namespace: "other", Table: "new"} })
	s.twice(t, schema.Change{Before: v1, After: v2, Edits: []schema.Edit{{Kind: schema.RenameTable}}})
	s.expect(t, v2.Name, "1 a")
	s.expectMarks(t, []schema.Name{v1.Name, v2.Name}, map[schema.Name]sink.Mark{v2.Name: s.last})
	s.commit(t, batch(v2, rowOf(row.Delete, 1, "a"), rowOf(row.Insert, 2, "b")))
	s.expect(t, v2.Name, "2 b")
	again := shape("old") // another table takes the name
	s.evolve(t, schema.Change{After: again})
	s.commit(t, batch(again, rowOf(row.Insert, 7, "z")))
	s.expect(t, again.Name, "7 z")
	s.expect(t, v2.Name, "2 b")
}
