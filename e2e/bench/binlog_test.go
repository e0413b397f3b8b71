package bench

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// BenchmarkBinlog follows a log that is there already.
func BenchmarkBinlog(b *testing.B) {
	l := newLab(b)
	changes := size(b, "CDCSYNC_BENCH_CHANGES", 1_000_000)
	many := l.manyRows(b, changes)
	one := l.oneRow(b, changes)
	b.Run("null", func(b *testing.B) {
		got, c := run(b, many)
		report(figure{name: "binlog-null-many", rows: got.Images, wall: got.Elapsed, cost: c, limit: 1_000_000})
		dir := servers.Folder(b, "raw")
		raw := client(b, "mariadb-binlog", "-h", l.Host, "-P", strconv.Itoa(l.Port), "-u", l.User,
			"--read-from-remote-server", "--raw", "--to-last-log", "--result-file="+dir+"/", one.File)
		f := figure{name: "client-binlog", rows: changes, wall: raw.wall, cost: raw}
		f.limit = f.rate()
		report(f)
		got, c = run(b, one)
		report(figure{name: "binlog-null-one", rows: changes, wall: got.Elapsed, cost: c, limit: 0.9 * f.rate()})
	})
	b.Run("iceberg", func(b *testing.B) {
		for _, t := range []task{one, many} {
			t.Sink = Iceberg
			got := follow(b, t, figure{name: "binlog-iceberg-" + t.Database, limit: 100_000})
			l.same(b, verify.Catalog{SQLite: got.Dir + "/warehouse/catalog.db"}, verify.Pair{Namespace: t.Database, Table: "narrow", Database: t.Database, Source: "narrow"})
		}
	})
	b.Run("clickhouse", func(b *testing.B) {
		s := servers.ClickHouse(b)
		for _, t := range []task{one, many} {
			t.Sink, t.Addr = ClickHouse, s.HTTPAddr
			follow(b, t, figure{name: "binlog-clickhouse-" + t.Database, limit: 100_000})
			l.same(b, judged(s), verify.Pair{Namespace: t.Database, Table: "narrow", Database: t.Database, Source: "narrow"})
		}
	})
	b.Run("kafka", func(b *testing.B) {
		k := servers.Kafka(b)
		for _, t := range []task{one, many} {
			t.Sink, t.Addr = Kafka, k.Seeds()
			l.followKafka(b, k, t)
		}
	})
}

// follow does a task that follows the log, and reports it.
func follow(b *testing.B, t task, f figure) tally {
	b.Helper()
	got, c := run(b, t)
	f.rows, f.wall, f.cost = got.Changes, got.Elapsed, c
	report(f)
	return got
}

// same fails if what a task has written is not what the source has: rows that are lost are written fast.
func (l *lab) same(b *testing.B, sink verify.Sink, p verify.Pair) {
	b.Helper()
	r := verify.All(b, sink, l.Server, p)[0]
	fmt.Printf("bench %s-%s-verified rows=%d differences=%d\n", p.Database, p.Source, r.SourceRows, r.Differences)
}

// manyRows writes changes of many rows each: half inserts, a quarter updates, a quarter deletes. The task follows them.
func (l *lab) manyRows(b *testing.B, changes int64) task {
	b.Helper()
	l.Exec(b, "CREATE DATABASE many", "CREATE TABLE many.narrow "+narrow)
	t := l.task
	t.Database, t.Want = "many", changes
	t.File, t.Pos = l.position(b)
	const part = 50_000
	for from := int64(1); from < changes; from += part {
		l.Exec(b, fmt.Sprintf("USE mysql; INSERT INTO many.narrow SELECT %s FROM seq_%d_to_%d", narrowRow, from, from+part/2-1),
			fmt.Sprintf("UPDATE many.narrow SET k = k + 1 WHERE id >= %d LIMIT %d", from, part/4),
			fmt.Sprintf("DELETE FROM many.narrow WHERE id >= %d LIMIT %d", from, part/4))
	}
	return t
}

// oneRow writes changes of one row each, ten to a transaction: half inserts, a quarter updates, a quarter deletes. The
// task follows them.
func (l *lab) oneRow(b *testing.B, changes int64) task {
	b.Helper()
	l.Exec(b, "CREATE DATABASE one", "CREATE TABLE one.narrow "+narrow)
	t := l.task
	t.Database, t.Want = "one", changes
	t.File, t.Pos = l.position(b)
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
	return t
}
