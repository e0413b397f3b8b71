package iceberg

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

func TestSink_GrowthMeasure(t *testing.T) {
	dir := t.TempDir()
	s, shape := openTest(t, dir, func(c *Config) {
		c.Table = map[string]string{"history.expire.max-snapshot-age-ms": "1"}
	}), narrowTable()
	if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for e := uint64(1); e <= 1000; e++ {
		commitOps(t, s, shape, e, op{row.Upsert, e % 50, e}, op{row.Upsert, (e + 1) % 50, e})
		if e%200 == 0 {
			files, _ := filepath.Glob(filepath.Join(dir, "shop/narrow/metadata/*.metadata.json"))
			fi, _ := os.Stat(files[len(files)-1])
			all, _ := filepath.Glob(filepath.Join(dir, "shop/narrow/metadata/*"))
			t.Logf("%d: %v per commit, metadata %d files of %d bytes, %d in all", e, time.Since(start)/200, len(files), fi.Size(), len(all))
			start = time.Now()
		}
	}
}
