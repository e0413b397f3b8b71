package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestRun_Snapshot copies tables under writes, without any fault.
func TestRun_Snapshot(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		_, seed := seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 3000})
		big(t, s, db, 100_000)
		p := NewPipeline(t, s, db, nil)
		load.Start()
		d := p.Run(t)
		if d.Ended(4 * time.Second) {
			t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(40))
		}
		settle(t, p, d, load)
	})
}

// TestRun_Terminated asks the program to end at any moment of its load: it exits with 0 each time, and goes on.
func TestRun_Terminated(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	r, seed := seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 500, Rate: 200, DDL: 300 * time.Millisecond})
	p := NewPipeline(t, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "100"})
	load.Start()
	for range 6 {
		d := p.Run(t)
		if d.Ended(time.Duration(300+r.IntN(900)) * time.Millisecond) {
			t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(40))
		}
		if code := d.Terminate(t); code != 0 {
			t.Fatalf("exit code %d after SIGTERM, want 0:\n%s", code, p.Log(40))
		}
	}
	settle(t, p, p.Run(t), load)
}

// TestRun_Twice starts a second program on the same state: it must refuse, say why, and do the first no harm.
func TestRun_Twice(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	_, seed := seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 50})
	p := NewPipeline(t, s, db, nil)
	load.Start()
	first := p.Run(t)
	until(t, 30*time.Second, "rows of the first program", func() bool {
		out, _, code := p.Command(t, "state")
		return code == 0 && strings.Contains(out, "hot")
	})
	stdout, stderr, code := p.Command(t, "run")
	if said := stdout + stderr; code != 1 && code != 2 || !strings.Contains(said, p.State) {
		t.Errorf("the second program: code %d, want a refusal that names %s:\n%s", code, p.State, said)
	}
	settle(t, p, first, load)
}
