package items

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/verify"
	"github.com/cdcsync/cdcsync/pipeline"
)

// A moment is when a run is judged.
type moment uint8

const (
	followed moment = iota // the steps are through: what stops has stopped
	whole                  // the end: what has stopped is copied anew
)

// A judge looks at all stages of a run.
type judge struct {
	run    *run
	verify *verify.Judge
}

func newJudge(t *testing.T, r *run) *judge {
	t.Helper()
	v, err := verify.Start(t.Context(), r.pipe.Sink(), r.server)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return &judge{run: r, verify: v}
}

// settled is how long a pipeline that has nothing to copy may take for what is still wrong.
const settled = 20 * time.Second

// await waits until all tables are in the state that is wanted, or until nothing will come of waiting: then what is wrong
// stays noted. Rows are compared at the end, when the program is gone: equality must not be a moment in passing.
func (j *judge) await(t *testing.T, d *e2e.Daemon, m moment) {
	t.Helper()
	j.arrive(t, d)
	for deadline := time.Now().Add(settled); ; {
		state := j.run.state(t)
		if j.look(t, state, m) {
			return
		}
		if copying(state) {
			deadline = time.Now().Add(settled)
		} else if time.Now().After(deadline) {
			return
		}
		j.run.lives(t, d, 300*time.Millisecond)
	}
}

// arrive waits for a row that is written behind all others: all before it is there, but for tables that are copied anew.
func (j *judge) arrive(t *testing.T, d *e2e.Daemon) {
	t.Helper()
	db := j.run.prefix + "marker"
	j.run.server.Exec(t, "INSERT INTO "+db+".t VALUES ()")
	marker := verify.Pair{Namespace: db, Table: "t", Database: db, Source: "t"}
	for deadline := time.Now().Add(patience); len(j.compare(t, marker)) > 0; {
		if time.Now().After(deadline) {
			t.Errorf("rows do not arrive within %v:\n%s", patience, j.run.pipe.Log(20))
			return
		}
		j.run.lives(t, d, 200*time.Millisecond)
	}
}

// look judges the states of all tables, and says whether they are as they should be.
func (j *judge) look(t *testing.T, state *pipeline.SavedState, m moment) bool {
	t.Helper()
	tables, fine := j.tables(t), true
	for _, x := range j.run.stages {
		if x.broken != nil {
			continue
		}
		if x.wrong = x.states(state, m); m == whole {
			x.wrong = append(x.wrong, x.sinks(tables)...)
		}
		fine = fine && len(x.wrong) == 0
	}
	return fine
}

// end compares all tables that must be equal, and holds the stages to what else is wanted.
func (j *judge) end(t *testing.T) {
	t.Helper()
	state := j.run.told(t)
	j.look(t, state, whole)
	for _, x := range j.run.stages {
		x.saved = state
		x.wrong = slices.Concat(x.wrong, j.compare(t, x.pairs()...), j.keeps(t, x), x.refusals(j.run.refuse))
		if x.check != nil && x.broken == nil {
			if err := x.check(x); err != nil {
				x.wrong = append(x.wrong, err.Error())
			}
		}
	}
	if err := j.verify.Close(); err != nil {
		t.Errorf("verify: %v", err)
	}
}

// pairs are the tables that must be equal at the end.
func (x *stage) pairs() []verify.Pair {
	names := slices.Concat(x.want.equal, x.want.empty, slices.Sorted(maps.Keys(x.want.stops)))
	pairs := make([]verify.Pair, len(names))
	for i, name := range names {
		db, table := x.table(name)
		pairs[i] = verify.Pair{
			Namespace: db, Table: table, Database: db, Source: table,
			AllowEmpty: slices.Contains(x.want.empty, name), Ignore: x.want.ignore[name],
		}
	}
	return pairs
}

// keeps counts the rows of tables that are not to be compared.
func (j *judge) keeps(t *testing.T, x *stage) (problems []string) {
	t.Helper()
	for name, rows := range x.want.kept {
		db, table := x.table(name)
		found, err := j.verify.Compare(verify.Pair{Namespace: db, Table: table})
		if err != nil {
			t.Fatalf("verify: %v", err)
		}
		if found[0].Error != "" || found[0].SinkRows != rows {
			problems = append(problems, fmt.Sprintf("%s: the sink has %d rows of it, want %d %s", name, found[0].SinkRows, rows, found[0].Error))
		}
	}
	return problems
}

func (j *judge) compare(t *testing.T, pairs ...verify.Pair) (problems []string) {
	t.Helper()
	results, err := j.verify.Compare(pairs...)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for i, r := range results {
		if err := r.Err(pairs[i]); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// states holds the states of the scenario's tables to what is wanted.
func (x *stage) states(s *pipeline.SavedState, m moment) (problems []string) {
	found := map[string]bool{}
	for _, saved := range s.Tables {
		name := saved.Source.Table
		switch saved.Source.Namespace {
		case x.db:
		case x.fresh():
			name = "{new}/" + name
		default:
			continue
		}
		found[name] = true
		if err := x.state(name, &saved, m); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if m != whole {
		return problems
	}
	for _, names := range [][]string{x.want.equal, x.want.empty, slices.Sorted(maps.Keys(x.want.stops)), slices.Sorted(maps.Keys(x.want.refused))} {
		for _, name := range names {
			if !found[name] {
				problems = append(problems, name+": it is not among the pipeline's tables")
			}
		}
	}
	return problems
}

// state holds one table's state to what is wanted.
func (x *stage) state(name string, s *pipeline.SavedTable, m moment) error {
	why, stops := x.want.stops[name]
	_, keeps := x.want.kept[name]
	if m == whole {
		stops = false
	}
	for _, more := range []map[string]string{x.want.ended, x.want.refused} {
		if w, ok := more[name]; ok {
			why, stops = w, true
		}
	}
	switch {
	case stops && x.behind && m != whole && s.State != pipeline.Stopped:
		return nil // what stops before any of its rows are in the sink is copied anew at once
	case stops && s.State != pipeline.Stopped:
		return fmt.Errorf("%s: it is %s, and is to stop: %s", name, s.State, why)
	case stops && !regexp.MustCompile(why).MatchString(s.Reason):
		return fmt.Errorf("%s: it has stopped for another reason than %q: %s", name, why, s.Reason)
	case stops, m != whole && s.State != pipeline.Stopped:
		return nil
	case m != whole:
		return fmt.Errorf("%s: it has stopped: %s", name, s.Reason)
	case slices.Contains(x.want.gone, name) && s.State != pipeline.Dropped:
		return fmt.Errorf("%s: it is %s, and is to be dropped: %s", name, s.State, s.Reason)
	case slices.Contains(x.want.gone, name):
		return nil
	case keeps && s.State != pipeline.Stopped && s.State != pipeline.Copying:
		return nil
	case s.State == pipeline.Stopped:
		return fmt.Errorf("%s: it has stopped: %s", name, s.Reason)
	case !slices.Contains(slices.Concat(x.want.equal, x.want.empty, slices.Collect(maps.Keys(x.want.stops))), name):
		return fmt.Errorf("%s: it is %s, and nothing is said of it", name, s.State)
	case s.State != pipeline.Following:
		return fmt.Errorf("%s: it is %s", name, s.State)
	}
	return nil
}

// refusals holds what `cdcsync check` says to what is to be refused.
func (x *stage) refusals(check string) (problems []string) {
	for name, why := range x.want.refused {
		db, table := x.table(name)
		line := regexp.MustCompile(`(?s)PROBLEM +table ` + regexp.QuoteMeta(db+"."+table) + ` cannot be copied\n[^\n]*(` + why + `)`)
		if !line.MatchString(check) {
			problems = append(problems, fmt.Sprintf("cdcsync check does not refuse %s.%s with %q: %s", db, table, why, matching(check, db)))
		}
	}
	return problems
}

// matching are the lines of a text about a database, with what follows them.
func matching(text, db string) string {
	lines := strings.Split(text, "\n")
	var found []string
	for i, l := range lines {
		if strings.Contains(l, db+".") {
			found = append(found, lines[i:min(i+2, len(lines))]...)
		}
	}
	return strings.Join(found, "\n")
}
