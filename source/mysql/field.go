package mysql

import (
	"strings"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/schema"
)

// newField returns how to decode a column of the table, of its key or not, that comes as the server says; false when that
// cannot be it.
func newField(c *schema.Column, key bool, from column) (field, bool) {
	switch c.Type.Kind {
	case schema.Int, schema.Uint, schema.Year:
		return integerField(c.Type, from)
	case schema.Float:
		if c.Type.Bits == 32 {
			return field{form: floatForm}, from.wire == typeFloat
		}
		return field{form: wordForm}, from.wire == typeDouble
	case schema.Bit:
		return field{form: bitForm}, from.wire == typeBit
	case schema.Date:
		return field{form: dateForm}, from.wire == typeDate
	case schema.Time:
		return field{form: timeForm}, from.wire == typeTime
	case schema.Datetime:
		return field{form: datetimeForm}, from.wire == typeDatetime
	case schema.Timestamp:
		return field{form: datetimeForm}, from.wire == typeTimestamp
	case schema.Decimal:
		form := decimalForm
		if !c.Type.Fixed() {
			form = wideDecimalForm
		}
		return field{form: form, scale: c.Type.Scale, width: c.Type.Width()}, from.wire == typeNewDecimal && uint16(from.decimals) == c.Type.Scale
	case schema.Enum:
		return labelField(enumForm, c, from)
	case schema.Set:
		return labelField(setForm, c, from)
	case schema.UUID:
		return field{form: uuidForm}, isBytes(from.wire)
	case schema.String:
		return textField(c, key, from)
	case schema.Binary, schema.JSON, schema.Geometry, schema.Vector:
		return field{form: bytesForm}, isBytes(from.wire)
	}
	return field{}, false
}

// textField decodes text. Columns without a character set are text of the server's own making, like INET6. In a key two
// codes of one character are two keys to the server: only one of them is taken.
func textField(c *schema.Column, key bool, from column) (field, bool) {
	name := c.Charset
	if name == "" {
		return field{form: bytesForm}, isBytes(from.wire)
	}
	if strings.HasPrefix(name, "utf8") {
		return field{form: utf8Form}, isBytes(from.wire)
	}
	find := charset.For
	if key {
		find = charset.ForKey
	}
	convert, ok := find(name)
	return field{form: textForm, text: convert}, ok && isBytes(from.wire)
}

// labelField decodes the number of labels. MariaDB makes it as short as the column needs.
func labelField(f form, c *schema.Column, from column) (field, bool) {
	return field{form: f, wide: from.wire == typeLonglong, labels: c.Labels}, from.wire == typeLonglong || from.wire == typeLong
}

// isBytes says that values of the type come with their length, as they are.
func isBytes(wire byte) bool {
	switch wire {
	case typeVarchar, typeVarString, typeString, typeJSON, typeGeometry, typeVector:
		return true
	}
	return wire >= typeTinyBlob && wire <= typeBlob
}

// integerForms has the form of each integer type, signed and unsigned, and its width.
var integerForms = map[byte]struct {
	signed, unsigned form
	bits             uint8
}{
	typeTiny:     {int8Form, uint8Form, 8},
	typeShort:    {int16Form, uint16Form, 16},
	typeYear:     {uint16Form, uint16Form, 0},
	typeInt24:    {int32Form, uint32Form, 24},
	typeLong:     {int32Form, uint32Form, 32},
	typeLonglong: {wordForm, wordForm, 64},
}

func integerField(t schema.Type, from column) (field, bool) {
	f, ok := integerForms[from.wire]
	switch {
	case !ok || f.bits != t.Bits:
		return field{}, false
	case t.Kind == schema.Year:
		return field{form: uint16Form}, true
	case from.unsigned != (t.Kind == schema.Uint):
		return field{}, false
	case from.unsigned:
		return field{form: f.unsigned}, true
	}
	return field{form: f.signed}, true
}
