// Package queue tests the program against Kafka: the built program, real brokers, faults, and a judge that reads the
// topics as a read_committed consumer and folds them.
package queue

import (
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestRun_Snapshot copies tables under writes, without any fault.
func TestRun_Snapshot(t *testing.T) {
	e2e.CopyUnderWrites(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, servers.Shared(t, servers.FlavourMySQL))
}

// TestRun_Terminated asks the program to end at any moment of its load.
func TestRun_Terminated(t *testing.T) {
	e2e.TerminateAtRandom(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, servers.Shared(t, servers.FlavourMariaDB), 4)
}

// TestKill9_Random kills the program at random moments, beside writers and schema changes. CDCSYNC_KILLS says how often.
func TestKill9_Random(t *testing.T) {
	e2e.KillAtRandom(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, servers.Shared(t, servers.FlavourMariaDB), 8)
}

// TestKill9_Points ends the program at each crash point of the sink. CDCSYNC_POINTS=1 gives each a pipeline of its own.
func TestKill9_Points(t *testing.T) {
	names, failing := e2e.Points(t, "kafka")
	if len(names) < 3 {
		t.Fatalf("only the crash points %v were found", names)
	}
	r, _ := e2e.Seeded(t)
	together := 5
	if e2e.Count(t, "CDCSYNC_POINTS", 0) == 1 {
		together = 1
	}
	reached := e2e.KillAtPoints(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, servers.Shared(t, servers.FlavourMariaDB), e2e.Trial{
		Schedules: e2e.Schedules(r, names, failing, together),
		Settings:  e2e.Settings{"sink.transaction.max.bytes": "1MiB"},
		Between:   enlarge,
	})
	for _, name := range names {
		if !slices.Contains(reached, name) {
			t.Errorf("crash point %s was never reached", name)
		}
	}
}

// enlarge makes a transaction that is too large for one of Kafka's.
func enlarge(t *testing.T, p *e2e.Pipeline) {
	t.Helper()
	many := p.Database + ".many"
	p.Server.Exec(t, "CREATE TABLE IF NOT EXISTS "+many+" (id INT AUTO_INCREMENT PRIMARY KEY, n INT, c CHAR(100))",
		"INSERT INTO "+many+" (n, c) SELECT 0, repeat('x', 100) FROM information_schema.collations LIMIT 300",
		"UPDATE "+many+" SET n = n + 1", "UPDATE "+many+" SET n = n + 1 WHERE id % 2 = 0")
}

// TestBroker_Crash kills the broker and starts it again, under load. CDCSYNC_CRASHES says how often.
func TestBroker_Crash(t *testing.T) {
	cluster := servers.Kafka(t)
	e2e.CrashSink(t, e2e.Kafka{Cluster: cluster}, servers.Shared(t, servers.FlavourMariaDB), e2e.Count(t, "CDCSYNC_CRASHES", 2), func() {
		cluster.Brokers[0].Kill9(t)
		cluster.Brokers[0].Restart(t)
	})
}

// TestResync copies a table anew that has gone wrong without a trace in the log.
func TestResync(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	db := s.Database(t)
	e2e.Big(t, s, db, 10_000)
	p := e2e.PipelineTo(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, s, db, e2e.Settings{"source.scan.incremental.snapshot.chunk.size": "500"})
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "big")
	d.Terminate(t)
	e2e.Unlogged(t, s, "DELETE FROM "+db+".big WHERE id = 13")
	p.Resync(t, "big")
	s.Exec(t, "ALTER TABLE "+db+".big ADD extra INT", "UPDATE "+db+".big SET extra = id WHERE id % 7 = 0")
	d = p.Run(t)
	p.Equal(t, 30*time.Second, "big")
	s.Exec(t, "DELETE FROM "+db+".big WHERE id = 14", "INSERT INTO "+db+".big (id, k) VALUES (13, 13)")
	p.Equal(t, 30*time.Second, "big")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// TestTables_Odd copies a table without a key, and tables that take all kinds of schema changes.
func TestTables_Odd(t *testing.T) {
	e2e.ChangeShapes(t, e2e.Kafka{Cluster: servers.SharedKafka(t)}, servers.SharedMariaDB(t, "10.11"))
}
