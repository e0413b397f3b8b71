package parity

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A literal makes a value, as SQL.
type literal func(r *rand.Rand) string

func signedExtremes(bits int) []string {
	top := int64(1)<<(bits-1) - 1
	return []string{fmt.Sprint(-top - 1), fmt.Sprint(-top), "-1", "0", "1", fmt.Sprint(top)}
}

func unsignedExtremes(bits int) []string {
	top := ^uint64(0) >> (64 - bits)
	return []string{"0", "1", fmt.Sprint(top/2 + 1), fmt.Sprint(top)}
}

// signedNumber makes numbers of any magnitude.
func signedNumber(bits int) literal {
	return func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64()) >> (64 - bits + r.IntN(bits))) }
}

func unsignedNumber(bits int) literal {
	return func(r *rand.Rand) string { return fmt.Sprint(r.Uint64() >> (64 - bits + r.IntN(bits))) }
}

func unsignedBelow(n int) literal {
	return func(r *rand.Rand) string { return fmt.Sprint(r.IntN(n)) }
}

// ordinals are the numbers from 0 to n, as labels are stored.
func ordinals(n int) []string {
	all := make([]string, n+1)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}

// positive makes the values of another literal without their sign.
func positive(of literal) literal {
	return func(r *rand.Rand) string { return strings.TrimPrefix(of(r), "-") }
}

func decimalExtremes(precision, scale int) []string {
	nines := strings.Repeat("9", precision)
	most := pointed(nines, scale)
	least := pointed(strings.Repeat("0", precision-1)+"1", scale)
	one := pointed("1"+strings.Repeat("0", precision-1), scale)
	return []string{"0", most, "-" + most, least, "-" + least, one, "-" + one}
}

// pointed puts the point before the last digits.
func pointed(digits string, scale int) string {
	n := len(digits) - scale
	return "0" + digits[:n] + "." + digits[n:] + "0"
}

func decimalNumber(precision, scale int) literal {
	return func(r *rand.Rand) string {
		digits := make([]byte, precision)
		zeros := r.IntN(precision)
		for i := range digits {
			digits[i] = '0'
			if i >= zeros && r.IntN(4) > 0 {
				digits[i] += byte(r.IntN(10))
			}
		}
		return []string{"", "-"}[r.IntN(2)] + pointed(string(digits), scale)
	}
}

// floatNumber makes any single-precision number that MySQL takes.
func floatNumber(r *rand.Rand) string {
	f := float64(math.Float32frombits(r.Uint32()))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = float64(float32(r.NormFloat64()))
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func doubleNumber(r *rand.Rand) string {
	f := math.Float64frombits(r.Uint64())
	if math.IsNaN(f) || math.IsInf(f, 0) || r.IntN(4) == 0 {
		f = r.NormFloat64() * math.Pow10(r.IntN(30)-10)
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func year(r *rand.Rand) string { return fmt.Sprint(1901 + r.IntN(255)) }

// date makes dates that every sink holds.
func date(r *rand.Rand) string {
	return fmt.Sprintf("'%04d-%02d-%02d'", 1900+r.IntN(399), 1+r.IntN(12), 1+r.IntN(28))
}

// fraction is a part of a second with so many digits, and its point.
func fraction(r *rand.Rand, digits int) string {
	if digits == 0 {
		return ""
	}
	return fmt.Sprintf(".%0*d", digits, r.IntN(int(math.Pow10(digits))))
}

// fractions are the smallest and the largest part of a second.
func fractions(digits int) (least, most string) {
	if digits == 0 {
		return "", ""
	}
	return "." + strings.Repeat("0", digits-1) + "1", "." + strings.Repeat("9", digits)
}

func datetime(digits int) literal {
	return func(r *rand.Rand) string {
		return fmt.Sprintf("%s %02d:%02d:%02d%s'", strings.TrimSuffix(date(r), "'"), r.IntN(24), r.IntN(60), r.IntN(60), fraction(r, digits))
	}
}

func datetimeExtremes(digits int) []string {
	least, most := fractions(digits)
	return []string{
		"'0001-01-01 00:00:00'", "'1000-01-01 00:00:00" + least + "'", "'1899-12-31 23:59:59" + most + "'", "'1900-01-01 00:00:00'", "'1969-12-31 23:59:59" + most + "'",
		"'1970-01-01 00:00:00" + least + "'", "'2299-12-31 23:59:59" + most + "'", "'2300-01-01 00:00:00'", "'9999-12-31 23:59:59" + most + "'",
	}
}

// timestamp makes instants of the signed 32 bits that all servers have; sessions are in UTC.
func timestamp(digits int) literal {
	return func(r *rand.Rand) string {
		seconds := 1 + r.Int64N(math.MaxInt32)
		return "'" + instant(seconds) + fraction(r, digits) + "'"
	}
}

func timestampExtremes(digits int) []string {
	least, most := fractions(digits)
	return []string{"'" + instant(1) + least + "'", "'" + instant(math.MaxInt32) + most + "'", "'2026-03-29 01:30:00" + most + "'", "'2026-10-25 01:30:00" + least + "'"}
}

func duration(digits int) literal {
	return func(r *rand.Rand) string {
		hours := []int{24, 100, 838}[r.IntN(3)]
		return fmt.Sprintf("'%s%02d:%02d:%02d%s'", []string{"", "-"}[r.IntN(2)], r.IntN(hours), r.IntN(60), r.IntN(60), fraction(r, digits))
	}
}

func timeExtremes(digits int) []string {
	least, most := fractions(digits)
	return []string{
		"'00:00:00'", "'838:59:59'", "'-838:59:59'", "'838:59:58" + most + "'", "'-838:59:58" + most + "'", "'00:00:00" + least + "'", "'-00:00:00" + least + "'",
		"'-00:00:01'", "'-00:00:00" + most + "'", "'-23:59:59" + most + "'", "'-01:00:00" + least + "'",
	}
}

// bytesUpTo makes bytes of which many are zeros and spaces, at the end too.
func bytesUpTo(n int) literal {
	return func(r *rand.Rand) string {
		out := make([]byte, r.IntN(min(n, 1+r.IntN(n))+1))
		for i := range out {
			out[i] = []byte{0, 0, 0x20, 0xff, byte(r.Uint32())}[r.IntN(5)]
		}
		return hexLiteral(out)
	}
}

func hexLiteral(p []byte) string { return "x'" + hex.EncodeToString(p) + "'" }

func uuid(r *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32()) & byte(-(r.IntN(3) & 1))
	}
	return fmt.Sprintf("'%x-%x-%x-%x-%x'", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func inet4(r *rand.Rand) string {
	return fmt.Sprintf("'%d.%d.%d.%d'", r.IntN(256), r.IntN(2)*r.IntN(256), r.IntN(2)*r.IntN(256), r.IntN(256))
}

// inet6 makes addresses with runs of zeros at any place.
func inet6(r *rand.Rand) string {
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = strconv.FormatInt(r.Int64N(1<<16)*r.Int64N(2)>>(4*r.IntN(4)), 16)
	}
	return "'" + strings.Join(groups, ":") + "'"
}

// vector makes finite numbers, which is all that a vector may have.
func vector(call string, n int) literal {
	return func(r *rand.Rand) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strconv.FormatFloat(float64(float32(r.NormFloat64()*math.Pow10(r.IntN(20)-10))), 'e', -1, 32)
		}
		return fmt.Sprintf("%s('[%s]')", call, strings.Join(parts, ","))
	}
}

// shape makes a geometry of a kind, or of any.
func shape(kind string, srid int) literal {
	return func(r *rand.Rand) string { return fmt.Sprintf("ST_GeomFromText('%s', %d)", wkt(r, kind), srid) }
}

// wkt spells a geometry. Numbers are latitudes and longitudes too, and polygons are closed and turn one way.
func wkt(r *rand.Rand, kind string) string {
	kinds := []string{"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
	if kind == "" {
		kind = kinds[r.IntN(len(kinds))]
	}
	at := func() string { return fmt.Sprintf("%v %v", r.Float64()*160-80, float64(r.IntN(170))) }
	line := func() string { return "(" + at() + "," + at() + "," + at() + ")" }
	ring := func() string {
		x, y, d := float64(r.IntN(70)), r.Float64()*70, 1+r.Float64()
		return fmt.Sprintf("((%v %v,%v %v,%v %v,%v %[2]v,%[1]v %[2]v))", x, y, x, y+d, x+d, y+d, x+d)
	}
	switch kind {
	case "point":
		return "POINT(" + at() + ")"
	case "linestring":
		return "LINESTRING" + line()
	case "polygon":
		return "POLYGON" + ring()
	case "multipoint":
		return "MULTIPOINT" + line()
	case "multilinestring":
		return "MULTILINESTRING(" + line() + "," + line() + ")"
	case "multipolygon":
		return "MULTIPOLYGON(" + ring() + ")"
	}
	return "GEOMETRYCOLLECTION(" + wkt(r, kinds[r.IntN(3)]) + "," + wkt(r, kinds[r.IntN(6)]) + ")"
}

// jsonValues are documents of which servers and decoders have their own view.
var jsonValues = []string{
	`'null'`, `'true'`, `'{}'`, `'[]'`, `'""'`, `'"x"'`, `'0'`, `'-0'`, `'1.0'`, `'2.0'`, `'[1.0, 2.0, -3.0, 100.0, 1e2]'`, `'-0.0'`, `'0.1'`, `'1e300'`, `'5e-324'`, `'1.7976931348623157e308'`,
	`'123456789012345680.0'`, `'9007199254740993'`, `'18446744073709551615'`, `'-9223372036854775808'`, `'18446744073709551616'`, `'123456789012345678901234567890'`, `'0.12345678901234567890123456789'`,
	`'{"b": 1, "a": [1.5, -2, true, null, "x\\ny"], "long key": {"ü": 1e10}}'`, `'{"": {"": [""]}}'`, `'["\\u0000\\u001f\\u007f\\"\\\\\\/\\b\\f\\r\\t", "é🦊\\ud83e\\udd8a"]'`,
	`json_array(repeat('é', 40000), 65535, 65536, -32769, repeat('x', 127), repeat('x', 128), repeat('x', 16384))`,
	`json_object(repeat('k', 300), 1, 'k', json_object('d', json_array(1, 2.5)))`,
}

// deepValues are documents as deep as a server allows.
func deepValues(depth int) []string {
	return []string{
		"'" + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "'",
		"'" + strings.Repeat(`{"k":`, depth-1) + "1" + strings.Repeat("}", depth-1) + "'",
	}
}

// jsonLiteral makes documents of some depth.
func jsonLiteral(r *rand.Rand) string {
	return quote(document(r, 1+r.IntN(5)))
}

func document(r *rand.Rand, depth int) string {
	kind := r.IntN(9)
	if depth == 0 {
		kind = r.IntN(7)
	}
	switch kind {
	case 0:
		return []string{"null", "true", "false"}[r.IntN(3)]
	case 1:
		return signedNumber(64)(r)
	case 2:
		return strconv.FormatFloat(r.NormFloat64()*math.Pow10(r.IntN(40)-20), 'g', 1+r.IntN(17), 64)
	case 3:
		return fmt.Sprintf("%d.0", int32(r.Uint32())>>r.IntN(32))
	case 4:
		return new(big.Int).Lsh(big.NewInt(r.Int64()), uint(r.IntN(30))).String()
	case 5, 6:
		return jsonText(r)
	case 7:
		return list(r, "[", "]", func() string { return document(r, depth-1) })
	}
	n := 0
	return list(r, "{", "}", func() string {
		n++
		return fmt.Sprintf(`"k%d%s: %s`, n, jsonText(r)[1:], document(r, depth-1))
	})
}

func list(r *rand.Rand, open, end string, item func() string) string {
	parts := make([]string, r.IntN(5))
	for i := range parts {
		parts[i] = item()
	}
	return open + strings.Join(parts, ", ") + end
}

// jsonText is a text of JSON.
func jsonText(r *rand.Rand) string {
	var b strings.Builder
	b.WriteByte('"')
	for range r.IntN(12) {
		switch c := unicodeText.pick(r); {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < 0x20 || r.IntN(8) == 0 && c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}

// quote makes a text a literal of SQL.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\x00", `\0`).Replace(text) + "'"
}
