package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// count is a number from the environment, or what a short run takes.
func count(t *testing.T, variable string, otherwise int) int {
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

// seeded returns a source of random numbers; CDCSYNC_SEED repeats a run.
func seeded(t *testing.T) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(count(t, "CDCSYNC_SEED", int(rand.Uint32())))
	t.Logf("CDCSYNC_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// big makes a table whose snapshot outlasts several lives of the program.
func big(t *testing.T, s *servers.Server, database string, rows int) {
	t.Helper()
	s.Exec(t, "CREATE TABLE "+database+".big (id bigint AUTO_INCREMENT PRIMARY KEY, k int, c varchar(60), v decimal(12,2))",
		"INSERT INTO "+database+".big (k, c, v) VALUES (1, 'one', 1.5), (2, 'two', -2.5), (3, NULL, NULL), (4, 'four', 4)")
	for n := 4; n < rows; n *= 2 {
		s.Exec(t, "INSERT INTO "+database+".big (k, c, v) SELECT k + id, concat(c, id), v * 1.01 FROM "+database+".big LIMIT "+strconv.Itoa(rows-n))
		s.Exec(t, "UPDATE "+database+".big SET c = left(c, 40), v = v % 1000000")
	}
}

// TestKill9_Random kills the program at random moments of its snapshot, while writers write and tables change their
// shape. Afterwards every table must equal its source. CDCSYNC_KILLS says how often.
func TestKill9_Random(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, seed := seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 1500, Rate: 150, DDL: 400 * time.Millisecond})
		big(t, s, db, 60_000)
		p := NewPipeline(t, s, db, nil)
		load.Start()
		for range count(t, "CDCSYNC_KILLS", 10) {
			d := p.Run(t)
			if d.Ended(time.Duration(100+r.IntN(1400)) * time.Millisecond) {
				t.Fatalf("cdcsync ended by itself with code %d:\n%s", d.ExitCode(), p.Log(40))
			}
			d.Kill(t)
		}
		settle(t, p, p.Run(t), load)
	})
}

// settle stops the load, waits until all tables are equal, stops the program in an orderly way, and compares again:
// equality must not have been a moment in passing.
func settle(t *testing.T, p *Pipeline, d *Daemon, load *workload.Load) {
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
