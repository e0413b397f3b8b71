package items

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline"
)

// Configurations of which tables are captured, before and after a restart.
var (
	keeping   = &config{name: "keeping", settings: e2e.Settings{"sink.drop.table": "keep"}}
	narrowed  = &config{name: "narrowed", settings: e2e.Settings{"source.tables.exclude": ""}, later: e2e.Settings{"source.tables.exclude": `"i\\.*.out_\\.*"`}}
	broadened = &config{name: "broadened", later: e2e.Settings{"source.tables.exclude": ""}}
)

// TestItems_New plays tables that come and go while the program runs, and while it does not.
func TestItems_New(t *testing.T) {
	const fresh = "5 new tables"
	two := steps("CREATE TABLE t (id int PRIMARY KEY, a varchar(10))", "INSERT INTO t VALUES (1, 'x'), (2, NULL)")
	other := steps("CREATE TABLE out_t (id int PRIMARY KEY, a varchar(10) CHARACTER SET latin1)", "INSERT INTO out_t VALUES (1, 'ä'), (2, NULL)")
	play(t, []scenario{
		{
			item: fresh, name: "created, with rows at once", setup: two,
			steps:   steps("CREATE TABLE u (id int PRIMARY KEY, a varchar(10))", "INSERT INTO u VALUES (1, 'x')", "BEGIN", "INSERT INTO u VALUES (2, 'y')", "INSERT INTO t VALUES (3, 'c')", "COMMIT", "CREATE TABLE v (id int PRIMARY KEY)"),
			again:   steps("INSERT INTO u VALUES (5, 'again')", "CREATE TABLE w LIKE u", "INSERT INTO w VALUES (1, 'w')"),
			outcome: outcome{equal: []string{"t", "u", "w"}, empty: []string{"v"}},
		},
		{
			item: fresh, name: "created, in a database of their own",
			steps:   steps("CREATE DATABASE `{new}`", "CREATE TABLE `{new}`.t (id int PRIMARY KEY, a varchar(10))", "INSERT INTO `{new}`.t VALUES (1, 'x')"),
			outcome: equal("{new}/t"),
		},
		{
			item: fresh, name: "created, changed, dropped and created again", setup: two,
			steps:   steps("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)", "ALTER TABLE u ADD a int", "DROP TABLE u", "CREATE TABLE u (k varchar(9) PRIMARY KEY, a date)", "INSERT INTO u VALUES ('k', '2026-01-01')", "CREATE TABLE v (id int PRIMARY KEY)", "DROP TABLE v"),
			outcome: outcome{equal: []string{"t", "u"}, gone: []string{"v"}},
		},
		{
			item: fresh, name: "renamed into the pattern, with rows after it", setup: append(two, other...),
			steps:   steps("RENAME TABLE out_t TO u", "INSERT INTO u VALUES (3, 'ö')", "UPDATE u SET a = 'ü' WHERE id = 1", "INSERT INTO t VALUES (3, 'c')"),
			again:   steps("DELETE FROM u WHERE id = 2"),
			outcome: equal("t", "u"),
		},
		{
			item: fresh, name: "renamed into the pattern, over a former table", setup: append(two, other...),
			steps:   steps("RENAME TABLE t TO out_old, out_t TO t", "INSERT INTO t VALUES (3, 'ö')", "DROP TABLE out_old"),
			again:   steps("UPDATE t SET a = 'again'"),
			outcome: equal("t"),
		},
		{
			item: fresh, name: "renamed out of the pattern", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")),
			steps:   steps("RENAME TABLE t TO out_t", "INSERT INTO out_t VALUES (3, 'c')", "INSERT INTO u VALUES (2)"),
			outcome: outcome{equal: []string{"u"}, ended: map[string]string{"t": "renamed to .*out_t"}},
		},
		{
			item: fresh, name: "renamed out of the pattern, and a new one in its place", setup: two,
			steps:   steps("RENAME TABLE t TO out_t", "CREATE TABLE t (id int PRIMARY KEY, z int)", "INSERT INTO t VALUES (7, 7)"),
			again:   steps("UPDATE t SET z = 8"),
			outcome: equal("t"),
		},
		{
			item: fresh, name: "renamed out of the pattern, and another captured one in its place", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY, z int)", "INSERT INTO u VALUES (1, 1)")),
			steps:   steps("RENAME TABLE t TO out_t", "RENAME TABLE u TO t", "INSERT INTO t VALUES (7, 7)"),
			again:   steps("UPDATE t SET z = 8"),
			outcome: outcome{equal: []string{"t"}, ended: map[string]string{"u": "has left this name"}},
		},
		{
			item: fresh, name: "dropped", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")),
			steps:   steps("DROP TABLE t", "INSERT INTO u VALUES (2)"),
			outcome: outcome{equal: []string{"u"}, gone: []string{"t"}},
		},
		{
			item: fresh, name: "dropped, and kept in the sink", config: keeping, setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")),
			once: true, steps: steps("DROP TABLE t", "INSERT INTO u VALUES (2)"),
			outcome: outcome{equal: []string{"u"}, kept: map[string]int{"t": 2}},
		},
		{
			item: fresh, name: "while it is down: created, dropped, renamed, truncated", setup: append(two, do("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)", "CREATE TABLE c (id int PRIMARY KEY)", "INSERT INTO c VALUES (1)")),
			down:    steps("CREATE TABLE n (id int PRIMARY KEY)", "INSERT INTO n VALUES (1)", "DROP TABLE a", "RENAME TABLE b TO b2", "INSERT INTO b2 VALUES (2)", "TRUNCATE TABLE c", "INSERT INTO c VALUES (9)", "CREATE TABLE m (id int PRIMARY KEY)", "DROP TABLE m", "INSERT INTO t VALUES (3, 'c')"),
			again:   steps("INSERT INTO n VALUES (2)", "INSERT INTO b2 VALUES (3)"),
			outcome: outcome{equal: []string{"t", "n", "b2", "c"}, gone: []string{"a", "b", "m"}},
		},
		{
			item: fresh, name: "while it is down: dropped and created again", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY, v int)", "INSERT INTO u VALUES (1, 1), (2, 2)")),
			down:    steps("DROP TABLE t", "CREATE TABLE t (k varchar(9) PRIMARY KEY)", "INSERT INTO t VALUES ('new')", "DROP TABLE u", "CREATE TABLE u (id int PRIMARY KEY, v int)", "INSERT INTO u VALUES (2, 3)"),
			again:   steps("INSERT INTO t VALUES ('newer')", "UPDATE u SET v = 4"),
			outcome: equal("t", "u"),
		},
		{
			item: fresh, name: "while it is down: swapped, and renamed into the pattern", setup: append(append(two, other...), do("CREATE TABLE u (id int PRIMARY KEY, v int)", "INSERT INTO u VALUES (1, 1)")),
			down:    steps("RENAME TABLE t TO tmp, u TO t, tmp TO u", "INSERT INTO t VALUES (5, 5)", "RENAME TABLE out_t TO v", "INSERT INTO v VALUES (3, 'ö')"),
			again:   steps("INSERT INTO u VALUES (6, 'u')", "UPDATE v SET a = 'ß'"),
			outcome: outcome{equal: []string{"t", "u", "v"}, gone: []string{"tmp"}},
		},
		{
			item: fresh, name: "excluded by a changed configuration", config: narrowed, setup: append(two, other...),
			down:    steps("INSERT INTO out_t VALUES (7, 'unseen')", "ALTER TABLE out_t ADD b int"),
			again:   steps("INSERT INTO t VALUES (5, 'e')", "DROP TABLE out_t"),
			outcome: outcome{equal: []string{"t"}, kept: map[string]int{"out_t": 2}},
		},
		{
			item: fresh, name: "added by a changed configuration", config: broadened, setup: append(two, other...),
			down:    steps("INSERT INTO out_t VALUES (7, 'ö')"),
			again:   steps("INSERT INTO t VALUES (5, 'e')", "UPDATE out_t SET a = 'ß' WHERE id = 7"),
			outcome: equal("t", "out_t"),
		},
	})
}

// TestNew_OthersFlow adds a large table by its configuration. While it is to be copied, and cannot be because it is locked,
// the rows of another table arrive.
func TestNew_OthersFlow(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		row := &scenario{item: "5 new tables", name: "added by a changed configuration: others flow meanwhile"}
		m := &matrix{server: string(s.Flavour) + " " + s.Version}
		m.set(row, "FAILS")
		t.Cleanup(func() { m.write(t) })
		db := s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".small (id int PRIMARY KEY)", "INSERT INTO "+db+".small VALUES (1)")
		e2e.Big(t, s, db, 30_000)
		p := e2e.NewPipeline(t, s, db, e2e.Settings{"source.tables": db + ".small", "source.scan.incremental.snapshot.chunk.size": "100"})
		d := p.Run(t)
		p.Equal(t, patience, "small")
		d.Terminate(t)
		p.Set(t, e2e.Settings{"source.tables": `"` + db + `.small,` + db + `.big"`})
		lock, err := s.DB(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.ExecContext(t.Context(), "LOCK TABLES "+db+".big WRITE"); err != nil {
			t.Fatal(err)
		}
		d = p.Run(t)
		r := &run{pipe: p}
		big := func() (found pipeline.SavedTable) {
			for _, x := range r.state(t).Tables {
				if x.Source.Table == "big" {
					found = x
				}
			}
			return found
		}
		e2e.Until(t, patience, "the large table is to be copied", func() bool { return big().State == pipeline.Copying })
		s.Exec(t, "INSERT INTO "+db+".small VALUES (2)")
		p.Equal(t, patience, "small")
		if x := big(); x.State != pipeline.Copying {
			t.Errorf("the large table is %s, and the other table was to be seen while it is copied", x.State)
		}
		if err := discard(lock); err != nil {
			t.Error(err)
		}
		p.Equal(t, 2*time.Minute, "small", "big")
		if code := d.Terminate(t); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		if !t.Failed() {
			m.rows[0][2] = "ok"
		}
	})
}
