package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/cdcsync/cdcsync/schema/row"
)

// A binaryColumn is how the values of one column become Avro or Protobuf, resolved once for a version of a table.
type binaryColumn struct {
	jsonColumn // says what a value means, and spells those that are texts
	form       form
	optional   bool
	tag        uint64 // Protobuf: the field's number and type
	tail       []byte // Protobuf: what follows the bytes of a decimal
}

// A form is what a value is on the wire.
type form uint8

const (
	formInt form = iota + 1
	formBool
	formFloat
	formDouble
	formBytes    // the value's own bytes
	formMade     // texts or bytes that are made of the value
	formUnscaled // the bytes of a decimal
	formVector
	formGeometry
	formPoint
)

// formOf resolves the form of a column by the schema that Debezium gives it.
func formOf(s *connectSchema, d *jsonColumn) form {
	switch s.kind {
	case "int16", "int32", "int64":
		return formInt
	case "boolean":
		return formBool
	case "float":
		return formFloat
	case "double":
		return formDouble
	case "array":
		return formVector
	}
	switch d.op {
	case opPoint:
		return formPoint
	case opGeometry:
		return formGeometry
	case opUnscaled, opUnscaledUint, opUnscaledWide:
		return formUnscaled
	case opString:
		return formBytes
	case opBase64:
		if s.kind == "bytes" {
			return formBytes
		}
		return formMade
	default:
		return formMade
	}
}

// integer is a value of formInt. Values that the schema cannot hold are refused as in JSON.
func (c *binaryColumn) integer(w uint64) (int64, error) {
	n := int64(w)
	switch c.op {
	case opMillis:
		return floorDiv(n, 1000), nil
	case opNanos:
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			break
		}
		return n * 1000, nil
	case opMillisOfDay:
		if n < 0 || n >= day {
			break
		}
		return n / 1000, nil
	default:
		return n, nil
	}
	_, err := c.appendTime(nil, n)
	return 0, err
}

// double is a value of formDouble: what its digits mean, to the nearest double.
func (c *binaryColumn) double(v *row.Vector, i int) float64 {
	var buf [80]byte
	digits := buf[:0]
	switch c.op {
	case opFloat64:
		return math.Float64frombits(v.Words[i])
	case opFloat32:
		digits = strconv.AppendFloat(digits, float64(math.Float32frombits(uint32(v.Words[i]))), 'g', -1, 32)
	case opDecimal:
		digits = appendDecimal(digits, int64(v.Words[i]), c.scale)
	default:
		digits = appendWideDecimal(digits, v.Value(i), c.scale)
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(digits), len(digits)), 64) // it keeps no part of its text
	if err != nil {
		panic(fmt.Sprintf("format: column %s: no digits: %v", c.name, err)) // they were made above
	}
	return f
}

// appendMade appends a value of formMade, without its length.
func (c *binaryColumn) appendMade(dst []byte, v *row.Vector, i int) ([]byte, error) {
	if v.Offsets != nil {
		return c.appendASCII(dst, v.Value(i)), nil
	}
	if c.op == opBits {
		var buf [8]byte
		binary.LittleEndian.PutUint64(buf[:], v.Words[i])
		return append(dst, buf[:c.size]...), nil
	}
	dst, err := c.appendWord(dst, v.Words[i])
	return append(dst, c.zone...), err
}

// unscaled returns the bytes of a decimal, big-endian, as few as hold it. They are in buf.
func (c *binaryColumn) unscaled(buf *[maxWide]byte, v *row.Vector, i int) []byte {
	switch c.op {
	case opUnscaled:
		binary.BigEndian.PutUint64(buf[:], v.Words[i])
		return trimSign(buf[:8])
	case opUnscaledUint:
		buf[0] = 0
		binary.BigEndian.PutUint64(buf[1:], v.Words[i])
		return trimSign(buf[:9])
	default:
		p := v.Value(i)
		for k, b := range p {
			buf[len(p)-1-k] = b
		}
		return trimSign(buf[:len(p)])
	}
}

// A shape is a geometry taken apart.
type shape struct {
	wkb  []byte
	srid uint32
	x, y float64 // of a point
}

func (c *binaryColumn) shape(p []byte) (shape, error) {
	if len(p) < 4 || c.form == formPoint && len(p) != 4+wkbPoint {
		_, err := c.appendGeometry(nil, p)
		return shape{}, err
	}
	s := shape{wkb: p[4:], srid: binary.LittleEndian.Uint32(p)}
	if c.form == formPoint {
		s.x, s.y = coordinate(s.wkb, 5), coordinate(s.wkb, 13)
	}
	return s, nil
}

// floats checks that a vector's bytes are whole floats.
func (c *binaryColumn) floats(p []byte) ([]byte, error) {
	if len(p)%4 != 0 {
		_, err := c.appendVector(nil, p)
		return nil, err
	}
	return p, nil
}

// lack says why a value that is not there cannot be null, if it cannot.
func (c *binaryColumn) lack(v *row.Vector, i int, allowed gaps) error {
	switch {
	case allowed == noNull:
		return fmt.Errorf("key column %s is NULL or was not logged: a record without its whole key would not be found again; "+
			"set binlog_row_image=FULL, or choose other key columns", c.name)
	case v.IsAbsent(i) && allowed == noAbsent:
		return errNotLogged(c.name)
	case !c.optional:
		return fmt.Errorf("column %s is NULL, which its definition does not allow", c.name)
	}
	return nil
}

// sealVarint puts n, the length of what stands from at+1 on, into the byte left for it at at, and makes room if it takes
// more.
func sealVarint(dst []byte, at int, n uint64) []byte {
	if n < 0x80 {
		dst[at] = byte(n)
		return dst
	}
	var buf [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(buf[:], n)
	dst = append(dst, buf[1:size]...)
	copy(dst[at+size:], dst[at+1:])
	copy(dst[at:], buf[:size])
	return dst
}
