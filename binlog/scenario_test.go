package binlog_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestStream_MillionthFile has a log whose file numbers grow a digit: they are numbers, not texts.
func TestStream_MillionthFile(t *testing.T) {
	run := func(t *testing.T, s *servers.Server) {
		if strings.HasPrefix(s.Version, "5.") {
			t.Skip("the server cannot number its files")
		}
		reset := "RESET MASTER TO 999999"
		if strings.HasPrefix(s.Version, "9") {
			reset = "RESET BINARY LOGS AND GTIDS TO 999999"
		}
		s.Exec(t, reset)
		db := s.Database(t)
		from := head(t, s)
		if !strings.Contains(string(from), ".999999:") {
			t.Fatalf("the log begins at %s", from)
		}
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (3)")
		end := head(t, s)
		if !strings.Contains(string(end), ".1000001:") {
			t.Fatalf("the log ends at %s", end)
		}
		all := until(t, open(t, s, db, from), end)
		expect(t, describe(all), "schema none -> a v1 (id)", "commit", "rows a v1: insert(1)", "commit", "rows a v1: insert(2)", "commit", "rows a v1: insert(3)", "commit")
		checkSeqs(t, all)
		for i, ev := range all {
			if ev.Commit == "" || i == 0 {
				continue
			}
			if got, want := numbered(until(t, open(t, s, db, ev.Commit, all[0].Schema.After), end)), numbered(all[i+1:]); got != want {
				t.Errorf("after %s: got\n%s\nwant\n%s", ev.Commit, got, want)
			}
		}
	}
	t.Run("mariadb", func(t *testing.T) { run(t, servers.MariaDB(t, "10.11")) })
	t.Run("mysql", func(t *testing.T) { run(t, servers.MySQL(t, "9.7")) })
}

// TestStream_Unlogged changes a table's shape without a trace in the log: the rows that follow must not be read by the
// known one.
func TestStream_Unlogged(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		alters := []string{"ADD c int", "DROP w", "MODIFY v bigint", "MODIFY w varchar(20) FIRST"}
		if !strings.HasPrefix(s.Version, "5.") { // which logs neither names, nor signs, nor labels
			alters = append(alters, "MODIFY v int unsigned", "CHANGE v u int", "MODIFY e enum('y','x')", "RENAME COLUMN v TO x, RENAME COLUMN x TO v")
		}
		for _, alter := range alters {
			got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, v int, w varchar(20), x int, e enum('x','y')); CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a (id) VALUES (1)",
				"SET SESSION sql_log_bin = 0; ALTER TABLE a "+alter+"; SET SESSION sql_log_bin = 1", "INSERT INTO a (id) VALUES (2)", "INSERT INTO b VALUES (1)")
			if !strings.HasSuffix(got, "commit\nstopped a\ncommit\nrows b v1: insert(1)\ncommit\n") {
				t.Errorf("%s: got\n%s", alter, got)
			}
		}
	})
}

// TestStream_Sequences holds that the rows of a sequence are none, whatever it feeds.
func TestStream_Sequences(t *testing.T) {
	got := follow(t, servers.SharedMariaDB(t, "10.11"), "CREATE SEQUENCE q CACHE 2", "CREATE TABLE a (id int PRIMARY KEY DEFAULT (NEXTVAL(q)), v int)",
		"INSERT INTO a (v) VALUES (1),(2),(3)", "SELECT NEXTVAL(q)", "SELECT SETVAL(q, 100)", "ALTER SEQUENCE q INCREMENT BY 5", "INSERT INTO a (v) VALUES (4)", "DROP SEQUENCE q")
	if rows := strings.Count(got, "insert("); rows != 4 || strings.Contains(got, " q ") || strings.Contains(got, "stopped") {
		t.Errorf("got\n%s", got)
	}
}

// TestStream_SystemVersioned holds that a table whose updates log rows of the past as well is not captured, also when it
// becomes one.
func TestStream_SystemVersioned(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	got := follow(t, s, "CREATE TABLE v (id int PRIMARY KEY, n int) WITH SYSTEM VERSIONING", "INSERT INTO v VALUES (1,1)", "UPDATE v SET n=2",
		"CREATE TABLE a (id int PRIMARY KEY, n int)", "INSERT INTO a VALUES (1,1)", "ALTER TABLE a ADD SYSTEM VERSIONING", "UPDATE a SET n=2", "DELETE FROM a")
	expect(t, got, "stopped v", "commit", "schema none -> a v1 (id n)", "commit", "rows a v1: insert(1, 1)", "commit", "stopped a", "commit")
	got = follow(t, s, "CREATE TABLE v (id int PRIMARY KEY, n int, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
		"INSERT INTO v (id, n) VALUES (1,1)", "UPDATE v SET n=2", "DELETE FROM v")
	expect(t, got, "stopped v", "commit")
}

// TestStream_CreateSelectLater has a table made of another one, and rows that follow.
func TestStream_CreateSelectLater(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		if old(s) {
			t.Skip("the server refuses the statement")
		}
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, v varchar(5))", "INSERT INTO a VALUES (1,'x')", "CREATE TABLE b (PRIMARY KEY (id)) AS SELECT id, v, 7 AS n FROM a", "UPDATE b SET v='y'", "CREATE TABLE c LIKE a", "INSERT INTO c VALUES (2,'z')")
		want := "schema none -> b v1 (id v n)\nrows b v1: insert(1, x, 7)\ncommit\nrows b v1: before(1, x, 7) after(1, y, 7)\ncommit\nschema none -> c v1 (id v)\ncommit\nrows c v1: insert(2, z)\ncommit\n"
		if stopped := strings.Contains(got, "stopped b\ncommit\nschema none -> c v1"); !stopped && !strings.HasSuffix(got, want) {
			t.Errorf("got\n%s", got)
		}
	})
}

// TestStream_Unpacked holds that rows which are small in the log and large when unpacked do not gather in memory.
func TestStream_Unpacked(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	db := s.Database(t)
	from := head(t, s)
	script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, v longtext COMPRESSED)", "INSERT INTO a (v) SELECT REPEAT('x', 600000) FROM seq_1_to_40")
	events := until(t, open(t, s, db, from), head(t, s))
	rows := 0
	for _, ev := range events {
		if ev.Rows == nil {
			continue
		}
		if rows += ev.Rows.Len(); ev.Rows.Bytes() > 2_000_000 {
			t.Errorf("a batch has %d rows, %d bytes", ev.Rows.Len(), ev.Rows.Bytes())
		}
	}
	if rows != 40 {
		t.Errorf("got %d rows, want 40", rows)
	}
	freeAll(events)
}
