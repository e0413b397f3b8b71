package pipeline

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// TestRun_TablesAppear renames tables that were not captured into what matches: under a name that is new, and under that
// of a captured table, which goes away, as tools do that change a table by a copy of it. One of them changes its shape
// before the reader has come so far. Each operation in turn is the last of its process, or fails.
func TestRun_TablesAppear(t *testing.T) {
	a, ghost, old, fresh, spare := named("a"), named("_a_new"), named("_a_old"), named("fresh"), named("_spare")
	third, old2 := named("_third"), named("_a_old2")
	captured := func(n schema.Name) bool { return n.Table[0] != '_' }
	life := func(s *sourcetest.Source) {
		type src = *sourcetest.Source
		s.Script(
			func(s src) { s.Create(simple("_spare")); s.Begin().Insert(spare, "1", "from before").Commit() },
			func(s src) { s.Create(simple("_a_new")); s.AddColumn(ghost, column("more", schema.String)) },
			func(s src) { s.Begin().Insert(ghost, "1", "copied", "x").Insert(a, "50", "a").Commit() },
			func(s src) { s.Rename(a, old, ghost, a) },
			func(s src) { s.Begin().Insert(a, "2", "after", "y").Insert(old, "51", "nobody's").Commit() },
			func(s src) { s.Rename(spare, fresh) },
			func(s src) { s.Begin().Insert(fresh, "2", "after").Insert(a, "3", "later", "z").Commit() },
			func(s src) {
				s.Create(simple("_third"))
				s.Rename(a, old2, third, a)
				s.Begin().Insert(a, "4", "of two columns").Commit()
				s.AddColumn(a, column("third", schema.String))
				s.Begin().Insert(a, "5", "of", "three").Commit()
			},
			func(s src) { s.Begin().Insert(a, "6", "of", "three").Commit() },
		)
	}
	for _, f := range []fate{diesBefore, diesAfter, failsBefore, failsAfter} {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			t.Parallel()
			for n, reached := 1, true; reached; n++ {
				in(t, func(t *testing.T) {
					r := newRig(t)
					r.tune = func(p *Pipeline) { p.Match = captured }
					stock(r.src)
					life(r.src)
					proc := &process{at: n, fate: f}
					done := func(s Status) bool { return r.caughtUp(s) && r.equal(old, old2) == nil } // the end of a copy is told beside the log
					s, err := r.run(t.Context(), proc, done)
					reached = proc.ops >= n
					if errors.Is(err, errDead) {
						r.sink.Restart()
						s, err = r.run(t.Context(), live(), done)
					}
					if err := errors.Join(err, r.equal(old, old2)); err != nil {
						t.Fatalf("operation %d, %v: %v, %+v", n, proc.names[:min(n, len(proc.names))], err, s.Tables)
					}
				})
			}
		})
	}
}
