package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// resync asks for tables to be copied anew, as the command does.
func (r *rig) resync(ctx context.Context, names ...schema.Name) error {
	store, err := OpenStore(ctx, r.dir, "test")
	if err != nil {
		return err
	}
	return errors.Join(store.Resync(ctx, names), store.Close())
}

func (r *rig) saved(t *testing.T, n schema.Name) SavedTable {
	t.Helper()
	s, err := ReadState(t.Context(), r.dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Tables, func(x SavedTable) bool { return schema.Name(x.Source) == n })
	if i < 0 {
		t.Fatalf("no table %s in %+v", n, s.Tables)
	}
	return s.Tables[i]
}

// TestResync_Following copies a table anew that follows, while its shape has changed since the last run.
func TestResync_Following(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.Unlogged(a, "5", "old")
		if r.equal() == nil {
			t.Fatal("nothing is to be mended")
		}
		r.src.Begin().Insert(a, "30", "before").Commit()
		r.src.AddColumn(a, column("x", schema.String))
		r.src.Begin().Insert(a, "31", "after", "x").Commit()
		if err := r.resync(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := r.saved(t, a); !got.Resync || got.State != Copying || got.Rows != 0 {
			t.Errorf("got %+v, want it to be copied anew", got)
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
			t.Fatal(err)
		}
		if got := r.saved(t, a); got.Resync || got.State != Following || got.Rows == 0 {
			t.Errorf("got %+v, want it copied anew", got)
		}
		if got := r.saved(t, named("b")); got.Rows != 12 {
			t.Errorf("got %+v, want the other table as it was", got)
		}
	})
}

// TestResync_Uncopied refuses to copy a table anew, stopped or not, where nothing is copied: it would follow without its rows.
func TestResync_Uncopied(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b := newRig(t), named("a"), named("b")
		r.src.Latest()
		stock(r.src)
		r.tune = func(p *Pipeline) { p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.a ADD x"} }
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) })
		stopped := func(s Status) bool {
			return slices.ContainsFunc(s.Tables, func(x TableStatus) bool { return x.Name == a && x.State == Stopped })
		}
		if _, err := r.run(t.Context(), live(), stopped); err != nil {
			t.Fatal(err)
		}
		for _, n := range []schema.Name{a, b} {
			if err := r.resync(t.Context(), n); err == nil || !strings.Contains(err.Error(), "started without copying") {
				t.Errorf("resync of %s: got %v, want it refused", n, err)
			}
		}
	})
}

// TestResync_Stopped copies a table anew whose change the sink refused. The state does not show the change as under way.
func TestResync_Stopped(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		r.tune = func(p *Pipeline) { p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.a ADD x"} }
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) },
			func(s *sourcetest.Source) {
				s.Begin().Insert(a, "21", "late", "x").Insert(named("b"), "7", "7", "flows").Commit()
			})
		if s, err := r.run(t.Context(), live(), r.caughtUp); err != nil || tableOf(t, s, a).State != Stopped {
			t.Fatal(s, err)
		}
		if err := r.resync(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		saved, err := ReadState(t.Context(), r.dir, "test")
		if err != nil || slices.ContainsFunc(saved.Changes, func(c SavedChange) bool { return c.State == "applying" }) {
			t.Errorf("got %+v, %v, want no change under way", saved.Changes, err)
		}
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil || tableOf(t, s, a).State != Following {
			t.Error(err, s)
		}
		if got := r.saved(t, a); got.Resync {
			t.Errorf("got %+v, want that it is over", got)
		}
	})
}

// TestResync_Said holds that the new copy of a stopped table is said once: not when it begins to be awaited, but when it
// takes part.
func TestResync_Said(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, said := newRig(t), named("a"), bytes.Buffer{}
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) {
			s.Begin().Stop(&schema.TableError{Table: a, Err: errors.New("it was renamed")}).Commit()
		})
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.tune = func(p *Pipeline) { p.Log = slog.New(slog.NewTextHandler(&said, nil)) }
		if err := r.resync(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		_, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil {
			t.Fatal(err)
		}
		for what, times := range map[string]int{"tables are to take part": 1, "to be copied anew": 1} {
			if got := strings.Count(said.String(), what); got != times {
				t.Errorf("%q was said %d times, want %d:\n%s", what, got, times, &said)
			}
		}
	})
}

// TestResync_Fails lets each operation of the start after a resync fail, or be the last of its process.
func TestResync_Fails(t *testing.T) {
	a, b := named("a"), named("b")
	for f, name := range map[fate]string{failsBefore: "fails before", failsAfter: "fails after", diesBefore: "dies before", diesAfter: "dies after"} {
		t.Run(name, func(t *testing.T) {
			n := 1
			for reached := true; reached && n <= 60; n++ { // what comes later is like any other run
				in(t, func(t *testing.T) {
					r := newRig(t)
					stock(r.src)
					stop := &schema.TableError{Table: b, Err: errors.New("unreadable")}
					r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(b, "7", "7", "x").Stop(stop).Commit() })
					if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
						t.Fatal(err)
					}
					r.src.Unlogged(a, "5", "old")
					r.src.AddColumn(a, column("x", schema.String))
					r.src.Begin().Insert(a, "31", "after", "x").Commit()
					if err := r.resync(t.Context(), a, b); err != nil {
						t.Fatal(err)
					}
					proc := &process{at: n, fate: f}
					done := func(s Status) bool { return r.caughtUp(s) && r.equal() == nil } // the end of a copy is told beside the log
					s, err := r.run(t.Context(), proc, done)
					reached = proc.ops >= n
					if errors.Is(err, errDead) {
						r.sink.Restart()
						s, err = r.run(t.Context(), live(), done)
					}
					if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
						t.Fatalf("operation %d, %v: %v", n, proc.names[:min(n, len(proc.names))], err)
					}
					for _, table := range []schema.Name{a, b} {
						if got, now := r.saved(t, table), tableOf(t, s, table); got.Resync || now.State != Following || now.Copied == 0 {
							t.Fatalf("operation %d, %v: got %+v, want it copied anew", n, proc.names[:min(n, len(proc.names))], now)
						}
					}
				})
			}
			if n < 15 {
				t.Errorf("only %d operations", n)
			}
		})
	}
}

// TestResync_Refused refuses what could not be kept, and changes nothing then.
func TestResync_Refused(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) { s.Drop(named("empty")) })
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		for n, want := range map[schema.Name]string{named("nosuch"): "not one of the pipeline's", named("empty"): "has dropped it"} {
			if err := r.resync(t.Context(), a, n); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), n.String()) {
				t.Errorf("%s: got %v, want %q", n, err, want)
			}
			if got := r.saved(t, a); got.Resync || got.State != Following {
				t.Errorf("got %+v, want it untouched", got)
			}
		}
	})
}

// A table that was renamed past the checkpoint is not taken for another.
func TestResync_Unsettled(t *testing.T) {
	in(t, func(t *testing.T) {
		a, e := named("a"), named("e")
		for n := 1; ; n++ {
			r := newRig(t)
			stock(r.src)
			r.src.Script(func(s *sourcetest.Source) { s.Rename(a, e) }, func(s *sourcetest.Source) { s.Begin().Insert(e, "40", "x").Commit() })
			proc := &process{at: n, fate: diesAfter}
			if _, err := r.run(t.Context(), proc, r.caughtUp); err == nil {
				return
			}
			r.sink.Restart()
			err := r.resync(t.Context(), a)
			if err != nil && !slices.ContainsFunc([]string{"not one of", "run the pipeline once"}, func(w string) bool { return strings.Contains(err.Error(), w) }) {
				t.Fatalf("operation %d: %v", n, err)
			}
			s, err := r.run(t.Context(), live(), r.caughtUp)
			if err := errors.Join(err, r.equal(), accounted(s)); err != nil {
				t.Fatal(fmt.Errorf("operation %d, %v: %w", n, proc.names, err))
			}
		}
	})
}
