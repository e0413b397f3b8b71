package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink/sinktest"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// workload is a life of a small database: all kinds of changes of rows and shapes, some in one transaction.
func workload(s *sourcetest.Source) {
	a, b, c, d := named("a"), named("b"), named("c"), named("d")
	type src = *sourcetest.Source
	s.Script(
		func(s src) {
			s.Begin().Insert(a, "100", "new").Update(a, vals("1", "old"), vals("1", "changed")).Commit()
		},
		func(s src) {
			s.Begin().Update(a, vals("2", "old"), vals("200", "moved")).Delete(b, "0", "1", null).Commit()
		},
		func(s src) { s.Begin().Delete(a, "3", "old").Insert(a, "3", "again").Commit() },
		func(s src) { s.AddColumn(a, column("extra", schema.String)) },
		func(s src) {
			s.Begin().Insert(a, "101", "with", "extra").Update(a, vals("3", "again", null), vals("3", "again", "x")).Commit()
		},
		func(s src) { s.Create(simple("c")) },
		func(s src) {
			s.Begin().Insert(c, "1", "one").Insert(c, "2", "two").Insert(b, "9", "9", "nine").Commit()
		},
		func(s src) { s.Begin().Delete(c, "1", "one").Commit() },
		func(s src) { s.Truncate(b) },
		func(s src) { s.Begin().Insert(b, "1", "1", "after").Insert(c, "3", "three").Commit() },
		func(s src) { s.Rename(a, d, c, a, d, c) }, // a and c change places
		func(s src) { s.Begin().Insert(a, "4", "was c").Insert(c, "102", "was", "a").Commit() },
		func(s src) { s.Drop(a) },
		func(s src) { s.Create(simple("a")); s.Begin().Insert(a, "1", "third life").Commit() },
		func(s src) { s.Begin().Update(a, vals("1", "third life"), vals("2", "moved")).Commit() },
		func(s src) { s.DropColumn(c) },
		func(s src) { s.Begin().Insert(c, "103", "short").Delete(c, "102", "was").Commit() },
		func(s src) { s.Rename(b, d) },
		func(s src) { s.Begin().Insert(d, "5", "5", "was b").Commit() },
	)
}

const null = sourcetest.Null

func vals(v ...string) sourcetest.Row { return v }

func TestRun_CopiesAndFollows(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		workload(r.src)
		s, err := r.run(t.Context(), &process{}, r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if s.State != Ended || s.Commits == 0 || r.src.Open() != 0 {
			t.Errorf("got %+v, %d open streams", s, r.src.Open())
		}
	})
}

// TestRun_CrashEverywhere lets each operation of a run fail once, on both sides of its effect, and lets the process die
// there; then the sink is as the source, without a row lost, doubled or stale.
func TestRun_CrashEverywhere(t *testing.T) {
	everywhere(t, scenario{work: workload})
}

// TestRun_CrashWhileTablesStop is the same while tables stop, for each of the reasons there are.
func TestRun_CrashWhileTablesStop(t *testing.T) {
	a, b, c, d := named("a"), named("b"), named("c"), named("d")
	everywhere(t, scenario{stopped: []schema.Name{a, c, d}, tune: func(p *Pipeline) {
		p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.c ADD x"}
	}, work: func(s *sourcetest.Source) {
		type src = *sourcetest.Source
		unreadable := &schema.TableError{Table: a, Err: errors.New("unreadable")}
		s.Script(
			func(s src) { s.Create(simple("c")); s.Create(simple("e")) },
			func(s src) {
				s.Begin().Insert(c, "1", "whole").Insert(a, "20", "whole").Insert(named("e"), "1", "flows").Commit()
			},
			func(s src) {
				s.Begin().Insert(a, "21", "half").Insert(b, "7", "7", "flows").Stop(unreadable).Insert(a, "22", "half").Commit()
			},
			func(s src) { s.AddColumn(c, column("x", schema.String)) },
			func(s src) { s.Begin().Insert(c, "2", "late", "x").Insert(a, "23", "late").Commit() },
			func(s src) { s.Rename(named("e"), d) },
			func(s src) {
				s.Begin().Insert(b, "8", "8", "flows").Insert(d, "2", "half").Insert(d, null, "no key").Commit()
			},
			func(s src) { s.Begin().Insert(b, "9", "9", "flows").Insert(d, "3", "late").Commit() },
		)
	}})
}

// A scenario is what happens to a source and which tables stop in it.
type scenario struct {
	work    func(*sourcetest.Source)
	stopped []schema.Name
	tune    func(*Pipeline)
	every   int // of so many operations one is tried; 0: each
}

func everywhere(t *testing.T, sc scenario) {
	for f, name := range map[fate]string{failsBefore: "fails before", failsAfter: "fails after", diesBefore: "dies before", diesAfter: "dies after"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := max(sc.every, 1)
			if testing.Short() {
				step = 7
			}
			n := 1
			for ; crashAt(t, n, f, sc); n += step {
			}
			if n < 70 {
				t.Errorf("only %d operations", n)
			}
		})
	}
}

// crashAt says whether there was an n-th operation.
func crashAt(t *testing.T, n int, f fate, sc scenario) (reached bool) {
	ok := t.Run(fmt.Sprint(n), func(t *testing.T) {
		in(t, func(t *testing.T) {
			r := newRig(t)
			r.tune = sc.tune
			stock(r.src)
			sc.work(r.src)
			proc := &process{at: n, fate: f}
			s, err := r.run(t.Context(), proc, r.caughtUp)
			reached = proc.ops >= n
			if errors.Is(err, errDead) {
				r.sink.Restart()
				s, err = r.run(t.Context(), &process{}, r.caughtUp)
			}
			if err := errors.Join(err, r.equal(sc.stopped...), r.whole(s, sc.stopped), accounted(s)); err != nil {
				t.Fatalf("operation %d, %v: %v", n, proc.names[:min(n, len(proc.names))], err)
			}
		})
	})
	return ok && reached
}

// whole says that tables have stopped, and have no row of a transaction that they do not have whole.
func (r *rig) whole(s Status, stopped []schema.Name) error {
	for _, n := range stopped {
		i := slices.IndexFunc(s.Tables, func(t TableStatus) bool { return t.Name == n || t.Sink == n })
		if i >= 0 && s.Tables[i].State == Following {
			// It had stopped before its first commit, and the next process, which found nothing of it in the sink, copied it
			// anew: from after what stopped it.
			if err := r.same(n); err != nil {
				return err
			}
			continue
		}
		if i < 0 || s.Tables[i].State != Stopped {
			return fmt.Errorf("table %s has not stopped: %+v", n, s.Tables)
		}
		rows, _ := r.sink.Rows(n)
		for _, v := range rows {
			if v[1] == "half" || v[1] == "late" {
				return fmt.Errorf("table %s has row %q", n, v)
			}
		}
	}
	return nil
}

// TestRun_CommitFailsHalfWay lets commits fail between two tables.
func TestRun_CommitFailsHalfWay(t *testing.T) {
	for _, when := range []sinktest.When{sinktest.BeforeEffect, sinktest.AfterEffect} {
		for n, again := 1, true; again; n++ {
			in(t, func(t *testing.T) {
				r := newRig(t)
				stock(r.src)
				workload(r.src)
				r.sink.Fail(n, when)
				_, err := r.run(t.Context(), &process{}, r.caughtUp)
				if err := errors.Join(err, r.equal()); err != nil {
					t.Fatalf("operation %d of the sink: %v", n, err)
				}
				again = r.sink.Failed()
			})
		}
	}
}
