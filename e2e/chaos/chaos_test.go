// Package chaos lets everything happen at once: writers, schema changes, online migrations, and faults of the program, of
// the database's server and of the network between them, for as long as one likes. Every decision comes from a seed. From
// time to time everything holds still, and every table must equal its source, with none stopped.
//
//	CDCSYNC_CHAOS   how long, per server: "30m"; without it, nothing is run
//	CDCSYNC_RATE    transactions per second of the writers, to which the pace of all else is set; 120 if it is not set
//	CDCSYNC_SEED    repeats the decisions of a run; how they interleave is not repeated
//	CDCSYNC_SINK    iceberg (if it is not set), clickhouse, or kafka: without schema changes, since a topic keeps its rows
//	                in the shapes that they had, and without images that lack columns
//	CDCSYNC_KEEP    a folder that gets the files of a run that failed
package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

const (
	short = 10 * time.Second // a run of no more has its faults quickly
	round = 3 * time.Minute  // between two comparisons
	pace  = 120              // transactions per second
)

// durable has a server keep what it has said, also when its machine goes.
var durable = []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"}

func TestChaos(t *testing.T) {
	if os.Getenv("CDCSYNC_CHAOS") == "" {
		t.Skip("a run takes minutes: make soak, or CDCSYNC_CHAOS=3m")
	}
	t.Run("mariadb", func(t *testing.T) { run(t, servers.MariaDB(t, "10.11", durable...)) })
	t.Run("mysql", func(t *testing.T) { run(t, servers.MySQL(t, "9.7", durable...)) })
}

// A chaos is one run on one server. Its methods are called by the test's goroutine.
type chaos struct {
	t       testing.TB
	s       *servers.Server
	r       *rand.Rand
	length  time.Duration
	ghosts  ghosts
	shaping bool     // with schema changes
	names   []string // of crash points
	failing []string // those that can also fail

	load  *workload.Load
	racer *racer
	gates *workload.Gates
	px    *proxy.Proxy
	p     *e2e.Pipeline
	d     *e2e.Daemon
	armed bool // d may die at a crash point at any time
	gone  bool // the server cannot be reached
	hurt  bool // it could not at some time since d began, or its connections were broken
	tally *tally
	// slower stretches a pause.
	slower func(time.Duration) time.Duration
}

func run(t *testing.T, s *servers.Server) {
	r, seed := e2e.Seeded(t)
	c := &chaos{t: t, s: s, r: r, length: length(t), gates: new(workload.Gates), tally: newTally()}
	c.names, c.failing = e2e.Points(t, "iceberg", "pipeline", "snapshot", "binlog")
	db := s.Database(t)
	rate := e2e.Count(t, "CDCSYNC_RATE", pace)
	c.slower = func(d time.Duration) time.Duration { return d * pace / time.Duration(rate) }
	load := workload.Config{Seed: seed, Rows: 600, Rate: rate, Wild: true, Gates: c.gates}
	if load.Whole = os.Getenv("CDCSYNC_SINK") == "kafka"; !load.Whole { // a topic shows the rows of before, too
		c.shaping, load.DDL = true, c.slower(700*time.Millisecond)
	}
	c.load = workload.New(t, s, db, load)
	e2e.Big(t, s, db, 20_000)
	c.racer = newRacer(t, s, db, c.gates, c.tally)
	c.racer.slower = c.slower
	c.px = proxy.New(t, s.Addr)
	c.p = e2e.PipelineTo(t, target(t), s, db, c.plan(db))
	t.Cleanup(func() {
		c.keep()
		c.tell()
	})
	began := time.Now()
	for n := uint64(0); ; n++ {
		c.round(seed+n<<32, min(round, c.length-time.Since(began)))
		if time.Since(began) >= c.length {
			break
		}
		c.settle()
		c.between()
	}
	c.finish(time.Since(began))
}

// length is how long a run lasts.
func length(t testing.TB) time.Duration {
	text := os.Getenv("CDCSYNC_CHAOS")
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CDCSYNC_CHAOS=%s: want a duration like 30m", text)
	}
	return d
}

// target is where the tables go.
func target(t testing.TB) e2e.Target {
	switch name := os.Getenv("CDCSYNC_SINK"); name {
	case "", "iceberg":
		return e2e.Iceberg{}
	case "clickhouse":
		return e2e.ClickHouse{Server: servers.SharedClickHouse(t)}
	case "kafka":
		return e2e.Kafka{Cluster: servers.SharedKafka(t)}
	default:
		t.Fatalf("CDCSYNC_SINK=%s: want iceberg, clickhouse or kafka", name)
		return nil
	}
}

// Ghosts says what the pipeline makes of the tables that tools of online migrations work with.
type ghosts string

const (
	captured ghosts = "captured" // they are tables like others
	excluded ghosts = "excluded" // they are none of its tables: a swap puts an unknown table into the place of a known one
	followed ghosts = "followed" // it knows what they are
)

// plan draws the pipeline's settings.
func (c *chaos) plan(db string) e2e.Settings {
	s := e2e.Settings{
		"source.port":               fmt.Sprint(c.px.Port),
		"source.heartbeat.interval": "500ms",
		// A table with a commit in every second must not keep them all.
		"sink.table.properties.history.expire.max-snapshot-age-ms": `"30000"`,
	}
	if os.Getenv("CDCSYNC_SINK") != "" {
		delete(s, "sink.table.properties.history.expire.max-snapshot-age-ms")
	}
	c.ghosts = pick(c.r, captured, excluded, followed)
	switch c.ghosts {
	case excluded:
		s["source.tables.exclude"] = fmt.Sprintf(`"%s._\\.*_(gho|ghc|del|new|old)"`, db)
	case followed:
		s["source.scan.parse.online.schema.changes.enabled"] = "true"
	}
	maps.Copy(s, c.tuning())
	c.t.Logf("tables of migrations are %s; %v", c.ghosts, s)
	return s
}

// tuning draws the settings that may change from one life of the program to the next.
func (c *chaos) tuning() e2e.Settings {
	interval := pick(c.r, "100ms", "300ms", "1s")
	if c.length > 5*time.Minute {
		interval = pick(c.r, "500ms", "1s", "3s") // what is read in the end has a few files per commit
	}
	return e2e.Settings{
		"pipeline.commit.interval":                    interval,
		"pipeline.parallelism":                        pick(c.r, "1", "2", "4"),
		"pipeline.memory.budget":                      pick(c.r, "16MiB", "24MiB", "64MiB"),
		"source.scan.incremental.snapshot.chunk.size": pick(c.r, "50", "300", "2000"),
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
