package bench

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

const narrow = "(id bigint PRIMARY KEY, k int NOT NULL, c varchar(32) NOT NULL, v decimal(12,2) NOT NULL, ts datetime NOT NULL)"

const narrowRow = "seq, seq % 1000003, concat('value number ', seq), seq / 7, '2026-01-01' + INTERVAL seq % 31536000 SECOND"

const sbtest = "(id int PRIMARY KEY, k int NOT NULL, c char(120) NOT NULL, pad char(60) NOT NULL, KEY (k))"

// BenchmarkSnapshot copies tables that nobody writes to.
func BenchmarkSnapshot(b *testing.B) {
	l := newLab(b)
	rows := size(b, "CDCSYNC_BENCH_ROWS", 5_000_000)
	l.fill(b, "narrow", rows)
	l.fill(b, "part", rows/5)
	l.unlogged(b, "CREATE DATABASE sbtest", "CREATE TABLE sbtest.sbtest "+sbtest,
		fmt.Sprintf("INSERT INTO sbtest.sbtest SELECT seq, seq %% 999983, repeat(md5(seq), 3), md5(-seq) FROM seq_1_to_%d", rows/5))
	tables := []struct {
		name string
		rows int64
	}{{"narrow", rows}, {"sbtest", rows / 5}}
	b.Run("null", func(b *testing.B) {
		for _, t := range tables {
			c := client(b, "mariadb", "-h", l.Host, "-P", strconv.Itoa(l.Port), "-u", l.User, "-B", "--quick", "-e", "SELECT * FROM "+t.name+"."+t.name)
			f := figure{name: "client-" + t.name, rows: t.rows, wall: c.wall, cost: c}
			f.limit = f.rate()
			report(f)
			l.snapshot(b, l.task, figure{name: "snapshot-null", rows: t.rows, limit: 1.2 * f.rate()}, t.name)
		}
	})
	b.Run("iceberg", func(b *testing.B) {
		for _, t := range tables {
			l.snapshot(b, l.into(Iceberg, ""), figure{name: "snapshot-iceberg", rows: t.rows, limit: 500_000}, t.name)
		}
	})
	b.Run("clickhouse", func(b *testing.B) {
		s := servers.ClickHouse(b)
		limit := prepared(b, s, rows) / 2
		for _, t := range tables {
			f := figure{name: "snapshot-clickhouse", rows: t.rows}
			if t.name == "narrow" {
				f.limit, f.cpu = limit, 1.5
			}
			l.snapshot(b, l.into(ClickHouse, s.HTTPAddr), f, t.name)
			l.sameSums(b, s, t.name)
		}
	})
	b.Run("kafka", func(b *testing.B) {
		k := servers.Kafka(b)
		l.snapshot(b, l.into(Kafka, k.Seeds()), figure{name: "snapshot-kafka", rows: rows / 5, limit: 100_000, cpu: 3}, "part")
		l.folded(b, k, "part", rows/5)
	})
}

// fill makes a database with a table of so many narrow rows, which the log does not tell of.
func (l *lab) fill(b *testing.B, database string, rows int64) {
	b.Helper()
	l.unlogged(b, "CREATE DATABASE "+database, "CREATE TABLE "+database+".narrow "+narrow,
		fmt.Sprintf("INSERT INTO %s.narrow SELECT %s FROM seq_1_to_%d", database, narrowRow, rows))
}

func (l *lab) snapshot(b *testing.B, t task, f figure, database string) {
	b.Helper()
	t.Database, t.Snapshot = database, true
	got, c := run(b, t)
	if got.Changes != f.rows {
		b.Fatalf("%s: %d rows, want %d", f.name, got.Changes, f.rows)
	}
	if database == "sbtest" {
		f.name += "-sbtest"
	}
	f.wall, f.cost = got.Elapsed, c
	report(f)
	fmt.Printf("bench %s first_row_ms=%d\n", f.name, got.First.Milliseconds())
}

// BenchmarkMemory copies one million rows and ten: the memory must not follow.
func BenchmarkMemory(b *testing.B) {
	l := newLab(b)
	l.fill(b, "few", 1_000_000)
	l.fill(b, "ten", 10_000_000)
	for _, kind := range []string{Iceberg, ClickHouse} {
		b.Run(kind, func(b *testing.B) {
			t := l.into(kind, "")
			if kind == ClickHouse {
				t.Addr = servers.ClickHouse(b).HTTPAddr
			}
			l.snapshot(b, t, figure{name: "memory-1M-" + kind, rows: 1_000_000, limit: 500_000}, "few")
			l.snapshot(b, t, figure{name: "memory-10M-" + kind, rows: 10_000_000, limit: 500_000}, "ten")
		})
	}
}
