package mysql

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// A parityColumn is a column type with values of it, as SQL.
type parityColumn struct {
	native  string
	values  []string
	flavour servers.Flavour
	since   int // the server's version
}

func parityColumns() []parityColumn {
	text := []string{"''", "'a'", "'trailing  '", "'ünï çødé'", "REPEAT('x', 300)"}
	decimals := []string{"0", "0.5", "-0.5", "1", "-1", "12.34", "-99.99"}
	columns := []parityColumn{
		{native: "TINYINT", values: numbers(-128, -1, 0, 1, 127)},
		{native: "TINYINT(1)", values: numbers(-128, 0, 1, 127)},
		{native: "TINYINT UNSIGNED", values: numbers(0, 1, 255)},
		{native: "SMALLINT", values: numbers(-32768, -1, 0, 32767)},
		{native: "SMALLINT UNSIGNED ZEROFILL", values: numbers(0, 65535)},
		{native: "MEDIUMINT", values: numbers(-8388608, -1, 0, 8388607)},
		{native: "MEDIUMINT UNSIGNED", values: numbers(0, 16777215)},
		{native: "INT", values: numbers(-2147483648, -1, 0, 2147483647)},
		{native: "INT UNSIGNED", values: numbers(0, 4294967295)},
		{native: "BIGINT", values: []string{"-9223372036854775808", "-1", "0", "9223372036854775807"}},
		{native: "BIGINT UNSIGNED", values: []string{"0", "18446744073709551615"}},
		{native: "FLOAT", values: []string{"0", "-0.0", "0.1", "-3.4e38", "1.17549435e-38", "16777217"}},
		{native: "DOUBLE", values: []string{"0", "0.1", "-1.7976931348623157e308", "2.2250738585072014e-308", "0.30000000000000004"}},
		{native: "BIT(1)", values: []string{"0", "1"}},
		{native: "BIT(13)", values: []string{"0", "1", "8191", "4096"}},
		{native: "BIT(64)", values: []string{"0", "18446744073709551615", "9223372036854775808"}},
		{native: "YEAR", values: numbers(0, 1901, 2026, 2155)},
		{native: "DATE", values: []string{"'1000-01-01'", "'9999-12-31'", "'1970-01-01'", "'1969-12-31'", "'2024-02-29'", "'0000-00-00'", "'2026-00-10'", "'2026-10-00'", "'0001-01-01'", "'0000-01-01'"}},
		{native: "JSON", values: []string{"'{}'", `'{"b": 1, "a": [1.5, -2, true, null, "x\\ny"], "long key": {"ü": 1e10}}'`, "'[]'", `'"text"'`, "'12345678901234567890'", "'null'", `'[0.1, 1e300, -0.0, 123456789.123]'`}},
		{native: "CHAR(10)", values: []string{"''", "'a'", "'a  '", "'ü'"}},
		{native: "VARCHAR(400)", values: text},
		{native: "TINYTEXT", values: text[:4]},
		{native: "TEXT", values: text},
		{native: "MEDIUMTEXT", values: append(text, "REPEAT('y', 70000)")},
		{native: "LONGTEXT", values: text},
		{native: "BINARY(6)", values: []string{"''", "'a'", "x'610000000000'", "x'000000000000'", "x'ffffffffffff'", "'a     '"}},
		{native: "VARBINARY(400)", values: []string{"''", "x'00'", "x'ff00'", "REPEAT('q', 300)"}},
		{native: "TINYBLOB", values: []string{"''", "x'00ff'"}},
		{native: "BLOB", values: []string{"''", "x'00ff'", "REPEAT('b', 1000)"}},
		{native: "LONGBLOB", values: []string{"''", "REPEAT('b', 100000)"}},
		{native: "ENUM('one','two','it''s','ü','')", values: []string{"'one'", "'it''s'", "'ü'", "''", "5"}},
		{native: "ENUM('one') CHARACTER SET latin1", values: []string{"'one'"}},
		{native: "SET('a','b','c','d e','ü')", values: []string{"''", "'a'", "'a,c'", "'d e,ü'", "'a,b,c,d e,ü'"}},
		{native: "GEOMETRY", values: []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0, 1 1, 2 5)')"}},
		{native: "POINT", values: []string{"ST_GeomFromText('POINT(-1.5 2.25)')"}},
		{native: "UUID", flavour: servers.FlavourMariaDB, since: 100700, values: []string{"'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffff00'"}},
		{native: "INET6", flavour: servers.FlavourMariaDB, since: 100500, values: []string{"'::'", "'::1'", "'fe80::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.0.1'", "'::1.2.3.4'", "'1:0:0:2::'"}},
		{native: "INET4", flavour: servers.FlavourMariaDB, since: 101000, values: []string{"'0.0.0.0'", "'255.255.255.255'", "'10.0.0.1'", "'10.1.0.0'"}},
		{native: "VARCHAR(400) COMPRESSED", flavour: servers.FlavourMariaDB, values: text},
		{native: "VARCHAR(250) /*M!100301 COMPRESSED*/ CHARACTER SET latin1", flavour: servers.FlavourMariaDB, values: []string{"''", "'é€ÿ'", "REPEAT('é', 200)"}},
		{native: "TINYTEXT COMPRESSED", flavour: servers.FlavourMariaDB, values: append(text[:4:4], "REPEAT('t', 255)")},
		{native: "MEDIUMTEXT COMPRESSED CHARACTER SET ucs2", flavour: servers.FlavourMariaDB, values: append(text[:4:4], "REPEAT('ab', 70000)")},
		{native: "LONGBLOB COMPRESSED", flavour: servers.FlavourMariaDB, values: []string{"''", "x'00'", "x'80'", "REPEAT(x'00', 3000000)", "RANDOM_BYTES(1024)", "CONCAT(RANDOM_BYTES(100), REPEAT('z', 400))"}, since: 101000},
		{native: "VARBINARY(900) COMPRESSED=zlib", flavour: servers.FlavourMariaDB, values: []string{"''", "x'00ff00'", "REPEAT(x'ff', 100)", "REPEAT('q', 900)"}},
		{native: "VECTOR(3)", flavour: servers.FlavourMySQL, since: 90000, values: []string{"TO_VECTOR('[1,2,-3.5]')"}},
	}
	for _, size := range []string{"1,0", "9,2", "10,0", "18,4", "19,4", "38,10", "39,10", "65,30", "65,0", "30,30"} {
		values := []string{"0"}
		for _, d := range decimals {
			if size != "30,30" && size != "1,0" || strings.HasPrefix(strings.TrimPrefix(d, "-"), "0") {
				values = append(values, d)
			}
		}
		columns = append(columns, parityColumn{native: "DECIMAL(" + size + ")", values: append(values, "1e99", "-1e99")})
	}
	for digits := range 7 {
		columns = append(columns,
			parityColumn{native: fmt.Sprintf("TIME(%d)", digits), values: []string{"'00:00:00'", "'-00:00:00.5'", "'838:59:59'", "'-838:59:59'", "'-01:02:03.987654'", "'23:59:59.123456'"}},
			parityColumn{native: fmt.Sprintf("DATETIME(%d)", digits), values: []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2026-01-02 03:04:05.678901'", "'0000-00-00 00:00:00'", "'2026-01-00 01:00:00'", "'1969-12-31 23:59:59.5'"}},
			parityColumn{native: fmt.Sprintf("TIMESTAMP(%d) NULL", digits), values: []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2026-03-29 01:30:00.123456'", "'0000-00-00 00:00:00'"}})
	}
	for _, cs := range []string{"latin1", "utf8mb4", "utf8", "ascii", "cp1251", "gbk", "big5", "sjis", "ujis", "euckr", "ucs2", "utf16", "utf16le", "utf32", "latin2", "greek", "koi8r"} {
		values := []string{"''", "'plain'", "'tail  '"}
		switch cs {
		case "latin1":
			values = append(values, "'é€ÿ'", "x'8081ff'")
		case "cp1251", "koi8r":
			values = append(values, "'Привет'")
		case "gbk", "big5":
			values = append(values, "'中文'")
		case "sjis", "ujis":
			values = append(values, "'日本ソ'")
		case "euckr":
			values = append(values, "'한국'")
		case "greek":
			values = append(values, "'αβγ'")
		case "latin2":
			values = append(values, "'łąč'")
		case "utf8mb4", "utf16", "utf16le", "utf32":
			values = append(values, "'日本🐬é'")
		case "utf8", "ucs2":
			values = append(values, "'日本é'")
		}
		columns = append(columns, parityColumn{native: "VARCHAR(50) CHARACTER SET " + cs, values: values}, parityColumn{native: "CHAR(9) CHARACTER SET " + cs, values: values},
			parityColumn{native: "TEXT CHARACTER SET " + cs, values: values})
	}
	return columns
}

// TestParity inserts values of all types and compares, bit for bit, what the snapshot and the log make of them.
func TestParity(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		s := open(t, srv)
		rnd := rand.New(rand.NewPCG(seed, 1))
		columns := "id INT PRIMARY KEY"
		var used []parityColumn
		for _, c := range parityColumns() {
			if c.flavour != "" && c.flavour != srv.Flavour || s.server.number < c.since {
				continue
			}
			columns += fmt.Sprintf(", c%d %s", len(used), c.native)
			used = append(used, c)
		}
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (%s) CHARACTER SET utf8mb4", database, columns))
		from, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		insertParity(t, srv, database, used, rnd)
		table := tableOf(t, s, database, "t")
		snapshot := map[uint64]string{}
		readAll(t.Context(), t, s, table, source.Range{}, func() int { return 1 << 20 }, func(b *row.Batch) { render(b, snapshot) })
		logged := readLog(t, s, from, table, len(snapshot))
		compareRows(t, table, snapshot, logged)
	})
}

// insertParity inserts every value once at least, and rows of random ones, with NULLs.
func insertParity(t *testing.T, srv *servers.Server, database string, used []parityColumn, rnd *rand.Rand) {
	t.Helper()
	var sql strings.Builder
	fmt.Fprintf(&sql, "SET SESSION sql_mode = ''; INSERT INTO %s.t VALUES ", database)
	for id := range 60 {
		if id > 0 {
			sql.WriteString(", ")
		}
		fmt.Fprintf(&sql, "(%d", id)
		for _, c := range used {
			switch {
			case id < len(c.values):
				sql.WriteString(", " + c.values[id])
			case rnd.IntN(4) == 0:
				sql.WriteString(", NULL")
			default:
				sql.WriteString(", " + c.values[rnd.IntN(len(c.values))])
			}
		}
		sql.WriteString(")")
	}
	srv.Exec(t, sql.String())
}

// render adds each row of a batch, a value a line, under its id.
func render(b *row.Batch, into map[uint64]string) {
	for i := range b.Len() {
		var text bytes.Buffer
		for c := range b.Cols {
			v := &b.Cols[c]
			switch {
			case v.Null(i):
				text.WriteString("NULL\n")
			case v.Offsets != nil:
				fmt.Fprintf(&text, "%x %q\n", v.Value(i), v.Value(i))
			default:
				fmt.Fprintf(&text, "%d\n", int64(v.Words[i]))
			}
		}
		into[b.Cols[0].Words[i]] = text.String()
	}
}

// readLog follows the log until so many rows of a table have come.
func readLog(t *testing.T, s *Source, from source.Position, table *schema.Table, want int) map[uint64]string {
	t.Helper()
	stream, err := s.Stream(t.Context(), from, []*schema.Table{table}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	rows := map[uint64]string{}
	for deadline := time.Now().Add(20 * time.Second); len(rows) < want; {
		ev, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ev.Stopped != nil {
			t.Fatalf("the log stopped: %v", ev.Stopped)
		}
		if ev.Rows != nil {
			render(ev.Rows, rows)
			ev.Rows.Free()
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d rows from the log, want %d", len(rows), want)
		}
	}
	return rows
}

func compareRows(t *testing.T, table *schema.Table, snapshot, logged map[uint64]string) {
	t.Helper()
	if len(snapshot) != 60 || len(logged) != 60 {
		t.Fatalf("got %d rows from the snapshot and %d from the log, want 60 of each", len(snapshot), len(logged))
	}
	for id, want := range logged {
		a, b := strings.Split(snapshot[id], "\n"), strings.Split(want, "\n")
		for c := range table.Columns {
			if a[c] != b[c] {
				t.Errorf("row %d, %s %s: snapshot has %.200s, log has %.200s", id, table.Columns[c].Name, table.Columns[c].Native, a[c], b[c])
			}
		}
	}
}
