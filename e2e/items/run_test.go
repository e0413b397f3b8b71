package items

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline"
)

// patience is how long a pipeline may take for what it does in seconds on an idle machine.
const patience = 5 * time.Minute

// A run plays the scenarios of one pipeline on one server, in four lives of the program.
type run struct {
	how    *config
	server *servers.Server
	matrix *matrix
	prefix string // of the databases
	plays  []*playing
	stages []*stage

	pipe   *e2e.Pipeline
	refuse string // what `cdcsync check` says before the start
}

// A playing is a scenario on one server: it is played twice.
type playing struct {
	scenario  *scenario
	lagging   *stage // nil: once
	following *stage
}

// play runs everything. What goes wrong with one scenario is said by a subtest of its name.
func (r *run) play(t *testing.T) {
	t.Helper()
	if len(r.stages) == 0 {
		t.Skip("the server has nothing that these scenarios are about")
	}
	r.open(t)
	d := r.pipe.Run(t, append(slices.Clone(r.how.env), "CDCSYNC_FAULT=pipeline.after-register:1")...)
	if !d.Ended(patience) || !d.Killed() {
		t.Fatalf("the program has not registered its tables, and died of it as it should:\n%s", r.pipe.Log(40))
	}
	r.each(t, func(ctx context.Context, x *stage) {
		if x.behind {
			x.play(ctx, x.steps)
		}
	})
	t.Logf("%d databases are registered", len(r.stages))
	d = r.pipe.Run(t, r.how.env...)
	r.copied(t, d)
	t.Log("all tables are copied")
	r.each(t, func(ctx context.Context, x *stage) {
		if !x.behind {
			x.play(ctx, x.steps)
		}
	})
	j := newJudge(t, r)
	j.await(t, d, followed)
	for _, x := range r.stages {
		x.early = x.wrong
	}
	r.end(t, d)
	t.Log("the steps are through")
	r.each(t, func(ctx context.Context, x *stage) { x.play(ctx, x.down) })
	r.resync(t)
	if r.how.later != nil {
		r.pipe.Set(t, r.how.later)
	}
	d = r.pipe.Run(t, r.how.env...)
	r.copied(t, d)
	r.each(t, func(ctx context.Context, x *stage) { x.play(ctx, x.again) })
	j.await(t, d, whole)
	r.end(t, d)
	t.Log("the end is reached")
	j.end(t)
	for _, p := range r.plays {
		t.Run(p.scenario.name, func(t *testing.T) { p.report(t, r.matrix) })
	}
}

// open makes the databases, and the pipeline.
func (r *run) open(t *testing.T) {
	t.Helper()
	r.server.Exec(t, "CREATE DATABASE "+r.prefix+"marker", "CREATE TABLE "+r.prefix+"marker.t (id int AUTO_INCREMENT PRIMARY KEY)")
	r.each(t, func(ctx context.Context, x *stage) { x.open(ctx, t) })
	settings := e2e.Settings{
		"source.tables":         fmt.Sprintf(`"%s\\.*.\\.*"`, r.prefix),
		"source.tables.exclude": fmt.Sprintf(`"%s\\.*.out_\\.*"`, r.prefix),
		"sink.drop.table":       "drop",
	}
	maps.Copy(settings, r.how.settings)
	r.pipe = e2e.NewPipeline(t, r.server, "items_"+r.how.name, settings)
	for _, x := range r.stages {
		x.pipe = r.pipe
	}
	r.refuse, _, _ = r.pipe.Command(t, "check")
}

// workers is how many scenarios run their statements at once.
const workers = 4

// each does something with all stages, some at once.
func (r *run) each(t *testing.T, what func(ctx context.Context, x *stage)) {
	t.Helper()
	var g sync.WaitGroup
	next := make(chan *stage)
	for range workers {
		g.Go(func() {
			for x := range next {
				what(t.Context(), x)
			}
		})
	}
	for _, x := range r.stages {
		next <- x
	}
	close(next)
	g.Wait()
}

// end ends the program in an orderly way.
func (r *run) end(t *testing.T, d *e2e.Daemon) {
	t.Helper()
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0:\n%s", code, r.pipe.Log(40))
	}
}

// copied waits until no table is being copied.
func (r *run) copied(t *testing.T, d *e2e.Daemon) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		s := r.state(t)
		if s.Epoch > 0 && !copying(s) {
			return
		}
		r.lives(t, d, 300*time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: all tables are copied: %+v", patience, s.Tables)
		}
	}
}

// copying says that tables are being copied.
func copying(s *pipeline.SavedState) bool {
	return slices.ContainsFunc(s.Tables, func(x pipeline.SavedTable) bool { return x.State == pipeline.Copying })
}

// lives fails the test if the program ends by itself within a time.
func (r *run) lives(t *testing.T, d *e2e.Daemon, least time.Duration) {
	t.Helper()
	if d.Ended(least) {
		t.Fatalf("cdcsync ended by itself with code %d:\n%s", d.ExitCode(), r.pipe.Log(40))
	}
}

// state is what `cdcsync state` would say, which takes a while to start.
func (r *run) state(t testing.TB) *pipeline.SavedState {
	t.Helper()
	s, err := pipeline.ReadState(t.Context(), r.pipe.State, r.pipe.Name)
	if err != nil {
		return &pipeline.SavedState{} // it has not begun
	}
	return s
}

// told is what `cdcsync state` says.
func (r *run) told(t testing.TB) *pipeline.SavedState {
	t.Helper()
	out, said, code := r.pipe.Command(t, "state", "-o", "json")
	s := &pipeline.SavedState{}
	if code != 0 {
		return s // it has not begun
	}
	if err := json.Unmarshal([]byte(out), s); err != nil {
		t.Fatalf("read state: %v: %s%s", err, out, said)
	}
	return s
}

// resync asks for the tables that were to stop to be copied anew.
func (r *run) resync(t *testing.T) {
	t.Helper()
	stopped := map[pipeline.SavedName]bool{}
	for _, s := range r.state(t).Tables {
		stopped[s.Source] = s.State == pipeline.Stopped
	}
	for _, x := range r.stages {
		for name := range x.want.stops {
			db, table := x.table(name)
			if x.broken != nil || !stopped[pipeline.SavedName{Namespace: db, Table: table}] {
				continue
			}
			if out, said, code := r.pipe.Command(t, "resync", db+"."+table); code != 0 {
				x.broken = fmt.Errorf("cdcsync resync: code %d: %s%s", code, out, said)
			}
		}
	}
}

// table is where a table of an outcome is.
func (x *stage) table(name string) (database, table string) {
	if db, table, ok := strings.Cut(x.spell(name), "/"); ok && strings.HasPrefix(name, "{") {
		return db, table
	}
	return x.db, name
}

// report says what has come of a scenario.
func (p *playing) report(t *testing.T, m *matrix) {
	for _, x := range []*stage{p.lagging, p.following} {
		if x == nil {
			continue
		}
		when := "following"
		if x == p.lagging {
			when = "lagging"
		}
		if x.broken != nil {
			t.Errorf("%s, %s: %v", x.db, when, x.broken)
		}
		for _, w := range append(x.early, x.wrong...) {
			t.Errorf("%s, %s: %s", x.db, when, w)
		}
	}
	m.set(p.scenario, p.result(t.Failed()))
}

// result is the scenario's field of the matrix.
func (p *playing) result(failed bool) string {
	if failed {
		return "FAILS"
	}
	following := p.following.want.String()
	if p.lagging != nil && p.lagging.want.String() != following {
		return following + "; while it lags: " + p.lagging.want.String()
	}
	return following
}

// String says in a few words what comes of a scenario.
func (o *outcome) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(o.refused)) {
		parts = append(parts, "refused: "+o.refused[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.stops)) {
		parts = append(parts, "stops: "+o.stops[name]+"; resync equal")
	}
	for _, name := range slices.Sorted(maps.Keys(o.ended)) {
		parts = append(parts, "stops: "+o.ended[name])
	}
	if len(parts) == 0 {
		return "ok"
	}
	return strings.Join(slices.Compact(parts), ", ")
}
