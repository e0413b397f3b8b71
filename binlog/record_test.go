package binlog_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// TestReplay_Recorded has each server log one of all that it can, and holds that reading its log file without a server gives
// what a stream does. With CDCSYNC_RECORD set it keeps the file for the fuzz tests.
func TestReplay_Recorded(t *testing.T) {
	t.Run("mysql", func(t *testing.T) { record(t, servers.MySQL(t, "9.7")) })
	t.Run("mariadb", func(t *testing.T) {
		record(t, servers.MariaDB(t, "10.11", "--log-bin-compress=ON", "--log-bin-compress-min-len=10"))
	})
}

func record(t *testing.T, s *servers.Server) {
	s.Exec(t, "CREATE DATABASE r CHARACTER SET utf8mb4", "FLUSH BINARY LOGS")
	from := head(t, s)
	at, err := binlog.ParsePosition(from)
	if err != nil {
		t.Fatal(err)
	}
	stream := open(t, s, "r", from)
	everything(t, s)
	live := until(t, stream, head(t, s))
	s.Exec(t, "FLUSH BINARY LOGS")
	log, err := os.ReadFile(filepath.Join(s.Dir, "data", at.File))
	if err != nil {
		t.Fatal(err)
	}
	flavor, version := binlog.MySQL, versionNumber(t, s)
	if s.Flavour == servers.FlavourMariaDB {
		flavor = binlog.MariaDB
	}
	read, err := binlog.ReplayLog(flavor, version, log, func(n schema.Name) bool { return n.Namespace == "r" })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(read), describe(live); got != want || !strings.Contains(got, "rows ") {
		t.Errorf("the file has\n%s\nthe stream\n%s", got, want)
	}
	freeAll(live)
	if os.Getenv("CDCSYNC_RECORD") == "" {
		return
	}
	if err := os.MkdirAll(binlog.Recorded, 0o755); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(s.Value(t, "SELECT VERSION()"), "-")
	if err := os.WriteFile(filepath.Join(binlog.Recorded, string(s.Flavour)+"-"+name), log, 0o644); err != nil {
		t.Fatal(err)
	}
}

// everything logs each kind of event that the server has. What it does not know is left out: those lines begin with ?.
func everything(t *testing.T, s *servers.Server) {
	t.Helper()
	c, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	lines := append(plainEvents, mysqlEvents...)
	if s.Flavour == servers.FlavourMariaDB {
		lines = append(plainEvents, mariadbEvents...)
	}
	for line := range strings.SplitSeq(strings.Join(lines, "\n"), "\n") {
		text, optional := strings.CutPrefix(line, "?")
		if _, err := c.ExecContext(context.WithoutCancel(t.Context()), text); err != nil && !optional {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

var plainEvents = []string{
	"USE r",
	"CREATE TABLE a (id int PRIMARY KEY, v varchar(20), n decimal(10,2), ts datetime(3), e enum('x','y'), s set('p','q'), b blob, f double, u bigint unsigned, t time(6), y year, k bit(9), w timestamp(2) NULL, g char(9) CHARACTER SET latin1)",
	"INSERT INTO a VALUES (1, 'one', 1.25, '2026-01-02 03:04:05.678', 'x', 'p,q', x'0001', 0.5, 18446744073709551615, '-01:02:03.000004', 2026, 257, '2026-01-01 00:00:00.5', 'é'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
	"UPDATE a SET v = 'uno' WHERE id = 1",
	"BEGIN", "INSERT INTO a (id) VALUES (3)", "SAVEPOINT s1", "INSERT INTO a (id) VALUES (4)", "ROLLBACK TO s1", "DELETE FROM a WHERE id = 2", "COMMIT",
	"ALTER TABLE a ADD c int DEFAULT 7 AFTER id",
	"SET SESSION binlog_row_image = MINIMAL", "UPDATE a SET v = 'dos' WHERE id = 3", "SET SESSION binlog_row_image = FULL",
	"XA START 'x1'", "INSERT INTO a (id) VALUES (5)", "XA END 'x1'", "XA PREPARE 'x1'", "XA COMMIT 'x1'",
	"XA START 'x2', 'branch', 7", "INSERT INTO a (id) VALUES (6)", "XA END 'x2', 'branch', 7", "XA COMMIT 'x2', 'branch', 7 ONE PHASE",
	"CREATE TABLE st (id int PRIMARY KEY)", "SET SESSION binlog_format = STATEMENT", "INSERT INTO st VALUES (1)", "SET SESSION binlog_format = ROW",
	"CREATE TEMPORARY TABLE tmp (id int)", "DROP TEMPORARY TABLE tmp", "CREATE TABLE z (id int) ENGINE = MyISAM", "INSERT INTO z VALUES (1)",
	"RENAME TABLE a TO a2, st TO st2", "TRUNCATE TABLE a2", "SET NAMES latin1", "CREATE TABLE `\xe9` (id int)", "SET NAMES utf8mb4",
}

var mysqlEvents = []string{
	"CREATE TABLE j (id int PRIMARY KEY, d json)", `INSERT INTO j VALUES (1, '{"a": [1, 2.5, "x"], "b": null}')`,
	"?SET SESSION binlog_row_value_options = PARTIAL_JSON", `?UPDATE j SET d = JSON_SET(d, '$.a[1]', 7)`,
	"?SET SESSION binlog_transaction_compression = ON",
	"BEGIN", "INSERT INTO j VALUES (2, '[]'), (3, '{}')", "DELETE FROM j WHERE id = 1", "COMMIT",
	"?SET SESSION gtid_next = 'AUTOMATIC:blue'", "INSERT INTO j VALUES (4, 'true')", "?SET SESSION gtid_next = 'AUTOMATIC'",
	"DROP TABLE j",
}

var mariadbEvents = []string{
	"CREATE TABLE p (id int PRIMARY KEY, v varchar(200) COMPRESSED, w text COMPRESSED)", "INSERT INTO p VALUES (1, REPEAT('ab', 90), REPEAT('cd', 400)), (2, 'short', '')",
	"UPDATE p SET v = 'x' WHERE id = 1", "DELETE FROM p", "ALTER TABLE p DROP w", "CREATE SEQUENCE q", "DO NEXTVAL(q)", "DROP TABLE p",
}

// versionNumber is the server's version as the log's comments spell it: 80036.
func versionNumber(t *testing.T, s *servers.Server) int {
	t.Helper()
	n := 0
	for i, part := range strings.SplitN(s.Value(t, "SELECT VERSION()"), ".", 3) {
		digits := strings.TrimRight(part, "-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+~:.")
		k := 0
		for _, d := range digits {
			if d < '0' || d > '9' {
				break
			}
			k = k*10 + int(d-'0')
		}
		n += k * []int{10000, 100, 1}[i]
	}
	return n
}
