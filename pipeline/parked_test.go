package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// A ponderous sink takes its time for schema changes.
type ponderous struct {
	sink.Sink
	before, after func(ctx context.Context, c *schema.Change) error
}

func (p *ponderous) Evolve(ctx context.Context, c *schema.Change) error {
	if p.before != nil {
		if err := p.before(ctx, c); err != nil {
			return err
		}
	}
	if err := p.Sink.Evolve(ctx, c); err != nil || p.after == nil {
		return err
	}
	return p.after(ctx, c)
}

// slowly has the changes of a pipeline's tables take longer than its commits, before their effect and after it. Those of
// table a take so long that others are through meanwhile.
func slowly(p *Pipeline) {
	took := func(ctx context.Context, c *schema.Change) error {
		if c.Name() == named("a") {
			return wait(ctx, 50*time.Millisecond)
		}
		return wait(ctx, 6*time.Millisecond)
	}
	p.Sink, p.Limits.Interval = &ponderous{p.Sink, took, took}, 10*time.Millisecond
}

// storm changes the shapes of tables one after the other, each while those before are being changed, with rows of all of
// them between, and time for commits.
func storm(s *sourcetest.Source) {
	a, b, c, d := named("a"), named("b"), named("c"), named("d")
	type src = *sourcetest.Source
	pause := func(src) { time.Sleep(15 * time.Millisecond) }
	s.Script(
		func(s src) { s.Begin().Insert(a, "100", "new").Insert(b, "9", "0", "x").Commit() },
		pause,
		func(s src) { s.AddColumn(a, column("extra", schema.String)) },
		func(s src) { s.Begin().Insert(a, "101", "with", "extra").Insert(b, "9", "1", "beside").Commit() },
		pause,
		func(s src) { s.Begin().Update(a, vals("100", "new", null), vals("100", "newer", "x")).Commit() },
		func(s src) { s.Create(simple("c")) },
		func(s src) { s.Begin().Insert(c, "1", "one").Delete(b, "9", "0", "x").Commit() },
		pause,
		func(s src) { s.Truncate(b) },
		func(s src) { s.Begin().Insert(b, "1", "1", "after").Insert(a, "102", "y", "z").Commit() },
		func(s src) { s.DropColumn(a) }, // before the one before is through, with rows between
		func(s src) { s.Begin().Delete(a, "101", "with").Insert(c, "2", "two").Commit() },
		pause,
		func(s src) { s.AddColumn(c, column("x", schema.String)) }, // of a table that no checkpoint may know yet
		func(s src) { s.Begin().Insert(c, "3", "three", "x").Insert(a, "103", "short").Commit() },
		pause, pause, pause,
		func(s src) { s.Begin().Update(b, vals("1", "1", "after"), vals("1", "2", "moved")).Commit() },
		func(s src) { s.Rename(c, d) }, // for which all wait
		func(s src) { s.Begin().Insert(d, "4", "four", "was c").Insert(b, "2", "2", "y").Commit() },
		func(s src) { s.Create(simple("c")); s.Truncate(a) },
		func(s src) { s.Begin().Insert(a, "1", "last").Insert(c, "1", "again").Commit() },
	)
}

// TestRun_CrashBesideChanges lets a process die, or an operation fail, at each operation while tables are being changed
// and others go on.
func TestRun_CrashBesideChanges(t *testing.T) {
	everywhere(t, scenario{work: storm, tune: slowly})
}

// TestRun_CrashWhileParkedTablesStop is the same while tables stop that are being changed: because the sink refuses the
// change, because the source says so between transactions, and because it says so in the middle of one.
func TestRun_CrashWhileParkedTablesStop(t *testing.T) {
	a, b, c, e := named("a"), named("b"), named("c"), named("e")
	type src = *sourcetest.Source
	unreadable := func(n schema.Name) *schema.TableError {
		return &schema.TableError{Table: n, Err: errors.New("unreadable")}
	}
	pause := func(src) { time.Sleep(15 * time.Millisecond) }
	everywhere(t, scenario{every: 3, stopped: []schema.Name{a, c, e}, tune: func(p *Pipeline) {
		p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.e ADD x"}
		slowly(p)
	}, work: func(s *sourcetest.Source) {
		s.Script(
			func(s src) { s.Create(simple("c")); s.Create(simple("e")) },
			func(s src) {
				s.Begin().Insert(c, "1", "whole").Insert(a, "20", "whole").Insert(e, "1", "whole").Commit()
			},
			func(s src) {
				for _, n := range []schema.Name{a, c, e} {
					s.AddColumn(n, column("x", schema.String))
				}
			},
			func(s src) { s.Begin().Insert(b, "7", "7", "flows").Insert(e, "2", "late", "x").Commit() },
			pause,
			func(s src) {
				s.Begin().Stop(unreadable(c)).Insert(c, "2", "late", "x").Insert(b, "7", "8", "flows").Commit()
			},
			func(s src) {
				s.Begin().Insert(a, "21", "half", "x").Insert(b, "8", "7", "flows").Stop(unreadable(a)).Insert(a, "22", "half", "x").Commit()
			},
			pause, pause, pause, pause, pause,
			func(s src) { s.Begin().Insert(a, "23", "late", "x").Insert(b, "8", "9", "flows").Commit() },
		)
	}})
}

// A gate holds up the changes of one table until it is opened.
type gate struct {
	table  schema.Name
	closed atomic.Bool
	opened chan struct{}
	waits  atomic.Int64 // changes that came to it
}

func newGate(n schema.Name) *gate {
	g := &gate{table: n, opened: make(chan struct{})}
	g.closed.Store(true)
	return g
}

func (g *gate) open() {
	if g.closed.Swap(false) {
		close(g.opened)
	}
}

func (g *gate) pass(ctx context.Context, c *schema.Change) error {
	if c.Before == nil || c.Before.Name != g.table {
		return nil
	}
	g.waits.Add(1)
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) hold(p *Pipeline) { p.Sink = &ponderous{Sink: p.Sink, before: g.pass} }

// TestRun_ChangeStallsItsTable: while the sink takes its time to change one table, the rows of others become visible, and
// the checkpoint stays before the change. The table's own rows come afterwards, in order and once.
func TestRun_ChangeStallsItsTable(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		before := r.src.Head()
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) })
		const rounds = 20
		for i := range rounds {
			r.src.Script(func(s *sourcetest.Source) {
				time.Sleep(r.limits.Interval) // of the bubble's time: a commit each
				s.Begin().Insert(a, fmt.Sprint(100+i), "x", "y").Insert(b, fmt.Sprint(100+i), "", "y").Commit()
			})
		}
		g := newGate(a)
		r.tune = g.hold
		s, err := r.run(t.Context(), live(), func(s Status) bool {
			rows, _ := r.sink.Rows(b)
			if g.closed.Load() && len(rows) == 12+rounds {
				got, _ := r.sink.Rows(a)
				if len(got) != 12 || s.Position != before || s.Commits < rounds/2 {
					t.Errorf("got %d rows of the table, %d commits, position %s, want 12, many, %s", len(got), s.Commits, s.Position, before)
				}
				g.open()
			}
			return r.caughtUp(s)
		})
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil || g.closed.Load() {
			t.Fatal(err, s)
		}
		saved, err := ReadState(t.Context(), r.dir, "test")
		if err != nil || slices.ContainsFunc(saved.Tables, func(s SavedTable) bool { return s.Ahead != "" }) {
			t.Errorf("got %+v, %v, want no table ahead", saved, err)
		}
	})
}

// TestRun_NewTablesStallNobody: the sink makes new tables side by side, and rows of others go on meanwhile.
func TestRun_NewTablesStallNobody(t *testing.T) {
	in(t, func(t *testing.T) {
		r, b := newRig(t), named("b")
		stock(r.src)
		const tables = 40
		r.src.Script(func(s *sourcetest.Source) {
			for i := range tables {
				n := fmt.Sprintf("n%d", i)
				s.Create(simple(n))
				s.Begin().Insert(named(n), "1", "x").Insert(b, fmt.Sprint(100+i), "", "y").Commit()
			}
		})
		r.tune = func(p *Pipeline) {
			p.Sink = &ponderous{Sink: p.Sink, before: func(ctx context.Context, c *schema.Change) error {
				if strings.HasPrefix(c.Name().Table, "n") {
					return wait(ctx, time.Second)
				}
				return nil
			}}
		}
		var seen time.Duration // until all rows of b were visible
		began := time.Now()
		s, err := r.run(t.Context(), live(), func(s Status) bool {
			if rows, _ := r.sink.Rows(b); len(rows) == 12+tables && seen == 0 {
				seen = time.Since(began)
			}
			return r.caughtUp(s)
		})
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); seen == 0 || seen > time.Second || took > tables*time.Second/creators+2*time.Second {
			t.Errorf("rows of another table after %s, all after %s", seen, took)
		}
	})
}

// TestRun_ParkedBudget: what waits with a table that is being changed stays within its share of the budget, and the reader
// waits then, also amid a transaction (invariant I8).
func TestRun_ParkedBudget(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		r.limits.Bytes = 20_000
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) })
		for i := range 30 {
			r.src.Script(func(s *sourcetest.Source) {
				x := s.Begin()
				for j := range 4 { // a batch each
					x.Insert(a, fmt.Sprint(1000+4*i+j), "x", strings.Repeat("y", 100)).Insert(b, fmt.Sprint(1000+4*i+j), "", "y")
				}
				x.Commit()
			})
		}
		g := newGate(a)
		r.tune = g.hold
		var most, same int64
		s, err := r.run(t.Context(), live(), func(s Status) bool {
			if same++; s.InFlight != most {
				most, same = max(most, s.InFlight), 0
			}
			if g.waits.Load() > 0 && same > 20 {
				g.open()
			}
			return r.caughtUp(s)
		})
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if most > r.limits.Bytes || most < r.limits.Bytes/4 || s.InFlight != 0 || s.Run != 1 {
			t.Errorf("got at most %d bytes in flight, %d at the end, run %d; want less than %d, none, 1", most, s.InFlight, s.Run, r.limits.Bytes)
		}
	})
}

// TestRun_Crowded: a transaction that is too large to wait for the second of two changes is read again, with the changes
// made in turn.
func TestRun_Crowded(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		r.limits.Bytes = 20_000
		r.src.Script(func(s *sourcetest.Source) {
			s.AddColumn(a, column("x", schema.String))
			s.Begin().Insert(a, "50", "x", "between").Commit()
			s.DropColumn(a)
			x := s.Begin().Insert(b, "50", "", "first")
			for j := range 100 {
				x.Insert(a, fmt.Sprint(1000+j), strings.Repeat("y", 100)).Insert(b, fmt.Sprint(1000+j), "", "y")
			}
			x.Commit()
		})
		g := newGate(a)
		r.tune = g.hold
		s, err := r.run(t.Context(), live(), func(s Status) bool {
			if s.InFlight > r.limits.Bytes/4 { // the large transaction has begun
				g.open()
			}
			return r.caughtUp(s)
		})
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if s.Run != 2 || s.Restarts != 0 {
			t.Errorf("got run %d after %d errors, want 2, none", s.Run, s.Restarts)
		}
	})
}

// TestRun_StopBesideChange: a pipeline that is told to stop does not wait for a change; the next start makes it.
func TestRun_StopBesideChange(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) },
			func(s *sourcetest.Source) { s.Begin().Insert(a, "50", "x", "y").Insert(b, "50", "", "y").Commit() })
		g := newGate(a)
		r.tune = g.hold
		began := time.Now()
		s, err := r.run(t.Context(), live(), func(Status) bool {
			rows, _ := r.sink.Rows(b)
			return g.waits.Load() > 0 && len(rows) == 13
		})
		if took := time.Since(began); err != nil || s.State != Ended || took > time.Second {
			t.Errorf("got %v, state %s after %s, want it ended at once", err, s.State, took)
		}
		r.tune = nil
		s, err = r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Error(err)
		}
	})
}

// An orderly sink wants the rows of all tables in the order of the log.
type orderly struct{ sink.Sink }

func (orderly) Ordered() bool { return true }

// TestRun_Ordered: a sink that asks for it gets no rows beside a schema change.
func TestRun_Ordered(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		storm(r.src)
		var open, beside atomic.Int64
		r.tune = func(p *Pipeline) {
			slow := &slowSink{Sink: p.Sink, commit: func(context.Context) error { beside.Add(open.Load()); return nil }}
			count := func(by int64) func(context.Context, *schema.Change) error {
				return func(ctx context.Context, _ *schema.Change) error { open.Add(by); return wait(ctx, time.Millisecond) }
			}
			p.Sink = orderly{&ponderous{slow, count(1), count(-1)}}
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if n := beside.Load(); n != 0 {
			t.Errorf("got %d commits beside a change, want none", n)
		}
	})
}
