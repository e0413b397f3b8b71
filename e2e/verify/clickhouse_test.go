package verify

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// everything is a table of all kinds of values, and the same as it may stand in ClickHouse.
const (
	everythingSource = `(id bigint unsigned PRIMARY KEY, de decimal(40,10), d date, dt datetime(6), ts timestamp(3), ti time(6), b varbinary(9),
		f float, g double, j json, e enum('x','é'), s set('p','q'), bi bit(13), y year, t varchar(30), ge point)`
	everythingThere = `(id UInt64, de Nullable(Decimal(40,10)), d Nullable(Date32), dt Nullable(DateTime64(6)), ts Nullable(DateTime64(3, 'UTC')),
		ti Nullable(Int64), b Nullable(String), f Nullable(Float32), g Nullable(Float64), j Nullable(String), e LowCardinality(Nullable(String)),
		s Nullable(String), bi Nullable(UInt16), y Nullable(UInt16), t Nullable(String), ge Nullable(String), _version UInt64, _deleted UInt8)
		ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id`
)

// TestClickHouse_Everything compares values that look different and are the same.
func TestClickHouse_Everything(t *testing.T) {
	s, c := servers.SharedMariaDB(t, "10.11"), servers.SharedClickHouse(t)
	db, there := s.Database(t), c.Database(t)
	s.Exec(t, "SET time_zone='+00:00'",
		"CREATE TABLE "+db+".everything "+everythingSource,
		"INSERT INTO "+db+`.everything VALUES (18446744073709551615, -123456789012345678901234567890.0123456789, '1969-12-31', '2026-03-29 02:30:00.000001',
			'2026-10-25 01:30:00.123', '-838:59:58.5', x'00ff20', 0.1, 2.5e-300, '{"b": [1.50, 9007199254740993], "a": "\\u00e9"}', 'é', 'p,q', b'1000000000001', 2155,
			'it''s\t"tab" \\ 😀 ', ST_GeomFromText('POINT(1 -2)'))`,
		"INSERT INTO "+db+".everything (id, de, f, b, t, d) VALUES (2, 0, 0, '', '', '0000-00-00'), (3, 12.5, -1.5, NULL, NULL, NULL)")
	point := "unhex('000000000101000000000000000000F03F00000000000000C0')"
	c.Exec(t, "CREATE TABLE "+there+".everything "+everythingThere,
		"INSERT INTO "+there+`.everything VALUES (18446744073709551615, -123456789012345678901234567890.0123456789, '1969-12-31', '2026-03-29 02:30:00.000001',
			'2026-10-25 01:30:00.123', -3020398500000, unhex('00ff20'), 0.1, 2.5e-300, '{"a":"é","b":[1.5,9007199254740993]}', 'é', 'p,q', 4097, 2155,
			'it\'s\t"tab" \\ 😀 ', `+point+`, 7, 0)`,
		"INSERT INTO "+there+".everything (id, de, f, b, t, _version) VALUES (2, 0, 0, '', '', 1), (3, 12.5, -1.5, NULL, NULL, 1), (4, 1, 1, '', '', 1)",
		"INSERT INTO "+there+".everything (id, _version, _deleted) VALUES (4, 2, 1)",
		"INSERT INTO "+there+".everything (id, t, _version) VALUES (4, 'late', 1)")
	pair := Pair{Namespace: there, Table: "everything", Database: db, Source: "everything"}
	r := All(t, ClickHouse{URL: c.URL}, s, pair)[0]
	if r.SourceRows != 3 || r.SinkRows != 3 || r.Columns != 16 {
		t.Errorf("compared %+v, want 3 rows of 16 columns", r)
	}
}

// TestClickHouse_FindsCorruption holds the judge to its task: each way in which a copy can be wrong must be found and named.
func TestClickHouse_FindsCorruption(t *testing.T) {
	s, c := servers.SharedMariaDB(t, "10.11"), servers.SharedClickHouse(t)
	db, there := s.Database(t), c.Database(t)
	const replacing = "ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id"
	corruptions := []struct{ table, engine, how, finds string }{
		{"same", replacing, "SELECT 1", ""},
		{"lost", replacing, "INSERT INTO @ (id, _version, _deleted) VALUES (2, 9, 1)", "missing: id=2"},
		{"invented", replacing, "INSERT INTO @ VALUES (9, 1, 'x', 0.1, '2026-01-01 00:00:00', 9, 0)", "extra: id=9"},
		{"stale", replacing, "INSERT INTO @ VALUES (1, 1, 'older', 0.1, '2026-01-01 00:00:00', 9, 0)", "changed: id=1 a"},
		{"emptied", replacing, "INSERT INTO @ VALUES (1, NULL, 'x', 0.1, '2026-01-01 00:00:00', 9, 0)", "changed: id=1 n"},
		{"spelled", replacing, "INSERT INTO @ VALUES (1, 1, 'X', 0.1, '2026-01-01 00:00:00', 9, 0)", "changed: id=1 a"},
		{"rounded", replacing, "INSERT INTO @ VALUES (1, 1, 'x', 0.1 + 1e-15, '2026-01-01 00:00:00', 9, 0)", "changed: id=1 f"},
		{"late", replacing, "INSERT INTO @ VALUES (1, 1, 'x', 0.1, '2026-01-01 00:00:00.000001', 9, 0)", "changed: id=1 d"},
		{"twice", "ENGINE = MergeTree ORDER BY id", "INSERT INTO @ VALUES (1, 1, 'x', 0.1, '2026-01-01 00:00:00', 1, 0)", "duplicate key: id=1"},
		{"plain", "ENGINE = MergeTree ORDER BY id", "SELECT 1", "engine MergeTree"},
		{"shown", "ENGINE = ReplacingMergeTree(_version) ORDER BY id", "INSERT INTO @ VALUES (1, 1, 'x', 0.1, '2026-01-01 00:00:00', 9, 1)", "deleted rows are shown"},
		{"unkeyed", "ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (id, a)", "INSERT INTO @ VALUES (1, 1, 'y', 0.1, '2026-01-01 00:00:00', 9, 0)", "duplicate key: id=1"},
		{"column", replacing, "ALTER TABLE @ DROP COLUMN n", "column n: not in the ClickHouse table"},
		{"more", replacing, "ALTER TABLE @ ADD COLUMN z Int8", "column z: not at the source"},
		{"gone", replacing, "DROP TABLE @", "no table"},
	}
	pairs := make([]Pair, len(corruptions))
	for i, x := range corruptions {
		s.Exec(t, "CREATE TABLE "+db+".`"+x.table+"` (id int PRIMARY KEY, n int, a varchar(20), f double, d datetime(6))",
			"INSERT INTO "+db+".`"+x.table+"` VALUES (1, 1, 'x', 0.1, '2026-01-01'), (2, 2, 'y', 0.2, '2026-01-01')")
		name := there + ".`" + x.table + "`"
		c.Exec(t, "CREATE TABLE "+name+" (id Int32, n Nullable(Int32), a String, f Float64, d DateTime64(6), _version UInt64, _deleted UInt8) "+x.engine,
			"INSERT INTO "+name+" VALUES (1, 1, 'x', 0.1, '2026-01-01 00:00:00', 1, 0), (2, 2, 'y', 0.2, '2026-01-01 00:00:00', 1, 0)",
			strings.ReplaceAll(x.how, "@", name))
		pairs[i] = Pair{Namespace: there, Table: x.table, Database: db, Source: x.table}
	}
	results, err := Run(t.Context(), ClickHouse{URL: c.URL}, s, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range corruptions {
		expect(t, x.table, results[i].Err(pairs[i]), x.finds)
	}
}

// expect fails the test if the judge found something else than it should; finds is empty where nothing is wrong.
func expect(t *testing.T, what string, err error, finds string) {
	t.Helper()
	switch {
	case finds == "" && err != nil:
		t.Errorf("%s: a fault was found where none is: %v", what, err)
	case finds != "" && (err == nil || !strings.Contains(err.Error(), finds)):
		t.Errorf("%s: %q was not found: %v", what, finds, err)
	}
}
