package binlog_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// BenchmarkStream reads what a real server has logged, and reports the CPU time of this process, socket reads included.
func BenchmarkStream(b *testing.B) {
	const insert = "INSERT INTO narrow (k,c,v,ts) VALUES (1,'a thirty-two byte string of text',1.25,'2026-01-02 03:04:05');"
	run := func(b *testing.B, s *servers.Server) {
		db := benchDatabase(b, s)
		s.Exec(b, "USE `"+db+"`; CREATE TABLE narrow (id bigint PRIMARY KEY AUTO_INCREMENT, k int, c varchar(32), v decimal(12,2), ts datetime)")
		body := ""
		for range 10 {
			body += insert
		}
		s.Exec(b, "USE `"+db+"`; CREATE PROCEDURE fill(n int) BEGIN WHILE n > 0 DO START TRANSACTION; "+body+" COMMIT; SET n = n - 1; END WHILE; END")
		from := binlog.Position{Flavor: binlog.MySQL}
		if s.Flavour == servers.FlavourMariaDB {
			from.Flavor = binlog.MariaDB
		}
		from.File, from.Offset = "binlog.000001", 4
		s.Exec(b, "USE `"+db+"`; CALL fill(10000)")
		middle := headOf(b, s, from)
		s.Exec(b, "USE `"+db+"`; INSERT INTO narrow (k,c,v,ts) SELECT k,c,v,ts FROM narrow; INSERT INTO narrow (k,c,v,ts) SELECT k,c,v,ts FROM narrow")
		b.Run("one-row", func(b *testing.B) { benchmarkStream(b, s, db, from, middle, 100_000) })
		b.Run("many-row", func(b *testing.B) { benchmarkStream(b, s, db, middle, headOf(b, s, from), 300_000) })
	}
	b.Run("mariadb", func(b *testing.B) { run(b, servers.MariaDB(b, "10.11")) })
	b.Run("mysql", func(b *testing.B) { run(b, servers.MySQL(b, "9.7")) })
}

func benchDatabase(b *testing.B, s *servers.Server) string {
	b.Helper()
	s.Exec(b, "CREATE DATABASE bench CHARACTER SET utf8mb4")
	return "bench"
}

func headOf(b *testing.B, s *servers.Server, p binlog.Position) binlog.Position {
	b.Helper()
	var name, size, rest string
	rows, err := s.DB(b).QueryContext(b.Context(), "SHOW BINARY LOGS")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		targets := []any{&name, &size}
		if cols, _ := rows.Columns(); len(cols) > 2 {
			targets = append(targets, &rest)
		}
		if err := rows.Scan(targets...); err != nil {
			b.Fatal(err)
		}
	}
	p.File = name
	if _, err := fmt.Sscan(size, &p.Offset); err != nil {
		b.Fatal(err)
	}
	return p
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkStream(b *testing.B, s *servers.Server, db string, from, to binlog.Position, want int) {
	var used time.Duration
	rows := 0
	for b.Loop() {
		cfg := benchConfig(s, db)
		before := cpu(b)
		if from.Offset != 4 { // the table is made before
			cfg.Shapes = append(cfg.Shapes, narrow(db))
		}
		stream, err := binlog.Open(b.Context(), cfg, from.Text())
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for {
			ev, err := stream.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if ev.Stopped != nil {
				b.Fatal(ev.Stopped)
			}
			if ev.Rows != nil {
				n += ev.Rows.Len()
				ev.Rows.Free()
			}
			if ev.Commit != "" && ev.Seq >= to.Seq() {
				break
			}
		}
		if err := stream.Close(); err != nil {
			b.Fatal(err)
		}
		used += cpu(b) - before
		if rows += n; n != want {
			b.Fatalf("got %d rows, want %d", n, want)
		}
	}
	b.ReportMetric(used.Seconds()/float64(rows)*1e6, "cpu_s/Mrow")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
