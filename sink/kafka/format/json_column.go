package format

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/schema/row"
)

// A jsonColumn is how the values of one column become JSON, resolved once for a version of a table.
type jsonColumn struct {
	label  string // what stands before a value: a comma, the quoted name, a colon
	name   string
	index  int // of the column in the table
	op     jsonOp
	text   bool  // spelled in quotes, though the op has none of its own
	digits uint8 // of a fraction of a second
	scale  int   // Decimal: digits after the point
	size   int   // Bit: bytes
	zone   string
}

// A jsonOp is one way of spelling a value.
type jsonOp uint8

const (
	opBool jsonOp = iota + 1
	opInt         // signed words: numbers, years, days, microseconds
	opUint        // unsigned words
	opFloat32
	opFloat64
	opBits         // little-endian, in base64
	opMillis       // microseconds as milliseconds
	opNanos        // microseconds as nanoseconds
	opMillisOfDay  // a TIME that must be one of a day, in milliseconds
	opClockOfDay   // a TIME that must be one of a day, hh:mm:ss
	opClock        // a TIME, [-]hh:mm:ss
	opDate         // 2026-01-31
	opInstant      // 2026-01-31 10:00:00
	opISOInstant   // 2026-01-31T10:00:00
	opDecimal      // digits
	opWideDecimal  //
	opUnscaled     // bytes in base64
	opUnscaledUint //
	opUnscaledWide //
	opString
	opBase64
	opBase64URL
	opHex
	opLatin1 // each byte is the character of its number
	opUUID
	opGeometry // {"wkb":...,"srid":...}
	opPoint    // {"x":...,"y":...,"wkb":...,"srid":...}
	opVector   // [...]
)

// gaps says what a row may lack.
type gaps uint8

const (
	noAbsent  gaps = iota // every value must have been logged
	anyAbsent             // what was not logged is null
	noNull                // a key: every value must be there
)

// appendObject appends the columns of row i as an object.
func appendObject(dst []byte, cols []jsonColumn, b *row.Batch, i int, allowed gaps) ([]byte, error) {
	dst = append(dst, '{')
	for k := range cols {
		c := &cols[k]
		v := &b.Cols[c.index]
		if k == 0 {
			dst = append(dst, c.label[1:]...)
		} else {
			dst = append(dst, c.label...)
		}
		var err error
		switch {
		case !v.Null(i) && !v.IsAbsent(i):
			dst, err = c.append(dst, v, i)
		case allowed == noNull:
			err = fmt.Errorf("key column %s is NULL or was not logged: a record without its whole key would not be found again; "+
				"set binlog_row_image=FULL, or choose other key columns", c.name)
		case v.IsAbsent(i) && allowed == noAbsent:
			err = errNotLogged(c.name)
		default:
			dst = append(dst, "null"...)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func errNotLogged(column string) error {
	return fmt.Errorf("column %s: the log did not carry the value of the row as it is now: set binlog_row_image=FULL and resync the table", column)
}

// append spells value i of v, which is neither NULL nor absent.
func (c *jsonColumn) append(dst []byte, v *row.Vector, i int) ([]byte, error) {
	if c.op >= opString || c.op == opWideDecimal || c.op == opUnscaledWide {
		return c.appendBytes(dst, v.Value(i))
	}
	if !c.text {
		return c.appendWord(dst, v.Words[i])
	}
	dst, err := c.appendWord(append(dst, '"'), v.Words[i])
	return append(append(dst, c.zone...), '"'), err
}

func (c *jsonColumn) appendWord(dst []byte, w uint64) ([]byte, error) {
	switch c.op {
	case opBool:
		return strconv.AppendBool(dst, w != 0), nil
	case opInt:
		return strconv.AppendInt(dst, int64(w), 10), nil
	case opUint:
		return strconv.AppendUint(dst, w, 10), nil
	case opFloat32:
		return appendFloat(dst, float64(math.Float32frombits(uint32(w))), 32), nil
	case opFloat64:
		return appendFloat(dst, math.Float64frombits(w), 64), nil
	case opBits:
		var buf [8]byte
		binary.LittleEndian.PutUint64(buf[:], w)
		return base64.StdEncoding.AppendEncode(dst, buf[:c.size]), nil
	case opDecimal:
		return appendDecimal(dst, int64(w), c.scale), nil
	case opUnscaled:
		return appendUnscaled(dst, int64(w)), nil
	case opUnscaledUint:
		return appendUnscaledUint(dst, w), nil
	default:
		return c.appendTime(dst, int64(w))
	}
}

func (c *jsonColumn) appendTime(dst []byte, n int64) ([]byte, error) {
	switch c.op {
	case opMillis:
		return strconv.AppendInt(dst, floorDiv(n, 1000), 10), nil
	case opNanos:
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return dst, fmt.Errorf("column %s: %s is outside of the years 1677 to 2262, which 64 bits of nanoseconds hold: set another time.precision.mode",
				c.name, appendInstant(nil, n, ' ', 6))
		}
		return strconv.AppendInt(dst, n*1000, 10), nil
	case opMillisOfDay, opClockOfDay:
		if n < 0 || n >= day {
			return dst, fmt.Errorf("column %s: %s is no time of a day, which is all that this time.precision.mode holds: set another one",
				c.name, appendClock(nil, n, 6))
		}
		if c.op == opClockOfDay {
			return appendClock(dst, n, c.digits), nil
		}
		return strconv.AppendInt(dst, n/1000, 10), nil
	case opClock:
		return appendClock(dst, n, c.digits), nil
	case opDate:
		return appendDate(dst, n), nil
	case opInstant:
		return appendInstant(dst, n, ' ', c.digits), nil
	case opISOInstant:
		return appendInstant(dst, n, 'T', c.digits), nil
	default:
		panic(fmt.Sprintf("format: op %d is none of a column of words", c.op))
	}
}

// appendBytes spells a value held as bytes, with its quotes.
func (c *jsonColumn) appendBytes(dst, p []byte) ([]byte, error) {
	switch c.op {
	case opString:
		return appendString(dst, p), nil
	case opGeometry, opPoint:
		return c.appendGeometry(dst, p)
	case opVector:
		return c.appendVector(dst, p)
	case opLatin1:
		return appendLatin1(dst, p), nil
	case opWideDecimal:
		if !c.text {
			return appendWideDecimal(dst, p, c.scale), nil
		}
		fallthrough
	default:
		return append(c.appendASCII(append(dst, '"'), p), '"'), nil
	}
}

// appendASCII spells what needs no escapes.
func (c *jsonColumn) appendASCII(dst, p []byte) []byte {
	switch c.op {
	case opBase64:
		return base64.StdEncoding.AppendEncode(dst, p)
	case opBase64URL:
		return base64.URLEncoding.AppendEncode(dst, p)
	case opHex:
		return hex.AppendEncode(dst, p)
	case opUUID:
		return appendUUID(dst, p)
	case opWideDecimal:
		return appendWideDecimal(dst, p, c.scale)
	case opUnscaledWide:
		return appendUnscaledWide(dst, p)
	default:
		panic(fmt.Sprintf("format: op %d is none of a column of bytes", c.op))
	}
}

// appendUUID spells 16 bytes in their five groups.
func appendUUID(dst, p []byte) []byte {
	for k, b := range p {
		if k == 4 || k == 6 || k == 8 || k == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{b})
	}
	return dst
}

// appendLatin1 spells bytes as the characters of ISO-8859-1, as Canal does.
func appendLatin1(dst, p []byte) []byte {
	dst = append(dst, '"')
	for _, b := range p {
		if b < ' ' || b == '"' || b == '\\' {
			dst = appendEscape(dst, b)
		} else {
			dst = utf8.AppendRune(dst, rune(b))
		}
	}
	return append(dst, '"')
}

// wkbPoint is the bytes of a point in WKB: the byte order, the type, two coordinates.
const wkbPoint = 1 + 4 + 8 + 8

func (c *jsonColumn) appendGeometry(dst, p []byte) ([]byte, error) {
	if len(p) < 4 {
		return dst, fmt.Errorf("column %s: a geometry of %d bytes has no SRID", c.name, len(p))
	}
	srid, wkb := binary.LittleEndian.Uint32(p), p[4:]
	dst = append(dst, '{')
	if c.op == opPoint {
		if len(wkb) != wkbPoint {
			return dst, fmt.Errorf("column %s: a point has %d bytes of WKB, want %d", c.name, len(wkb), wkbPoint)
		}
		dst = appendFloat(append(dst, `"x":`...), coordinate(wkb, 5), 64)
		dst = append(appendFloat(append(dst, `,"y":`...), coordinate(wkb, 13), 64), ',')
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `"wkb":"`...), wkb)
	dst = append(dst, `","srid":`...)
	// Debezium has null for the SRID 0, which says that it is not known.
	if srid == 0 {
		return append(dst, "null}"...), nil
	}
	return append(strconv.AppendUint(dst, uint64(srid), 10), '}'), nil
}

// coordinate reads a coordinate of WKB, whose first byte says the order of bytes.
func coordinate(wkb []byte, at int) float64 {
	if wkb[0] == 0 {
		return math.Float64frombits(binary.BigEndian.Uint64(wkb[at:]))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(wkb[at:]))
}

func (c *jsonColumn) appendVector(dst, p []byte) ([]byte, error) {
	if len(p)%4 != 0 {
		return dst, fmt.Errorf("column %s: a vector of %d bytes is no row of 4-byte floats", c.name, len(p))
	}
	if c.text {
		dst = append(dst, '"')
	}
	dst = append(dst, '[')
	for chunk := range slices.Chunk(p, 4) {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(chunk)))
		if c.text && (math.IsNaN(f) || math.IsInf(f, 0)) {
			dst = append(dst, notNumber(f)...)
		} else {
			dst = appendFloat(dst, f, 32)
		}
	}
	dst = append(dst, ']')
	if c.text {
		dst = append(dst, '"')
	}
	return dst, nil
}
