package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// Types of the binary protocol.
const (
	typeTiny       = 0x01
	typeShort      = 0x02
	typeLong       = 0x03
	typeFloat      = 0x04
	typeDouble     = 0x05
	typeTimestamp  = 0x07
	typeLonglong   = 0x08
	typeInt24      = 0x09
	typeDate       = 0x0a
	typeTime       = 0x0b
	typeDatetime   = 0x0c
	typeYear       = 0x0d
	typeVarchar    = 0x0f
	typeBit        = 0x10
	typeVector     = 0xf2
	typeJSON       = 0xf5
	typeNewDecimal = 0xf6
	typeEnum       = 0xf7
	typeSet        = 0xf8
	typeTinyBlob   = 0xf9
	typeBlob       = 0xfc
	typeVarString  = 0xfd
	typeString     = 0xfe
	typeGeometry   = 0xff
)

// A form is how one column's value lies in a row of the binary protocol, and what becomes of it.
type form uint8

const (
	int8Form form = iota + 1
	uint8Form
	int16Form
	uint16Form
	int32Form
	uint32Form
	wordForm // 8 bytes, as they are
	floatForm
	dateForm
	timeForm
	datetimeForm
	decimalForm     // text to a word
	wideDecimalForm // text to 16 or 32 bytes
	bitForm
	bytesForm // as they are
	utf8Form  // checked only
	textForm  // through a character set
	enumForm  // a number to a label
	setForm   // a number to labels
	uuidForm
)

// A field is how to decode one column.
type field struct {
	form   form
	scale  uint16
	width  int  // of a wide decimal
	wide   bool // the number of labels has 8 bytes, not 4
	key    bool // part of the table's key
	text   charset.Append
	labels []string
}

// A decoder turns rows of the binary protocol into columns of a batch. Nothing is allocated for a row but the growth of
// the batch.
type decoder struct {
	fields []field
	nulls  int // bytes of the row's NULL bitmap
}

// A decodeError is a value that cannot be what its column says.
type decodeError struct {
	column int
	err    error
}

func (e *decodeError) Error() string { return fmt.Sprintf("column %d: %v", e.column, e.err) }
func (e *decodeError) Unwrap() error { return e.err }

// errZeroKey says that a key has no value that can be told from others.
var errZeroKey = errors.New("a key column has a zero or partial date, which has no value outside MySQL: mend the row, or exclude the table")

var errValue = errors.New("value is not of the column's type")

// row appends one row to b. After an error the batch is ragged, and of no use.
func (d *decoder) row(b *row.Batch, p []byte) error {
	if len(p) < 1+d.nulls || p[0] != headerOK {
		return errMalformed
	}
	nulls, at := p[1:1+d.nulls], 1+d.nulls
	for i := range d.fields {
		v := &b.Cols[i]
		if nulls[(i+2)>>3]&(1<<((i+2)&7)) != 0 {
			v.AppendNull()
			continue
		}
		n, err := d.fields[i].value(v, p[at:])
		if err != nil {
			return &decodeError{i, err}
		}
		at += n
	}
	if at != len(p) {
		return errMalformed
	}
	b.Append(row.Insert, 0, 0)
	return nil
}

// value appends the value at the start of p and returns its length there.
func (f *field) value(v *row.Vector, p []byte) (int, error) {
	if f.form <= floatForm {
		return f.number(v, p)
	}
	if f.form == enumForm || f.form == setForm {
		return f.label(v, p)
	}
	if len(p) == 0 {
		return 0, errMalformed
	}
	n, from := int(p[0]), 1
	if n >= 0xfb {
		long, size := lenenc(p)
		if size == 0 || long > uint64(len(p)-size) {
			return 0, errMalformed
		}
		n, from = int(long), size
	}
	end := from + n
	if end > len(p) {
		return 0, errMalformed
	}
	return end, f.bytes(v, p[from:end])
}

// number appends a value of fixed length.
func (f *field) number(v *row.Vector, p []byte) (int, error) {
	switch f.form {
	case wordForm:
		if len(p) >= 8 {
			v.AppendWord(binary.LittleEndian.Uint64(p))
			return 8, nil
		}
	case int32Form:
		if len(p) >= 4 {
			v.AppendWord(uint64(int64(int32(binary.LittleEndian.Uint32(p)))))
			return 4, nil
		}
	case uint32Form, floatForm:
		if len(p) >= 4 {
			v.AppendWord(uint64(binary.LittleEndian.Uint32(p)))
			return 4, nil
		}
	case int16Form:
		if len(p) >= 2 {
			v.AppendWord(uint64(int64(int16(binary.LittleEndian.Uint16(p)))))
			return 2, nil
		}
	case uint16Form:
		if len(p) >= 2 {
			v.AppendWord(uint64(binary.LittleEndian.Uint16(p)))
			return 2, nil
		}
	case int8Form:
		if len(p) >= 1 {
			v.AppendWord(uint64(int64(int8(p[0]))))
			return 1, nil
		}
	case uint8Form:
		if len(p) >= 1 {
			v.AppendWord(uint64(p[0]))
			return 1, nil
		}
	default:
		return 0, errValue
	}
	return 0, errMalformed
}

// bytes appends a value that comes with its length.
func (f *field) bytes(v *row.Vector, p []byte) error {
	switch f.form {
	case bytesForm:
		v.AppendBytes(p)
		return nil
	case utf8Form:
		if !utf8.Valid(p) {
			return fmt.Errorf("%w: %d bytes are not UTF-8", charset.ErrInvalid, len(p))
		}
		v.AppendBytes(p)
		return nil
	case textForm:
		data, err := f.text(v.Data, p)
		if err != nil {
			return err
		}
		v.Data = data
		v.EndValue()
		return nil
	case datetimeForm, dateForm:
		return f.date(v, p)
	case decimalForm:
		return f.decimal(v, p)
	case wideDecimalForm:
		return f.wideDecimal(v, p)
	case timeForm:
		micros, err := parseTime(p)
		v.AppendWord(uint64(micros))
		return err
	case bitForm:
		if len(p) > 8 {
			return errValue
		}
		var word uint64
		for _, b := range p {
			word = word<<8 | uint64(b)
		}
		v.AppendWord(word)
		return nil
	case uuidForm:
		return appendUUID(v, p)
	default:
		return errValue
	}
}

// label appends the label, or the labels, of a number. The number 0 of an ENUM is MySQL's invalid value: no label.
func (f *field) label(v *row.Vector, p []byte) (int, error) {
	n, size, err := f.labelNumber(p)
	if err != nil {
		return 0, err
	}
	if f.form == enumForm {
		if n > uint64(len(f.labels)) {
			return 0, fmt.Errorf("%w: no label %d", source.ErrShape, n)
		}
		if n > 0 {
			v.Data = append(v.Data, f.labels[n-1]...)
		}
		v.EndValue()
		return size, nil
	}
	if len(f.labels) < 64 && n>>len(f.labels) != 0 {
		return 0, fmt.Errorf("%w: no labels %#x", source.ErrShape, n)
	}
	first := true
	for i := 0; n != 0; i, n = i+1, n>>1 {
		if n&1 == 0 {
			continue
		}
		if !first {
			v.Data = append(v.Data, ',')
		}
		v.Data = append(v.Data, f.labels[i]...)
		first = false
	}
	v.EndValue()
	return size, nil
}

// labelNumber reads the number of labels, of 8 bytes or 4.
func (f *field) labelNumber(p []byte) (n uint64, size int, err error) {
	switch {
	case f.wide && len(p) >= 8:
		return binary.LittleEndian.Uint64(p), 8, nil
	case !f.wide && len(p) >= 4:
		return uint64(binary.LittleEndian.Uint32(p)), 4, nil
	}
	return 0, 0, errMalformed
}

// date appends a DATE, DATETIME or TIMESTAMP. Zero and partial dates are NULL.
func (f *field) date(v *row.Vector, p []byte) error {
	if len(p) == 0 {
		return f.zeroDate(v)
	}
	if len(p) < 4 {
		return errMalformed
	}
	days, ok := binlog.Days(int(binary.LittleEndian.Uint16(p)), int(p[2]), int(p[3]))
	if !ok {
		return f.zeroDate(v)
	}
	if f.form == dateForm {
		v.AppendWord(uint64(days))
		return nil
	}
	var seconds, micros int64
	if len(p) >= 7 {
		seconds = int64(p[4])*3600 + int64(p[5])*60 + int64(p[6])
	}
	if len(p) >= 11 {
		micros = int64(binary.LittleEndian.Uint32(p[7:]))
	}
	v.AppendWord(uint64((days*86400+seconds)*1e6 + micros))
	return nil
}

// zeroDate appends a date that is none: NULL, which no key can be.
func (f *field) zeroDate(v *row.Vector) error {
	if f.key {
		return errZeroKey
	}
	v.AppendNull()
	return nil
}

// parseTime reads a TIME: sign, days, hours, minutes, seconds, microseconds.
func parseTime(p []byte) (int64, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(p) < 8 {
		return 0, errMalformed
	}
	hours := int64(binary.LittleEndian.Uint32(p[1:]))*24 + int64(p[5])
	micros := (hours*3600 + int64(p[6])*60 + int64(p[7])) * 1e6
	if len(p) >= 12 {
		micros += int64(binary.LittleEndian.Uint32(p[8:]))
	}
	if p[0] != 0 {
		micros = -micros
	}
	return micros, nil
}

// appendUUID appends the 16 bytes of a UUID that comes as text.
func appendUUID(v *row.Vector, p []byte) error {
	var id [16]byte
	n := 0
	for _, c := range p {
		var d byte
		switch {
		case c == '-':
			continue
		case c >= '0' && c <= '9':
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			return errValue
		}
		if n == 32 {
			return errValue
		}
		id[n>>1] = id[n>>1]<<4 | d
		n++
	}
	if n != 32 {
		return errValue
	}
	v.AppendBytes(id[:])
	return nil
}

// newDecoder returns the decoder of a table's rows as columns describe them; ErrShape when they are not the table's.
func newDecoder(t *schema.Table, columns []column) (*decoder, error) {
	if len(columns) != len(t.Columns) {
		return nil, fmt.Errorf("%w: %d columns come, not %d", source.ErrShape, len(columns), len(t.Columns))
	}
	d := &decoder{fields: make([]field, len(columns)), nulls: (len(columns) + 9) / 8}
	for i := range columns {
		f, ok := newField(&t.Columns[i], slices.Contains(t.Key, i), columns[i])
		if !ok {
			return nil, fmt.Errorf("%w: column %s comes as type %#x, it is known as %s", source.ErrShape, t.Columns[i].Name, columns[i].wire, t.Columns[i].Native)
		}
		d.fields[i] = f
	}
	for _, k := range t.Key {
		d.fields[k].key = true
	}
	return d, nil
}
