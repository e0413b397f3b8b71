package mysql

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// processTime is the CPU time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReadChunk reads a whole table of 500,000 rows in chunks, from a real server.
func BenchmarkReadChunk(b *testing.B) {
	for name, columns := range map[string]string{
		"narrow": "id BIGINT PRIMARY KEY, k INT, c VARCHAR(32), v DECIMAL(12,2), ts DATETIME",
		"wide": "id BIGINT PRIMARY KEY, state ENUM('new','paid','sent','done'), tags SET('a','b','c','d'), price DECIMAL(18,4), ratio DOUBLE, a INT, b SMALLINT UNSIGNED, t TINYINT, " +
			"created DATETIME(6), updated TIMESTAMP(3) NULL, day DATE, name VARCHAR(60), mail VARCHAR(60), city VARCHAR(60), note TEXT, doc JSON, bin VARBINARY(20)",
	} {
		b.Run(name, func(b *testing.B) {
			srv := servers.SharedMariaDB(b, "10.11")
			database := srv.Database(b)
			values := "n, n % 1000, REPEAT('abcdefgh', 4), n / 7, '2026-11-21 10:20:30'"
			if name == "wide" {
				values = "n, 1 + n % 4, n % 16, n / 7, n / 3, n, n % 60000, n % 100, '2026-11-21 10:20:30.123456', '2026-11-21 10:20:30.123', '2026-11-21', " +
					"'Ada Lovelace, Countess', 'ada@analytical-engine.example', 'London', REPEAT('lorem ipsum ', 10), '{\"a\": 1, \"b\": [1, 2, 3], \"c\": \"text\"}', x'0001020304050607'"
			}
			srv.Exec(b, fmt.Sprintf("CREATE TABLE %s.t (%s)", database, columns))
			for i := range 5 {
				srv.Exec(b, fmt.Sprintf("INSERT INTO %s.t SELECT %s FROM %s", database, strings.Replace(values, "n,", fmt.Sprintf("n + %d,", i*100_000), 1), numbersSQL(100_000)))
			}
			s := open(b, srv)
			table := tableOf(b, s, database, "t")
			b.ReportAllocs()
			rows, used := 0, processTime()
			for b.Loop() {
				readAll(b.Context(), b, s, table, source.Range{}, func() int { return 4 << 20 }, func(batch *row.Batch) { rows += batch.Len() })
			}
			b.ReportMetric(float64((processTime()-used).Nanoseconds())/float64(rows), "cpu-ns/row")
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
