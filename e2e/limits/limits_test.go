// Package limits owns the tests of sizes: very wide tables, odd names, huge rows, huge transactions, thousands of tables,
// and how much memory and time they take. Each runs the built program against a real server, and an independent reader
// judges the result. CDCSYNC_LIMITS=full takes the sizes that the project promises; without it they are smaller, with
// budgets to match, so that the same mechanisms work.
package limits

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the catalog is read past the product

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// size is what the test takes, by default and in full.
func size(short, full int) int {
	if os.Getenv("CDCSYNC_LIMITS") == "full" {
		return full
	}
	return short
}

// wait polls a condition until it holds, and fails the test at once if the program ends by itself.
func wait(t *testing.T, p *e2e.Pipeline, d *e2e.Daemon, timeout time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if d.Ended(20 * time.Millisecond) {
			t.Fatalf("cdcsync ended with code %d before %s:\n%s", d.ExitCode(), what, p.Log(30))
		}
		if time.Since(began) > timeout {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
	return time.Since(began)
}

var (
	currentSnapshot = regexp.MustCompile(`"current-snapshot-id":\s*([1-9][0-9]*)`)
	scheme          = regexp.MustCompile(`^file:(//)?`)
)

// tables returns the metadata file of each table of the catalog that has a snapshot, by "namespace\x00table".
func tables(t *testing.T, p *e2e.Pipeline) map[string]string {
	t.Helper()
	file := filepath.Join(p.Warehouse, "catalog.db")
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables")
	if err != nil {
		return nil // the program has not made the table yet
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var space, name, location string
		if err := rows.Scan(&space, &name, &location); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(scheme.ReplaceAllString(location, ""))
		if err == nil && currentSnapshot.Match(text) {
			found[space+"\x00"+name] = location
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// copied waits until so many tables have a snapshot.
func copied(t *testing.T, p *e2e.Pipeline, d *e2e.Daemon, n int) time.Duration {
	t.Helper()
	return wait(t, p, d, 3*time.Minute, fmt.Sprintf("%d tables have rows", n), func() bool { return len(tables(t, p)) >= n })
}

// A marker is a small table whose rows follow a large change: once they are in Iceberg, so is nearly all before them,
// and the costly comparison does not run over and over.
type marker struct {
	s  *servers.Server
	db string
	n  int
}

func newMarker(t *testing.T, s *servers.Server, db string) *marker {
	t.Helper()
	s.Exec(t, "CREATE TABLE "+db+".marker (id int PRIMARY KEY)", "INSERT INTO "+db+".marker VALUES (0)")
	return &marker{s: s, db: db}
}

// pass waits until what is in the log by now is in Iceberg, and returns how long that took.
func (m *marker) pass(t *testing.T, p *e2e.Pipeline, d *e2e.Daemon, timeout time.Duration) time.Duration {
	t.Helper()
	key := m.db + "\x00marker"
	before := tables(t, p)[key]
	if before == "" {
		t.Fatal("the marker has no snapshot yet")
	}
	m.n++
	m.s.Exec(t, fmt.Sprintf("INSERT INTO %s.marker VALUES (%d)", m.db, m.n))
	return wait(t, p, d, timeout, "the marker arrives", func() bool { return tables(t, p)[key] != before })
}

// ends ends the program in an orderly way.
func ends(t *testing.T, p *e2e.Pipeline, d *e2e.Daemon) {
	t.Helper()
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0:\n%s", code, p.Log(30))
	}
}

// mb is a size to print.
func mb(bytes int64) int64 { return bytes >> 20 }

// quoted spells a name for SQL.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// running is the peak memory of a program that may end meanwhile; then it is 0.
func running(t *testing.T, p *e2e.Pipeline) int64 {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(p.Dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + string(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil { // a process that has ended has no memory
		return 0
	}
	return kb << 10
}

// stored spells a database's name as the SQL catalog stores it: one with dots is not several namespaces.
func stored(t *testing.T, database string) string {
	t.Helper()
	if !strings.Contains(database, ".") {
		return database
	}
	text, err := json.Marshal([]string{database})
	if err != nil {
		t.Fatal(err)
	}
	return "__iceberg_namespace_v1__:" + string(text)
}
