package e2e

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// Points finds the names of the crash points in the program's source whose first word is one of owners, in order; failing
// are those that can also fail.
func Points(t testing.TB, owners ...string) (names, failing []string) {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("find the program's source: %v", err)
	}
	call := regexp.MustCompile(`fault\.(Point|Error)\("((\w+)\.[^"]+)"\)`)
	err = filepath.WalkDir(strings.TrimSpace(string(root)), func(path string, f fs.DirEntry, err error) error {
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
			if !slices.Contains(owners, m[3]) {
				continue
			}
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

// A Schedule is a list of faults for one pipeline, each for one life of it.
type Schedule []string

// Schedules puts the first hit of each point, a later one, and the failures of those that can fail, into schedules of so
// many points each, in random order.
func Schedules(r *rand.Rand, names, failing []string, points int) []Schedule {
	var each []Schedule
	for _, name := range names {
		each = append(each, Schedule{name + ":1", fmt.Sprintf("%s:%d", name, 2+r.IntN(6))})
	}
	for _, name := range failing {
		each = append(each, Schedule{fmt.Sprintf("%s:1:error,%s:%d:error", name, name, 2+r.IntN(4))})
	}
	r.Shuffle(len(each), func(i, j int) { each[i], each[j] = each[j], each[i] })
	var out []Schedule
	for some := range slices.Chunk(each, points) {
		out = append(out, slices.Concat(some...))
	}
	return out
}

// A Trial is a set of schedules and what belongs to them.
type Trial struct {
	Schedules []Schedule
	Settings  Settings
	Between   func(t *testing.T, p *Pipeline) // called before each life but the first; nil: nothing
}

// KillAtPoints runs a new pipeline per schedule, and lets each of its lives end at its crash point, beside writers and
// schema changes. Each time all tables must be equal in the end. It returns the points that were reached.
func KillAtPoints(t *testing.T, target Target, s *servers.Server, trial Trial) (reached []string) {
	t.Helper()
	_, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 100, DDL: 100 * time.Millisecond})
	hits := filepath.Join(t.TempDir(), "hits")
	for _, schedule := range trial.Schedules {
		t.Run(schedule[0], func(t *testing.T) {
			p := PipelineTo(t, target, s, db, Settings{"source.scan.incremental.snapshot.chunk.size": "100"})
			p.Set(t, trial.Settings)
			load.Start()
			if strings.Contains(schedule[0], "resync") {
				OrderResync(t, p, "hot", "composite")
			}
			for life, fault := range schedule {
				if life > 0 && trial.Between != nil {
					trial.Between(t, p)
				}
				d := p.Run(t, "CDCSYNC_FAULT="+fault, "CDCSYNC_FAULT_LOG="+hits)
				if d.Ended(1500*time.Millisecond) && !d.Killed() {
					t.Fatalf("%s: cdcsync ended by itself with code %d:\n%s", fault, d.ExitCode(), p.Log(40))
				}
				d.Kill(t)
			}
			Settle(t, p, p.Run(t, "CDCSYNC_FAULT_LOG="+hits), load)
		})
	}
	text, err := os.ReadFile(hits)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}
