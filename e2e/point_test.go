package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// points finds the names of all crash points in the program's source, in order; failing are those that can also fail.
func points(t *testing.T) (names, failing []string) {
	t.Helper()
	call := regexp.MustCompile(`fault\.(Point|Error)\("([^"]+)"\)`)
	err := filepath.WalkDir("..", func(path string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() && f.Name() == "e2e" {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[2])
			if m[1] == "Error" {
				failing = append(failing, m[2])
			}
		}
		return err
	})
	if err != nil {
		t.Fatalf("find crash points: %v", err)
	}
	slices.Sort(names)
	slices.Sort(failing)
	return slices.Compact(names), slices.Compact(failing)
}

// orderResync lets a pipeline copy its tables, and then asks for two of them anew.
func orderResync(t *testing.T, p *Pipeline) {
	t.Helper()
	d := p.Run(t)
	until(t, 30*time.Second, "a copied table", func() bool {
		out, _, code := p.Command(t, "state")
		return code == 0 && strings.Contains(out, "following")
	})
	if code := d.Terminate(t); code != 0 {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	out, said, code := p.Command(t, "resync", p.Database+".hot", p.Database+".composite")
	if code != 0 {
		t.Fatalf("cdcsync resync: code %d: %s%s", code, out, said)
	}
}

// TestKill9_Points kills a new pipeline at the first hit of each crash point, then at a later one, and lets each
// operation that can fail do so, beside writers and schema changes. Each time all tables must be equal in the end. On
// MySQL it tries a third of them, chosen by the seed; CDCSYNC_POINTS=1 tries all.
func TestKill9_Points(t *testing.T) {
	names, failing := points(t)
	if len(names) < 8 {
		t.Fatalf("only the crash points %v were found", names)
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, seed := seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 100, DDL: 100 * time.Millisecond})
		hits := filepath.Join(t.TempDir(), "hits")
		var faults [][]string
		for _, name := range names {
			faults = append(faults, []string{name + ":1", fmt.Sprintf("%s:%d", name, 2+r.IntN(6))})
		}
		for _, name := range failing {
			faults = append(faults, []string{fmt.Sprintf("%s:1:error,%s:%d:error", name, name, 2+r.IntN(4))})
		}
		if every := count(t, "CDCSYNC_POINTS", 0) == 1; s.Flavour == servers.FlavourMySQL && !every {
			r.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
			faults = faults[:len(faults)/3]
		}
		for _, lives := range faults {
			t.Run(lives[0], func(t *testing.T) {
				p := NewPipeline(t, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "100"})
				load.Start()
				if strings.Contains(lives[0], "resync") {
					orderResync(t, p)
				}
				for _, fault := range lives {
					d := p.Run(t, "CDCSYNC_FAULT="+fault, "CDCSYNC_FAULT_LOG="+hits)
					if d.Ended(1500*time.Millisecond) && !d.Killed() {
						t.Fatalf("%s: cdcsync ended by itself with code %d:\n%s", fault, d.ExitCode(), p.Log(40))
					}
					d.Kill(t)
				}
				settle(t, p, p.Run(t, "CDCSYNC_FAULT_LOG="+hits), load)
			})
		}
		if s.Flavour == servers.FlavourMySQL {
			return // some of the points were not tried
		}
		reached, err := os.ReadFile(hits)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !slices.Contains(strings.Fields(string(reached)), name) {
				t.Errorf("crash point %s was never reached", name)
			}
		}
	})
}
