package parity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A family is a row of the documented table of types: types that become the same in every sink, but for their arguments.
type family struct {
	name  string // as the README spells it: p, s, n stand for the arguments
	note  string
	types []columnType
}

// A columnType is a type of a column, with what makes values of it.
type columnType struct {
	native string
	as     string          // what the server makes of it; empty: the same
	only   servers.Flavour // empty: both servers have it
	since  int             // the oldest version that has it, as VERSION() numbers: 100700; 0: all
	// base is the definition of column b, on which the generated column v depends; values go there.
	base string
	// values are literals that each run writes, random makes others.
	values []string
	random literal
	// invalid says that values are dates that are none: they are no keys.
	invalid []string
	key     keyRule
}

// A keyRule says whether a type is tried as a key.
type keyRule int

const (
	tried   keyRule = iota
	refused         // the server takes no such column into a primary key
	untried         // it does, but only as a part of its value, or two of its values look the same outside of the server
)

// families are all types of both servers, in the order of the README.
func families() []family {
	all := slices.Concat(integers(), numbers(), temporals(), texts(), binaries(), labels(), documents(), addresses())
	return append(all, arrangements()...)
}

func integers() []family {
	var all []family
	for _, c := range []struct {
		name string
		bits int
	}{{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}} {
		signed := family{name: c.name, types: []columnType{{native: c.name, values: signedExtremes(c.bits), random: signedNumber(c.bits)}}}
		unsigned := family{name: c.name + " unsigned", types: []columnType{
			{native: c.name + " unsigned", values: unsignedExtremes(c.bits), random: unsignedNumber(c.bits)},
			{native: c.name + " unsigned zerofill", values: unsignedExtremes(c.bits), random: unsignedNumber(c.bits)},
		}}
		switch c.name {
		case "tinyint":
			signed.note = "a number also as tinyint(1), bool and boolean"
			signed.types = append(signed.types, columnType{native: "tinyint(1)", values: signedExtremes(8), random: signedNumber(8)})
		case "bigint":
			unsigned.note = "Kafka: 2^63 and more turn negative, but see `bigint.unsigned.handling.mode`"
		}
		all = append(all, signed, unsigned)
	}
	return all
}

func numbers() []family {
	wide := family{name: "decimal(p,s), p from 39", note: "Kafka: see `decimal.handling.mode`"}
	narrow := family{name: "decimal(p,s), p to 38", note: wide.note}
	for _, size := range [][2]int{{1, 0}, {1, 1}, {9, 0}, {9, 9}, {10, 2}, {18, 0}, {18, 18}, {19, 4}, {20, 0}, {27, 9}, {30, 30}, {38, 0}, {38, 10}, {38, 30}, {39, 10}, {47, 1}, {65, 0}, {65, 30}} {
		p, s := size[0], size[1]
		c := columnType{native: fmt.Sprintf("decimal(%d,%d)", p, s), values: decimalExtremes(p, s), random: decimalNumber(p, s)}
		if p > 38 {
			wide.types = append(wide.types, c)
		} else {
			narrow.types = append(narrow.types, c)
		}
	}
	singles := []string{"0", "-0.0e0", "1e0", "-1.5e0", "16777217e0", "0.1e0", "3.4028234e38", "-3.4028234e38", "1.17549435e-38", "1e-44"}
	doubles := []string{"0", "-0.0e0", "0.1e0", "0.30000000000000004e0", "9007199254740993e0", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "4.9e-324"}
	all := []family{
		{name: "float", types: []columnType{{native: "float", values: singles, random: floatNumber}, {native: "float unsigned", values: singles[2:3], random: positive(floatNumber)}}},
		{name: "float(n,d)", types: []columnType{{native: "float(9,3)", values: []string{"0", "-0.125", "1234.567"}, random: decimalNumber(6, 3)}}},
		{name: "double", types: []columnType{
			{native: "double", values: doubles, random: doubleNumber},
			{native: "double unsigned", values: doubles[2:4], random: positive(doubleNumber)},
			{native: "double(20,5)", values: []string{"0", "-0.12345"}, random: decimalNumber(15, 5)},
		}},
		narrow, wide,
		{name: "bit(1)", types: []columnType{{native: "bit(1)", values: []string{"0", "1"}, random: unsignedNumber(1)}}},
	}
	for _, sizes := range [][]int{{2, 7, 8}, {9, 15, 16}, {17, 24, 31, 32}, {33, 40, 48, 63}} {
		all = append(all, bits(fmt.Sprintf("bit(n), n from %d", sizes[0]), "", sizes...))
	}
	return append(all, bits("bit(64)", "Iceberg: big-endian", 64))
}

func bits(name, note string, sizes ...int) family {
	f := family{name: name, note: note}
	for _, n := range sizes {
		f.types = append(f.types, columnType{native: fmt.Sprintf("bit(%d)", n), values: unsignedExtremes(n), random: unsignedNumber(n)})
	}
	return f
}

const datesNote = "dates that are none become NULL"

func temporals() []family {
	dates := columnType{
		native:  "date",
		values:  []string{"'0001-01-01'", "'1000-01-01'", "'1582-10-10'", "'1899-12-31'", "'1900-01-01'", "'1969-12-31'", "'1970-01-01'", "'2000-02-29'", "'2299-12-31'", "'2300-01-01'", "'9999-12-31'"},
		random:  date,
		invalid: []string{"'0000-00-00'", "'2026-00-10'", "'2026-10-00'", "'0000-01-00'", "'2026-02-30'", "'2026-04-31'"},
	}
	const older = ". ClickHouse before 26.7: from 1900 to 2299, see `out.of.range.dates`"
	const years = ". ClickHouse: from 1900 to 2299, see `out.of.range.dates`"
	clock := family{name: "time(p)", note: "microseconds: it goes to 838 hours. ClickHouse: see `time.mode`"}
	millis := family{name: "datetime(p), p to 3", note: datesNote + older + ". Kafka: milliseconds, see `time.precision.mode`"}
	micros := family{name: "datetime(p), p from 4", note: "the same. Kafka: microseconds"}
	instant := family{name: "timestamp(p)", note: "an instant, whatever the server's zone; dates that are none as above"}
	for p := range 7 {
		clock.types = append(clock.types, columnType{native: fmt.Sprintf("time(%d)", p), values: timeExtremes(p), random: duration(p)})
		d := columnType{native: fmt.Sprintf("datetime(%d)", p), values: datetimeExtremes(p), random: datetime(p), invalid: []string{"'0000-00-00 00:00:00'", "'2026-00-10 01:02:03'", "'2026-03-00 23:59:59'", "'2026-02-30 12:00:00'"}}
		if p <= 3 {
			millis.types = append(millis.types, d)
		} else {
			micros.types = append(micros.types, d)
		}
		instant.types = append(instant.types, columnType{native: fmt.Sprintf("timestamp(%d)", p), values: timestampExtremes(p), random: timestamp(p), invalid: []string{"'0000-00-00 00:00:00'"}})
	}
	return []family{
		{name: "year", types: []columnType{{native: "year", values: []string{"0", "1901", "1970", "2026", "2155"}, random: year}}},
		{name: "date", note: datesNote + years, types: []columnType{dates}},
		clock, millis, micros, instant,
	}
}

// texts are the types of text, in every character set that has tables of its own.
func texts() []family {
	f := family{name: "char, varchar, tinytext, text, mediumtext, longtext", note: "UTF-8, whatever the character set"}
	add := func(native string, key keyRule, s script, values ...string) {
		values = append(values, "''", "'a'", "'trailing  '", "'two\\nlines\\t\\0'", `'quote'' \" back\\\\slash %_'`)
		f.types = append(f.types, columnType{native: native, values: values, random: s.text, key: key})
	}
	add("char(20)", tried, unicodeText)
	add("char(255)", tried, unicodeText, "repeat('🦊', 255)")
	add("varchar(40)", tried, unicodeText)
	add("varchar(300)", tried, unicodeText, "repeat('é', 300)")
	add("tinytext", refused, unicodeText)
	add("text", refused, unicodeText, "repeat('x', 65535)")
	add("mediumtext", refused, unicodeText, "repeat('é', 70000)")
	add("longtext", refused, unicodeText)
	for _, s := range scripts() {
		add("varchar(60) character set "+s.charset, tried, s)
		add("char(60) character set "+s.charset, tried, s)
		add("text character set "+s.charset, refused, s)
	}
	for i := range f.types { // "varchar(3)" is not the length that a family's name tells
		f.types[i].native = strings.ToLower(f.types[i].native)
	}
	return []family{f}
}

func binaries() []family {
	fixed := func(native string, n int) columnType {
		return columnType{native: native, values: []string{"''", "x'00'", "x'61'", "x'6100'", "x'20'", "x'ff'", fmt.Sprintf("repeat(x'00', %d)", n), fmt.Sprintf("repeat(x'ff', %d)", n)}, random: bytesUpTo(n)}
	}
	loose := func(native string, n int, key keyRule, values ...string) columnType {
		return columnType{native: native, values: append(values, "''", "x'00'", "x'00ff0000'", "x'2020'", "x'8081feff'"), random: bytesUpTo(n), key: key}
	}
	return []family{{name: "binary, varbinary, tinyblob, blob, mediumblob, longblob", note: "binary(n) has all its n bytes. Kafka: see `binary.handling.mode`", types: []columnType{
		fixed("binary(1)", 1), fixed("binary(16)", 16), fixed("binary(255)", 255),
		loose("varbinary(20)", 20, tried), loose("varbinary(400)", 400, tried, "repeat(x'00', 400)"),
		loose("tinyblob", 255, refused), loose("blob", 600, refused, "repeat(x'00ff', 30000)"), loose("mediumblob", 600, refused, "repeat(x'fe', 70000)"), loose("longblob", 600, refused),
		{native: "varchar(20) character set binary", values: []string{"x'6100'"}, random: bytesUpTo(20)},
	}}}
}

func labels() []family {
	odd := []string{"a", "b,c", "it''s", "é", "🦊", " led", "NULL", "0", "7", `"quoted"`, `back\\slash`, "x y", "日本"}
	plain := make([]string, 64)
	for i := range plain {
		plain[i] = fmt.Sprintf("m%d", i)
	}
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("label %d", i)
	}
	list := func(labels []string) string { return "('" + strings.Join(labels, "','") + "')" }
	set := []string{"a", "it''s", "é", " led", `back\\slash`, "🦊", "日本", "0"}
	return []family{
		{name: "enum", note: "the label; the empty text for MySQL's invalid value. ClickHouse: see `enum.mode`", types: []columnType{
			{native: "enum" + list(odd), values: ordinals(len(odd)), random: unsignedBelow(len(odd) + 1)},
			{native: "enum" + list(many), values: []string{"0", "1", "255", "256", "300"}, random: unsignedBelow(301)},
			{native: "enum('a','')", values: ordinals(2), random: unsignedBelow(3), key: untried},
			{native: "enum('é','ÿ','x') character set latin1", values: ordinals(3), random: unsignedBelow(4)},
			{native: "enum('你','好','x') character set gbk", values: ordinals(3), random: unsignedBelow(4)},
			{native: "enum('日本','ソ','ｱ') character set cp932", values: ordinals(3), random: unsignedBelow(4)},
			{native: "enum('é','日本','x') character set ucs2", values: ordinals(3), random: unsignedBelow(4)},
			{native: "enum('🦊','日本','x') character set utf16", values: ordinals(3), random: unsignedBelow(4)},
		}},
		{name: "set", note: "labels, separated by commas. ClickHouse: see `set.mode`", types: []columnType{
			{native: "set" + list(set), values: []string{"0", "1", "2", "4", "8", "16", "32", "64", "128", "255"}, random: unsignedNumber(8)},
			{native: "set('x')", values: ordinals(1), random: unsignedNumber(1)},
			{native: "set('x','')", values: ordinals(3), random: unsignedNumber(2), key: untried},
			{native: "set" + list(plain[:33]), values: []string{"0", "1", "4294967296", "8589934591"}, random: unsignedNumber(33)},
			{native: "set" + list(plain), values: []string{"0", "1", "9223372036854775808", "18446744073709551615"}, random: unsignedNumber(64)},
			{native: "set('é','ÿ','x') character set latin1", values: ordinals(7), random: unsignedNumber(3)},
			{native: "set('你','好','x') character set gbk", values: ordinals(7), random: unsignedNumber(3)},
			{native: "set('日本','ソ','x') character set ucs2", values: ordinals(7), random: unsignedNumber(3)},
		}},
	}
}

func documents() []family {
	shapes := func(native, kind string, only servers.Flavour, srid int) columnType {
		return columnType{native: native, only: only, random: shape(kind, srid), key: geometryKey(native)}
	}
	vectors := func(only servers.Flavour, since, n int, call string) columnType {
		key := refused
		if only == servers.FlavourMariaDB {
			key = tried
		}
		return columnType{native: fmt.Sprintf("vector(%d)", n), only: only, since: since, random: vector(call, n), key: key}
	}
	return []family{
		{name: "json (MySQL)", note: "the text as the server prints it. ClickHouse: see `json.mode`. MariaDB's is text", types: []columnType{{native: "json", only: servers.FlavourMySQL, values: slices.Concat(jsonValues, deepValues(100)), random: jsonLiteral, key: refused}}},
		{name: "point", note: "as geometry is. Kafka: with x and y", types: []columnType{shapes("point", "point", "", 0)}},
		{name: "geometry and its other types", note: "Iceberg: as MySQL stores it, SRID and WKB. ClickHouse: WKB alone, see `geometry.mode`", types: []columnType{
			shapes("geometry", "", "", 0), shapes("linestring", "linestring", "", 0), shapes("polygon", "polygon", "", 0), shapes("multipoint", "multipoint", "", 0),
			shapes("multilinestring", "multilinestring", "", 0), shapes("multipolygon", "multipolygon", "", 0), shapes("geometrycollection", "geometrycollection", "", 0),
			shapes("geometry", "", servers.FlavourMySQL, 4326),
		}},
		{name: "vector(n)", note: "Iceberg: float32, little-endian. ClickHouse: NULL is the empty array", types: []columnType{
			vectors(servers.FlavourMySQL, 90000, 1, "string_to_vector"), vectors(servers.FlavourMySQL, 90000, 5, "string_to_vector"),
			vectors(servers.FlavourMariaDB, 110700, 3, "vec_fromtext"),
		}},
	}
}

// addresses are the types that only MariaDB has.
func addresses() []family {
	of := func(native string, since int, random literal, key keyRule, values ...string) columnType {
		return columnType{native: native, only: servers.FlavourMariaDB, since: since, values: values, random: random, key: key}
	}
	return []family{
		{name: "uuid (MariaDB)", types: []columnType{of("uuid", 100700, uuid, tried, "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'123e4567-e89b-12d3-a456-426655440000'", "'7d444840-9dc0-11d1-b245-5ffdce74ad00'")}},
		{name: "inet4 (MariaDB)", types: []columnType{of("inet4", 101000, inet4, tried, "'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "'10.1.0.0'")}},
		{name: "inet6 (MariaDB)", types: []columnType{of("inet6", 100500, inet6, tried, "'::'", "'::1'", "'fe80::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'", "'::192.0.2.1'", "'1:0:2:3:4:5:6:7'", "'1:0:0:2:0:0:0:3'", "'::1:2'", "'1:2:3:4:5:6:7:0'")}},
		{name: "varchar, text ... COMPRESSED, json (MariaDB)", types: []columnType{
			of("varchar(300) compressed", 0, unicodeText.text, refused, "''", "repeat('é', 300)"),
			of("text compressed character set latin1", 0, latin1Text.text, refused, "''", "repeat('é', 65000)"),
			of("mediumtext compressed character set ucs2", 0, unicodeText.text, refused, "''", "repeat('ab', 70000)"),
			{native: "json", as: "longtext", only: servers.FlavourMariaDB, values: slices.Concat(jsonValues, deepValues(31)), random: jsonLiteral, key: refused},
		}},
		{name: "varbinary, blob ... COMPRESSED (MariaDB)", types: []columnType{
			of("varbinary(900) compressed", 0, bytesUpTo(900), refused, "''", "repeat(x'00', 900)"),
			of("blob compressed", 0, bytesUpTo(1200), refused, "''", "x'00'", "x'80'", "repeat(x'00ff', 30000)"),
			of("longblob compressed", 0, bytesUpTo(1200), refused, "repeat('y', 60000)"),
		}},
	}
}

// arrangements are columns that are not written as others are. They are no types of their own: the README leaves them out.
func arrangements() []family {
	return []family{{types: []columnType{
		{native: "int generated always as (b * 2) stored", base: "smallint", values: signedExtremes(16), random: signedNumber(16), key: refused},
		{native: "bigint generated always as (b + 1) virtual", base: "int", values: signedExtremes(32), random: signedNumber(32), key: refused},
		{native: "varchar(90) generated always as (concat(b, '!')) virtual", base: "varchar(60)", random: unicodeText.text, key: refused},
		{native: "varchar(90) generated always as (concat('<', b)) stored", base: "varchar(60) character set latin1", random: latin1Text.text, key: refused},
		{native: "int invisible", since: 80023, values: signedExtremes(32), random: signedNumber(32), key: refused},
		{native: "text invisible", since: 80023, random: unicodeText.text, key: refused},
	}}}
}

// geometryKey is the rule of geometries: MariaDB takes a POINT, of which the catalog says that it is a part only.
func geometryKey(native string) keyRule {
	if native == "point" {
		return untried
	}
	return refused
}
