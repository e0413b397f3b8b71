package servers

import (
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// nativeRows counts the rows of a table through the native protocol, as user cdc.
func nativeRows(t *testing.T, s *ClickHouseServer, table string) (rows uint64) {
	t.Helper()
	options, err := clickhouse.ParseDSN(s.DSN("default"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
		t.Fatalf("count rows: %v", err)
	}
	return rows
}

func TestSharedClickHouse(t *testing.T) {
	s := SharedClickHouse(t)
	if again := SharedClickHouse(t); again != s {
		t.Errorf("two shared servers: %s and %s", s.Addr, again.Addr)
	}
	a, b := s.Database(t), s.Database(t)
	s.Exec(t, "CREATE TABLE "+a+".t (n UInt64) ORDER BY n", "CREATE TABLE "+b+".t (n UInt64) ORDER BY n",
		"INSERT INTO "+a+".t SELECT number FROM numbers(100000)")
	if got := nativeRows(t, s, a+".t"); got != 100000 {
		t.Errorf("%d rows by the native protocol, want 100000", got)
	}
	if got := nativeRows(t, s, b+".t"); got != 0 {
		t.Errorf("%d rows of database %s are in %s", got, a, b)
	}
	if got := s.Value(t, "SELECT value, changed FROM system.settings WHERE name = 'async_insert'"); got != "1\t0" {
		t.Errorf("async_insert and whether it is changed: %q, want ClickHouse's default, 1", got)
	}
}

func TestClickHouse_KillAndRestart(t *testing.T) {
	s := ClickHouse(t)
	name := s.Database(t)
	s.Exec(t, "CREATE TABLE "+name+".t (n UInt64, v UInt64) ENGINE ReplacingMergeTree(v) ORDER BY n")
	for _, version := range []string{"1", "2", "3"} {
		s.Exec(t, "INSERT INTO "+name+".t SELECT number, "+version+" FROM numbers(1000)")
		s.Kill9(t)
		if answer, err := s.Query(t.Context(), "SELECT 1"); err == nil {
			t.Fatalf("a killed server answers %q", answer)
		}
		s.Restart(t)
		want := "1000\t" + version + "\t" + version
		if got := s.Value(t, "SELECT count(), min(v), max(v) FROM "+name+".t FINAL"); got != want {
			t.Errorf("rows, least and greatest version after kill and restart: %q, want %q", got, want)
		}
	}
	s.Stop(t)
	s.Revive(t)
	if got := nativeRows(t, s, name+".t"); got < 1000 {
		t.Errorf("%d rows after stop and revival, want 1000 or more", got)
	}
}

func TestClickHouse_Options(t *testing.T) {
	s := ClickHouse(t, WithProfile("<readonly>1</readonly>"), WithServerConfig("<max_concurrent_queries>77</max_concurrent_queries>"))
	if got := s.Value(t, "SELECT value FROM system.server_settings WHERE name = 'max_concurrent_queries'"); got != "77" {
		t.Errorf("max_concurrent_queries is %s, want that of the test", got)
	}
	options, err := clickhouse.ParseDSN(s.DSN("default"))
	if err != nil {
		t.Fatal(err)
	}
	create := func() error {
		conn, err := clickhouse.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.Exec(t.Context(), "CREATE DATABASE made")
	}
	if err := create(); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("a read-only user creates a database: %v", err)
	}
	s.Kill9(t)
	s.Restart(t, WithProfile("<max_memory_usage>12345678</max_memory_usage>"))
	if err := create(); err != nil {
		t.Errorf("create database after restart without readonly: %v", err)
	}
}
