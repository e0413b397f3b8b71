package binlog_test

import (
	"os"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// TestStream_Past4GiB has a transaction that makes a log file longer than the log's own 32 bits for offsets can say. It
// logs 4.4 GB on each server, which takes minutes: only when CDCSYNC_LARGE is set.
func TestStream_Past4GiB(t *testing.T) {
	if os.Getenv("CDCSYNC_LARGE") == "" {
		t.Skip("CDCSYNC_LARGE is not set")
	}
	run := func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE other (n int, v longblob)", "INSERT INTO other VALUES (0, REPEAT('x', 15000000))")
		from := head(t, s)
		// Both images of an update are logged, and the engine keeps neither when the blob is the same.
		script(t, s, db, "BEGIN; INSERT INTO a VALUES (1)", strings.Repeat("UPDATE other SET n = n + 1;", 145), "INSERT INTO a VALUES (2); COMMIT", "INSERT INTO a VALUES (3)")
		end := head(t, s)
		shape := imageShapes(db)[0]
		shape = &schema.Table{Name: shape.Name, Version: 1, Key: shape.Key, Columns: shape.Columns[:1]}
		all := until(t, open(t, s, db, from, shape), end)
		expect(t, describe(all), "rows a v1: insert(1) insert(2)", "commit", "rows a v1: insert(3)", "commit")
		checkSeqs(t, all)
		past := 0
		for i, ev := range all {
			if ev.Rows != nil && ev.Rows.Len() == 2 && ev.Rows.Seqs[1]-ev.Rows.Seqs[0] < 1<<32 {
				t.Errorf("the rows have Seqs %v", ev.Rows.Seqs)
			}
			if ev.Commit == "" {
				continue
			}
			p, err := binlog.ParsePosition(ev.Commit)
			if err != nil {
				t.Fatal(err)
			}
			if p.Offset >= 1<<32 {
				past++
			}
			if p.Offset >= 1<<32 || i > 2 {
				if got, want := numbered(until(t, open(t, s, db, ev.Commit, shape), end)), numbered(all[i+1:]); got != want {
					t.Errorf("after %s: got\n%s\nwant\n%s", ev.Commit, got, want)
				}
			}
		}
		if past == 0 {
			t.Error("no boundary is past 4 GiB")
		}
	}
	t.Run("mysql", func(t *testing.T) { run(t, servers.MySQL(t, "9.7")) })
	t.Run("mariadb", func(t *testing.T) { run(t, servers.MariaDB(t, "10.11")) })
}
