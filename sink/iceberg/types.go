package iceberg

import (
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/cdcsync/cdcsync/schema"
)

// A form is how a column's values go from package row into an Arrow array.
type form uint8

const (
	formWords       form = iota // 8 bytes each, taken as they are: long, double, timestamp
	formInt32                   // the low half of the word: int, date
	formFloat32                 // the low half of the word
	formFloatWide               // the low half of the word, as a double
	formBool                    // one bit
	formBits                    // a word as 8 bytes, big-endian
	formDecimalWord             // a signed word as 16 bytes
	formDecimalUint             // an unsigned word as 16 bytes
	formDecimalWide             // 16 bytes, taken as they are
	formDecimalText             // 32 bytes, spelled in digits
	formBytes                   // string and binary, taken as they are
	formUUID                    // 16 bytes, taken as they are
	formUUIDText                // 16 bytes, spelled in hex
)

// A mapping is what one source type becomes.
type mapping struct {
	Type iceberg.Type
	form form
}

// mapType returns the Iceberg type of a source column. Keys differ: readers fail on equality deletes by uuid, and miss
// those by a long in files where the key is still an int, so integer keys are long from the start.
func mapType(t schema.Type, key bool) (mapping, error) {
	p := iceberg.PrimitiveTypes
	switch t.Kind {
	case schema.Int, schema.Uint, schema.Year:
		if key && t.Bits <= 32 && t.Kind != schema.Year {
			return mapping{p.Int64, formWords}, nil
		}
		return mapInteger(t), nil
	case schema.Float:
		if key {
			return mapping{}, fmt.Errorf("%s cannot be a key: Iceberg deletes no rows by floating-point columns; give the table a key of another type", t)
		}
		if t.Bits == 32 {
			return mapping{p.Float32, formFloat32}, nil
		}
		return mapping{p.Float64, formWords}, nil
	case schema.Bit:
		switch {
		case t.Bits == 1:
			return mapping{p.Bool, formBool}, nil
		case t.Bits < 64:
			return mapping{p.Int64, formWords}, nil
		}
		return mapping{p.Binary, formBits}, nil
	case schema.Date:
		return mapping{p.Date, formInt32}, nil
	case schema.Time: // MySQL's goes to 838 hours, more than Iceberg's time holds
		return mapping{p.Int64, formWords}, nil
	case schema.Datetime:
		return mapping{p.Timestamp, formWords}, nil
	case schema.Timestamp:
		return mapping{p.TimestampTz, formWords}, nil
	case schema.Decimal:
		return mapDecimal(t), nil
	case schema.String, schema.Enum, schema.Set, schema.JSON:
		return mapping{p.String, formBytes}, nil
	case schema.Binary, schema.Geometry, schema.Vector:
		return mapping{p.Binary, formBytes}, nil
	case schema.UUID:
		if key {
			return mapping{p.String, formUUIDText}, nil
		}
		return mapping{p.UUID, formUUID}, nil
	}
	return mapping{}, fmt.Errorf("%s has no Iceberg type", t)
}

func mapInteger(t schema.Type) mapping {
	p := iceberg.PrimitiveTypes
	switch {
	case t.Kind == schema.Year || t.Bits < 32 || t.Kind == schema.Int && t.Bits == 32:
		return mapping{p.Int32, formInt32}
	case t.Kind == schema.Uint && t.Bits == 64:
		return mapping{iceberg.DecimalTypeOf(20, 0), formDecimalUint}
	}
	return mapping{p.Int64, formWords}
}

func mapDecimal(t schema.Type) mapping {
	switch {
	case t.Precision > 38:
		return mapping{iceberg.PrimitiveTypes.String, formDecimalText}
	case t.Fixed():
		return mapping{iceberg.DecimalTypeOf(int(t.Precision), int(t.Scale)), formDecimalWord}
	}
	return mapping{iceberg.DecimalTypeOf(int(t.Precision), int(t.Scale)), formDecimalWide}
}

// A target is what a source column should be in the Iceberg table.
type target struct {
	name     string
	required bool
	mapping
}

// targets returns what the columns of a table should be.
func targets(t *schema.Table) ([]target, error) {
	ts := make([]target, len(t.Columns))
	for i, c := range t.Columns {
		key := slices.Contains(t.Key, i)
		m, err := mapType(c.Type, key)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		ts[i] = target{name: c.Name, required: key, mapping: m}
	}
	return ts, nil
}

// A Column is a column of an Iceberg table, for people.
type Column struct{ Name, Type string }

// Plan returns the columns that the sink's table for t will have.
func (s *Sink) Plan(t *schema.Table) ([]Column, error) {
	ts, err := targets(t)
	if err != nil {
		return nil, &schema.TableError{Table: t.Name, Err: err}
	}
	cols := make([]Column, len(ts))
	for i, c := range ts {
		cols[i] = Column{c.name, c.Type.String()}
		if c.required {
			cols[i].Type += " required"
		}
	}
	return cols, nil
}

// promotes says that Iceberg reads files of the old type as the new one.
func promotes(from, to iceberg.Type) bool {
	switch f := from.(type) {
	case iceberg.Int32Type:
		_, ok := to.(iceberg.Int64Type)
		return ok
	case iceberg.Float32Type:
		_, ok := to.(iceberg.Float64Type)
		return ok
	case iceberg.DecimalType:
		d, ok := to.(iceberg.DecimalType)
		return ok && d.Scale() == f.Scale() && d.Precision() >= f.Precision()
	}
	return false
}
