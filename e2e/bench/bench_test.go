// Package bench owns the figures of `make bench`: how many rows a second the program copies, and what that costs,
// beside the servers' own clients in the same run. Each figure comes from a process of its own.
//
// One line per figure:
//
//	bench NAME rows_per_s=N cpu_s_per_mrow=N rss_mb=N limit=N ratio=N
//
// limit is the rows per second to be reached, ratio how often it was. CDCSYNC_BENCH_ROWS and CDCSYNC_BENCH_CHANGES
// change the sizes.
package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// size is a number from the environment.
func size(b *testing.B, variable string, otherwise int64) int64 {
	b.Helper()
	if text := os.Getenv(variable); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatalf("%s: %v", variable, err)
		}
		return n
	}
	return otherwise
}

// cost is what a process needed.
type cost struct {
	cpu  time.Duration
	wall time.Duration
	rss  int64 // the largest resident memory, in bytes; 0: not known
}

func spent(cmd *exec.Cmd, wall time.Duration) cost {
	return cost{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: wall}
}

// report prints the line of a figure.
func report(name string, rows int64, wall time.Duration, c cost, limit float64) {
	rate := float64(rows) / wall.Seconds()
	fmt.Printf("bench %s rows_per_s=%.0f cpu_s_per_mrow=%.2f rss_mb=%d limit=%.0f ratio=%.2f\n",
		name, rate, c.cpu.Seconds()/float64(rows)*1e6, c.rss>>20, limit, rate/limit)
}

// run does a task in a process of its own.
func run(b *testing.B, t task) (tally, cost) {
	b.Helper()
	t.Dir = servers.Folder(b, "bench")
	if t.Budget == 0 {
		t.Budget = 64 << 20
	}
	if t.Interval == 0 {
		t.Interval = time.Second
	}
	text, err := json.Marshal(t)
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text), "GOMEMLIMIT="+strconv.FormatInt(t.Budget+96<<20, 10))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%+v: %v", t, err)
	}
	var got tally
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		b.Fatalf("%+v: %v: %s", t, err, out.Bytes())
	}
	c := spent(cmd, time.Since(began))
	c.rss, got.Dir = got.RSS, t.Dir
	return got, c
}

// client runs a program of MariaDB's.
func client(b *testing.B, args ...string) cost {
	b.Helper()
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(b.Context(), filepath.Join(filepath.Dir(here), "..", "servers", "mariadb-client.sh"), args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %v", args, err)
	}
	return spent(cmd, time.Since(began))
}

// A lab is a server with the tables of the benchmarks.
type lab struct {
	*servers.Server
	task task
}

func newLab(b *testing.B) *lab {
	b.Helper()
	s := servers.MariaDB(b, "10.11", "--innodb-buffer-pool-size=1G", "--max-binlog-size=1G", "--innodb-log-file-size=512M")
	s.Exec(b, "CREATE USER cdc@'%' IDENTIFIED BY 'bench'", "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc@'%'")
	return &lab{s, task{Port: s.Port, User: "cdc", Password: "bench"}}
}

// unlogged runs statements that leave no trace in the log.
func (l *lab) unlogged(b *testing.B, statements ...string) {
	b.Helper()
	l.Exec(b, "USE mysql; SET sql_log_bin=0; "+strings.Join(statements, "; ")+"; SET sql_log_bin=1")
}

// position is where the log ends, at the beginning of a new file.
func (l *lab) position(b *testing.B) (file string, pos int64) {
	b.Helper()
	l.Exec(b, "FLUSH BINARY LOGS")
	return l.Value(b, "SHOW MASTER STATUS"), 4
}

const narrow = "(id bigint PRIMARY KEY, k int NOT NULL, c varchar(32) NOT NULL, v decimal(12,2) NOT NULL, ts datetime NOT NULL)"

const narrowRow = "seq, seq % 1000003, concat('value number ', seq), seq / 7, '2026-01-01' + INTERVAL seq % 31536000 SECOND"

// BenchmarkSnapshot copies a table that nobody writes to.
func BenchmarkSnapshot(b *testing.B) {
	l := newLab(b)
	rows := size(b, "CDCSYNC_BENCH_ROWS", 5_000_000)
	l.unlogged(b, "CREATE DATABASE narrow", "CREATE TABLE narrow.narrow "+narrow,
		fmt.Sprintf("INSERT INTO narrow.narrow SELECT %s FROM seq_1_to_%d", narrowRow, rows))
	l.unlogged(b, "CREATE DATABASE sbtest",
		"CREATE TABLE sbtest.sbtest (id int PRIMARY KEY, k int NOT NULL, c char(120) NOT NULL, pad char(60) NOT NULL, KEY (k))",
		fmt.Sprintf("INSERT INTO sbtest.sbtest SELECT seq, seq %% 999983, repeat(md5(seq), 3), md5(-seq) FROM seq_1_to_%d", rows/5))
	for _, table := range []string{"narrow", "sbtest"} {
		n := map[string]int64{"narrow": rows, "sbtest": rows / 5}[table]
		c := client(b, "mariadb", "-h", l.Host, "-P", strconv.Itoa(l.Port), "-u", l.User, "-B", "--quick", "-e", "SELECT * FROM "+table+"."+table)
		report("client-"+table, n, c.wall, c, float64(n)/c.wall.Seconds())
		l.snapshot(b, "snapshot-null", table, n, 1.2*float64(n)/c.wall.Seconds(), false)
		l.snapshot(b, "snapshot-iceberg", table, n, 500_000, true)
	}
}

func (l *lab) snapshot(b *testing.B, name, database string, rows int64, limit float64, lake bool) {
	b.Helper()
	t := l.task
	t.Database, t.Snapshot, t.Iceberg = database, true, lake
	got, c := run(b, t)
	if got.Changes != rows {
		b.Fatalf("%s: %d rows, want %d", name, got.Changes, rows)
	}
	if database != "narrow" {
		name += "-" + database
	}
	report(name, rows, got.Elapsed, c, limit)
	fmt.Printf("bench %s first_row_ms=%d\n", name, got.First.Milliseconds())
}

// BenchmarkBinlog follows a log that is there already.
func BenchmarkBinlog(b *testing.B) {
	l := newLab(b)
	changes := size(b, "CDCSYNC_BENCH_CHANGES", 1_000_000)
	l.Exec(b, "CREATE DATABASE many", "CREATE TABLE many.narrow "+narrow, "CREATE DATABASE one", "CREATE TABLE one.narrow "+narrow)
	many := l.task
	many.Database = "many"
	many.File, many.Pos = l.position(b)
	const part = 50_000
	for from := int64(1); from < changes; from += part { // half inserts, a quarter updates, a quarter deletes
		l.Exec(b, fmt.Sprintf("USE mysql; INSERT INTO many.narrow SELECT %s FROM seq_%d_to_%d", narrowRow, from, from+part/2-1),
			fmt.Sprintf("UPDATE many.narrow SET k = k + 1 WHERE id >= %d LIMIT %d", from, part/4),
			fmt.Sprintf("DELETE FROM many.narrow WHERE id >= %d LIMIT %d", from, part/4))
	}
	many.Want = changes
	one := l.task
	one.Database = "one"
	one.File, one.Pos = l.position(b)
	l.oneRow(b, changes)
	one.Want = changes

	got, c := run(b, many)
	images := got.Images
	report("binlog-null-many", images, got.Elapsed, c, 1_000_000)
	dir := servers.Folder(b, "raw")
	raw := client(b, "mariadb-binlog", "-h", l.Host, "-P", strconv.Itoa(l.Port), "-u", l.User,
		"--read-from-remote-server", "--raw", "--to-last-log", "--result-file="+dir+"/", one.File)
	limit := float64(changes) / raw.wall.Seconds()
	report("client-binlog", changes, raw.wall, raw, limit)
	got, c = run(b, one)
	report("binlog-null-one", changes, got.Elapsed, c, 0.9*limit)
	many.Iceberg, one.Iceberg = true, true
	got, c = run(b, one)
	report("binlog-iceberg", changes, got.Elapsed, c, 100_000)
	l.equal(b, one, got)
	got, c = run(b, many)
	report("binlog-iceberg-many", changes, got.Elapsed, c, 100_000)
	l.equal(b, many, got)
}

// equal fails if what a task has written is not what the source has: rows that are lost are written fast.
func (l *lab) equal(b *testing.B, t task, got tally) {
	b.Helper()
	r := verify.Same(b, got.Dir+"/warehouse/catalog.db", t.Database+".narrow", l.Server, t.Database+".narrow")
	fmt.Printf("bench %s-verified rows=%d differences=%d\n", t.Database, r.SourceRows, r.Differences)
}

// oneRow writes changes of one row each, ten to a transaction: half inserts, a quarter updates, a quarter deletes.
func (l *lab) oneRow(b *testing.B, changes int64) {
	b.Helper()
	l.unlogged(b, "CREATE DATABASE tools", `CREATE PROCEDURE tools.write_one(n bigint)
BEGIN
  DECLARE i bigint DEFAULT 0;
  WHILE i < n DO
    START TRANSACTION;
    INSERT INTO one.narrow VALUES (i, i, concat('value number ', i), i / 7, '2026-01-01');
    INSERT INTO one.narrow VALUES (i + 1, i, concat('value number ', i), i / 7, '2026-01-02');
    UPDATE one.narrow SET k = k + 1 WHERE id = i;
    INSERT INTO one.narrow VALUES (i + 2, i, concat('value number ', i), i / 7, '2026-01-03');
    DELETE FROM one.narrow WHERE id = i + 1;
    INSERT INTO one.narrow VALUES (i + 3, i, concat('value number ', i), i / 7, '2026-01-04');
    UPDATE one.narrow SET k = k + 1 WHERE id = i + 2;
    INSERT INTO one.narrow VALUES (i + 4, i, concat('value number ', i), i / 7, '2026-01-05');
    DELETE FROM one.narrow WHERE id = i + 3;
    UPDATE one.narrow SET v = v + 1 WHERE id = i + 4;
    COMMIT;
    SET i = i + 10;
  END WHILE;
END`)
	l.Exec(b, fmt.Sprintf("CALL tools.write_one(%d)", changes))
}

// BenchmarkIdle is the memory of a process that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	l := newLab(b)
	l.Exec(b, "CREATE DATABASE idle", "CREATE TABLE idle.narrow "+narrow)
	t := l.task
	t.Database, t.Idle, t.Iceberg = "idle", 5*time.Second, true
	_, c := run(b, t)
	fmt.Printf("bench idle rss_mb=%d cpu_ms_per_s=%.1f limit_mb=120\n", c.rss>>20, c.cpu.Seconds()*1000/c.wall.Seconds())
}

// BenchmarkMemory copies one million rows and ten: the memory must not follow.
func BenchmarkMemory(b *testing.B) {
	l := newLab(b)
	l.unlogged(b, "CREATE DATABASE few", "CREATE TABLE few.narrow "+narrow, "INSERT INTO few.narrow SELECT "+narrowRow+" FROM seq_1_to_1000000",
		"CREATE DATABASE ten", "CREATE TABLE ten.narrow "+narrow, "INSERT INTO ten.narrow SELECT "+narrowRow+" FROM seq_1_to_10000000")
	l.snapshot(b, "memory-1M", "few", 1_000_000, 500_000, true)
	l.snapshot(b, "memory-10M", "ten", 10_000_000, 500_000, true)
}
