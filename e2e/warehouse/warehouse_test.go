// Package warehouse tests the program against ClickHouse: the built program, real servers, faults, and a judge that reads
// the tables by SQL under FINAL.
package warehouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestRun_Snapshot copies tables under writes, without any fault.
func TestRun_Snapshot(t *testing.T) {
	e2e.CopyUnderWrites(t, e2e.ClickHouse{Server: servers.SharedClickHouse(t)}, servers.Shared(t, servers.FlavourMySQL))
}

// TestRun_Terminated asks the program to end at any moment of its load.
func TestRun_Terminated(t *testing.T) {
	e2e.TerminateAtRandom(t, e2e.ClickHouse{Server: servers.SharedClickHouse(t)}, servers.Shared(t, servers.FlavourMariaDB), 4)
}

// TestKill9_Random kills the program at random moments, beside writers and schema changes. CDCSYNC_KILLS says how often.
func TestKill9_Random(t *testing.T) {
	e2e.KillAtRandom(t, e2e.ClickHouse{Server: servers.SharedClickHouse(t)}, servers.Shared(t, servers.FlavourMariaDB), 8)
}

// TestKill9_Points ends the program at crash points of the sink: at half of them, chosen by the seed; CDCSYNC_POINTS=1
// takes all, and gives each a pipeline of its own.
func TestKill9_Points(t *testing.T) {
	names, failing := e2e.Points(t, "clickhouse")
	if len(names) < 3 {
		t.Fatalf("only the crash points %v were found", names)
	}
	r, _ := e2e.Seeded(t)
	all, together := e2e.Count(t, "CDCSYNC_POINTS", 0) == 1, 5
	if all {
		together = 1
	}
	schedules := e2e.Schedules(r, names, failing, together)
	if !all {
		schedules = schedules[:(len(schedules)+1)/2]
	}
	reached := e2e.KillAtPoints(t, e2e.ClickHouse{Server: servers.SharedClickHouse(t)}, servers.Shared(t, servers.FlavourMariaDB), e2e.Trial{
		Schedules: schedules,
		Settings:  e2e.Settings{"sink.block.rows": "50"}, // so that commits go through staging tables too
		Between:   disturb,
	})
	for _, name := range names {
		if all && !slices.Contains(reached, name) && !strings.HasSuffix(name, "-rename") {
			t.Errorf("crash point %s was never reached", name)
		}
	}
}

// disturb leads to the rarer crash points: a table without a key, and one that is copied anew.
func disturb(t *testing.T, p *e2e.Pipeline) {
	t.Helper()
	in := func(statement string) { p.Server.Exec(t, strings.ReplaceAll(statement, "DB.", p.Database+".")) }
	in("CREATE TABLE IF NOT EXISTS DB.keyless (a INT, b VARCHAR(20))")
	in("INSERT INTO DB.keyless SELECT id % 7, left(note, 3) FROM DB.hot LIMIT 120")
	in("DELETE FROM DB.keyless LIMIT 20")
	out, said, code := p.Command(t, "resync", p.Database+".hot")
	t.Logf("resync: code %d: %s%s", code, out, said) // a pipeline that died young does not know the table
}

// TestKill9_Rename ends the program before and after a table gets another name in ClickHouse.
func TestKill9_Rename(t *testing.T) {
	s, target := servers.Shared(t, servers.FlavourMariaDB), e2e.ClickHouse{Server: servers.SharedClickHouse(t)}
	for _, point := range []string{"clickhouse.before-rename", "clickhouse.after-rename"} {
		t.Run(point, func(t *testing.T) {
			db := s.Database(t)
			s.Exec(t, "CREATE TABLE "+db+".old (id INT PRIMARY KEY, a INT)", "INSERT INTO "+db+".old VALUES (1, 1), (2, 2)")
			p := e2e.PipelineTo(t, target, s, db, nil)
			d := p.Run(t, "CDCSYNC_FAULT="+point+":1")
			p.Equal(t, 30*time.Second, "old")
			s.Exec(t, "UPDATE "+db+".old SET a = 3", "RENAME TABLE "+db+".old TO "+db+".new", "INSERT INTO "+db+".new VALUES (4, 4)")
			if !d.Ended(20*time.Second) || !d.Killed() {
				t.Fatalf("the program did not end at %s:\n%s", point, p.Log(40))
			}
			d = p.Run(t)
			p.Equal(t, 30*time.Second, "new")
			if code := d.Terminate(t); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0", code)
			}
			alone(t, target.Server, db, "new")
		})
	}
}

// TestServer_Crash kills ClickHouse and starts it again, under load. CDCSYNC_CRASHES says how often.
func TestServer_Crash(t *testing.T) {
	c := servers.ClickHouse(t)
	e2e.CrashSink(t, e2e.ClickHouse{Server: c}, servers.Shared(t, servers.FlavourMariaDB), e2e.Count(t, "CDCSYNC_CRASHES", 4), func() {
		c.Kill9(t)
		c.Restart(t)
	})
}

// TestNetwork_Cut resets the connections to ClickHouse, and loses the replies to inserts that were made.
func TestNetwork_Cut(t *testing.T) {
	for _, protocol := range []string{"http", "native"} {
		t.Run(protocol, func(t *testing.T) {
			c, addr := servers.SharedClickHouse(t), ""
			if addr = c.HTTPAddr; protocol == "native" {
				c = servers.ClickHouse(t) // one that may die
				addr = c.Addr
			}
			px := proxy.New(t, addr)
			through := e2e.Settings{"sink.hostname": px.Host, "sink.port": fmt.Sprint(px.Port), "sink.protocol": protocol}
			cut := 0
			e2e.CutSink(t, e2e.ClickHouse{Server: c}, servers.Shared(t, servers.FlavourMariaDB), through, func(r *rand.Rand, round int) bool {
				c.Revive(t)
				if round%3 == 0 {
					cut += px.Cut()
				} else {
					px.LoseReply("INSERT", 1+r.IntN(2))
				}
				return px.Lost() > 0
			}, func() { px.LoseReply("", 0) })
			t.Logf("%d connections cut, %d replies lost", cut, px.Lost())
			if px.Lost() == 0 {
				t.Error("no reply was lost")
			}
		})
	}
}

// TestNetwork_Down takes ClickHouse away before the program starts, and for some seconds later on.
func TestNetwork_Down(t *testing.T) {
	c := servers.SharedClickHouse(t)
	px := proxy.New(t, c.HTTPAddr)
	through := e2e.Settings{"sink.hostname": px.Host, "sink.port": fmt.Sprint(px.Port)}
	px.Refuse(true)
	e2e.CutSink(t, e2e.ClickHouse{Server: c}, servers.Shared(t, servers.FlavourMariaDB), through, func(_ *rand.Rand, round int) bool {
		px.Refuse(round%6 == 5)
		return true
	}, func() { px.Refuse(false) })
}

// TestResync copies tables anew that have gone wrong without a trace in the log. Readers see the old rows until the new
// ones are there.
func TestResync(t *testing.T) {
	s, c := servers.Shared(t, servers.FlavourMariaDB), servers.SharedClickHouse(t)
	db := s.Database(t)
	e2e.Big(t, s, db, 30_000)
	p := e2e.PipelineTo(t, e2e.ClickHouse{Server: c}, s, db, e2e.Settings{"source.scan.incremental.snapshot.chunk.size": "500"})
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "big")
	d.Terminate(t)
	e2e.Unlogged(t, s, "DELETE FROM "+db+".big WHERE id = 13")
	p.Resync(t, "big")
	s.Exec(t, "ALTER TABLE "+db+".big ADD extra INT", "UPDATE "+db+".big SET extra = id WHERE id % 7 = 0")
	d = p.Run(t)
	rows := func() string { return c.Value(t, "SELECT count() FROM `"+db+"`.big FINAL") }
	total := s.Value(t, "SELECT count(*) FROM "+db+".big")
	e2e.Until(t, 30*time.Second, "a table without the row that is gone", func() bool {
		n := rows()
		if n != total && n != plus(t, total) {
			t.Fatalf("readers see %s of %s rows while the table is copied anew", n, total)
		}
		return n == total
	})
	s.Exec(t, "DELETE FROM "+db+".big WHERE id = 14", "INSERT INTO "+db+".big (id, k) VALUES (13, 13)")
	p.Equal(t, 30*time.Second, "big")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	alone(t, c, db, "big")
}

// plus is a number and one.
func plus(t *testing.T, number string) string {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n + 1)
}

// alone fails the test if a database has other tables than these: what the sink makes for itself must be gone.
func alone(t *testing.T, c *servers.ClickHouseServer, db string, tables ...string) {
	t.Helper()
	got := strings.Split(c.Value(t, "SELECT name FROM system.tables WHERE database = '"+db+"' ORDER BY name"), "\n")
	if slices.Sort(tables); !slices.Equal(got, tables) {
		t.Errorf("the database has the tables %v, want %v", got, tables)
	}
}

// TestTables_Odd copies a table without a key, and one whose columns take all kinds of changes.
func TestTables_Odd(t *testing.T) {
	s, c := servers.SharedMariaDB(t, "10.11"), servers.SharedClickHouse(t)
	e2e.ChangeShapes(t, e2e.ClickHouse{Server: c}, s)
}
