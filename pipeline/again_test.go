package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// TestRun_MadeAgain drops a table that has rows in the sink, and makes another one of its name that stays empty over a
// restart: the new one has no commit yet, and needs none.
func TestRun_MadeAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) { s.Begin().Insert(a, "50", "soon gone").Commit() })
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.Drop(a)
		r.src.Create(simple("a"))
		if s, err := r.run(t.Context(), live(), r.caughtUp); err != nil || tableOf(t, s, a).State != Following {
			t.Fatal(s, err)
		}
		r.src.Begin().Insert(a, "1", "new").Commit()
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil || tableOf(t, s, a).State != Following {
			t.Errorf("%v, got %+v", err, tableOf(t, s, a))
		}
	})
}

// TestRun_RenamedOntoStopped gives a table the name of one that has stopped. Its own name is free then, for a new table
// that has nothing of what the sink has under it: it must not go on there.
func TestRun_RenamedOntoStopped(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b, old := newRig(t), named("a"), named("b"), named("old")
		stock(r.src)
		stop := &schema.TableError{Table: a, Err: errors.New("a value that nobody can read")}
		r.src.Script(func(s *sourcetest.Source) { s.Begin().Stop(stop).Insert(a, "20", "x").Commit() })
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.Rename(a, old, b, a)
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err != nil {
			t.Fatal(err)
		}
		if got := tableOf(t, s, b); got.State != Stopped || !strings.Contains(got.Reason, "shop.a is already") {
			t.Errorf("got %+v, want it stopped, since it is no more", got)
		}
		if got := tableOf(t, s, a); got.State != Stopped {
			t.Errorf("got %+v, want it stopped still", got)
		}
	})
}

// TestRun_RenameRefused lets the sink refuse another name for a table, which is written to under it.
func TestRun_RenameRefused(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, c := newRig(t), named("a"), named("c")
		stock(r.src)
		r.tune = func(p *Pipeline) { p.Sink = &refusing{Sink: p.Sink, statement: "RENAME TABLE shop.a TO shop.c"} }
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.Rename(a, c)
		r.src.Begin().Insert(c, "50", "under the new name").Insert(named("b"), "7", "7", "flows").Commit()
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.same(named("b"))); err != nil {
			t.Fatal(err)
		}
		for _, n := range []schema.Name{a, c} {
			if got := tableOf(t, s, n); got.State != Stopped || !strings.Contains(got.Reason, "cannot be done") {
				t.Errorf("got %+v, want it stopped with the reason", got)
			}
		}
	})
}

// TestRun_StoppedRenamed gives a table another name while the stream that brings it has not heard that it has stopped: the
// new name is that of a table to be copied.
func TestRun_StoppedRenamed(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, c := newRig(t), named("a"), named("c")
		stock(r.src)
		r.tune = func(p *Pipeline) { p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.a ADD x"} }
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.AddColumn(a, column("x", schema.String))
		r.src.Rename(a, c)
		r.src.Begin().Insert(c, "50", "under the new name", "x").Insert(named("b"), "7", "7", "flows").Commit()
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err := errors.Join(err, r.equal()); err != nil {
			t.Fatal(err, s)
		}
		if got := tableOf(t, s, c); got.State != Following {
			t.Errorf("got %+v, want it copied", got)
		}
	})
}

// TestRun_NameLeft renames a table out of what is captured, and has others take the name: a new one, one that was captured
// under another name, and the same one again. Each is copied, before or after a restart.
func TestRun_NameLeft(t *testing.T) {
	a, b, out := named("a"), named("b"), named("_out")
	anew := func(s *sourcetest.Source, n schema.Name) {
		s.Create(simple(n.Table))
		s.Begin().Insert(n, "1", "new").Commit()
	}
	for name, takes := range map[string]func(*sourcetest.Source){
		"new":      func(s *sourcetest.Source) { anew(s, a) },
		"captured": func(s *sourcetest.Source) { s.Rename(b, a); s.Begin().Insert(a, "60", "60", "after").Commit() },
		"two":      func(s *sourcetest.Source) { s.Rename(b, a); anew(s, b) },
		"same":     func(s *sourcetest.Source) { s.Rename(out, a); s.Begin().Insert(a, "60", "after").Commit() },
		"swap":     func(s *sourcetest.Source) { s.Create(simple("_x")); s.Rename(named("_x"), a, b, named("_y")) },
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restart ", restart), func(t *testing.T) {
				in(t, func(t *testing.T) {
					r := newRig(t)
					r.tune = func(p *Pipeline) { p.Match = func(n schema.Name) bool { return n.Table[0] != '_' } }
					stock(r.src)
					if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
						t.Fatal(err)
					}
					r.src.Script(func(s *sourcetest.Source) { s.Rename(a, out) })
					if restart {
						s, err := r.run(t.Context(), live(), r.caughtUp)
						if got := tableOf(t, s, a); err != nil || got.State != Stopped || !strings.Contains(got.Reason, source.ErrLeft.Error()) {
							t.Fatalf("%v, got %+v, want it stopped", err, got)
						}
					}
					r.src.Script(takes)
					equal := func() error { return r.equal(out, named("_y")) }
					s, err := r.run(t.Context(), live(), func(s Status) bool { return r.caughtUp(s) && equal() == nil })
					if err := errors.Join(err, equal()); err != nil || tableOf(t, s, a).State != Following {
						t.Errorf("%v, got %+v", err, s.Tables)
					}
				})
			})
		}
	}
}

// TestRun_NameLeft_Copying gives a table that is being copied the name that another has left: the attempt ends for it, and
// the next knows that both names are free for tables to come.
func TestRun_NameLeft_Copying(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a, b, out := newRig(t), named("a"), named("b"), named("_out")
		r.tune = func(p *Pipeline) { p.Match = func(n schema.Name) bool { return n.Table[0] != '_' } }
		stock(r.src)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		r.src.Rename(a, out)
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		if err := r.resync(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		equal := func(s Status) bool { return r.caughtUp(s) && r.equal(out) == nil }
		r.src.Rename(b, a)
		s, err := r.run(t.Context(), live(), equal)
		if err := errors.Join(err, r.equal(out)); err != nil || tableOf(t, s, b).State != Stopped {
			t.Fatalf("%v, got %+v", err, s.Tables)
		}
		r.src.Create(simple("b"))
		r.src.Begin().Insert(b, "1", "new").Commit()
		s, err = r.run(t.Context(), live(), equal)
		if err := errors.Join(err, r.equal(out)); err != nil || tableOf(t, s, b).State != Following {
			t.Errorf("%v, got %+v", err, s.Tables)
		}
	})
}
