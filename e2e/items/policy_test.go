package items

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

func behaviour(name string, more e2e.Settings) *config {
	settings := e2e.Settings{"pipeline.schema.change.behavior": name}
	maps.Copy(settings, more)
	return &config{name: name, settings: settings}
}

// TestItems_Policy plays what schema.change.behavior, include.schema.changes and exclude.schema.changes make of changes.
func TestItems_Policy(t *testing.T) {
	const policy = "4 DDL: schema.change.behavior"
	three := steps("CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int)", "INSERT INTO t VALUES (1, 'x', 1), (2, NULL, NULL)")
	gone := append(three, do("CREATE TABLE u (id int PRIMARY KEY, v int)", "INSERT INTO u VALUES (1, 1)", "CREATE TABLE w (id int PRIMARY KEY, v int)", "INSERT INTO w VALUES (1, 1), (2, 2)"))
	changes := []string{"ALTER TABLE t ADD c int FIRST", "INSERT INTO t VALUES (7, 3, 'c', 3)", "ALTER TABLE t DROP b", "INSERT INTO t VALUES (8, 4, 'd')", "TRUNCATE TABLE w", "INSERT INTO w VALUES (9, 9)", "DROP TABLE u"}
	play(t, []scenario{
		{
			item: policy, name: "evolve", config: behaviour("evolve", nil), setup: gone, steps: steps(changes...),
			outcome: outcome{equal: []string{"t", "w"}, gone: []string{"u"}, columns: map[string]string{"t": "c int, id long!, a string"}},
			check:   history("t ALTER TABLE t ADD c int FIRST applied", "t ALTER TABLE t DROP b applied", "w TRUNCATE TABLE w applied", "u DROP TABLE u applied|u DROP TABLE `u`"),
		},
		{
			item: policy, name: "try_evolve: what the sink refuses is left out", config: behaviour("try_evolve", nil), setup: rows("(id int PRIMARY KEY, a int unsigned, b int)", "(1, 5, 1), (2, NULL, NULL)"),
			steps:   steps("ALTER TABLE t MODIFY a bigint unsigned", "INSERT INTO t VALUES (3, 6, 3)", "ALTER TABLE t ADD c int", "UPDATE t SET c = 5 WHERE id = 1"),
			outcome: outcome{equal: []string{"t"}, ignore: map[string]string{"t": "a"}, columns: map[string]string{"t": "id long!, a long, b int, c int"}},
			check:   history("t ALTER TABLE t MODIFY a bigint unsigned .*left out", "t ALTER TABLE t ADD c int applied"),
		},
		{
			item: policy, name: "lenient: nothing is taken away", config: behaviour("lenient", nil), setup: gone, steps: steps(changes...),
			outcome: outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"u": 1, "w": 3}, columns: map[string]string{"t": "id long!, a string, b int, c int"}},
			lagging: &outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"u": 0, "w": 1}, columns: map[string]string{"t": "id long!, a string, b int, c int"}},
			check:   history("t ALTER TABLE t ADD c int FIRST", "t ALTER TABLE t DROP b", "w TRUNCATE TABLE w"),
		},
		{
			item: policy, name: "ignore: the sink's table stays as it is", config: behaviour("ignore", nil), setup: gone, steps: steps(changes...),
			outcome: outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b|c"}, kept: map[string]int{"u": 1, "w": 3}, columns: map[string]string{"t": "id long!, a string, b int"}},
			lagging: &outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b|c"}, kept: map[string]int{"u": 0, "w": 1}, columns: map[string]string{"t": "id long!, a string, b int"}},
			check:   history("t ALTER TABLE t ADD c int FIRST", "t ALTER TABLE t DROP b", "w TRUNCATE TABLE w"),
		},
		{
			item: policy, name: "include.schema.changes", config: &config{name: "include", settings: e2e.Settings{"sink.include.schema.changes": "[add.column, drop.table]"}}, setup: gone, steps: steps(changes...),
			outcome: outcome{equal: []string{"t"}, gone: []string{"u"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"w": 3}, columns: map[string]string{"t": "c int, id long!, a string, b int"}},
			lagging: &outcome{equal: []string{"t"}, gone: []string{"u"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"w": 1}, columns: map[string]string{"t": "c int, id long!, a string, b int"}},
		},
		{
			item: policy, name: "exclude.schema.changes", config: &config{name: "exclude", settings: e2e.Settings{"sink.exclude.schema.changes": "[truncate.table, drop]"}}, setup: gone, steps: steps(changes...),
			outcome: outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"u": 1, "w": 3}, columns: map[string]string{"t": "c int, id long!, a string, b int"}},
			lagging: &outcome{equal: []string{"t"}, ignore: map[string]string{"t": "b"}, kept: map[string]int{"u": 0, "w": 1}, columns: map[string]string{"t": "c int, id long!, a string, b int"}},
		},
	})
}

// history holds the schema changes that `cdcsync state` shows to regular expressions of "TABLE STATEMENT STATE OUTCOME".
func history(want ...string) func(x *stage) error {
	return func(x *stage) error {
		var lines []string
		for _, c := range x.saved.Changes {
			if c.Table.Namespace == x.db {
				lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.Table.Table, c.Statement, c.State, c.Outcome)))
			}
		}
		all := strings.Join(lines, "\n")
		for _, w := range want {
			if !regexp.MustCompile(`(?m)^(` + w + `)`).MatchString(all) {
				return fmt.Errorf("cdcsync state does not tell of %q:\n%s", w, all)
			}
		}
		return nil
	}
}

// TestPolicy_Exception ends the program at the first schema change, before the sink's table is touched. Under another
// behaviour it goes on from there.
func TestPolicy_Exception(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		row := &scenario{item: "4 DDL: schema.change.behavior", name: "exception: the pipeline ends"}
		m := &matrix{server: string(s.Flavour) + " " + s.Version}
		m.set(row, "FAILS")
		t.Cleanup(func() { m.write(t) })
		db := s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".t (id int PRIMARY KEY)", "INSERT INTO "+db+".t VALUES (1)")
		p := e2e.NewPipeline(t, s, db, e2e.Settings{"pipeline.schema.change.behavior": "exception"})
		d := p.Run(t)
		p.Equal(t, patience, "t")
		s.Exec(t, "ALTER TABLE "+db+".t ADD a int", "INSERT INTO "+db+".t VALUES (2, 2)")
		if !d.Ended(patience) || d.ExitCode() != 1 {
			t.Fatalf("the program has not ended with 1 at a schema change:\n%s", p.Log(20))
		}
		if said := p.Log(20); !strings.Contains(said, "ADD a int") {
			t.Errorf("the program does not name the statement that has ended it:\n%s", said)
		}
		d = p.Run(t)
		if !d.Ended(patience) || d.ExitCode() != 1 {
			t.Fatalf("the program has not ended with 1 at the same schema change:\n%s", p.Log(20))
		}
		p.Set(t, e2e.Settings{"pipeline.schema.change.behavior": "evolve"})
		d = p.Run(t)
		p.Equal(t, patience, "t")
		if code := d.Terminate(t); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		if !t.Failed() {
			m.rows[0][2] = "stops: exception"
		}
	})
}
