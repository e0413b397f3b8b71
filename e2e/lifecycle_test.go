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
	servers.Each(t, func(t *testing.T, s *servers.Server) { CopyUnderWrites(t, Iceberg{}, s) })
}

// TestRun_Terminated asks the program to end at any moment of its load: it exits with 0 each time, and goes on.
func TestRun_Terminated(t *testing.T) {
	TerminateAtRandom(t, Iceberg{}, servers.Shared(t, servers.FlavourMariaDB), 6)
}

// TestRun_Twice starts a second program on the same state: it must refuse, say why, and do the first no harm.
func TestRun_Twice(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	_, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 50})
	p := NewPipeline(t, s, db, nil)
	load.Start()
	first := p.Run(t)
	Until(t, 30*time.Second, "rows of the first program", func() bool {
		out, _, code := p.Command(t, "state")
		return code == 0 && strings.Contains(out, "hot")
	})
	stdout, stderr, code := p.Command(t, "run")
	if said := stdout + stderr; code != 1 && code != 2 || !strings.Contains(said, p.State) {
		t.Errorf("the second program: code %d, want a refusal that names %s:\n%s", code, p.State, said)
	}
	Settle(t, p, first, load)
}
