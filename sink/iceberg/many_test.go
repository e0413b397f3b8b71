package iceberg

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// TestSink_ManyTables commits many tables in one transaction, several at a time against the one catalog file, and
// starts again on them.
func TestSink_ManyTables(t *testing.T) {
	const n = 80
	s := openTest(t, t.TempDir(), nil)
	var shapes []*schema.Table
	var names []schema.Name
	start := time.Now()
	for i := range n {
		o := narrowTable()
		o.Name.Table = fmt.Sprintf("t%d", i)
		shapes, names = append(shapes, o), append(names, o.Name)
		mustEvolve(t, s, nil, o)
	}
	t.Logf("created in %v", time.Since(start))
	for epoch := uint64(1); epoch <= 3; epoch++ {
		start = time.Now()
		x, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		marks := map[schema.Name]sink.Mark{}
		for _, o := range shapes {
			b := row.New(o)
			put(b, row.Upsert, 1, epoch)
			put(b, row.Insert, 1+epoch, epoch)
			marks[o.Name] = sink.Mark{Run: 1, Epoch: epoch}
			err = errors.Join(err, x.Write(t.Context(), b))
		}
		if err := errors.Join(err, x.Commit(t.Context(), marks)); err != nil {
			t.Fatal(err)
		}
		t.Logf("committed in %v", time.Since(start))
	}
	start = time.Now()
	got, err := s.Marks(t.Context(), names)
	if err != nil || len(got) != n || got[names[n-1]].Epoch != 3 {
		t.Errorf("got %d marks, %v", len(got), err)
	}
	t.Logf("marks in %v", time.Since(start))
	start = time.Now()
	for _, o := range shapes {
		mustEvolve(t, s, nil, o)
	}
	t.Logf("evolved again in %v", time.Since(start))
	if got, want := present(t, s, names[n/2]), "1/3 2/1 3/2 4/3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTxn_ParallelTables writes several tables at once through a buffer that they have to share, so that they write out
// each other's rows.
func TestTxn_ParallelTables(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	s.cfg.Buffer = 16 << 10
	x, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const tables, rows = 6, 3000
	var g errgroup.Group
	marks := map[schema.Name]sink.Mark{}
	for i := range tables {
		o := narrowTable()
		o.Name.Table = fmt.Sprintf("p%d", i)
		mustEvolve(t, s, nil, o)
		marks[o.Name] = sink.Mark{Run: 1, Epoch: 1}
		g.Go(func() error {
			for id := range uint64(rows) {
				b := row.New(o)
				put(b, row.Insert, id, 0)
				put(b, row.Before, id/2, 0)
				put(b, row.After, id/2, id)
				if err := x.Write(t.Context(), b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := errors.Join(g.Wait(), x.Commit(t.Context(), marks)); err != nil {
		t.Fatal(err)
	}
	for name := range marks {
		got, err := s.Peek(t.Context(), name, 0)
		if err != nil || len(got.Rows) != rows {
			t.Errorf("%s: got %d rows, %v, want %d", name, len(got.Rows), err, rows)
		}
	}
}
