package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/e2e/verify"
)

// patience is how long the copy may make no progress on its way to equality. That it is far behind is no fault: the
// machine may be busy.
const patience = 3 * time.Minute

// ghostName is how tools of online migrations call their tables.
var ghostName = regexp.MustCompile(`^_.*_(gho|ghc|del|new|old)$`)

// tables are those that must be equal.
func (c *chaos) tables() []string {
	return slices.DeleteFunc(c.load.Tables(c.t), func(name string) bool { return c.ghosts != captured && ghostName.MatchString(name) })
}

// settle waits until all tables are equal, and holds that none has stopped. Nobody writes.
func (c *chaos) settle() {
	c.calm()
	c.compare(patience, c.tables()...)
	c.flowing()
}

// calm is the end of all faults: the program that runs then has none before it.
func (c *chaos) calm() {
	c.alive(0)
	if c.armed {
		c.kill()
	}
}

// compare waits until tables are equal. Those that are, are not looked at again.
func (c *chaos) compare(timeout time.Duration, tables ...string) {
	c.t.Helper()
	began, rows, count := time.Now(), 0, len(tables)
	judge, err := verify.Start(c.t.Context(), c.p.Sink(), c.s)
	if err != nil {
		c.t.Fatalf("verify: %v", err)
	}
	for moved, reached := began, ""; ; {
		look := time.Now()
		u := c.unequal(judge, tables)
		if rows, tables = rows+u.rows, u.tables; len(tables) == 0 {
			break
		}
		at := c.saved()
		if now := fmt.Sprint(at.Position, at.Epoch); now != reached {
			reached, moved = now, time.Now()
		}
		if time.Since(moved) > timeout {
			c.t.Fatalf("not equal, and no progress for %v:\n%s\n%s", timeout, strings.Join(u.problems, "\n"), c.state())
		}
		c.alive(300*time.Millisecond + 2*time.Since(look)) // most of the time is the copy's
	}
	if err := judge.Close(); err != nil {
		c.t.Errorf("verify: %v", err)
	}
	if rows == 0 {
		c.t.Fatal("nothing was compared: all tables are empty")
	}
	c.tally.did("comparisons", 1)
	c.t.Logf("%d tables with %d rows are equal after %v", count, rows, time.Since(began).Round(time.Millisecond))
}

// unequal are the tables that differ, how, and the rows of all that were compared.
type unequal struct {
	tables, problems []string
	rows             int
}

func (c *chaos) unequal(judge *verify.Judge, tables []string) (u unequal) {
	c.t.Helper()
	pairs := c.pairs(tables)
	results, err := judge.Compare(pairs...)
	if err != nil {
		c.t.Fatalf("verify: %v", err)
	}
	for i, r := range results {
		u.rows += r.SourceRows
		if err := r.Err(pairs[i]); err != nil {
			u.problems, u.tables = append(u.problems, err.Error()), append(u.tables, pairs[i].Source)
		}
	}
	return u
}

func (c *chaos) pairs(tables []string) []verify.Pair {
	pairs := c.p.Pairs(tables...)
	for i := range pairs {
		pairs[i].AllowEmpty = true
	}
	return pairs
}

// state is what the program says about itself, for people.
func (c *chaos) state() string {
	out, said, _ := c.p.Command(c.t, "state")
	return out + said
}

// flowing fails the test if a table has stopped.
func (c *chaos) flowing() {
	c.t.Helper()
	for name, reason := range c.stopped(c.saved()) {
		c.t.Errorf("%s has stopped: %s", name, reason)
	}
}

// stopped are the tables at the source that have stopped for good, with the reason.
func (c *chaos) stopped(at saved) map[string]string {
	c.t.Helper()
	there, stopped := c.tables(), map[string]string{}
	for _, table := range at.Tables {
		if table.State == "stopped" && !table.Resync && table.Source.Namespace == c.p.Database && slices.Contains(there, table.Source.Table) {
			stopped[table.Source.Table] = table.Reason
		}
	}
	return stopped
}

// A saved state is what `cdcsync state` says.
type saved struct {
	Position string
	Epoch    int64
	Tables   []struct {
		Source struct{ Namespace, Table string }
		State  string
		Reason string
		Resync bool // it is to be copied anew, and waits for that
	}
}

func (c *chaos) saved() (s saved) {
	c.t.Helper()
	out, said, code := c.p.Command(c.t, "state", "-o", "json")
	if code != 0 {
		c.t.Fatalf("cdcsync state: code %d: %s", code, said)
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		c.t.Fatalf("read state: %v: %s", err, out)
	}
	if len(s.Tables) == 0 {
		c.t.Fatalf("state has no tables: %s", out)
	}
	return s
}

// between has some tables copied anew, or all, so that copies are made under faults for as long as the run lasts.
func (c *chaos) between() {
	c.end()
	switch n := c.r.IntN(6); n {
	case 0:
		c.load.EndXA(c.t) // the new pipeline could not know what is prepared
		out, said, code := c.p.Command(c.t, "resync", "--all")
		if code != 0 {
			c.t.Fatalf("cdcsync resync --all: code %d: %s%s", code, out, said)
		}
		c.tally.did("resyncs of all", 1)
	case 1, 2, 3:
		all := c.tables()
		c.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		some := all[:1+c.r.IntN(len(all))]
		c.p.Resync(c.t, some...)
		c.tally.did("resyncs of tables", int64(len(some)))
	}
	c.start()
}

// finish is the end of a run: all is equal, also when the program has ended, which it does with 0.
func (c *chaos) finish(took time.Duration) {
	c.load.EndXA(c.t)
	c.settle()
	if code := c.d.Terminate(c.t); code != 0 {
		c.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	results := verify.All(c.t, c.p.Sink(), c.s, c.pairs(c.tables())...)
	rows := 0
	for _, r := range results {
		rows += r.SourceRows
	}
	c.flowing()
	if err := c.load.Err(); err != nil {
		c.t.Errorf("a statement of the workload is wrong: %v", err)
	}
	if err := c.tally.err(); err != nil {
		c.t.Errorf("a statement of the schema changes is wrong: %v", err)
	}
	c.t.Logf("%s %s, %v, tables of migrations %s: %d tables with %d rows are equal", c.s.Flavour, c.s.Version, took.Round(time.Second), c.ghosts, len(results), rows)
}

// tell prints what was done, however the run ends.
func (c *chaos) tell() {
	c.t.Logf("faults and schema changes: %v", c.tally)
	c.t.Logf("writers: %+v %v", c.load.Counts(), c.load.Wild())
}

// keep copies what a failed run leaves: the pipeline's folder, and the server's log.
func (c *chaos) keep() {
	to := os.Getenv("CDCSYNC_KEEP")
	if to == "" || !c.t.Failed() {
		return
	}
	if c.d != nil {
		c.d.Kill(c.t)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		c.t.Logf("keep files: %v", err)
		return
	}
	logs, _ := filepath.Glob(filepath.Join(c.s.Dir, "data", "binlog.*"))
	from := append([]string{c.p.Dir, c.s.Log()}, logs...)
	if out, err := exec.Command("cp", append(append([]string{"-a"}, from...), to)...).CombinedOutput(); err != nil {
		c.t.Logf("keep files: %v: %s", err, out)
	}
}
