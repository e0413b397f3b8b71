package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// TestDisk_Full fills the disk of the warehouse under load and frees it again: what could not be written comes later.
func TestDisk_Full(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	_, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 300, Rate: 200})
	p := NewPipeline(t, s, db, nil)
	mount := filepath.Join(p.Dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("only root may mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	p.Warehouse = filepath.Join(mount, "warehouse")
	p.Set(t, Settings{"sink.catalog.properties.warehouse": p.Warehouse})
	load.Start()
	d := p.Run(t)
	Until(t, 30*time.Second, "a warehouse", func() bool { return free(t, mount) < 46<<20 })
	filler := fill(t, mount)
	if d.Ended(4 * time.Second) {
		t.Fatalf("cdcsync ended with code %d when the disk was full:\n%s", d.ExitCode(), p.Log(40))
	}
	if left := free(t, mount); left > 1<<20 {
		t.Errorf("the disk was not full: %d bytes are free", left)
	}
	load.Stop() // what is to come must fit
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	Settle(t, p, d, load)
}

// free is the room on the disk of a folder.
func free(t *testing.T, dir string) uint64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize)
}

// fill takes all room of a disk, and returns the file that does.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			return path
		}
	}
}
