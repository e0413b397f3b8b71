package format

import (
	"math"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cdcsync/cdcsync/schema/row"
)

// NewProtobuf returns the format protobuf: messages of Debezium's shape, or of the rows alone, in proto3. Each value has the
// type that Debezium gives it, told by a comment in the registered text; a precise decimal is a message of its own that
// has the fields of confluent.type.Decimal.
//
// All columns of a value are optional. They keep their field numbers for as long as the registry has an earlier version of
// the schema; the fields of dropped columns stay, as deprecated, and a column whose new type reads old records wrong gets a
// new field. So records stay readable whatever becomes of a table.
func NewProtobuf(c ProtobufConfig) (Format, error) {
	return newBinary(AvroConfig(c), sr.TypeProtobuf, protobufDialect{}, "protobuf.envelope")
}

// protobufDialect is the dialect of Protobuf.
type protobufDialect struct{}

func (protobufDialect) wire() wire { return protobufWire{} }

// index is Confluent's way to say that a record is of the first message of its file.
func (protobufDialect) index() []byte { return []byte{0} }

// protobufWire writes Protobuf. What may be null is left out when it is; what may not is left out when it is zero.
type protobufWire struct{}

func (protobufWire) null(dst []byte) []byte { return dst }

func (protobufWire) long(dst []byte, field int, p presence, n int64) []byte {
	if p == must && n == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, protowire.Number(field), protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(n))
}

func (protobufWire) text(dst []byte, field int, p presence, s []byte) []byte {
	if p == must && len(s) == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, protowire.Number(field), protowire.BytesType)
	return protowire.AppendBytes(dst, s)
}

func (protobufWire) group(dst []byte, field int, _ presence, head, middle, tail []byte) []byte {
	dst = protowire.AppendTag(dst, protowire.Number(field), protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(head)+len(middle)+len(tail)))
	return append(append(append(dst, head...), middle...), tail...)
}

func (w protobufWire) image(dst []byte, field int, cols []binaryColumn, b *row.Batch, i int, allowed gaps) ([]byte, error) {
	dst = protowire.AppendTag(dst, protowire.Number(field), protowire.BytesType)
	at := len(dst)
	dst, err := w.record(append(dst, 0), cols, b, i, allowed)
	return sealVarint(dst, at, uint64(len(dst)-at-1)), err
}

func (protobufWire) record(dst []byte, cols []binaryColumn, b *row.Batch, i int, allowed gaps) (_ []byte, err error) {
	for k := range cols {
		c := &cols[k]
		v := &b.Cols[c.index]
		if v.Null(i) || v.IsAbsent(i) {
			if err := c.lack(v, i, allowed); err != nil {
				return dst, err
			}
			continue
		}
		if dst, err = c.appendProtobuf(dst, v, i); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendProtobuf appends value i of v, which is neither NULL nor absent, with its tag.
func (c *binaryColumn) appendProtobuf(dst []byte, v *row.Vector, i int) ([]byte, error) {
	switch c.form {
	case formInt, formBool:
		n, err := c.integer(v.Words[i])
		if n == 0 && !c.optional {
			return dst, err
		}
		return protowire.AppendVarint(protowire.AppendVarint(dst, c.tag), uint64(n)), err
	case formFloat:
		return protowire.AppendFixed32(protowire.AppendVarint(dst, c.tag), uint32(v.Words[i])), nil
	case formDouble:
		return protowire.AppendFixed64(protowire.AppendVarint(dst, c.tag), math.Float64bits(c.double(v, i))), nil
	case formBytes:
		p := v.Value(i)
		if len(p) == 0 && !c.optional {
			return dst, nil
		}
		return protowire.AppendBytes(protowire.AppendVarint(dst, c.tag), p), nil
	default:
		dst = protowire.AppendVarint(dst, c.tag)
		at := len(dst)
		dst, err := c.appendInner(append(dst, 0), v, i)
		return sealVarint(dst, at, uint64(len(dst)-at-1)), err
	}
}

// Tags within the messages of values.
const (
	firstVarint  = 1<<3 | uint64(protowire.VarintType)
	firstFixed64 = 1<<3 | uint64(protowire.Fixed64Type)
	firstBytes   = 1<<3 | uint64(protowire.BytesType)
	nextField    = 1 << 3 // from one field to the next
)

// appendInner appends a value that is a message, or a text that is made, without its length.
func (c *binaryColumn) appendInner(dst []byte, v *row.Vector, i int) ([]byte, error) {
	switch c.form {
	case formUnscaled:
		var buf [maxWide]byte
		dst = protowire.AppendBytes(protowire.AppendVarint(dst, firstBytes), c.unscaled(&buf, v, i))
		return append(dst, c.tail...), nil
	case formVector:
		p, err := c.floats(v.Value(i))
		if len(p) > 0 {
			dst = protowire.AppendBytes(protowire.AppendVarint(dst, firstBytes), p)
		}
		return dst, err
	case formGeometry, formPoint:
		return c.appendProtobufShape(dst, v.Value(i))
	default:
		return c.appendMade(dst, v, i)
	}
}

func (c *binaryColumn) appendProtobufShape(dst, p []byte) ([]byte, error) {
	s, err := c.shape(p)
	if err != nil {
		return dst, err
	}
	wkb, srid := firstBytes, firstVarint+nextField
	if c.form == formPoint {
		dst = protowire.AppendFixed64(protowire.AppendVarint(dst, firstFixed64), math.Float64bits(s.x))
		dst = protowire.AppendFixed64(protowire.AppendVarint(dst, firstFixed64+nextField), math.Float64bits(s.y))
		wkb, srid = wkb+2*nextField, srid+2*nextField
	}
	dst = protowire.AppendBytes(protowire.AppendVarint(dst, wkb), s.wkb)
	if s.srid == 0 {
		return dst, nil
	}
	return protowire.AppendVarint(protowire.AppendVarint(dst, srid), uint64(int64(int32(s.srid)))), nil
}
