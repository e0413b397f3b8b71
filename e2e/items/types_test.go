package items

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
)

// TestItems_Types has a table for each family of types, with its extreme values and random ones, copied and followed. Package
// parity compares every type, path and sink byte by byte.
func TestItems_Types(t *testing.T) {
	r, _ := e2e.Seeded(t)
	var list []scenario
	for _, f := range families() {
		list = append(list, f.scenario(r))
	}
	play(t, list)
}

// A family is a table of similar types.
type family struct {
	name    string
	needs   needs
	columns []valued
}

// A valued column has literals that are its extreme values, and a maker of others.
type valued struct {
	native string
	values []string
	random func(r *rand.Rand) string // nil: one of values
}

func (c *valued) value(r *rand.Rand) string {
	switch {
	case r.IntN(9) == 0:
		return "NULL"
	case c.random == nil || r.IntN(4) == 0:
		return c.values[r.IntN(len(c.values))]
	}
	return c.random(r)
}

// scenario inserts all extremes before the copy, and changes rows at random later.
func (f *family) scenario(r *rand.Rand) scenario {
	shape, extremes := "id int AUTO_INCREMENT PRIMARY KEY", 0
	for i, c := range f.columns {
		shape += fmt.Sprintf(", c%d %s NULL", i, c.native)
		extremes = max(extremes, len(c.values))
	}
	s := scenario{item: "types", name: f.name, needs: f.needs, outcome: outcome{equal: []string{"t"}}}
	before := []string{loose, "CREATE TABLE t (" + shape + ")"}
	for n := range extremes {
		before = append(before, f.insert(func(c *valued) string { return c.values[n%len(c.values)] }))
	}
	s.setup = steps(before...)
	random := func(c *valued) string { return c.value(r) }
	after := []string{loose}
	for range 25 {
		after = append(after, f.insert(random), f.update(r, extremes+25))
	}
	after = append(after, "BEGIN", f.insert(random), f.update(r, extremes), f.insert(random), "COMMIT", "DELETE FROM t WHERE id % 5 = 0", "UPDATE t SET id = -id WHERE id % 7 = 0")
	s.steps = steps(after...)
	return s
}

// loose takes dates that are none, and keeps time zones out of this.
const loose = "SET SESSION sql_mode = '', time_zone = '+00:00'"

func (f *family) insert(value func(c *valued) string) string {
	values := make([]string, len(f.columns))
	for i := range f.columns {
		values[i] = value(&f.columns[i])
	}
	return "INSERT INTO t VALUES (NULL, " + strings.Join(values, ", ") + ")"
}

// update changes a few columns of a few rows.
func (f *family) update(r *rand.Rand, rows int) string {
	var set []string
	for i := range f.columns {
		if r.IntN(3) == 0 {
			set = append(set, fmt.Sprintf("c%d = %s", i, f.columns[i].value(r)))
		}
	}
	if len(set) == 0 {
		set = []string{"c0 = " + f.columns[0].value(r)}
	}
	first := 1 + r.IntN(rows)
	return fmt.Sprintf("UPDATE t SET %s WHERE id BETWEEN %d AND %d", strings.Join(set, ", "), first, first+r.IntN(4))
}

func families() []family {
	return []family{
		{name: "integers", columns: integers()},
		{name: "bits and years", columns: []valued{
			{"bit(1)", []string{"b'0'", "b'1'"}, nil},
			{"bit(13)", []string{"b'0'", "b'1000000000001'", "b'1111111111111'"}, nil},
			{"bit(64)", []string{"0", "1", "9223372036854775808", "18446744073709551615"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }},
			{"year", []string{"0", "1901", "1970", "2155"}, func(r *rand.Rand) string { return fmt.Sprint(1901 + r.IntN(255)) }},
		}},
		{name: "decimals", columns: decimals()},
		{name: "floats", columns: []valued{
			{"float", []string{"0", "-0e0", "3.4028234e38", "-3.4028234e38", "1.17549435e-38", "1e-44", "0.1", "16777217"}, func(r *rand.Rand) string { return fmt.Sprint(float32(r.NormFloat64() * 1e6)) }},
			{"float(9,3)", []string{"0", "-0.125", "1234.567"}, nil},
			{"double", []string{"0", "-0e0", "0.1e0", "0.30000000000000004e0", "9007199254740993e0", "1.7976931348623157e308", "2.2250738585072014e-308", "4.9e-324"}, func(r *rand.Rand) string {
				return fmt.Sprintf("%g", math.Ldexp(r.NormFloat64(), r.IntN(1800)-900))
			}},
			{"double(20,5)", []string{"0", "-0.12345", "123456789012345.12345"}, nil},
		}},
		{name: "dates and times", columns: temporals()},
		{name: "text in many character sets", columns: texts()},
		{name: "binary", columns: []valued{
			{"binary(5)", []string{"x'0000000000'", "x'6100'", "x'20'", "x'ff00ff00ff'", "''"}, randomBytes(5)},
			{"varbinary(30)", []string{"''", "x'00'", "x'610000'", "x'2020'"}, randomBytes(30)},
			{"tinyblob", []string{"''", "repeat(x'00', 255)"}, randomBytes(200)},
			{"blob", []string{"''", "repeat(x'ff00', 20000)"}, randomBytes(900)},
			{"mediumblob", []string{"''", "repeat(x'00', 100000)"}, randomBytes(900)},
			{"longblob", []string{"''", "repeat(x'20', 70000)"}, randomBytes(900)},
		}},
		{name: "enum and set", columns: []valued{
			{"enum('a','','c d','é','it''s','x,y')", []string{"'a'", "''", "'c d'", "'é'", "'it''s'", "'x,y'", "'not a label'"}, nil},
			{"enum('b','日本') CHARACTER SET sjis", []string{"'b'", "'日本'"}, nil},
			{"set('x','y','z','it''s')", []string{"''", "'x'", "'x,z'", "'x,y,z,it''s'", "'none'"}, nil},
			{"set('ä','ö') CHARACTER SET latin1", []string{"''", "'ä'", "'ä,ö'"}, nil},
		}},
		{name: "json", columns: []valued{{"json", documents, nil}, {"json", documents, nil}}},
		{name: "geometry", columns: []valued{
			{"geometry", []string{"ST_GeomFromText('POINT(1 -2)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1e300 -1e-300))')"}, nil},
			{"point", []string{"ST_GeomFromText('POINT(0 0)')", "ST_GeomFromText('POINT(-1.5 1e10)')"}, nil},
			{"linestring", []string{"ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')"}, nil},
			{"polygon", []string{"ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))')"}, nil},
			{"multipoint", []string{"ST_GeomFromText('MULTIPOINT(0 0,1 1)')"}, nil},
		}},
		{name: "vector", needs: needs{mysql: "9.0", mariadb: never}, columns: []valued{
			{"vector(3)", []string{"string_to_vector('[0, -1.5, 3.4e38]')", "string_to_vector('[1e-30, 1, 2]')"}, nil},
		}},
		{name: "vector", needs: needs{mysql: never, mariadb: "11.7"}, columns: []valued{
			{"vector(3)", []string{"vec_fromtext('[0, -1.5, 3.4e38]')", "vec_fromtext('[1e-40, 1, 2]')"}, nil},
		}},
		{name: "compressed columns", needs: onlyMariaDB, columns: []valued{
			{"varchar(400) COMPRESSED", []string{"''", "'short'", "repeat('é', 400)"}, nil},
			{"text COMPRESSED CHARACTER SET latin1", []string{"''", "'é'", "repeat('ab', 30000)"}, nil},
			{"blob COMPRESSED", []string{"''", "x'00'", "repeat(x'00ff', 30000)"}, randomBytes(900)},
		}},
		{name: "inet6", needs: onlyMariaDB, columns: []valued{{"inet6", []string{"'::'", "'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'", "'1:0:0:2:0:0:0:3'"}, nil}}},
		{name: "uuid", needs: needs{mysql: never, mariadb: "10.7"}, columns: []valued{
			{"uuid", []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'123e4567-e89b-12d3-a456-426655440000'", "uuid()"}, nil},
		}},
		{name: "inet4", needs: needs{mysql: never, mariadb: "10.10"}, columns: []valued{{"inet4", []string{"'0.0.0.0'", "'255.255.255.255'", "'10.1.0.0'"}, nil}}},
	}
}

func integers() []valued {
	var all []valued
	for _, c := range []struct {
		name string
		bits int
	}{{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}} {
		top := int64(1)<<(c.bits-1) - 1
		signed := []string{fmt.Sprint(-top - 1), "-1", "0", "1", fmt.Sprint(top)}
		unsigned := []string{"0", "1", fmt.Sprint(uint64(top) + 1), fmt.Sprint(^uint64(0) >> (64 - c.bits))}
		all = append(all,
			valued{c.name, signed, func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64()) >> (64 - c.bits)) }},
			valued{c.name + " unsigned", unsigned, func(r *rand.Rand) string { return fmt.Sprint(r.Uint64() >> (64 - c.bits)) }})
	}
	return append(all, valued{"tinyint(1)", []string{"-128", "0", "1", "2", "127"}, nil}, valued{"int(7) unsigned zerofill", []string{"0", "42", "4294967295"}, nil})
}

func decimals() []valued {
	var all []valued
	for _, size := range [][2]int{{1, 0}, {1, 1}, {9, 9}, {10, 2}, {18, 0}, {19, 4}, {38, 10}, {39, 10}, {65, 0}, {65, 30}} {
		digits, scale := size[0], size[1]
		nines := pointed(strings.Repeat("9", digits), scale)
		least := pointed(strings.Repeat("0", digits-1)+"1", scale)
		all = append(all, valued{fmt.Sprintf("decimal(%d,%d)", digits, scale), []string{"0", nines, "-" + nines, least, "-" + least}, func(r *rand.Rand) string {
			p := make([]byte, digits)
			for i := range p {
				p[i] = byte('0' + r.IntN(10)*r.IntN(2))
			}
			return []string{"", "-"}[r.IntN(2)] + pointed(string(p), scale)
		}})
	}
	return all
}

// pointed puts the point before the last digits.
func pointed(digits string, scale int) string {
	n := len(digits) - scale
	return "0" + digits[:n] + "." + digits[n:] + "0"
}

func temporals() []valued {
	all := []valued{{"date", []string{"'0000-00-00'", "'2026-00-10'", "'2026-02-00'", "'0001-01-01'", "'1582-10-10'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"}, func(r *rand.Rand) string {
		return fmt.Sprintf("'%04d-%02d-%02d'", 1000+r.IntN(9000), 1+r.IntN(12), 1+r.IntN(28))
	}}}
	for digits := range 7 {
		fraction := func(r *rand.Rand) string { return fmt.Sprintf(".%06d", r.IntN(1_000_000))[:min(1+digits, 7)] }
		all = append(all,
			valued{fmt.Sprintf("datetime(%d)", digits), []string{"'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'1969-12-31 23:59:59.5'", "'9999-12-31 23:59:59'"}, func(r *rand.Rand) string {
				return fmt.Sprintf("'%04d-%02d-%02d %02d:%02d:%02d%s'", 1000+r.IntN(8999), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), strings.TrimSuffix(fraction(r), "."))
			}},
			valued{fmt.Sprintf("timestamp(%d)", digits), []string{"'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2026-03-29 01:30:00'"}, func(r *rand.Rand) string {
				return fmt.Sprintf("FROM_UNIXTIME(%d%s)", 1+r.IntN(math.MaxInt32), strings.TrimSuffix(fraction(r), "."))
			}},
			valued{fmt.Sprintf("time(%d)", digits), []string{"'00:00:00'", "'838:59:59'", "'-838:59:59'", "'-00:00:01'", "'-00:00:00.999999'"}, func(r *rand.Rand) string {
				return fmt.Sprintf("'%s%02d:%02d:%02d%s'", []string{"", "-"}[r.IntN(2)], r.IntN(838), r.IntN(60), r.IntN(60), strings.TrimSuffix(fraction(r), "."))
			}})
	}
	return all
}

// texts have letters that differ in their bytes from set to set.
func texts() []valued {
	alphabets := []struct{ set, letters string }{
		{"utf8mb4", "aZ é ß 日本 😀 '\"\\ \n\t\x00"}, {"utf8mb3", "aé日 '\\"}, {"latin1", "aéß€ '\\"}, {"gbk", "a中文字 '\\"}, {"cp932", "aｶ髙日 '\\"},
		{"sjis", "a日本ソ表 '"}, {"ucs2", "aé日 '\\"}, {"utf16", "a日😀 '\\"}, {"utf32", "a日😀 '"}, {"big5", "a中許 '"}, {"cp1251", "aЖ '"},
	}
	var all []valued
	for i, a := range alphabets {
		native := []string{"varchar(60)", "char(60)", "tinytext", "text", "mediumtext", "longtext"}[i%6]
		letters := []rune(a.letters)
		word := func(r *rand.Rand) string {
			out := make([]rune, r.IntN(20))
			for i := range out {
				out[i] = letters[r.IntN(len(letters))]
			}
			return quoted(string(out))
		}
		all = append(all, valued{native + " CHARACTER SET " + a.set, []string{"''", quoted(a.letters), "'trailing  '"}, word})
	}
	return append(all, valued{"longtext", []string{"repeat('日本', 30000)", "''"}, nil})
}

// quoted spells a text as SQL.
func quoted(text string) string {
	return "'" + strings.NewReplacer("'", "''", `\`, `\\`, "\x00", `\0`).Replace(text) + "'"
}

func randomBytes(n int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		out := make([]byte, r.IntN(n+1))
		for i := range out {
			out[i] = []byte{0, 0x20, 0xff, byte(r.Uint32())}[r.IntN(4)]
		}
		return "x'" + hex.EncodeToString(out) + "'"
	}
}

var documents = []string{
	`'{}'`, `'[]'`, `'null'`, `'"s"'`, `'[1.0, 2.0, -2.5, 1e20, 0.1]'`, `'{"b": {"a": [9007199254740993, 18446744073709551615, -9223372036854775808]}, "a": "\\"q\\""}'`,
	`'["\\u00e9", "日本", "\\ud83d\\ude00", "\\u0000"]'`, `'{"": true, "long key with spaces": [[[[]]]]}'`, `'12345678901234567890123'`,
}
