package pipeline

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
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
