package format

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// millisDigits are the digits of a second that milliseconds have.
const millisDigits = 3

// checkKey refuses key columns of which two values would look the same: compaction would lose one of their rows.
func (c *DebeziumConfig) checkKey(col *schema.Column) error {
	timed := col.Type.Kind == schema.Time || col.Type.Kind == schema.Datetime
	if timed && col.Type.Precision > millisDigits && c.TimeMode == TimeConnect {
		return fmt.Errorf("column %s: a key of type %s has microseconds, which time.precision.mode=connect cuts off: set another mode", col.Name, col.Native)
	}
	return nil
}

// column resolves how Debezium writes a column: its schema, and how its values are spelled.
func (c *DebeziumConfig) column(t *schema.Table, i int) (connectSchema, jsonColumn, error) {
	col := &t.Columns[i]
	d := jsonColumn{label: "," + quote(col.Name) + ":", name: col.Name, index: i, scale: int(col.Type.Scale), digits: uint8(col.Type.Precision)}
	s := c.resolve(col, &d)
	if d.op == 0 {
		return s, d, fmt.Errorf("column %s: Debezium's records have no form for %v (%s)", col.Name, col.Type, col.Native)
	}
	s.optional = col.Nullable
	return s, d, nil
}

func (c *DebeziumConfig) resolve(col *schema.Column, d *jsonColumn) connectSchema {
	switch col.Type.Kind {
	case schema.Int, schema.Uint, schema.Float, schema.Year, schema.Bit:
		return c.number(col, d)
	case schema.Date, schema.Time, schema.Datetime, schema.Timestamp:
		return c.temporal(col.Type, d)
	case schema.Decimal:
		return c.decimal(col.Type, d)
	case schema.Binary:
		return c.binary(d)
	default:
		return c.other(col, d)
	}
}

// number resolves integers, floats and bits. Signed TINYINT is an int16, as in Debezium up to 3.6.
func (c *DebeziumConfig) number(col *schema.Column, d *jsonColumn) connectSchema {
	switch t := col.Type; t.Kind {
	case schema.Int, schema.Year:
		d.op = opInt
		if t.Kind == schema.Year {
			return semantic("int32", "io.debezium.time.Year")
		}
		return required(map[uint8]string{8: "int16", 16: "int16", 24: "int32", 32: "int32", 64: "int64"}[t.Bits])
	case schema.Uint:
		if t.Bits == 64 && c.BigintUnsignedMode == BigintUnsignedPrecise {
			d.op, d.text = opUnscaledUint, true
			return precise(20, 0)
		}
		d.op = opInt
		return required(map[uint8]string{8: "int16", 16: "int32", 24: "int32", 32: "int64", 64: "int64"}[t.Bits])
	case schema.Float:
		d.op = opFloat64
		if t.Bits == 32 {
			d.op = opFloat32
		}
		// FLOAT(M,D) is a double to Debezium, though it is stored in four bytes.
		if t.Bits == 32 && len(nativeOf(col).args) < 2 {
			return required("float")
		}
		return required("double")
	case schema.Bit:
		if t.Bits == 1 {
			d.op = opBool
			return required("boolean")
		}
		d.op, d.text, d.size = opBits, true, int(t.Bits+7)/8
		return semantic("bytes", "io.debezium.data.Bits", parameter{"length", strconv.Itoa(int(t.Bits))})
	}
	return connectSchema{}
}

// precise is the schema of a decimal's unscaled bytes.
func precise(precision, scale int) connectSchema {
	return semantic("bytes", "org.apache.kafka.connect.data.Decimal",
		parameter{"scale", strconv.Itoa(scale)}, parameter{"connect.decimal.precision", strconv.Itoa(precision)})
}

// decimal resolves a decimal. As a double it keeps all its digits in JSON: who reads them rounds.
func (c *DebeziumConfig) decimal(t schema.Type, d *jsonColumn) connectSchema {
	d.op = opDecimal
	if !t.Fixed() {
		d.op = opWideDecimal
	}
	switch c.DecimalMode {
	case DecimalDouble:
		return required("double")
	case DecimalString:
		d.text = true
		return required("string")
	default:
		d.op, d.text = opUnscaled, true
		if !t.Fixed() {
			d.op = opUnscaledWide
		}
		return precise(int(t.Precision), int(t.Scale))
	}
}

// temporal resolves dates and times. An instant is a text whatever the mode, with all digits of its column.
func (c *DebeziumConfig) temporal(t schema.Type, d *jsonColumn) connectSchema {
	switch {
	case t.Kind == schema.Timestamp:
		d.op, d.text, d.zone = opISOInstant, true, "Z"
		return semantic("string", "io.debezium.time.ZonedTimestamp")
	case c.TimeMode == TimeISO:
		return isoTemporal(t, d)
	case t.Kind == schema.Date:
		d.op = opInt
		if c.TimeMode == TimeConnect {
			return semantic("int32", "org.apache.kafka.connect.data.Date")
		}
		return semantic("int32", "io.debezium.time.Date")
	case t.Kind == schema.Time:
		return c.timeOfDay(d)
	}
	return c.datetime(t, d)
}

// timeOfDay resolves TIME, which is a duration to MySQL.
func (c *DebeziumConfig) timeOfDay(d *jsonColumn) connectSchema {
	switch c.TimeMode {
	case TimeConnect:
		d.op = opMillisOfDay
		return semantic("int32", "org.apache.kafka.connect.data.Time")
	case TimeNanoseconds:
		d.op = opNanos
		return semantic("int64", "io.debezium.time.NanoTime")
	default:
		d.op = opInt
		return semantic("int64", "io.debezium.time.MicroTime")
	}
}

func (c *DebeziumConfig) datetime(t schema.Type, d *jsonColumn) connectSchema {
	switch {
	case c.TimeMode == TimeConnect:
		d.op = opMillis
		return semantic("int64", "org.apache.kafka.connect.data.Timestamp")
	case c.TimeMode == TimeNanoseconds:
		d.op = opNanos
		return semantic("int64", "io.debezium.time.NanoTimestamp")
	case c.TimeMode == TimeAdaptive && t.Precision <= millisDigits:
		d.op = opMillis
		return semantic("int64", "io.debezium.time.Timestamp")
	}
	d.op = opInt
	return semantic("int64", "io.debezium.time.MicroTimestamp")
}

// isoTemporal resolves texts, all of them marked as UTC, with as many digits of seconds as it takes.
func isoTemporal(t schema.Type, d *jsonColumn) connectSchema {
	d.text, d.zone, d.digits = true, "Z", allDigits
	switch t.Kind {
	case schema.Date:
		d.op = opDate
		return semantic("string", "io.debezium.time.IsoDate")
	case schema.Time:
		d.op = opClockOfDay
		return semantic("string", "io.debezium.time.IsoTime")
	}
	d.op = opISOInstant
	return semantic("string", "io.debezium.time.IsoTimestamp")
}

func (c *DebeziumConfig) binary(d *jsonColumn) connectSchema {
	d.op = binaryOp(c.BinaryMode)
	if c.BinaryMode == BinaryBytes {
		return required("bytes")
	}
	return required("string")
}

// binaryOp is how bytes are spelled in JSON.
func binaryOp(m BinaryMode) jsonOp {
	switch m {
	case BinaryHex:
		return opHex
	case BinaryBase64URLSafe:
		return opBase64URL
	case BinaryBytes, BinaryBase64:
		return opBase64
	}
	return opLatin1
}

// other resolves texts and what is made of several parts.
func (c *DebeziumConfig) other(col *schema.Column, d *jsonColumn) connectSchema {
	d.op = opString
	switch col.Type.Kind {
	case schema.String:
		return required("string")
	case schema.Enum:
		return semantic("string", "io.debezium.data.Enum", allowed(col.Labels))
	case schema.Set:
		return semantic("string", "io.debezium.data.EnumSet", allowed(col.Labels))
	case schema.JSON:
		return semantic("string", "io.debezium.data.Json")
	case schema.UUID:
		d.op = opUUID
		return semantic("string", "io.debezium.data.Uuid")
	case schema.Geometry:
		return geometry(col, d)
	case schema.Vector:
		d.op = opVector
		s := array(required("float"))
		s.name, s.version = "io.debezium.data.FloatVector", 1
		return s
	}
	d.op = 0
	return connectSchema{}
}

// allowed lists the labels of an enum or set; a comma within one is escaped.
func allowed(labels []string) parameter {
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	list := make([]string, len(labels))
	for i, l := range labels {
		list[i] = escape.Replace(l)
	}
	return parameter{"allowed", strings.Join(list, ",")}
}

func geometry(col *schema.Column, d *jsonColumn) connectSchema {
	shape := []connectField{{"wkb", required("bytes")}, {"srid", optional("int32")}}
	if nativeOf(col).base != "point" {
		d.op = opGeometry
		s := structOf("io.debezium.data.geometry.Geometry", 1, shape...)
		s.doc = "Geometry"
		return s
	}
	d.op = opPoint
	shape[0].schema.optional = true
	s := structOf("io.debezium.data.geometry.Point", 1, append([]connectField{{"x", required("double")}, {"y", required("double")}}, shape...)...)
	s.doc = "Geometry (POINT)"
	return s
}
