package sinktest

import (
	"errors"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

func memoryShape() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "t"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}},
		{Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true},
	}}
}

func memoryBatch(t *schema.Table, op row.Op, ids ...uint64) *row.Batch {
	b := row.New(t)
	for _, id := range ids {
		b.Append(op, id, 0)
		b.Cols[0].AppendWord(id)
		b.Cols[1].AppendBytes([]byte(op.String()))
	}
	return b
}

func commitMemory(t *testing.T, m *Memory, epoch uint64, batches ...*row.Batch) error {
	t.Helper()
	x, err := m.Begin(t.Context())
	if err != nil {
		return err
	}
	marks := map[schema.Name]sink.Mark{}
	for _, b := range batches {
		marks[b.Table.Name] = sink.Mark{Run: 1, Epoch: epoch}
		if err := x.Write(t.Context(), b); err != nil {
			return err
		}
	}
	return x.Commit(t.Context(), marks)
}

func TestMemory_RefusesBrokenEngines(t *testing.T) {
	shape := memoryShape()
	cases := map[string]func(m *Memory) error{
		"key inserted twice": func(m *Memory) error { return commitMemory(t, m, 2, memoryBatch(shape, row.Insert, 1)) },
		"epoch used again":   func(m *Memory) error { return commitMemory(t, m, 1, memoryBatch(shape, row.Upsert, 1)) },
		"shape not announced": func(m *Memory) error {
			s := *shape
			s.Version = 9
			return commitMemory(t, m, 2, memoryBatch(&s, row.Upsert, 1))
		},
		"twice in one commit": func(m *Memory) error { return commitMemory(t, m, 2, memoryBatch(shape, row.Insert, 7, 7)) },
	}
	for name, do := range cases {
		t.Run(name, func(t *testing.T) {
			m := NewMemory()
			if err := errors.Join(m.Evolve(t.Context(), &schema.Change{After: shape}), commitMemory(t, m, 1, memoryBatch(shape, row.Insert, 1))); err != nil {
				t.Fatal(err)
			}
			if err := do(m); !errors.Is(err, ErrBroken) {
				t.Fatalf("got %v, want %v", err, ErrBroken)
			}
			if rows, _ := m.Rows(shape.Name); len(rows) != 1 {
				t.Fatalf("got %d rows after a refused commit, want 1", len(rows))
			}
		})
	}
}

func TestMemory_FailsOnBothSides(t *testing.T) {
	for when, want := range map[When]int{BeforeEffect: 0, AfterEffect: 1} {
		m, shape := NewMemory(), memoryShape()
		if err := m.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
			t.Fatal(err)
		}
		m.Fail(4, when) // Begin, Write, the start of Commit, the table
		if err := commitMemory(t, m, 1, memoryBatch(shape, row.Insert, 1)); !errors.Is(err, sink.ErrTransient) || !m.Failed() {
			t.Fatalf("got %v, want %v", err, sink.ErrTransient)
		}
		rows, _ := m.Rows(shape.Name)
		marks, err := m.Marks(t.Context(), []schema.Name{shape.Name})
		if err != nil || len(rows) != want || len(marks) != want {
			t.Fatalf("%d: got %d rows, %d marks, %v, want %d of each", when, len(rows), len(marks), err, want)
		}
	}
}

// memoryStore runs the suite on Memory.
type memoryStore struct{ m *Memory }

func (s memoryStore) Open(testing.TB) sink.Sink { s.m.Restart(); return s.m }

func (s memoryStore) Rows(t testing.TB, n schema.Name) ([]string, [][]string) {
	rows, ok := s.m.Rows(n)
	if !ok {
		t.Fatalf("no table %s", n)
	}
	var names []string
	for _, c := range s.m.Shape(n).Columns {
		names = append(names, c.Name)
	}
	return names, rows
}

func (s memoryStore) FailCommits(n int, when When) {
	if n > 0 {
		n = 4 // Begin, Write, the start of Commit, the table
	}
	s.m.Fail(n, when)
}

func TestMemory_Suite(t *testing.T) {
	Run(t, func(*testing.T) Store { return memoryStore{NewMemory()} })
}
