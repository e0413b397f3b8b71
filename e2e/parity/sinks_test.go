package parity

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// A run is a pipeline of the built program into one sink.
type run struct {
	at       place
	pipeline *e2e.Pipeline
}

// TestSinks copies the rows of all types into every sink: half of them are there before the snapshot, the rest come by the
// log, with updates and deletes of both. The judges, which decode by themselves, compare each table with its source. One
// type of each family is a key too; with CDCSYNC_PARITY_KEYS=all every type that can be one.
func TestSinks(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, _ := e2e.Seeded(t)
		database := s.Database(t)
		subjects := subjectsOf(t, s)
		sheets := sheetsOf(t, s, database, subjects)
		keyed := keyedOf(t, s, database, subjects)
		w := newWriter(t, s, database, r)
		for _, sh := range sheets {
			w.insertSheet(t, sh, w.early(sh), randomRows(t)/2)
		}
		for _, sub := range keyed {
			w.insertKeys(t, sub, keysOf(sub), randomRows(t)/2)
		}
		t.Logf("%d types in %d tables, %d of them keys", len(subjects), len(sheets)+len(keyed), len(keyed))
		runs := start(t, s, database)
		for _, run := range runs {
			e2e.Until(t, time.Minute, "all tables copied into "+placeNames[run.at], func() bool { return copied(t, run.pipeline) })
		}
		for _, sh := range sheets {
			w.insertSheet(t, sh, sh.late, randomRows(t)/2)
			w.changeSheet(t, sh)
		}
		for _, sub := range keyed {
			w.insertKeys(t, sub, nil, randomRows(t)/2)
			w.changeKeys(t, sub)
		}
		for _, run := range runs {
			run.judge(t, s, sheets, keyed)
		}
	})
}

// keyedOf makes tables whose key is a type: the first of each family that can be one in all sinks, or all.
func keyedOf(t *testing.T, s *servers.Server, database string, subjects []*subject) (keyed []*subject) {
	t.Helper()
	families := map[string]bool{}
	for _, sub := range subjects {
		sub.createKeyed(t, s, database, os.Getenv("CDCSYNC_PARITY_KEYS") != "all" && families[sub.family])
		if sub.keyed != "" {
			families[sub.family] = true
			keyed = append(keyed, sub)
		}
	}
	return keyed
}

// keysOf are the values that each run writes as keys. ClickHouse has no DATE before 1900 and after 2299, and stops a table
// with such a key.
func keysOf(sub *subject) []string {
	if sub.native != "date" {
		return sub.values
	}
	return slices.DeleteFunc(slices.Clone(sub.values), func(v string) bool { return v < "'1900" || v >= "'2300" })
}

// start starts a pipeline into each sink.
func start(t *testing.T, s *servers.Server, database string) []*run {
	t.Helper()
	runs := []*run{
		{columnIceberg, e2e.PipelineTo(t, e2e.Iceberg{}, s, database, e2e.Settings{"pipeline.commit.interval": "1s"})},
		{columnClickHouse, e2e.PipelineTo(t, e2e.ClickHouse{Server: servers.SharedClickHouse(t)}, s, database, e2e.Settings{"sink.geometry.mode": "srid-wkb"})},
		{columnKafka, e2e.PipelineTo(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, s, database, e2e.Settings{"sink.topic.partitions": "1"})},
	}
	for _, run := range runs {
		run.pipeline.Run(t)
	}
	return runs
}

// A status is what the program says of its tables.
type status struct {
	Tables []struct {
		Source struct{ Table string }
		State  string
		Reason string
	}
}

// statusOf asks the program; nothing while it has no state yet.
func statusOf(t *testing.T, p *e2e.Pipeline) (st status) {
	t.Helper()
	out, _, code := p.Command(t, "state", "-o", "json")
	if code != 0 {
		return st
	}
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		t.Fatalf("read state %q: %v", out, err)
	}
	return st
}

// copied says that the snapshot is over.
func copied(t *testing.T, p *e2e.Pipeline) bool {
	t.Helper()
	st := statusOf(t, p)
	for _, table := range st.Tables {
		if table.State == "copying" {
			return false
		}
	}
	return len(st.Tables) > 0
}

// A comparison is that of one table.
type comparison struct {
	subjects []*subject
	pair     verify.Pair
	result   verify.Result
}

// judge compares all tables until they are equal, or time is over.
func (run *run) judge(t *testing.T, s *servers.Server, sheets []*sheet, keyed []*subject) {
	t.Helper()
	judge, err := verify.Start(t.Context(), run.pipeline.Sink(), s)
	if err != nil {
		t.Fatal(err)
	}
	var all []*comparison
	for _, sh := range sheets {
		c := &comparison{pair: run.pipeline.Pairs(sh.table)[0]}
		var ignored []string
		for _, sub := range sh.subjects {
			if run.takes(sub) {
				c.subjects = append(c.subjects, sub)
			} else {
				ignored = append(ignored, sub.columnName())
			}
		}
		c.pair.Ignore = strings.Join(ignored, "|")
		all = append(all, c)
	}
	for _, sub := range keyed {
		if run.takes(sub) && run.takesKey(sub) {
			all = append(all, &comparison{subjects: []*subject{sub}, pair: run.pipeline.Pairs(sub.keyed)[0]})
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	left := unequal(t, s, judge, all)
	for len(left) > 0 && time.Now().Before(deadline) {
		left = unequal(t, s, judge, left)
	}
	run.report(t, s, all)
	if err := judge.Close(); err != nil {
		t.Error(err)
	}
}

// unequal compares, and returns what is to be compared again.
func unequal(t *testing.T, s *servers.Server, judge *verify.Judge, all []*comparison) (left []*comparison) {
	t.Helper()
	pairs := make([]verify.Pair, len(all))
	for i, c := range all {
		pairs[i] = c.pair
	}
	results, err := judge.Compare(pairs...)
	if err != nil {
		t.Fatal(err)
	}
	s.Revive(t)
	for i, c := range all {
		if c.result = results[i]; c.result.Err(c.pair) != nil {
			left = append(left, c)
		}
	}
	return left
}

// report puts what was found into the matrix, and fails the test for each table that differs.
func (run *run) report(t *testing.T, s *servers.Server, all []*comparison) {
	t.Helper()
	reasons := map[string]string{}
	for _, table := range statusOf(t, run.pipeline).Tables {
		reasons[table.Source.Table] = table.Reason
	}
	for _, c := range all {
		err := c.result.Err(c.pair)
		if err != nil {
			t.Errorf("%s: %v %s", placeNames[run.at], err, reasons[c.pair.Table])
		}
		for _, sub := range c.subjects {
			n := tally{all: max(1, c.result.SourceRows), good: c.result.SourceRows}
			if err != nil {
				n.good = max(0, n.good-c.wrong(sub))
			}
			results.add(s, sub, run.at, n)
			if n.good < n.all && len(c.subjects) > 1 {
				t.Logf("%s: %s is %s", c.pair.Table, sub.columnName(), sub.native)
			}
		}
	}
}

// wrong is how many rows of a type are not equal, as far as the judge describes them; what concerns whole rows counts for
// each type.
func (c *comparison) wrong(sub *subject) int {
	if c.result.Error != "" {
		return c.result.SourceRows + 1
	}
	n := 0
	for _, line := range c.result.Lines {
		named := strings.HasPrefix(line, "changed: ") && len(c.subjects) > 1
		if !named || strings.Contains(line, " "+sub.columnName()+":") {
			n++
		}
	}
	return n
}

// takesKey says whether the sink can have the type in a key: Iceberg deletes no rows by floating-point numbers.
func (run *run) takesKey(sub *subject) bool {
	floating := strings.HasPrefix(sub.native, "float") || strings.HasPrefix(sub.native, "double")
	return run.at != columnIceberg || !floating
}

// takes says whether the sink has the value that the source has. Kafka's records call FLOAT(n,d) a double, and have the
// shortest digits that a float takes.
func (run *run) takes(sub *subject) bool { return run.at != columnKafka || sub.native != "float(9,3)" }
