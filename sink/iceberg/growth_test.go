package iceberg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// TestSink_ManyCommits makes enough commits that manifests are merged and snapshots expire, and checks that neither the
// metadata grows without end nor a row or the mark is lost.
func TestSink_ManyCommits(t *testing.T) {
	dir := t.TempDir()
	s, shape := openTest(t, dir, func(c *Config) {
		c.Table = map[string]string{"history.expire.max-snapshot-age-ms": "1", "history.expire.min-snapshots-to-keep": "3", "commit.manifest.min-count-to-merge": "10"}
	}), narrowTable()
	if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
		t.Fatal(err)
	}
	const commits = 160
	for e := uint64(1); e <= commits; e++ {
		commitOps(t, s, shape, e, op{row.Upsert, e % 5, e}, op{row.Upsert, 5 + e%3, e}, op{row.Insert, 100 + e, e}, op{row.Delete, 99 + e, e - 1})
	}
	want := "0/160 1/156 2/157 260/160 3/158 4/159 5/159 6/160 7/158"
	if got := present(t, s, shape.Name); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	marks, err := s.Marks(t.Context(), []schema.Name{shape.Name})
	if err != nil || marks[shape.Name].Epoch != commits {
		t.Errorf("got %v, %v, want epoch %d", marks, err, commits)
	}
	tbl, err := s.load(t.Context(), shape.Name)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tbl.Metadata().Snapshots()); n > 3+expireBatch {
		t.Errorf("got %d snapshots", n)
	}
	kinds := map[string]int{}
	files, err := os.ReadDir(filepath.Join(dir, "shop/narrow/metadata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		kinds[f.Name()[strings.LastIndexByte(f.Name(), '.'):]]++
	}
	if kinds[".json"] > 12 || kinds[".avro"] > 3*expireBatch+40 {
		t.Errorf("got %v metadata files", kinds)
	}
	lint(t, dir)
}
