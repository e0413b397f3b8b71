package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// tableOf returns the status of one table.
func tableOf(t *testing.T, s Status, n schema.Name) TableStatus {
	t.Helper()
	for _, x := range s.Tables {
		if x.Name == n {
			return x
		}
	}
	t.Fatalf("no table %s in %+v", n, s)
	return TableStatus{}
}

// live is a process to which nothing happens.
func live() *process { return &process{} }

// A slowSink takes its time to commit, and tells what goes on.
type slowSink struct {
	sink.Sink
	commit  func(ctx context.Context) error
	written func()
	write   func(ctx context.Context) error
}

type slowTxn struct {
	sink.Txn
	s *slowSink
}

func (s *slowSink) Begin(ctx context.Context) (sink.Txn, error) {
	x, err := s.Sink.Begin(ctx)
	return slowTxn{x, s}, err
}

func (x slowTxn) Write(ctx context.Context, b *row.Batch) error {
	if x.s.written != nil {
		x.s.written()
	}
	if x.s.write != nil {
		if err := x.s.write(ctx); err != nil {
			b.Free()
			return err
		}
	}
	return x.Txn.Write(ctx, b)
}

func (x slowTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if x.s.commit != nil {
		if err := x.s.commit(ctx); err != nil {
			return err
		}
	}
	return x.Txn.Commit(ctx, marks)
}

// wait waits as a remote call does: for an answer, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestRun_Bounded(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		r.src.Bounded()
		s, err := r.run(t.Context(), live(), nil)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		again, err := r.run(t.Context(), live(), nil)
		if err != nil || again.Commits != 0 {
			t.Errorf("second run: %v, %d commits, want none", err, again.Commits)
		}
	})
}

func TestRun_FirstRowsAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		r.limits.Interval = time.Hour
		began := time.Now()
		_, err := r.run(t.Context(), live(), func(s Status) bool { return r.sink.Commits() > 0 })
		if took := time.Since(began); err != nil || took > time.Second {
			t.Errorf("first rows after %s, %v", took, err)
		}
	})
}

// A source that stops a table in the middle of a transaction leaves none of the transaction's rows of it.
func TestRun_SourceStopsTable(t *testing.T) {
	for label, midway := range map[string]bool{"midway": true, "at its beginning": false} {
		t.Run(label, func(t *testing.T) {
			in(t, func(t *testing.T) {
				r, a, b := newRig(t), named("a"), named("b")
				stock(r.src)
				stop := &schema.TableError{Table: a, Err: errors.New("a value that nobody can read")}
				r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(a, "20", "whole").Commit() },
					func(s *sourcetest.Source) {
						x := s.Begin()
						if midway {
							x.Insert(a, "21", "half")
						}
						x.Insert(b, "7", "7", "flows").Stop(stop).Insert(a, "22", "half").Commit()
					},
					func(s *sourcetest.Source) { s.Begin().Insert(a, "23", "late").Insert(b, "8", "8", "flows").Commit() })
				s, err := r.run(t.Context(), live(), r.caughtUp)
				if err := errors.Join(err, r.equal(a), accounted(s)); err != nil {
					t.Fatal(err)
				}
				got := tableOf(t, s, a)
				if got.State != Stopped || !strings.Contains(got.Reason, "nobody can read") {
					t.Errorf("got %+v, want it stopped with the reason", got)
				}
				rows, _ := r.sink.Rows(a)
				for _, v := range rows {
					if v[1] == "half" || v[1] == "late" {
						t.Errorf("got row %q of a transaction that was not whole", v)
					}
				}
			})
		})
	}
}

// A table that the sink refuses rows of stops at the last checkpoint, and stays stopped; the others flow on.
func TestRun_SinkStopsTable(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(b, "7", "7", "flows").Insert(a, null, "no key").Commit() },
			func(s *sourcetest.Source) { s.Begin().Insert(a, "23", "late").Insert(b, "8", "8", "flows").Commit() })
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(a), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if got := tableOf(t, s, a); got.State != Stopped || !strings.Contains(got.Reason, "NULL") {
			t.Errorf("got %+v, want it stopped with the reason", got)
		}
		again, err := r.run(t.Context(), live(), r.caughtUp)
		if got := tableOf(t, again, a); err != nil || again.Restarts != 0 {
			t.Errorf("got %+v, %v, want a quiet run", got, err)
		}
	})
}

func TestRun_EvolveStopsTable(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		r.tune = func(p *Pipeline) {
			p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.a ADD x"}
		}
		r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(a, "20", "in time").Commit() },
			func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) },
			func(s *sourcetest.Source) {
				s.Begin().Insert(a, "21", "late", "x").Insert(named("b"), "7", "7", "flows").Commit()
			})
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(a), accounted(s)); err != nil {
			t.Fatal(err)
		}
		got := tableOf(t, s, a)
		if got.State != Stopped || !strings.Contains(got.Reason, "cannot be done") {
			t.Errorf("got %+v, want it stopped with the reason", got)
		}
	})
}

type refusing struct {
	sink.Sink
	statement string
}

func (r *refusing) Evolve(ctx context.Context, c *schema.Change) error {
	if c.Statement == r.statement {
		return &schema.TableError{Table: c.Name(), Err: errors.New("that cannot be done")}
	}
	return r.Sink.Evolve(ctx, c)
}

func TestRun_RefusedTableIsListed(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		r.src.Refuse(&schema.TableError{Table: a, Err: errors.New("it has no key")})
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(a)); err != nil {
			t.Fatal(err)
		}
		if got := tableOf(t, s, a); got.State != Stopped || !strings.Contains(got.Reason, "no key") {
			t.Errorf("got %+v, want it stopped with the reason", got)
		}
	})
}

// An old copy of the state is fenced before it writes anything.
func TestRun_FencedByRun(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		old := t.TempDir()
		if err := os.CopyFS(old, os.DirFS(r.dir)); err != nil {
			t.Fatal(err)
		}
		r.src.Begin().Insert(named("a"), "50", "second").Insert(named("b"), "50", "", "second").Commit()
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.dir = old
		s, err := r.run(t.Context(), live(), nil)
		if !errors.Is(err, sink.ErrFenced) || s.State != Fenced {
			t.Errorf("got %v, state %s, want %v", err, s.State, sink.ErrFenced)
		}
		if err := r.equal(); err != nil {
			t.Error(err)
		}
	})
}

// A table that someone dropped from the sink stops with an explanation; the next start copies it anew.
func TestRun_SinkTableReplaced(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		if err := r.sink.Evolve(t.Context(), &schema.Change{Before: simple("a")}); err != nil {
			t.Fatal(err)
		}
		r.src.Begin().Insert(a, "50", "x").Insert(named("b"), "50", "", "x").Commit()
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if got := tableOf(t, s, a); err != nil || got.State != Stopped || !strings.Contains(got.Reason, "dropped or replaced") {
			t.Errorf("got %+v, %v, want it stopped with the reason", got, err)
		}
		s, err = r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil {
			t.Fatal(err)
		}
		if got := tableOf(t, s, a); got.State != Following {
			t.Errorf("got %+v, want it copied again", got)
		}
	})
}

func TestRun_StateLost(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.dir = t.TempDir()
		for range 2 {
			_, err := r.run(t.Context(), live(), nil)
			if err == nil || !strings.Contains(err.Error(), "the state knows nothing of it") {
				t.Errorf("got %v, want that the state knows nothing", err)
			}
		}
		if err := r.equal(); err != nil {
			t.Error(err)
		}
	})
}

func TestRun_PositionLost(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		r.src.Fail(8, fmt.Errorf("%w: purged", source.ErrPositionLost))
		s, err := r.run(t.Context(), live(), nil)
		if !errors.Is(err, source.ErrPositionLost) || s.State != NeedsResync {
			t.Errorf("got %v, state %s, want %v", err, s.State, source.ErrPositionLost)
		}
	})
}

// Tables that the configuration adds are copied while the others flow on; those that it takes away are forgotten.
func TestRun_ConfigurationChanges(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		only := func(n schema.Name) func(*Pipeline) {
			return func(p *Pipeline) {
				p.Match = func(m schema.Name) bool { return m == n }
				p.Selection = n.String()
			}
		}
		r.tune = only(a)
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(b, named("empty"))); err != nil || len(s.Tables) != 1 {
			t.Fatal(err, s)
		}
		r.tune = only(b)
		r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(a, "50", "x").Insert(b, "50", "", "x").Commit() })
		s, err = r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(a, named("empty"))); err != nil || len(s.Tables) != 1 {
			t.Fatal(err, s)
		}
		r.tune = only(a) // what happened to it meanwhile is unknown
		s, err = r.run(t.Context(), live(), r.caughtUp)
		if got := tableOf(t, s, a); err != nil || got.State != Stopped || !strings.Contains(got.Reason, "drop the sink table") {
			t.Errorf("got %+v, %v, want it stopped with the reason", got, err)
		}
	})
}

func TestRun_RoutesCollide(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		routes, err := NewRoutes([]Route{{Source: `shop.\.*`, Sink: "ods.all"}}, AllMatch)
		if err != nil {
			t.Fatal(err)
		}
		r.tune = func(p *Pipeline) { p.Routes = routes }
		_, err = r.run(t.Context(), live(), nil)
		for _, want := range []string{"ods.all", "shop.a", "shop.b", "route 1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		}
		if r.sink.Commits() != 0 {
			t.Error("something was written")
		}
	})
}

func TestRun_Routes(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		routes, err := NewRoutes([]Route{{Source: `shop.\.*`, Sink: "ods.x_<>", Replace: "<>"}}, AllMatch)
		if err != nil {
			t.Fatal(err)
		}
		r.tune = func(p *Pipeline) { p.Routes = routes }
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) },
			func(s *sourcetest.Source) { s.Rename(a, named("c")) },
			func(s *sourcetest.Source) { s.Begin().Insert(named("c"), "50", "x", "y").Commit() })
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err != nil {
			t.Fatal(err)
		}
		rows, ok := r.sink.Rows(schema.Name{Namespace: "ods", Table: "x_c"})
		if !ok || len(rows) != 13 || tableOf(t, s, named("c")).Sink.Table != "x_c" {
			t.Errorf("got %d rows, want 13; %+v", len(rows), s.Tables)
		}
	})
}

// TestRun_SlowSink: while one commit takes its time the next transaction grows, so a slow sink gets fewer and larger ones.
func TestRun_SlowSink(t *testing.T) {
	commits := func(t *testing.T, took time.Duration) (n int64) {
		in(t, func(t *testing.T) {
			r := newRig(t)
			stock(r.src)
			r.limits.Interval = 10 * time.Millisecond
			r.tune = func(p *Pipeline) {
				p.Sink = &slowSink{Sink: p.Sink, commit: func(ctx context.Context) error { return wait(ctx, took) }}
			}
			for i := range 200 {
				r.src.Script(func(s *sourcetest.Source) {
					time.Sleep(5 * time.Millisecond) // of the bubble's time: the source is busy so long
					s.Begin().Insert(named("a"), fmt.Sprint(1000+i), "x").Commit()
				})
			}
			s, err := r.run(t.Context(), live(), r.caughtUp)
			if err := errors.Join(err, r.equal()); err != nil {
				t.Fatal(err)
			}
			n = s.Commits
		})
		return n
	}
	fast, slow := commits(t, 0), commits(t, 200*time.Millisecond)
	if slow*4 > fast || slow < 2 {
		t.Errorf("got %d commits with a slow sink and %d with a fast one", slow, fast)
	}
}

// TestRun_Budget: what is read and not written stays within the budget, a batch larger than it included (invariant I8).
func TestRun_Budget(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		r.limits.Bytes = 300
		var most atomic.Int64
		r.tune = func(p *Pipeline) {
			p.Sink = &slowSink{Sink: p.Sink, written: func() {
				most.Store(max(most.Load(), p.Status().InFlight))
				time.Sleep(time.Millisecond) // of the bubble's time
			}}
		}
		for i := range 40 {
			r.src.Script(func(s *sourcetest.Source) {
				s.Begin().Insert(named("a"), fmt.Sprint(1000+i), strings.Repeat("x", 20*i)).Insert(named("b"), fmt.Sprint(1000+i), "", "y").Commit()
			})
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if most.Load() > r.limits.Bytes || most.Load() == 0 || s.InFlight != 0 {
			t.Errorf("got at most %d bytes in flight, %d at the end, want at most %d and none", most.Load(), s.InFlight, r.limits.Bytes)
		}
	})
}

// TestRun_SchemaStorm: one table changes its shape all the time, with rows between, while another flows.
func TestRun_SchemaStorm(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		stock(r.src)
		for i := range 60 {
			r.src.Script(func(s *sourcetest.Source) {
				s.AddColumn(a, column("extra", schema.String))
				s.Begin().Insert(a, fmt.Sprint(1000+i), "x", "y").Insert(b, fmt.Sprint(1000+i), "", "y").Commit()
				s.DropColumn(a)
				s.Begin().Insert(b, fmt.Sprint(2000+i), "", "y").Commit()
			})
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if got := r.sink.Shape(a); len(got.Columns) != 2 || got.Version != 121 {
			t.Errorf("got shape %s, want version 121 with two columns", got)
		}
	})
}

// TestRun_Stop: a commit that is under way when the pipeline is told to stop is finished within the grace period.
func TestRun_Stop(t *testing.T) {
	for label, c := range map[string]struct {
		took    time.Duration
		commits bool
	}{"finished": {5 * time.Second, true}, "given up": {time.Hour, false}} {
		t.Run(label, func(t *testing.T) {
			in(t, func(t *testing.T) {
				r := newRig(t)
				stock(r.src)
				ctx, cancel := context.WithCancel(t.Context())
				r.tune = func(p *Pipeline) {
					p.Sink = &slowSink{Sink: p.Sink, commit: func(ctx context.Context) error { cancel(); return wait(ctx, c.took) }}
				}
				began := time.Now()
				_, err := r.run(ctx, live(), nil)
				if err != nil || (r.sink.Commits() > 0) != c.commits || time.Since(began) > 25*time.Second {
					t.Errorf("got %v, %d commits after %s, want some: %v", err, r.sink.Commits(), time.Since(began), c.commits)
				}
				r.tune = nil
				_, err = r.run(t.Context(), live(), r.caughtUp)
				if err := errors.Join(err, r.equal()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestRun_Retries: after a transient error the pauses grow to a limit, and the reason shows meanwhile.
func TestRun_Retries(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		down := true
		r.tune = func(p *Pipeline) {
			p.Sink = &slowSink{Sink: p.Sink, commit: func(context.Context) error {
				if down {
					return fmt.Errorf("%w: no route to host", sink.ErrTransient)
				}
				return nil
			}}
		}
		began := time.Now()
		s, err := r.run(t.Context(), live(), func(s Status) bool {
			if down && s.Restarts > 20 {
				down = false
				if s.State != Retrying || !strings.Contains(s.Reason, "no route to host") {
					t.Errorf("got state %s, reason %q", s.State, s.Reason)
				}
			}
			return r.caughtUp(s)
		})
		if err := errors.Join(err, r.equal()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 40*time.Second || took < 5*time.Second {
			t.Errorf("%d restarts took %s", s.Restarts, took)
		}
	})
}

// TestRun_FirstErrorCounts: writes that are cut short because the source has failed do not hide that a restart helps.
func TestRun_FirstErrorCounts(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		var hung atomic.Bool
		r.tune = func(p *Pipeline) {
			p.Sink = &slowSink{Sink: p.Sink, write: func(ctx context.Context) error {
				if hung.Swap(true) {
					return nil
				}
				r.src.Fail(1, fmt.Errorf("%w: connection reset", source.ErrTransient))
				return wait(ctx, time.Hour)
			}}
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil || s.Restarts != 1 {
			t.Errorf("got %v after %d restarts, want one", err, s.Restarts)
		}
	})
}

// TestRun_AcksBehindTheStore: the source is told that a position is durable only when the store has it (invariant I3).
func TestRun_AcksBehindTheStore(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		workload(r.src)
		proc := &process{}
		r.tune = func(p *Pipeline) { p.states = ackChecker{p.states, t, r, map[source.Position]bool{}} }
		if _, err := r.run(t.Context(), proc, r.caughtUp); err != nil {
			t.Fatal(err)
		}
		if got := r.src.Acked(); got != r.src.Head() {
			t.Errorf("acked %s, want %s", got, r.src.Head())
		}
	})
}

type ackChecker struct {
	states
	t     *testing.T
	r     *rig
	saved map[source.Position]bool // a position is saved again while a table is parked there
}

func (a ackChecker) save(ctx context.Context, sv *save) error {
	if sv.position != "" && a.r.src.Acked() == sv.position && sv.epoch != 0 && !a.saved[sv.position] {
		a.t.Errorf("position %s was acked before it was saved", sv.position)
	}
	a.saved[sv.position] = true
	return a.states.save(ctx, sv)
}

func TestMetrics(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		reg := prometheus.NewPedanticRegistry()
		r.tune = func(p *Pipeline) { reg.MustRegister(p.Metrics()) }
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				got[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		if got["cdcsync_pipeline_written_rows_total"] != 24 || got["cdcsync_pipeline_commits_total"] == 0 || got["cdcsync_pipeline_copied_rows"] != 24 {
			t.Errorf("got %v", got)
		}
	})
}

// TestState_AfterRun: what a run leaves is what `cdcsync state` shows.
func TestState_AfterRun(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		workload(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		s, err := ReadState(t.Context(), r.dir, "test")
		if err != nil {
			t.Fatal(err)
		}
		if s.Position != r.src.Head() || len(s.Tables) != 4 || len(s.Changes) != 10 || filepath.Base(s.File) != "test.db" {
			t.Errorf("got %+v, want all tables and changes at %s", s, r.src.Head())
		}
		for _, c := range s.Changes {
			if c.State != "applied" {
				t.Errorf("got %+v, want it applied", c)
			}
		}
	})
}
