package format

import (
	"encoding/binary"
	"math"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/cdcsync/cdcsync/schema/row"
)

// NewAvro returns the format avro: what Debezium's connectors write through Confluent's AvroConverter, or the rows alone.
// Names are adjusted as Debezium does by schema.name.adjustment.mode and field.name.adjustment.mode avro.
//
// A column that is added later may be null in the schema, also if it is NOT NULL: records from before have no value. So
// adding and dropping columns is compatible with a subject of level BACKWARD, the registry's default.
func NewAvro(c AvroConfig) (Format, error) {
	return newBinary(c, sr.TypeAvro, avroDialect{flat: c.Envelope == EnvelopeFlat}, "avro.envelope")
}

// avroDialect is the dialect of Avro.
type avroDialect struct{ flat bool }

func (avroDialect) wire() wire    { return avroWire{} }
func (avroDialect) index() []byte { return nil }

func (a avroDialect) schema(part Part, t *binaryTable, history string) (string, []binaryColumn, error) {
	fields, cols := t.rows(part)
	if part == PartValues {
		relax(fields, cols, avroHistory(history, t.prefix+".Value"))
	}
	s := t.whole(part, fields)
	w := avroSchema{flat: a.flat, written: map[string]bool{}}
	return string(w.appendType(nil, &s)), cols, nil
}

// avroWire writes Avro: fields have no numbers, and what may be null is led by its place in a union.
type avroWire struct{}

// The places in ["null", X]; those in [X, "null"] are the other way round.
const (
	avroNull    = 0 << 1
	avroPresent = 1 << 1
)

func (avroWire) null(dst []byte) []byte { return append(dst, avroNull) }

func (avroWire) present(dst []byte, p presence) []byte {
	switch p {
	case mayNull:
		return append(dst, avroPresent)
	case hasDefault:
		return append(dst, avroNull)
	default:
		return dst
	}
}

func (w avroWire) long(dst []byte, _ int, p presence, n int64) []byte {
	return binary.AppendVarint(w.present(dst, p), n)
}

func (w avroWire) text(dst []byte, _ int, p presence, s []byte) []byte {
	return append(binary.AppendVarint(w.present(dst, p), int64(len(s))), s...)
}

func (w avroWire) group(dst []byte, _ int, p presence, head, middle, tail []byte) []byte {
	return append(append(append(w.present(dst, p), head...), middle...), tail...)
}

func (w avroWire) image(dst []byte, _ int, cols []binaryColumn, b *row.Batch, i int, allowed gaps) ([]byte, error) {
	return w.record(append(dst, avroPresent), cols, b, i, allowed)
}

func (avroWire) record(dst []byte, cols []binaryColumn, b *row.Batch, i int, allowed gaps) (_ []byte, err error) {
	for k := range cols {
		c := &cols[k]
		v := &b.Cols[c.index]
		if v.Null(i) || v.IsAbsent(i) {
			if err := c.lack(v, i, allowed); err != nil {
				return dst, err
			}
			dst = append(dst, avroNull)
			continue
		}
		if c.optional {
			dst = append(dst, avroPresent)
		}
		if dst, err = c.appendAvro(dst, v, i); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendAvro appends value i of v, which is neither NULL nor absent.
func (c *binaryColumn) appendAvro(dst []byte, v *row.Vector, i int) ([]byte, error) {
	switch c.form {
	case formInt:
		n, err := c.integer(v.Words[i])
		return binary.AppendVarint(dst, n), err
	case formBool:
		return append(dst, byte(v.Words[i])), nil
	case formFloat:
		return binary.LittleEndian.AppendUint32(dst, uint32(v.Words[i])), nil
	case formDouble:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.double(v, i))), nil
	case formBytes:
		p := v.Value(i)
		return append(binary.AppendVarint(dst, int64(len(p))), p...), nil
	case formUnscaled:
		var buf [maxWide]byte
		p := c.unscaled(&buf, v, i)
		return append(binary.AppendVarint(dst, int64(len(p))), p...), nil
	case formVector:
		return c.appendAvroVector(dst, v.Value(i))
	case formGeometry, formPoint:
		return c.appendAvroShape(dst, v.Value(i))
	default:
		at := len(dst)
		dst, err := c.appendMade(append(dst, 0), v, i)
		return sealVarint(dst, at, uint64(len(dst)-at-1)<<1), err // lengths are never negative: twice the length
	}
}

// appendAvroVector appends an array: one block of all its items, and the end.
func (c *binaryColumn) appendAvroVector(dst, p []byte) ([]byte, error) {
	p, err := c.floats(p)
	if len(p) > 0 {
		dst = append(binary.AppendVarint(dst, int64(len(p)/4)), p...)
	}
	return append(dst, 0), err
}

func (c *binaryColumn) appendAvroShape(dst, p []byte) ([]byte, error) {
	s, err := c.shape(p)
	if err != nil {
		return dst, err
	}
	if c.form == formPoint {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.x))
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.y))
		dst = append(dst, avroPresent)
	}
	dst = append(binary.AppendVarint(dst, int64(len(s.wkb))), s.wkb...)
	if s.srid == 0 {
		return append(dst, avroNull), nil
	}
	return binary.AppendVarint(append(dst, avroPresent), int64(int32(s.srid))), nil
}
