package binlog_test

import (
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

func float32bits(f float64) uint32 { return math.Float32bits(float32(f)) }
func float64bits(f float64) uint64 { return math.Float64bits(f) }

// A typeCase is a column type and values for it, as SQL literals.
type typeCase struct {
	native string
	values []string
	only   servers.Flavour // empty: both
	young  bool            // older servers do not have it
}

var typeCases = []typeCase{
	{native: "tinyint", values: []string{"-128", "0", "127"}},
	{native: "tinyint unsigned", values: []string{"0", "255"}},
	{native: "smallint", values: []string{"-32768", "32767"}},
	{native: "smallint unsigned", values: []string{"65535"}},
	{native: "mediumint", values: []string{"-8388608", "-1", "8388607"}},
	{native: "mediumint unsigned", values: []string{"16777215"}},
	{native: "int", values: []string{"-2147483648", "2147483647"}},
	{native: "int unsigned", values: []string{"4294967295"}},
	{native: "bigint", values: []string{"-9223372036854775808", "9223372036854775807"}},
	{native: "bigint unsigned", values: []string{"18446744073709551615"}},
	{native: "float", values: []string{"0", "-1.5", "3.4e38", "1e-40"}},
	{native: "double", values: []string{"0", "-1.5", "1.7976931348623157e308", "4.9e-324"}},
	{native: "decimal(12,2)", values: []string{"0", "-0.01", "9999999999.99", "-9999999999.99", "123456.7"}},
	{native: "decimal(18,0)", values: []string{"-999999999999999999", "1"}},
	{native: "decimal(18,18)", values: []string{"-0.999999999999999999", "0.000000000000000001"}},
	{native: "decimal(19,9)", values: []string{"-9999999999.999999999", "0", "1.000000001"}},
	{native: "decimal(38,10)", values: []string{"-9999999999999999999999999999.9999999999", "12345678901234567890.5"}},
	{native: "decimal(65,30)", values: []string{"-99999999999999999999999999999999999.999999999999999999999999999999", "0", "1"}},
	{native: "decimal(65,0)", values: []string{"99999999999999999999999999999999999999999999999999999999999999999"}},
	{native: "decimal(9,9)", values: []string{"-0.123456789"}},
	{native: "decimal(10,1)", values: []string{"-1.5"}},
	{native: "bit(1)", values: []string{"0", "1"}},
	{native: "bit(13)", values: []string{"b'1010101010101'"}},
	{native: "bit(64)", values: []string{"18446744073709551615", "1"}},
	{native: "year", values: []string{"0", "1901", "2155"}},
	{native: "date", values: []string{"'1000-01-01'", "'1969-12-31'", "'9999-12-31'", "'2000-02-29'", "'0000-00-00'", "'2026-00-10'"}},
	{native: "time", values: []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}},
	{native: "time(2)", values: []string{"'-00:00:00.01'", "'12:34:56.78'", "'-12:34:56.78'"}},
	{native: "time(3)", values: []string{"'-00:00:00.001'", "'-838:59:58.999'"}},
	{native: "time(6)", values: []string{"'-00:00:00.000001'", "'838:59:58.999999'", "'-23:59:59.999999'"}},
	{native: "datetime", values: []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'", "'2026-03-00 01:02:03'"}},
	{native: "datetime(1)", values: []string{"'2026-01-02 03:04:05.6'"}},
	{native: "datetime(3)", values: []string{"'1969-12-31 23:59:59.999'"}},
	{native: "datetime(6)", values: []string{"'2026-01-02 03:04:05.000006'", "'1000-01-01 00:00:00.999999'"}},
	{native: "timestamp null", values: []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'"}},
	{native: "timestamp(3) null", values: []string{"'2026-01-02 03:04:05.678'"}},
	{native: "timestamp(6) null", values: []string{"'2026-01-02 03:04:05.678901'"}},
	{native: "char(10)", values: []string{"''", "'abc  '", "'héé🦊'"}},
	{native: "char(255)", values: []string{"repeat('🦊', 255)", "'x'"}},
	{native: "varchar(10)", values: []string{"''", "'abc  '", "'héé🦊'"}},
	{native: "varchar(300)", values: []string{"repeat('é', 300)", "'x'"}},
	{native: "varchar(20) character set latin1", values: []string{"'café €'"}},
	{native: "char(20) character set latin1", values: []string{"'café €'"}},
	{native: "text character set latin2", values: []string{"'ąę'"}},
	{native: "varchar(20) character set ucs2", values: []string{"'aé你'"}},
	{native: "varchar(20) character set utf16", values: []string{"'a🦊'"}},
	{native: "varchar(20) character set gbk", values: []string{"'你好'"}},
	{native: "varchar(20) character set sjis", values: []string{"'日本'"}},
	{native: "varchar(20) character set ascii", values: []string{"'plain'"}},
	{native: "tinytext", values: []string{"'tiny é'"}},
	{native: "text", values: []string{"'text'", "repeat('x', 65535)"}},
	{native: "mediumtext", values: []string{"repeat('y', 70000)"}},
	{native: "longtext", values: []string{"'long'"}},
	{native: "binary(4)", values: []string{"x'01020000'", "x'00000000'", "x'ff'"}},
	{native: "binary(255)", values: []string{"repeat(x'00', 255)", "x'01'"}},
	{native: "varbinary(10)", values: []string{"x'01020000'", "''"}},
	{native: "varbinary(300)", values: []string{"x'00ff'"}},
	{native: "blob", values: []string{"x'00ff00'"}},
	{native: "tinyblob", values: []string{"x'00'"}},
	{native: "longblob", values: []string{"x'feff'"}},
	{native: "enum('a','b','c,d','é')", values: []string{"'a'", "'c,d'", "'é'", "''"}},
	{native: "set('a','b','é')", values: []string{"''", "'a,b'", "'é,a'"}},
	{native: "point", values: []string{"ST_GeomFromText('POINT(1 2)')"}},
	{native: "geometry", values: []string{"ST_GeomFromText('LINESTRING(0 0,1 1)', 4326)"}},
	{native: "json", only: servers.FlavourMySQL, values: []string{
		`'null'`, `'{}'`, `'[]'`, `'true'`, `'"x"'`, `'-1'`, `'{"bb": [1.0, "x", null, false], "a": {"c": -32769, "d": 4294967296}}'`,
		`'[65535, 65536, -2147483649, 18446744073709551615, 9223372036854775807]'`,
		`'[1e20, 1e15, 123456789012345.0, 1.5e-15, 0.00001, 1e-14, 0.1, 3.14159265358979, 1e308, -0.0, 1.7976931348623157e308, 5e-324, 1234567890123456, 123456789012345680.0]'`,
		`'["\\u0001\\n\\t\\"\\\\\\b\\f\\r\\u001f é🦊/"]'`,
		`JSON_OBJECT('d', CAST('12.340' AS DECIMAL(10,3)), 'n', CAST('-0.5' AS DECIMAL(5,1)), 'z', CAST(7 AS DECIMAL(3,0)))`,
		`JSON_ARRAY(CAST('2015-01-15 23:24:25.12' AS DATETIME(2)), CAST('2015-01-15' AS DATE), CAST('-10:11:12.5' AS TIME(1)), CAST('838:59:59' AS TIME))`,
		`JSON_ARRAY(x'cafe', b'101', CAST('x' AS BINARY))`,
		`JSON_ARRAY(repeat('é', 100), repeat('y', 20000))`,
		`JSON_OBJECT(repeat('k', 300), 1)`,
		`JSON_ARRAY(repeat('y', 70000), 70000, -70000, JSON_OBJECT('a', JSON_ARRAY(1, 2.5)))`,
		`JSON_ARRAY(ST_GeomFromText('POINT(1 2)'))`,
	}},
	{native: "vector(3)", young: true, only: servers.FlavourMySQL, values: []string{"string_to_vector('[1,2.5,-3]')"}},
	{native: "uuid", young: true, only: servers.FlavourMariaDB, values: []string{"'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "'7d444840-9dc0-41d1-b245-5ffdce74ad00'"}},
	{native: "inet6", young: true, only: servers.FlavourMariaDB, values: []string{
		"'2001:db8::'", "'::'", "'::1'", "'::ffff:192.0.2.1'", "'::192.0.2.1'", "'1:0:2:3:4:5:6:7'", "'1:0:0:2:0:0:0:3'", "'::1:2'",
		"'1:0:0:2:3:4:5:6'", "'ff02::fb'", "'::1:0:0'", "'1:2:3:4:5:6:7:0'", "'0:2:3:4:5:6:7:8'", "'1:0:3:0:5:0:7:0'", "'0:0:1::'"}},
	{native: "inet4", young: true, only: servers.FlavourMariaDB, values: []string{"'10.0.0.0'", "'255.255.255.255'", "'0.0.0.0'"}},
	{native: "varchar(300) compressed", only: servers.FlavourMariaDB, values: []string{"''", "'é'", "repeat('é', 300)"}},
	{native: "text compressed character set latin1", only: servers.FlavourMariaDB, values: []string{"'€'", "repeat('é', 65000)"}},
	{native: "varbinary(200) compressed", only: servers.FlavourMariaDB, values: []string{"x'0001ff'", "repeat(x'00', 200)"}},
	{native: "longblob compressed", only: servers.FlavourMariaDB, values: []string{"repeat('y', 2000000)"}},
	{native: "json", only: servers.FlavourMariaDB, values: []string{`'{"b":[1.0,2],"a":1}'`, "'1'"}},
}

// TestTypes holds that what the log says of each value is what the server prints of it.
func TestTypes(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		var created []typeCase
		for _, tc := range typeCases {
			if (tc.only == "" || tc.only == s.Flavour) && (!tc.young || known(t, s, tc.native)) {
				createType(t, s, db, len(created), tc)
				created = append(created, tc)
			}
		}
		events := until(t, open(t, s, db, from), head(t, s))
		got := map[string][]string{}
		types := map[string]schema.Type{}
		for _, ev := range events {
			if ev.Stopped != nil {
				t.Errorf("%v", ev.Stopped)
			}
			if ev.Rows == nil {
				continue
			}
			name := ev.Rows.Table.Name.Table
			types[name] = ev.Rows.Table.Columns[1].Type
			for i := range ev.Rows.Len() {
				got[name] = append(got[name], texts(ev.Rows, i)[1])
			}
		}
		for i, tc := range created {
			name := fmt.Sprintf("t%d", i)
			want := printed(t, s, db, name, types[name])
			if a, b := strings.Join(got[name], "\n"), strings.Join(want, "\n"); a != b {
				t.Errorf("%s as %v:\ngot\n%.2000s\nwant\n%.2000s", tc.native, types[name], a, b)
			}
			if len(want) != len(tc.values)+1 {
				t.Errorf("%s: %d rows, want %d", tc.native, len(want), len(tc.values)+1)
			}
		}
		freeAll(events)
	})
}

// known says that the server has a type.
func known(t *testing.T, s *servers.Server, native string) bool {
	t.Helper()
	_, err := s.DB(t).ExecContext(t.Context(), "CREATE TEMPORARY TABLE mysql.probe_"+native[:4]+" (v "+native+")")
	return err == nil
}

func createType(t *testing.T, s *servers.Server, db string, i int, tc typeCase) {
	statements := []string{
		"SET sql_mode = ''", "SET NAMES utf8mb4", "SET time_zone = '+00:00'",
		fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY, v %s)", i, tc.native),
	}
	for k, v := range append(tc.values, "NULL") {
		statements = append(statements, fmt.Sprintf("INSERT INTO t%d VALUES (%d, %s)", i, k, v))
	}
	script(t, s, db, statements...)
}

// printed returns the values of a table as the server prints them, in the forms of valueText.
func printed(t *testing.T, s *servers.Server, db, table string, typ schema.Type) []string {
	expr := "v"
	switch typ.Kind {
	case schema.Bit:
		expr = "v + 0"
	case schema.Binary, schema.Geometry, schema.Vector:
		expr = "HEX(v)"
	case schema.Float:
		expr = "v + 0e0"
	}
	rows, err := s.DB(t).QueryContext(t.Context(), fmt.Sprintf("SELECT %s FROM `%s`.`%s` ORDER BY id", expr, db, table))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var v sql.NullString
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, expected(typ, v))
	}
	return all
}

func expected(typ schema.Type, v sql.NullString) string {
	switch {
	case !v.Valid:
		return "NULL"
	case typ.Kind == schema.Float:
		f, _ := strconv.ParseFloat(v.String, 64)
		return floatBits(int(typ.Bits), f)
	case typ.Kind == schema.Date || typ.Kind == schema.Datetime || typ.Kind == schema.Timestamp:
		if strings.Contains(v.String[:10], "-00") || strings.HasPrefix(v.String, "0000") {
			return "NULL"
		}
	}
	return v.String
}
