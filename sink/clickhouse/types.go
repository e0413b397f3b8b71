package clickhouse

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A form is how a column's values go from package row into a block.
type form uint8

const (
	formWord     form = iota // the low bytes of the word, as many as the type is wide
	formDays                 // days since 1970, in the range of Date32
	formTicks                // microseconds as DateTime64's ticks, in its range
	formDuration             // microseconds as Time64's ticks
	formDateText             // days, spelled
	formInstant              // microseconds since 1970, spelled
	formTimeText             // microseconds, spelled as a TIME
	formFixed                // bytes of one width, taken as they are
	formUUID                 // 16 bytes, each half turned round
	formText                 // bytes, led by their length
	formJSON                 // the same; NULL is an object without members
	formShape                // the same, without the SRID in front
	formIPv4                 // a text, as 4 bytes little-endian
	formIPv6                 // a text, as 16 bytes
	formVector               // 4-byte numbers, as an array
	formLabels               // a text, cut at its commas into an array
)

// A columnType says what one column of the source is in ClickHouse.
type columnType struct {
	index    int // in the source's table
	name     string
	source   schema.Type
	key      bool
	nullable bool   // Nullable in ClickHouse
	optional bool   // it may be NULL at the source
	lenient  bool   // dates out of range become NULL
	wide     bool   // the server holds all years from 0 to 9999
	text     string // the type, as system.columns spells it
	wire     string // the type in a block: what the server turns into text without loss
	width    int    // of a value in a block, in bytes; 0 when it varies
	form     form
	comment  string
}

// typeOf returns what a column of the source becomes. The error says why it cannot.
func typeOf(c schema.Column, key bool, cfg *Config) (columnType, error) {
	m, err := mapType(c, cfg)
	if err != nil {
		return m, err
	}
	m.name, m.source, m.key, m.comment = c.Name, c.Type, key, comment(c)
	m.optional, m.lenient = c.Nullable && !key, cfg.Dates == NullDate
	m.wide = m.form == formDays && cfg.server.days || m.form == formTicks && cfg.server.instants
	m.nullable = m.optional && m.form != formVector || m.dates() && !key && cfg.Dates != StopTable
	if m.nullable && m.form == formLabels { // an array cannot be NULL
		m.form, m.text, m.wire = formText, "String", "String"
	}
	if m.nullable {
		m.text, m.wire = nullable(m.text), nullable(m.wire)
	}
	return m, nil
}

// dates says that values may be out of ClickHouse's range, or NULL for being no date at all.
func (m *columnType) dates() bool {
	switch m.form {
	case formDays, formTicks, formDateText, formInstant:
		return true
	default:
		return false
	}
}

// nullable puts Nullable where it belongs in a type.
func nullable(text string) string {
	if inner, ok := strings.CutPrefix(text, "LowCardinality("); ok {
		return "LowCardinality(Nullable(" + inner + ")"
	}
	return "Nullable(" + text + ")"
}

// comment is what the ClickHouse column says of its origin: the type in our words, by which Peek knows bytes from text,
// and in the source's.
func comment(c schema.Column) string {
	if c.Native == "" || c.Native == c.Type.String() {
		return c.Type.String()
	}
	native := c.Native
	if len(native) > longestNative { // an enum may have thousands of labels
		native = strings.ToValidUTF8(native[:longestNative], "") + "..."
	}
	return c.Type.String() + " " + native
}

// longestNative is how much of a type in the source's words a comment keeps.
const longestNative = 200

// same is a type that is in a block what it is in the table.
func same(f form, width int, text string) columnType {
	return columnType{form: f, width: width, text: text, wire: text}
}

// cast is a type that travels as a String.
func cast(f form, text string) columnType { return columnType{form: f, text: text, wire: "String"} }

func mapType(c schema.Column, cfg *Config) (columnType, error) {
	t := c.Type
	switch t.Kind {
	case schema.Int, schema.Uint, schema.Bit:
		return mapInteger(t), nil
	case schema.Float:
		return same(formWord, int(t.Bits)/8, fmt.Sprintf("Float%d", t.Bits)), nil
	case schema.Year:
		return same(formWord, 2, "UInt16"), nil
	case schema.Date, schema.Datetime, schema.Timestamp:
		return mapDate(t, cfg.Dates), nil
	case schema.Time:
		return mapTime(t, cfg.Time), nil
	case schema.Decimal:
		return mapDecimal(t)
	case schema.String:
		return mapString(c), nil
	case schema.Binary:
		return same(formText, 0, "String"), nil
	case schema.UUID:
		return same(formUUID, 16, "UUID"), nil
	case schema.Vector:
		return same(formVector, 0, "Array(Float32)"), nil
	}
	return mapLoose(t, cfg)
}

// mapLoose maps the kinds whose type is a matter of taste.
func mapLoose(t schema.Type, cfg *Config) (columnType, error) {
	text := same(formText, 0, "String")
	switch t.Kind {
	case schema.Enum:
		if cfg.Enum == EnumLowCardinality {
			return cast(formText, "LowCardinality(String)"), nil
		}
		return text, nil
	case schema.Set:
		if cfg.Set == SetArray {
			return columnType{form: formLabels, text: "Array(LowCardinality(String))", wire: "Array(String)"}, nil
		}
		return text, nil
	case schema.JSON:
		if cfg.JSON == JSONType {
			return cast(formJSON, "JSON"), nil
		}
		return text, nil
	case schema.Geometry:
		if cfg.Geometry == WKB {
			return same(formShape, 0, "String"), nil
		}
		return text, nil
	}
	return columnType{}, fmt.Errorf("%s has no ClickHouse type", t)
}

// mapInteger returns the narrowest integer that holds the type.
func mapInteger(t schema.Type) columnType {
	bits := 8
	for bits < int(t.Bits) {
		bits *= 2
	}
	name := "UInt"
	if t.Kind == schema.Int {
		name = "Int"
	}
	return same(formWord, bits/8, fmt.Sprintf("%s%d", name, bits))
}

func mapDate(t schema.Type, dates Dates) columnType {
	switch {
	case t.Kind == schema.Date && dates == StringDate:
		return same(formDateText, 0, "String")
	case t.Kind == schema.Date:
		return same(formDays, 4, "Date32")
	case dates == StringDate && t.Kind == schema.Datetime: // a TIMESTAMP is of 1970 or later
		return same(formInstant, 0, "String")
	}
	return same(formTicks, 8, fmt.Sprintf("DateTime64(%d, 'UTC')", t.Precision))
}

func mapTime(t schema.Type, mode TimeMode) columnType {
	switch mode {
	case TimeString:
		return same(formTimeText, 0, "String")
	case Time64:
		return same(formDuration, 8, fmt.Sprintf("Time64(%d)", t.Precision))
	default:
		return same(formWord, 8, "Int64")
	}
}

// mapDecimal keeps the digits. ClickHouse picks the width by them, as package row does from 19 digits on.
func mapDecimal(t schema.Type) (columnType, error) {
	text := fmt.Sprintf("Decimal(%d, %d)", t.Precision, t.Scale)
	switch {
	case t.Precision > 76:
		return columnType{}, fmt.Errorf("%s: ClickHouse has at most 76 digits", t)
	case t.Width() > 0:
		return same(formFixed, t.Width(), text), nil
	case t.Precision > 9:
		return same(formWord, 8, text), nil
	}
	return same(formWord, 4, text), nil
}

// mapString maps text, and MariaDB's addresses, which the source delivers as text.
func mapString(c schema.Column) columnType {
	switch strings.ToLower(c.Native) {
	case "inet4":
		return same(formIPv4, 4, "IPv4")
	case "inet6":
		return same(formIPv6, 16, "IPv6")
	}
	return same(formText, 0, "String")
}
