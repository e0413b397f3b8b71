package iceberg

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A crossing is a catalog in which something happens between the look at a table and the commit that follows from it.
type crossing struct {
	catalog.Catalog
	between func() // once
}

func (c *crossing) CommitTable(ctx context.Context, ident table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	if do := c.between; do != nil {
		c.between = nil
		do()
	}
	return c.Catalog.CommitTable(ctx, ident, reqs, updates)
}

// TestCommit_Crossed commits while another daemon, or somebody else, commits to the table.
func TestCommit_Crossed(t *testing.T) {
	for name, c := range map[string]struct {
		between func(t *testing.T, other *Sink, shape *schema.Table)
		want    error
		rows    string
	}{
		"later daemon, rows": {func(t *testing.T, other *Sink, shape *schema.Table) {
			commitAs(t, other, shape, sink.Mark{Run: 2, Epoch: 7}, op{row.Insert, 5, 0})
		}, sink.ErrFenced, "1/0 5/0"},
		"later daemon, no rows left": {func(t *testing.T, other *Sink, shape *schema.Table) {
			commitAs(t, other, shape, sink.Mark{Run: 2, Epoch: 7}, op{row.Insert, 5, 0}, op{row.Delete, 5, 0})
		}, sink.ErrFenced, "1/0"},
		"maintenance": {func(t *testing.T, other *Sink, shape *schema.Table) {
			tbl, err := other.load(t.Context(), shape.Name)
			if err != nil {
				t.Fatal(err)
			}
			sn := snapshot{base: tbl}
			updates, reqs, err := sn.build(t.Context())
			if err = errors.Join(err, commitUpdates(t.Context(), other.cat, tbl, reqs, updates)); err != nil {
				t.Fatal(err)
			}
		}, nil, "1/0 2/0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, shape := t.TempDir(), narrowTable()
			s, other := openTest(t, dir, nil), openTest(t, dir, nil)
			mustEvolve(t, s, nil, shape)
			commitAs(t, s, shape, sink.Mark{Run: 1, Epoch: 5}, op{row.Insert, 1, 0})
			s.cat = &crossing{s.cat, func() { c.between(t, other, shape) }}
			if err := tryAs(t, s, shape, sink.Mark{Run: 1, Epoch: 6}, op{row.Insert, 2, 0}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got := present(t, other, shape.Name); got != c.rows {
				t.Errorf("got %s, want %s", got, c.rows)
			}
		})
	}
}

func commitAs(t *testing.T, s *Sink, shape *schema.Table, m sink.Mark, ops ...op) {
	t.Helper()
	if err := tryAs(t, s, shape, m, ops...); err != nil {
		t.Fatal(err)
	}
}

func tryAs(t *testing.T, s *Sink, shape *schema.Table, m sink.Mark, ops ...op) error {
	t.Helper()
	x, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := row.New(shape)
	for _, o := range ops {
		put(b, o.op, o.id, o.gen)
	}
	if err := x.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return x.Commit(t.Context(), map[schema.Name]sink.Mark{shape.Name: m})
}
