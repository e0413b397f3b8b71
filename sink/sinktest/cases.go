package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

func testOps(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	s.commit(t, batch(o, rowOf(row.Insert, 1, "a"), rowOf(row.Insert, 2, "b"), rowOf(row.Insert, 3, nil)))
	s.expect(t, o.Name, "1 a", "2 b", "3 NULL")
	s.commit(t, batch(o, rowOf(row.Before, 1, "a"), rowOf(row.After, 1, "A"), rowOf(row.Delete, 2, "b"), rowOf(row.Upsert, 3, "c"), rowOf(row.Upsert, 4, "d")))
	s.expect(t, o.Name, "1 A", "3 c", "4 d")
	s.commit(t, batch(o, rowOf(row.Before, 1, "A"), rowOf(row.After, 9, "A"), rowOf(row.Delete, 77, "never copied")))
	s.expect(t, o.Name, "3 c", "4 d", "9 A")
	s.commit(t, batch(o, rowOf(row.Insert, 1, "again"), rowOf(row.Delete, 3, absent{}), rowOf(row.Insert, 3, "back")))
	s.expect(t, o.Name, "1 again", "3 back", "4 d", "9 A")
}

func testCollapse(t *testing.T, s *suite) {
	o := shape("hot")
	s.evolve(t, schema.Change{After: o})
	s.commit(t, batch(o,
		rowOf(row.Insert, 1, "v1"), rowOf(row.Before, 1, "v1"), rowOf(row.After, 1, "v2"), rowOf(row.Delete, 1, "v2"), rowOf(row.Insert, 1, "v3"),
		rowOf(row.Insert, 2, "x"), rowOf(row.Delete, 2, "x"),
		rowOf(row.Insert, 3, "x"), rowOf(row.Before, 3, "x"), rowOf(row.After, 4, "x"), rowOf(row.Before, 4, "x"), rowOf(row.After, 3, "y")),
		batch(o, rowOf(row.Before, 1, "v3"), rowOf(row.After, 1, "v4"), rowOf(row.Upsert, 5, "z")))
	s.expect(t, o.Name, "1 v4", "3 y", "5 z")
	s.commit(t, batch(o, rowOf(row.Delete, 1, "v4"), rowOf(row.Insert, 1, "w"), rowOf(row.Before, 3, "y"), rowOf(row.After, 1_000, "y"),
		rowOf(row.Delete, 5, "z"), rowOf(row.Upsert, 5, "zz")))
	s.expect(t, o.Name, "1 w", "1000 y", "5 zz")
}

// testLargeCommit changes each of many rows twice in the transaction that inserts them.
func testLargeCommit(t *testing.T, s *suite) {
	const n, step = 60_000, 500
	o := shape("large")
	s.evolve(t, schema.Change{After: o})
	pad := strings.Repeat("p", 100)
	s.epoch++
	x := s.begin(t)
	for gen := range 3 {
		for at := 0; at < n; at += step {
			b := row.New(o)
			for id := at; id < at+step; id++ {
				switch {
				case gen == 0:
					appendRow(b, row.Insert, id, pad)
				case id%3 == 0 && gen == 2:
					appendRow(b, row.Delete, id, pad)
				default:
					appendRow(b, row.Before, id, pad)
					appendRow(b, row.After, id, fmt.Sprint(gen))
				}
			}
			if err := x.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if x.Bytes() == 0 {
		t.Error("got 0 bytes staged")
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{o.Name: s.mark()}); err != nil {
		t.Fatal(err)
	}
	_, rows := s.store.Rows(t, o.Name)
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r[0]] || r[1] != "2" {
			t.Fatalf("got row %q, a second time: %v", r, seen[r[0]])
		}
		seen[r[0]] = true
	}
	if len(rows) != n-n/3 || seen["0"] || !seen["1"] {
		t.Errorf("got %d rows, want %d", len(rows), n-n/3)
	}
}

// testMarks restarts and finds what the last commit of each table stored.
func testMarks(t *testing.T, s *suite) {
	a, b := shape("a"), shape("b")
	s.evolve(t, schema.Change{After: a})
	s.evolve(t, schema.Change{After: b})
	names := []schema.Name{a.Name, b.Name, {Namespace: "shop", Table: "none"}}
	s.expectMarks(t, names, nil)
	s.commit(t, batch(a, rowOf(row.Insert, 1, "x")), batch(b, rowOf(row.Insert, 1, "x")))
	first := s.last
	s.commit(t, batch(b, rowOf(row.Insert, 2, "x"), rowOf(row.Delete, 2, "x"))) // nothing remains of it but the mark
	second := s.last
	s.reopen(t)
	s.expectMarks(t, names, map[schema.Name]sink.Mark{a.Name: first, b.Name: second})
	s.commit(t, batch(b, rowOf(row.Delete, 1, "x")))
	third := s.last
	s.reopen(t)
	s.expectMarks(t, names, map[schema.Name]sink.Mark{a.Name: first, b.Name: third})
	s.expect(t, a.Name, "1 x")
	s.expect(t, b.Name)
}

func (s *suite) expectMarks(t *testing.T, names []schema.Name, want map[schema.Name]sink.Mark) {
	t.Helper()
	got, err := s.sink.Marks(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("marks: got %v, want %v", got, want)
	}
}

func testAbort(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	x := s.begin(t)
	if err := errors.Join(x.Write(t.Context(), batch(o, rowOf(row.Insert, 1, "a"))), x.Abort()); err != nil {
		t.Fatal(err)
	}
	s.expect(t, o.Name)
	s.commit(t, batch(o, rowOf(row.Insert, 1, "b")))
	x = s.begin(t)
	s.epoch++
	err := errors.Join(x.Write(t.Context(), batch(o, rowOf(row.Insert, 2, "c"))), x.Commit(t.Context(), map[schema.Name]sink.Mark{o.Name: s.mark()}), x.Abort())
	if err != nil {
		t.Fatal(err)
	}
	s.expect(t, o.Name, "1 b", "2 c")
}

// testCrash loses a process between Write and Commit, and lets its successor write the same rows.
func testCrash(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	s.commit(t, batch(o, rowOf(row.Insert, 1, "a")))
	mark, x := s.last, s.begin(t)
	if err := x.Write(t.Context(), batch(o, rowOf(row.Insert, 2, "b"), rowOf(row.Delete, 1, "a"))); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	s.expectMarks(t, []schema.Name{o.Name}, map[schema.Name]sink.Mark{o.Name: mark})
	s.evolve(t, schema.Change{After: o})
	s.expect(t, o.Name, "1 a")
	s.commit(t, batch(o, rowOf(row.Insert, 2, "b"), rowOf(row.Delete, 1, "a")))
	s.expect(t, o.Name, "2 b")
}

func testOneTableFails(t *testing.T, s *suite) {
	good, bad := shape("good"), shape("bad")
	s.evolve(t, schema.Change{After: good})
	s.evolve(t, schema.Change{After: bad})
	s.epoch++
	x := s.begin(t)
	if err := x.Write(t.Context(), batch(good, rowOf(row.Insert, 1, "a"))); err != nil {
		t.Fatal(err)
	}
	err := x.Write(t.Context(), batch(bad, rowOf(row.Insert, 1, "a"), rowOf(row.Insert, nil, "b")))
	err = errors.Join(err, x.Commit(t.Context(), map[schema.Name]sink.Mark{good.Name: s.mark(), bad.Name: s.mark()}))
	var te *schema.TableError
	if !errors.As(err, &te) || te.Table != bad.Name || errors.Is(err, sink.ErrTransient) {
		t.Fatalf("got %v, want a TableError of %s", err, bad.Name)
	}
	s.expect(t, good.Name, "1 a")
	s.expect(t, bad.Name)
	s.expectMarks(t, []schema.Name{good.Name, bad.Name}, map[schema.Name]sink.Mark{good.Name: s.mark()})
}

func testFenced(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	late := s.sink
	commit := func(k sink.Sink, m sink.Mark, id int) error {
		x, err := k.Begin(t.Context())
		if err == nil {
			err = x.Write(t.Context(), batch(o, rowOf(row.Insert, id, "x")))
		}
		if err != nil {
			t.Fatal(err)
		}
		return x.Commit(t.Context(), map[schema.Name]sink.Mark{o.Name: m})
	}
	if err := commit(late, sink.Mark{Run: 1, Epoch: 1}, 1); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	if err := commit(s.sink, sink.Mark{Run: 2, Epoch: 2}, 2); err != nil {
		t.Fatal(err)
	}
	if err := commit(late, sink.Mark{Run: 1, Epoch: 3}, 3); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("got %v, want %v", err, sink.ErrFenced)
	}
	s.expect(t, o.Name, "1 x", "2 x")
}

func testUnknownOutcome(t *testing.T, s *suite) {
	u, ok := s.store.(Unsure)
	if !ok {
		t.Skip("the store cannot make commits fail")
	}
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	var want []string
	for i, when := range []When{BeforeEffect, AfterEffect, AfterEffect, BeforeEffect} {
		u.FailCommits(1+i/2, when)
		err := s.try(t, batch(o, rowOf(row.Insert, i, "x")))
		u.FailCommits(0, when)
		if err != nil && !errors.Is(err, sink.ErrTransient) {
			t.Fatalf("got %v, want %v or none", err, sink.ErrTransient)
		}
		s.reopen(t)
		marks, merr := s.sink.Marks(t.Context(), []schema.Name{o.Name})
		if merr != nil {
			t.Fatal(merr)
		}
		landed := marks[o.Name].Epoch == s.epoch
		if err == nil && !landed || when == AfterEffect && !landed {
			t.Errorf("commit %d: landed is %v, and Commit returned %v", i, landed, err)
		}
		if landed {
			want = append(want, fmt.Sprintf("%d x", i))
		}
		s.expect(t, o.Name, want...)
	}
}

func testKeyless(t *testing.T, s *suite) {
	o := shape("events")
	o.Key, o.Columns[0].Nullable = nil, true
	s.evolve(t, schema.Change{After: o})
	s.commit(t, batch(o, rowOf(row.Insert, 1, "same"), rowOf(row.Insert, 1, "same"), rowOf(row.Insert, nil, nil)))
	s.expect(t, o.Name, "1 same", "1 same", "NULL NULL")
	// A sink that keeps each change as a row can hold these, any other must say that it cannot.
	for _, c := range []struct {
		rows [][]value
		want []string
	}{
		{[][]value{rowOf(row.Delete, 1, "same")}, []string{"1 same", "NULL NULL"}},
		{[][]value{rowOf(row.Before, 1, "same"), rowOf(row.After, 2, "other")}, []string{"2 other", "NULL NULL"}},
	} {
		err := s.try(t, batch(o, c.rows...))
		if te := (*schema.TableError)(nil); errors.As(err, &te) {
			s.expect(t, o.Name, "1 same", "1 same", "NULL NULL")
			return
		} else if err != nil {
			t.Fatalf("got %v, want a TableError or none", err)
		}
		s.expect(t, o.Name, c.want...)
	}
}

// testCopyAnew copies a table a second time, in another shape, with a crash in the middle.
func testCopyAnew(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	s.commit(t, batch(o, rowOf(row.Insert, 1, "stale"), rowOf(row.Insert, 2, "gone")))
	anew := next(o, func(t *schema.Table) {
		t.Columns = append(t.Columns, column("n", schema.Type{Kind: schema.Int, Bits: 32}))
	})
	s.twice(t, schema.Change{Before: anew, After: anew, Edits: []schema.Edit{{Kind: schema.BeginCopy}}})
	s.expectMarks(t, []schema.Name{o.Name}, nil)
	s.commit(t, batch(anew, rowOf(row.Upsert, 1, "fresh", 7)))
	mark := s.last
	s.reopen(t)
	s.expectMarks(t, []schema.Name{o.Name}, map[schema.Name]sink.Mark{o.Name: mark})
	s.commit(t, batch(anew, rowOf(row.Insert, 3, "new", nil)))
	mark = s.last
	s.twice(t, schema.Change{Before: anew, After: anew, Edits: []schema.Edit{{Kind: schema.EndCopy}}})
	s.expectMarks(t, []schema.Name{o.Name}, map[schema.Name]sink.Mark{o.Name: mark})
	s.commit(t, batch(anew, rowOf(row.Before, 3, "new", nil), rowOf(row.After, 3, "newer", 8)))
	s.expectColumns(t, anew, "1 fresh 7", "3 newer 8")
}

func testBadRows(t *testing.T, s *suite) {
	o := shape("orders")
	s.evolve(t, schema.Change{After: o})
	for name, r := range map[string][]value{
		"null key":     rowOf(row.Insert, nil, "x"),
		"absent key":   rowOf(row.Delete, absent{}, "x"),
		"absent value": rowOf(row.Upsert, 1, absent{}),
	} {
		var te *schema.TableError
		err := s.try(t, batch(o, r))
		if !errors.As(err, &te) || te.Table != o.Name || !strings.Contains(err.Error(), map[bool]string{true: "id", false: "note"}[strings.HasSuffix(name, "key")]) {
			t.Errorf("%s: got %v, want a TableError that names the column", name, err)
		}
	}
	s.expect(t, o.Name)
}
