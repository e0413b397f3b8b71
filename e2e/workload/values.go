package workload

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A column of the wide table has a type and literals, the unusual ones first.
type column struct {
	typ    string
	values func(r *rand.Rand) string
}

// wide is the table with a column of every type.
func wide(s *servers.Server) table {
	columns := types()
	if s.Flavour == servers.FlavourMariaDB && s.Version != "10.5" {
		columns = append(columns,
			column{"uuid", one("'00000000-0000-0000-0000-000000000000'", "'123e4567-e89b-12d3-a456-426655440000'", "uuid()")},
			column{"inet6", one("'::'", "'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'")})
	}
	t := table{name: "types", auto: true, keys: []string{"id"}}
	t.shape = "id int AUTO_INCREMENT PRIMARY KEY"
	for i, c := range columns {
		name := fmt.Sprintf("c%02d", i)
		t.values = append(t.values, name)
		null := " NULL" // a TIMESTAMP is NOT NULL unless told otherwise
		t.shape += ", " + name + " " + c.typ + null
	}
	t.key = func(r *rand.Rand) []string { return []string{fmt.Sprint(1 + r.IntN(800))} }
	t.value = func(r *rand.Rand) []string {
		out := make([]string, len(columns))
		for i, c := range columns {
			if out[i] = "NULL"; r.IntN(8) > 0 {
				out[i] = c.values(r)
			}
		}
		return out
	}
	return t
}

func types() []column {
	return []column{
		{"tinyint", one("-128", "127", "0")},
		{"tinyint unsigned", one("255", "0", "7")},
		{"tinyint(1)", one("0", "1")},
		{"smallint", one("-32768", "32767")},
		{"smallint unsigned", one("65535", "1")},
		{"mediumint", one("-8388608", "8388607", "-1")},
		{"mediumint unsigned", one("16777215", "3")},
		{"int", integer},
		{"int unsigned", one("4294967295", "0", "77")},
		{"bigint", one("-9223372036854775808", "9223372036854775807", "-1")},
		{"bigint unsigned", one("18446744073709551615", "0", "9223372036854775808")},
		{"float", one("0", "-1.5", "3.4028e38", "1.17549e-38", "0.1")},
		{"double", func(r *rand.Rand) string { return fmt.Sprintf("%g", math.Ldexp(r.NormFloat64(), r.IntN(600)-300)) }},
		{"decimal(10,0)", one("-9999999999", "0", "1")},
		{"decimal(38,10)", one("-1234567890123456789012345678.0123456789", "0.0000000001", "9999999999999999999999999999.9999999999")},
		{"decimal(12,2)", func(r *rand.Rand) string { return decimal(r, 10, 2) }},
		{"bit(1)", one("b'0'", "b'1'")},
		{"bit(13)", one("b'1000000000001'", "b'0'", "b'1111111111111'")},
		{"bit(64)", one("18446744073709551615", "1")},
		{"date", one("'0000-00-00'", "'1000-01-01'", "'9999-12-31'", "'2026-02-28'", "'1969-12-31'", "'1970-01-01'")},
		{"datetime", one("'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2026-03-29 02:30:00'")},
		{"datetime(6)", func(r *rand.Rand) string { return moment(r, 6) }},
		{"datetime(3)", func(r *rand.Rand) string { return moment(r, 3) }},
		{"timestamp", one("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2026-10-25 01:30:00'")},
		{"timestamp(6)", func(r *rand.Rand) string { return moment(r, 6) }},
		{"time", one("'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'")},
		{"time(6)", one("'-12:34:56.789012'", "'-00:00:00.000001'", "'23:59:59.999999'", "'100:00:00.5'")},
		{"time(3)", one("'-00:00:00.001'", "'838:59:58.999'", "'01:02:03.004'")},
		{"year", one("1901", "2155", "0", "2026")},
		{"char(10)", one("''", "'a'", "'trailing  '", "'ß€😀'")},
		{"varchar(300)", func(r *rand.Rand) string { return text(r, 70) }},
		{"varchar(40) CHARACTER SET latin1", one("'caf\u00e9'", "''", "'\u20ac 5'")},
		{"text", func(r *rand.Rand) string { return text(r, 2000) }},
		{"mediumtext CHARACTER SET utf8mb3", one("'\u20ac'", "repeat('x', 3000)")},
		{"binary(5)", one("x'0000000000'", "x'6100'", "x'ff00ff00ff'", "x'20'")},
		{"varbinary(30)", func(r *rand.Rand) string { return bytes(r, 30) }},
		{"blob", func(r *rand.Rand) string { return bytes(r, 400) }},
		{"longblob", one("x''", "repeat(x'00ff', 4000)")},
		{"enum('a','','c d','é')", one("'a'", "''", "'c d'", "'é'")},
		{"set('x','y','z')", one("''", "'x'", "'x,z'", "'x,y,z'")},
		{"json", one(`'{}'`, `'[1, -2.5, null, true, "\u00e9"]'`, `'{"b": {"a": [9007199254740993]}, "a": "\\"q\\""}'`, `'"s"'`, `'null'`)},
	}
}

// one picks among literals.
func one(literals ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return literals[r.IntN(len(literals))] }
}

func integer(r *rand.Rand) string { return fmt.Sprint(int32(r.Uint32())) }

func decimal(r *rand.Rand, digits, scale int) string {
	return fmt.Sprintf("%s%d.%0*d", []string{"", "-"}[r.IntN(2)], r.Int64N(int64(math.Pow10(digits))), scale, r.IntN(int(math.Pow10(scale))))
}

func moment(r *rand.Rand, digits int) string {
	return fmt.Sprintf("'20%02d-%02d-%02d %02d:%02d:%02d.%0*d'", r.IntN(38), 1+r.IntN(12), 1+r.IntN(28),
		3+r.IntN(21), r.IntN(60), r.IntN(60), digits, r.IntN(int(math.Pow10(digits))))
}

// word is one of few words, in one of the spellings that a padding, case-insensitive collation takes for the same.
func word(r *rand.Rand) string {
	stems := []string{"apfel", "straße", "été", "o'neil", `back\slash`, "naïve", "İstanbul", "日本", "a", "zebra"}
	w := fmt.Sprintf("%s%d", stems[r.IntN(len(stems))], r.IntN(25))
	switch r.IntN(4) {
	case 0:
		w = strings.ToUpper(w)
	case 1:
		w += strings.Repeat(" ", 1+r.IntN(2))
	}
	return quote(w)
}

// text is up to about n characters of several scripts.
func text(r *rand.Rand, n int) string {
	const letters = "abc XYZ 012 äöü ßñç 日本語 \U0001f600 '\"\\%_\n\t,;"
	all, out := []rune(letters), make([]rune, r.IntN(n))
	for i := range out {
		out[i] = all[r.IntN(len(all))]
	}
	return quote(string(out))
}

func bytes(r *rand.Rand, n int) string {
	out := make([]byte, r.IntN(n+1))
	for i := range out {
		out[i] = []byte{0, 0x20, 0x41, 0xff, byte(r.Uint32())}[r.IntN(5)]
	}
	return "x'" + hex.EncodeToString(out) + "'"
}
