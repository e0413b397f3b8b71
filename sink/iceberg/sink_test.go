package iceberg

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

func openTest(t testing.TB, dir string, change func(*Config)) *Sink {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Catalog = map[string]string{"type": "sql", "warehouse": dir}
	if change != nil {
		change(&cfg)
	}
	for _, p := range cfg.Check() {
		t.Fatalf("%s: %s", p.Key, p.Text)
	}
	s, err := Open(t.Context(), "test", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func narrowTable() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "narrow"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}},
		{Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 32}, Nullable: true},
		{Name: "c", Type: schema.Type{Kind: schema.String}, Nullable: true},
		{Name: "v", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}, Nullable: true},
		{Name: "ts", Type: schema.Type{Kind: schema.Datetime, Precision: 0}, Nullable: true},
	}}
}

// put appends a narrow row whose values follow from id and gen.
func put(b *row.Batch, op row.Op, id, gen uint64) {
	b.Append(op, uint64(b.Len()), 0)
	b.Cols[0].AppendWord(id)
	b.Cols[1].AppendWord(gen)
	b.Cols[2].Data = append(b.Cols[2].Data, "row number "...)
	b.Cols[2].Data = appendNumber(b.Cols[2].Data, id*2654435761+gen)
	b.Cols[2].EndValue()
	b.Cols[3].AppendWord(gen * 100)
	b.Cols[4].AppendWord(1_700_000_000_000_000 + id*1_000_000)
}

func appendNumber(p []byte, n uint64) []byte {
	for range 20 {
		p = append(p, 'a'+byte(n%23))
		n /= 3
	}
	return p
}

type op struct {
	op      row.Op
	id, gen uint64
}

func commitOps(t testing.TB, s *Sink, table *schema.Table, epoch uint64, ops ...op) {
	t.Helper()
	x, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := row.New(table)
	for _, o := range ops {
		put(b, o.op, o.id, o.gen)
	}
	if err := x.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	mark := sink.Mark{Run: 1, Epoch: epoch, Position: "p", State: []byte{1, 2}}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{table.Name: mark}); err != nil {
		t.Fatal(err)
	}
}

// present returns "id/gen" of each row, sorted.
func present(t testing.TB, s *Sink, n schema.Name) string {
	t.Helper()
	got, err := s.Peek(t.Context(), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range got.Rows {
		out = append(out, r[0]+"/"+r[1])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSink_InsertUpdateDelete(t *testing.T) {
	s, shape := openTest(t, t.TempDir(), nil), narrowTable()
	for range 2 {
		if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
			t.Fatal(err)
		}
	}
	commitOps(t, s, shape, 1, op{row.Insert, 1, 0}, op{row.Insert, 2, 0}, op{row.Insert, 3, 0})
	commitOps(t, s, shape, 2, op{row.Before, 1, 0}, op{row.After, 1, 1}, op{row.Delete, 2, 0}, op{row.Insert, 4, 0}, op{row.Delete, 4, 0}, op{row.Upsert, 5, 7})
	if got, want := present(t, s, shape.Name), "1/1 3/0 5/7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	commitOps(t, s, shape, 3, op{row.Insert, 9, 0}, op{row.Delete, 9, 0}) // nothing is left: only a mark
	marks, err := s.Marks(t.Context(), []schema.Name{shape.Name, {Namespace: "shop", Table: "none"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := marks[shape.Name]; len(marks) != 1 || m.Epoch != 3 || string(m.State) != "\x01\x02" || m.Position != "p" {
		t.Errorf("got %v", marks)
	}
}

func TestSink_Fenced(t *testing.T) {
	s, shape := openTest(t, t.TempDir(), nil), narrowTable()
	if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
		t.Fatal(err)
	}
	commitOps(t, s, shape, 5, op{row.Insert, 1, 0})
	x, _ := s.Begin(t.Context())
	b := row.New(shape)
	put(b, row.Insert, 2, 0)
	if err := x.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	err := x.Commit(t.Context(), map[schema.Name]sink.Mark{shape.Name: {Run: 0, Epoch: 6}})
	if !errors.Is(err, sink.ErrFenced) {
		t.Errorf("got %v, want %v", err, sink.ErrFenced)
	}
}
