package binlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// MySQL stores a JSON document as a tree of values that name each other by offsets:
//
//	value     type (1 byte), then what the type says
//	object    count, bytes, count * (key offset, key length), count * (type, offset or inlined value), keys, values
//	array     count, bytes, count * (type, offset or inlined value), values
//
// Counts and offsets have 2 bytes in small objects and arrays, 4 in large ones; offsets count from behind the type.
const (
	jsonSmallObject = iota
	jsonLargeObject
	jsonSmallArray
	jsonLargeArray
	jsonLiteral
	jsonInt16
	jsonUint16
	jsonInt32
	jsonUint32
	jsonInt64
	jsonUint64
	jsonDouble
	jsonString
	jsonOpaque = 15
)

// maxJSONDepth is MySQL's own limit of nesting, with room.
const maxJSONDepth = 128

var errJSON = errors.New("the binary JSON is damaged")

// appendJSON appends the text that the server prints for a document: {"a": 1, "b": [1.0, "x"]}. bare is how MySQL 5.7
// prints doubles: 1 for 1.0.
func appendJSON(dst, doc []byte, bare bool) ([]byte, error) {
	if len(doc) == 0 { // what a server without strict mode stores for no value at all
		return append(dst, "null"...), nil
	}
	// Offsets of a damaged document can make a small one print without end: each value takes at least 3 bytes, and no
	// byte prints as more than 16.
	w := jsonWriter{dst: dst, bare: bare, values: len(doc), limit: len(dst) + 16*len(doc) + 64}
	w.value(doc[0], doc[1:], 0)
	if w.bad || len(w.dst) > w.limit {
		return dst, errJSON
	}
	return w.dst, nil
}

// A jsonWriter appends values to dst. After bad is set nothing matters any more.
type jsonWriter struct {
	dst    []byte
	values int // how many more values a sound document may have
	limit  int // how long a sound document's text may become
	bare   bool
	bad    bool
}

func (w *jsonWriter) value(kind byte, p []byte, depth int) {
	w.values--
	if w.bad = w.bad || depth > maxJSONDepth || w.values < 0 || len(w.dst) > w.limit; w.bad {
		return
	}
	switch kind {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		w.container(kind, p, depth)
	case jsonString:
		if s, ok := jsonBytes(p); ok && utf8.Valid(s) {
			w.dst = appendJSONString(w.dst, s)
			return
		}
		w.bad = true
	case jsonOpaque:
		w.opaque(p)
	default:
		w.scalar(kind, p)
	}
}

func (w *jsonWriter) scalar(kind byte, p []byte) {
	size := [...]int{jsonLiteral: 1, jsonInt16: 2, jsonUint16: 2, jsonInt32: 4, jsonUint32: 4, jsonInt64: 8, jsonUint64: 8, jsonDouble: 8}
	if int(kind) >= len(size) || len(p) < size[kind] {
		w.bad = true
		return
	}
	switch kind {
	case jsonLiteral:
		if p[0] > 2 {
			w.bad = true
			return
		}
		w.dst = append(w.dst, [...]string{"null", "true", "false"}[p[0]]...)
	case jsonInt16:
		w.dst = strconv.AppendInt(w.dst, int64(int16(u16(p))), 10)
	case jsonUint16:
		w.dst = strconv.AppendUint(w.dst, uint64(u16(p)), 10)
	case jsonInt32:
		w.dst = strconv.AppendInt(w.dst, int64(int32(u32(p))), 10)
	case jsonUint32:
		w.dst = strconv.AppendUint(w.dst, uint64(u32(p)), 10)
	case jsonInt64:
		w.dst = strconv.AppendInt(w.dst, int64(u64(p)), 10)
	case jsonUint64:
		w.dst = strconv.AppendUint(w.dst, u64(p), 10)
	case jsonDouble:
		w.dst = appendJSONDouble(w.dst, math.Float64frombits(u64(p)), w.bare)
	}
}

// A jsonContainer is an object or array as it is stored.
type jsonContainer struct {
	p             []byte // from behind its type on, as far as it reaches
	count, width  int
	keys, entries int // where the entries of its keys and values begin
	object        bool
}

// openJSON reads the head of an object or array. p begins behind its type.
func openJSON(kind byte, p []byte) (c jsonContainer, ok bool) {
	c.width, c.object = 2, kind == jsonSmallObject || kind == jsonLargeObject
	if kind == jsonLargeObject || kind == jsonLargeArray {
		c.width = 4
	}
	head := cursor{p: p}
	count, size := int(head.uint(c.width)), int(head.uint(c.width))
	c.keys, c.entries = 2*c.width, 2*c.width
	if c.object {
		c.entries += count * (c.width + 2)
	}
	if head.short || size > len(p) || c.entries+count*(1+c.width) > size {
		return jsonContainer{}, false
	}
	c.p, c.count = p[:size], count
	return c, true
}

// member returns the i-th key and value.
func (c *jsonContainer) member(i int) (key []byte, kind byte, value []byte, ok bool) {
	if c.object {
		if key, ok = c.key(c.p[c.keys+i*(c.width+2):]); !ok {
			return nil, 0, nil, false
		}
	}
	kind, value, ok = c.value(c.p[c.entries+i*(1+c.width):])
	return key, kind, value, ok
}

// key returns a key, whose entry has its offset and length.
func (c *jsonContainer) key(entry []byte) ([]byte, bool) {
	e := cursor{p: entry}
	at, n := int(e.uint(c.width)), int(e.uint(2))
	if at > len(c.p) || n > len(c.p)-at || !utf8.Valid(c.p[at:at+n]) {
		return nil, false
	}
	return c.p[at : at+n : at+n], true
}

// value returns a value, whose entry has its type and either its offset or, if it fits there, itself.
func (c *jsonContainer) value(entry []byte) (kind byte, value []byte, ok bool) {
	kind = entry[0]
	inlined := kind == jsonLiteral || kind == jsonInt16 || kind == jsonUint16
	if inlined || c.width == 4 && (kind == jsonInt32 || kind == jsonUint32) {
		return kind, entry[1:], true
	}
	e := cursor{p: entry[1:]}
	at := int(e.uint(c.width))
	if at > len(c.p) {
		return 0, nil, false
	}
	return kind, c.p[at:], true
}

// container appends an object or array. p begins behind its type.
func (w *jsonWriter) container(kind byte, p []byte, depth int) {
	c, ok := openJSON(kind, p)
	w.bad = w.bad || !ok
	brackets := "[]"
	if c.object {
		brackets = "{}"
	}
	w.dst = append(w.dst, brackets[0])
	for i := 0; i < c.count && !w.bad; i++ {
		key, kind, value, ok := c.member(i)
		if !ok {
			w.bad = true
			return
		}
		if i > 0 {
			w.dst = append(w.dst, ", "...)
		}
		if c.object {
			w.dst = append(appendJSONString(w.dst, key), ": "...)
		}
		w.value(kind, value, depth+1)
	}
	w.dst = append(w.dst, brackets[1])
}

// jsonBytes takes a length of 7 bits a byte, the lowest first, and as many bytes.
func jsonBytes(p []byte) ([]byte, bool) {
	n := 0
	for i := 0; i < len(p) && i < 5; i++ {
		n |= int(p[i]&0x7f) << (7 * i)
		if p[i] < 0x80 {
			p = p[i+1:]
			return p[:min(n, len(p))], n <= len(p)
		}
	}
	return nil, false
}

// appendJSONString quotes as MySQL does.
func appendJSONString(dst, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, '"')
}

// appendJSONDouble prints the shortest digits that read back, plain while the point stands at most 15 digits behind or
// 13 zeros before the first digit, else with an exponent without plus sign or zeros; and unless bare, always as a number
// with a fraction or exponent.
func appendJSONDouble(dst []byte, f float64, bare bool) []byte {
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, 64) // d.ddde+xx
	at := len(e) - 1
	for at > 0 && e[at] != 'e' {
		at--
	}
	exponent, err := strconv.Atoi(string(e[at+1:]))
	if err != nil { // Inf and NaN, which JSON cannot hold
		return append(dst, "null"...)
	}
	if exponent < -15 || exponent > 14 {
		dst = append(dst, e[:at+1]...)
		return strconv.AppendInt(dst, int64(exponent), 10)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bare || slices.Contains(dst[start:], '.') {
		return dst
	}
	return append(dst, ".0"...)
}

// opaque appends a value of a type that JSON has not: type, length, bytes.
func (w *jsonWriter) opaque(p []byte) {
	if len(p) < 1 {
		w.bad = true
		return
	}
	kind := p[0]
	value, ok := jsonBytes(p[1:])
	if !ok {
		w.bad = true
		return
	}
	switch kind {
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		w.decimal(value)
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		w.temporal(kind, value)
	default:
		w.dst = append(w.dst, fmt.Sprintf(`"base64:type%d:`, kind)...)
		w.dst = append(base64.StdEncoding.AppendEncode(w.dst, value), '"')
	}
}

// decimal appends precision, scale and the digits as in a column.
func (w *jsonWriter) decimal(p []byte) {
	if len(p) < 3 || p[0] > 65 || p[1] > 30 || p[1] > p[0] || p[0] == 0 {
		w.bad = true
		return
	}
	d := column{digits: p[0] - p[1], scale: p[1], size: decimalSize(int(p[0]-p[1])) + decimalSize(int(p[1]))}
	if len(p)-2 < d.size {
		w.bad = true
		return
	}
	w.dst = d.appendDecimal(w.dst, p[2:])
}

// temporal appends a date or time, packed as in MySQL's memory: 24 bits of microseconds below the fields of a column.
func (w *jsonWriter) temporal(kind byte, p []byte) {
	if len(p) != 8 {
		w.bad = true
		return
	}
	n := int64(u64(p))
	sign := ""
	if n < 0 {
		n, sign = -n, "-"
	}
	micros, whole := n&0xff_ffff, n>>24
	if kind == mysql.MYSQL_TYPE_TIME {
		w.dst = fmt.Appendf(w.dst, `"%s%02d:%02d:%02d.%06d"`, sign, whole>>12&0x3ff, whole>>6&63, whole&63, micros)
		return
	}
	months, date, clock := whole>>22, whole>>17&31, whole&0x1ffff
	if kind == mysql.MYSQL_TYPE_DATE {
		w.dst = fmt.Appendf(w.dst, `"%04d-%02d-%02d"`, months/13, months%13, date)
		return
	}
	w.dst = fmt.Appendf(w.dst, `"%04d-%02d-%02d %02d:%02d:%02d.%06d"`, months/13, months%13, date, clock>>12, clock>>6&63, clock&63, micros)
}

// appendDecimal appends a decimal as text: 0.50, -12.
func (d *column) appendDecimal(dst, p []byte) []byte {
	var buf [maxDecimal]byte
	if d.plainDigits(&buf, p) {
		dst = append(dst, '-')
	}
	var text [2 * 72]byte
	all := text[:0]
	at := 0
	for _, n := range d.groups() {
		for ; n > 0; n -= groupDigits {
			digits := min(n, groupDigits)
			all = appendDigits(all, bigEndian(buf[at:at+digitBytes[digits]]), digits)
			at += digitBytes[digits]
		}
	}
	whole, fraction := all[:d.digits], all[d.digits:]
	for len(whole) > 1 && whole[0] == '0' {
		whole = whole[1:]
	}
	if len(whole) == 0 {
		whole = []byte{'0'}
	}
	dst = append(dst, whole...)
	if len(fraction) > 0 {
		dst = append(append(dst, '.'), fraction...)
	}
	return dst
}

// appendDigits appends exactly n digits.
func appendDigits(dst []byte, value uint64, n int) []byte {
	for i := range n {
		dst = append(dst, byte('0'+value/powers[n-1-i]%10))
	}
	return dst
}
