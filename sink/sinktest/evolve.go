package sinktest

import (
	"context"
	"slices"
	"testing"
	"time"

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

// testEvolveBeside changes tables while a Txn has rows of another: the change does not wait for its end, and the rows and
// Marks of both come out as if one had come after the other.
func testEvolveBeside(t *testing.T, s *suite) {
	a, b, c := shape("a"), shape("b"), shape("c")
	for _, o := range []*schema.Table{a, b, c} {
		s.evolve(t, schema.Change{After: o})
	}
	s.commit(t, batch(a, rowOf(row.Insert, 1, "x")), batch(b, rowOf(row.Insert, 1, "x")), batch(c, rowOf(row.Insert, 1, "x")))
	first := s.last

	s.epoch++
	x := s.begin(t)
	s.write(t, x, batch(b, rowOf(row.Insert, 2, "before")))
	a2 := next(a, func(t *schema.Table) {
		t.Columns = append(t.Columns, column("extra", schema.Type{Kind: schema.String}))
	})
	s.evolveSoon(t, schema.Change{Before: a, After: a2, Edits: []schema.Edit{{Kind: schema.AddColumn, Column: "extra"}}})
	s.write(t, x, batch(b, rowOf(row.Before, 1, "x"), rowOf(row.After, 1, "after")))
	s.write(t, x, batch(a2, rowOf(row.Insert, 2, "y", "z"))) // of a table that was changed since the Txn began
	second := s.mark()
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{a.Name: second, b.Name: second}); err != nil {
		t.Fatal(err)
	}
	s.expectColumns(t, a2, "1 x NULL", "2 y z")
	s.expect(t, b.Name, "1 after", "2 before")

	// Two changes at once, while rows of the third table are written and committed.
	c2 := next(c, func(*schema.Table) {})
	a3 := next(a2, func(t *schema.Table) { t.Columns = slices.Delete(t.Columns, 2, 3) })
	changes := []schema.Change{
		{Before: c, After: c2, Edits: []schema.Edit{{Kind: schema.TruncateTable}}},
		{Before: a2, After: a3, Edits: []schema.Edit{{Kind: schema.DropColumn, Column: "extra"}}},
	}
	done := make(chan error, len(changes))
	for _, c := range changes {
		go func() { done <- s.sink.Evolve(t.Context(), &c) }()
	}
	for i := range 5 {
		s.commit(t, batch(b, rowOf(row.Insert, 10+i, "meanwhile")))
	}
	for range changes {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	s.expectColumns(t, a3, "1 x", "2 y")
	s.expect(t, c.Name)
	s.expect(t, b.Name, "1 after", "2 before", "10 meanwhile", "11 meanwhile", "12 meanwhile", "13 meanwhile", "14 meanwhile")
	third := s.last
	s.reopen(t)
	s.expectMarks(t, []schema.Name{a.Name, b.Name, c.Name}, map[schema.Name]sink.Mark{a.Name: second, b.Name: third, c.Name: first})
	s.commit(t, batch(a3, rowOf(row.Delete, 1, "x")), batch(c2, rowOf(row.Insert, 1, "again")))
	s.expect(t, a.Name, "2 y")
	s.expect(t, c.Name, "1 again")
}

// evolveSoon fails when the sink waits for something that only its caller could end.
func (s *suite) evolveSoon(t *testing.T, c schema.Change) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.sink.Evolve(ctx, &c); err != nil {
		t.Fatalf("evolve %s beside a transaction: %v", c.Name(), err)
	}
}

func (s *suite) write(t *testing.T, x sink.Txn, b *row.Batch) {
	t.Helper()
	if err := x.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}
