package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// Count is a number from the environment, or what a short run takes.
func Count(t testing.TB, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: want a number", variable, text)
	}
	return n
}

// Seeded returns a source of random numbers; CDCSYNC_SEED repeats a run.
func Seeded(t testing.TB) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(Count(t, "CDCSYNC_SEED", int(rand.Uint32())))
	t.Logf("CDCSYNC_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// Until polls a condition, and fails the test if it does not come true in time.
func Until(t testing.TB, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// Big makes a table whose snapshot outlasts several lives of the program.
func Big(t testing.TB, s *servers.Server, database string, rows int) {
	t.Helper()
	s.Exec(t, "CREATE TABLE "+database+".big (id bigint AUTO_INCREMENT PRIMARY KEY, k int, c varchar(60), v decimal(12,2))",
		"INSERT INTO "+database+".big (k, c, v) VALUES (1, 'one', 1.5), (2, 'two', -2.5), (3, NULL, NULL), (4, 'four', 4)")
	for n := 4; n < rows; n *= 2 {
		s.Exec(t, "INSERT INTO "+database+".big (k, c, v) SELECT k + id, concat(c, id), v * 1.01 FROM "+database+".big LIMIT "+strconv.Itoa(rows-n))
		s.Exec(t, "UPDATE "+database+".big SET c = left(c, 40), v = v % 1000000")
	}
}

// Lives fails the test if the program ends by itself within a time.
func (d *Daemon) Lives(t testing.TB, least time.Duration) {
	t.Helper()
	if d.Ended(least) {
		t.Fatalf("cdcsync ended by itself with code %d:\n%s", d.ExitCode(), d.pipeline.Log(40))
	}
}

// Settle stops the load, waits until all tables are equal, stops the program in an orderly way, and compares again:
// equality must not have been a moment in passing.
func Settle(t testing.TB, p *Pipeline, d *Daemon, load *workload.Load) {
	t.Helper()
	t.Logf("workload: %+v", load.Stop())
	if err := load.Err(); err != nil {
		t.Errorf("a statement of the workload is wrong: %v", err)
	}
	tables := load.Tables(t)
	rows := 0
	p.Equal(t, 90*time.Second, tables...)
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for _, result := range p.Equal(t, 0, tables...) {
		rows += result.SourceRows
	}
	t.Logf("%d rows in %d tables are equal", rows, len(tables))
}

// CopyUnderWrites copies tables under writes, without any fault.
func CopyUnderWrites(t *testing.T, target Target, s *servers.Server) {
	_, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 3000})
	Big(t, s, db, 100_000)
	p := PipelineTo(t, target, s, db, nil)
	load.Start()
	d := p.Run(t)
	d.Lives(t, 4*time.Second)
	Settle(t, p, d, load)
}

// KillAtRandom kills the program at random moments of its snapshot, while writers write and tables change their shape.
// Afterwards every table must equal its source. CDCSYNC_KILLS says how often.
func KillAtRandom(t *testing.T, target Target, s *servers.Server, kills int) {
	r, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 1500, Rate: 150, DDL: 400 * time.Millisecond})
	Big(t, s, db, 60_000)
	p := PipelineTo(t, target, s, db, nil)
	load.Start()
	for range Count(t, "CDCSYNC_KILLS", kills) {
		d := p.Run(t)
		d.Lives(t, time.Duration(100+r.IntN(1400))*time.Millisecond)
		d.Kill(t)
	}
	Settle(t, p, p.Run(t), load)
}

// TerminateAtRandom asks the program to end at any moment of its load: it exits with 0 each time, and goes on.
func TerminateAtRandom(t *testing.T, target Target, s *servers.Server, times int) {
	r, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 500, Rate: 200, DDL: 300 * time.Millisecond})
	p := PipelineTo(t, target, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "100"})
	load.Start()
	for range times {
		said := p.Log(1)
		d := p.Run(t)
		d.Lives(t, time.Duration(300+r.IntN(900))*time.Millisecond)
		if code := d.Terminate(t); code == -1 && p.Log(1) == said {
			t.Log("the program had not begun yet") // so the signal was not its own to handle
		} else if code != 0 {
			t.Fatalf("exit code %d after SIGTERM, want 0:\n%s", code, p.Log(40))
		}
	}
	Settle(t, p, p.Run(t), load)
}

// CrashSink lets a server of the sink be killed and started again under load; one process must live through all of it.
func CrashSink(t *testing.T, target Target, s *servers.Server, crashes int, crash func()) {
	r, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 1000, Rate: 100, DDL: 500 * time.Millisecond})
	Big(t, s, db, 40_000)
	p := PipelineTo(t, target, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "500"})
	load.Start()
	d := p.Run(t)
	for range crashes {
		d.Lives(t, time.Duration(200+r.IntN(1500))*time.Millisecond)
		crash()
	}
	Settle(t, p, d, load)
}

// CutSink resets the connections to the sink, or loses replies, again and again; hurt does it, is told the round,
// and says whether the program has felt it: on a busy machine it may not have begun when the rounds are over, and then more
// follow. heal ends it. One process must live through all of it.
func CutSink(t *testing.T, target Target, s *servers.Server, through Settings, hurt func(r *rand.Rand, round int) bool, heal func()) {
	r, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 500, Rate: 100, DDL: 500 * time.Millisecond})
	Big(t, s, db, 20_000)
	p := PipelineTo(t, target, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "500"})
	p.Set(t, through)
	load.Start()
	d := p.Run(t)
	rounds, felt, late := Count(t, "CDCSYNC_CUTS", 12), false, time.Now().Add(2*time.Minute)
	for round := 0; round < rounds || !felt && time.Now().Before(late); round++ {
		d.Lives(t, time.Duration(20+r.IntN(600))*time.Millisecond)
		felt = hurt(r, round)
	}
	heal()
	Settle(t, p, d, load)
}

// OrderResync lets a pipeline copy its tables, and then asks for some of them anew.
func OrderResync(t testing.TB, p *Pipeline, tables ...string) {
	t.Helper()
	d := p.Run(t)
	Until(t, 30*time.Second, "a copied table", func() bool {
		out, _, code := p.Command(t, "state")
		return code == 0 && strings.Contains(out, "following")
	})
	if code := d.Terminate(t); code != 0 {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	p.Resync(t, tables...)
}

// Resync asks for tables to be copied anew by the next run.
func (p *Pipeline) Resync(t testing.TB, tables ...string) {
	t.Helper()
	names := make([]string, len(tables))
	for i, name := range tables {
		names[i] = p.Database + "." + name
	}
	out, said, code := p.Command(t, "resync", names...)
	if code != 0 {
		t.Fatalf("cdcsync resync: code %d: %s%s", code, out, said)
	}
}

// Unlogged runs a statement at the source that leaves no trace in the log: only a resync brings it.
func Unlogged(t testing.TB, s *servers.Server, statement string) {
	t.Helper()
	conn, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SET SESSION sql_log_bin = OFF", statement, "SET SESSION sql_log_bin = ON"} {
		if _, err := conn.ExecContext(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
