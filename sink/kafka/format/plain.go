package format

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// NewPlain returns the format json: each value is the row itself as an object, each key its key columns as an object. It
// has no place for the op: a delete is told by the tombstone alone, and AppendValue appends nothing for it, nor for a
// Truncate.
//
// Numbers, years and bits are numbers; dates and times are ISO 8601, with Z for an instant; decimals are strings; bytes are
// in base64; geometries are {"wkb":...,"srid":...}; vectors are lists; all else is a string.
func NewPlain(c PlainConfig) (Format, error) {
	if err := oneOf("decimal.handling.mode", &c.DecimalMode, DecimalString, DecimalDouble); err != nil {
		return nil, err
	}
	if err := oneOf("binary.handling.mode", &c.BinaryMode, BinaryBase64, BinaryBytes, BinaryBase64URLSafe, BinaryHex); err != nil {
		return nil, err
	}
	return &plain{c}, nil
}

var _ Format = (*plain)(nil)

type plain struct{ c PlainConfig }

// Encoder makes the encoder of a table.
func (f *plain) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	e := &plainEncoder{}
	for i := range t.Columns {
		c, err := f.c.column(t, i)
		if err != nil {
			return nil, err
		}
		e.columns = append(e.columns, c)
	}
	e.key = keyColumns(t, e.columns)
	return e, nil
}

// keyColumns picks the columns of the key, in key order.
func keyColumns(t *schema.Table, columns []jsonColumn) []jsonColumn {
	var key []jsonColumn
	for _, k := range t.Key {
		key = append(key, columns[k])
	}
	return key
}

// A plainEncoder writes the rows of one version of a table as they are.
type plainEncoder struct{ columns, key []jsonColumn }

// AppendKey appends the key's columns as an object.
func (e *plainEncoder) AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error) {
	if len(e.key) == 0 {
		return dst, nil
	}
	return appendObject(dst, e.key, b, i, noNull)
}

// AppendValue appends the row as it is after the change.
func (e *plainEncoder) AppendValue(dst []byte, c *Change) ([]byte, error) {
	if c.After < 0 {
		return dst, nil
	}
	return appendObject(dst, e.columns, c.Batch, c.After, noAbsent)
}

// column resolves how a column is spelled.
func (c *PlainConfig) column(t *schema.Table, i int) (jsonColumn, error) {
	col := &t.Columns[i]
	d := jsonColumn{label: "," + quote(col.Name) + ":", name: col.Name, index: i, scale: int(col.Type.Scale), digits: uint8(col.Type.Precision)}
	d.op = sqlOp(col.Type)
	switch col.Type.Kind {
	case schema.Date, schema.Time:
		d.text = true
	case schema.Datetime:
		d.op, d.text = opISOInstant, true
	case schema.Timestamp:
		d.op, d.text, d.zone = opISOInstant, true, "Z"
	case schema.Decimal:
		d.text = c.DecimalMode == DecimalString
	case schema.Binary:
		d.op = binaryOp(c.BinaryMode)
	default:
	}
	if d.op == 0 {
		return d, fmt.Errorf("column %s: JSON has no form for %v (%s)", col.Name, col.Type, col.Native)
	}
	return d, nil
}

// sqlOp is how the values of a type are spelled in SQL's manner, without quotes; 0 for types that are not known.
func sqlOp(t schema.Type) jsonOp {
	switch t.Kind {
	case schema.Int, schema.Year:
		return opInt
	case schema.Uint, schema.Bit:
		return opUint
	case schema.Float:
		if t.Bits == 32 {
			return opFloat32
		}
		return opFloat64
	case schema.Date:
		return opDate
	case schema.Time:
		return opClock
	case schema.Datetime, schema.Timestamp:
		return opInstant
	case schema.Decimal:
		if !t.Fixed() {
			return opWideDecimal
		}
		return opDecimal
	case schema.String, schema.Enum, schema.Set, schema.JSON:
		return opString
	case schema.Binary:
		return opLatin1
	case schema.UUID:
		return opUUID
	case schema.Geometry:
		return opGeometry
	case schema.Vector:
		return opVector
	case schema.Invalid:
	}
	return 0
}
