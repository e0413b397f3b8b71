package iceberg

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// peakRSS is the most memory that the process has had, in MB.
func peakRSS(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}

// TestTxn_Memory inserts a million rows and updates each twice, all in one transaction.
func TestTxn_Memory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 5 million row images")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	s, shape := openTest(t, t.TempDir(), nil), narrowTable()
	if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
		t.Fatal(err)
	}
	x, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const n, step = 1_000_000, 1000
	for gen := range uint64(3) {
		for at := uint64(0); at < n; at += step {
			b := row.New(shape)
			for id := at; id < at+step; id++ {
				if gen == 0 {
					put(b, row.Insert, id, gen)
					continue
				}
				put(b, row.Before, id, gen-1)
				put(b, row.After, id, gen)
			}
			if err := x.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("gen %d: peak RSS %d MB", gen, peakRSS(t))
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{shape.Name: {Run: 1, Epoch: 1}}); err != nil {
		t.Fatal(err)
	}
	t.Logf("committed: peak RSS %d MB", peakRSS(t))
	tbl, err := s.load(t.Context(), shape.Name)
	if err != nil {
		t.Fatal(err)
	}
	p := tbl.CurrentSnapshot().Summary.Properties
	live := 0
	for k, sign := range map[string]int{"total-records": 1, "total-position-deletes": -1} {
		v, err := strconv.Atoi(p[k])
		if err != nil {
			t.Fatal(err)
		}
		live += sign * v
	}
	if live != n {
		t.Errorf("got %d live rows, want %d: %v", live, n, p)
	}
}
