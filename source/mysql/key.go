package mysql

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A Key is the values of the first columns of a table's key, as many as it has, separated by commas. Each begins with a
// letter that says what it is:
//
//	i-5   u42   signed and unsigned numbers; labels, bits and years by their number
//	f...  floating point: the bits in hexadecimal
//	t...  text that the server reads as the column's type: decimals, dates, times, UUIDs
//	x...  bytes of a string in the column's character set, in hexadecimal
//
// A Key of fewer values than the key has columns stands for all rows that begin so.

// appendKeyValue appends one value of a row of the binary protocol to a key, and returns the value's length there.
func appendKeyValue(key []byte, c *schema.Column, f *field, p []byte) ([]byte, int, error) {
	switch f.form {
	case enumForm, setForm:
		n, size, err := f.labelNumber(p)
		return strconv.AppendUint(append(key, 'u'), n, 10), size, err
	case wordForm:
		if len(p) < 8 {
			return nil, 0, errMalformed
		}
		return appendNumber(key, c, binary.LittleEndian.Uint64(p)), 8, nil
	case int8Form, uint8Form, int16Form, uint16Form, int32Form, uint32Form, floatForm:
		return appendSmall(key, c, f.form, p)
	default:
		return appendKeyBytes(key, c, f, p)
	}
}

// appendKeyBytes appends a value that comes with its length.
func appendKeyBytes(key []byte, c *schema.Column, f *field, p []byte) ([]byte, int, error) {
	value, end := bytesAt(p, 0)
	if end < 0 {
		return nil, 0, errMalformed
	}
	switch f.form {
	case bitForm:
		var n uint64
		for _, b := range value {
			n = n<<8 | uint64(b)
		}
		return strconv.AppendUint(append(key, 'u'), n, 10), end, nil
	case dateForm, datetimeForm:
		return append(append(key, 't'), dateText(value)...), end, nil
	case timeForm:
		return append(append(key, 't'), timeText(value)...), end, nil
	case decimalForm, wideDecimalForm, uuidForm:
		return append(append(key, 't'), value...), end, nil
	default:
	}
	if f.form == bytesForm && c.Type.Kind == schema.String { // INET6 and its like: the server reads its own text
		return append(append(key, 't'), value...), end, nil
	}
	return hex.AppendEncode(append(key, 'x'), value), end, nil
}

// appendNumber appends a number of 8 bytes.
func appendNumber(key []byte, c *schema.Column, n uint64) []byte {
	switch c.Type.Kind {
	case schema.Float:
		return strconv.AppendUint(append(key, 'f'), n, 16)
	case schema.Int:
		return strconv.AppendInt(append(key, 'i'), int64(n), 10)
	}
	return strconv.AppendUint(append(key, 'u'), n, 10)
}

// appendSmall appends a number of fewer bytes.
func appendSmall(key []byte, c *schema.Column, f form, p []byte) ([]byte, int, error) {
	size := map[form]int{int8Form: 1, uint8Form: 1, int16Form: 2, uint16Form: 2, int32Form: 4, uint32Form: 4, floatForm: 4}[f]
	if len(p) < size {
		return nil, 0, errMalformed
	}
	switch f {
	case floatForm:
		v := math.Float32frombits(binary.LittleEndian.Uint32(p))
		return strconv.AppendUint(append(key, 'f'), math.Float64bits(float64(v)), 16), size, nil
	case int8Form:
		return appendNumber(key, c, uint64(int64(int8(p[0])))), size, nil
	case int16Form:
		return appendNumber(key, c, uint64(int64(int16(binary.LittleEndian.Uint16(p))))), size, nil
	case int32Form:
		return appendNumber(key, c, uint64(int64(int32(binary.LittleEndian.Uint32(p))))), size, nil
	case uint8Form:
		return appendNumber(key, c, uint64(p[0])), size, nil
	case uint16Form:
		return appendNumber(key, c, uint64(binary.LittleEndian.Uint16(p))), size, nil
	default:
		return appendNumber(key, c, uint64(binary.LittleEndian.Uint32(p))), size, nil
	}
}

// dateText spells a date as the server reads it.
func dateText(p []byte) string {
	var year, month, day, hour, minute, second int
	var micros uint32
	if len(p) >= 4 {
		year, month, day = int(binary.LittleEndian.Uint16(p)), int(p[2]), int(p[3])
	}
	if len(p) >= 7 {
		hour, minute, second = int(p[4]), int(p[5]), int(p[6])
	}
	if len(p) >= 11 {
		micros = binary.LittleEndian.Uint32(p[7:])
	}
	return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", year, month, day, hour, minute, second, micros)
}

// timeText spells a TIME as the server reads it.
func timeText(p []byte) string {
	micros, err := parseTime(p)
	if err != nil {
		return ""
	}
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	seconds := micros / 1e6
	return fmt.Sprintf("%s%02d:%02d:%02d.%06d", sign, seconds/3600, seconds/60%60, seconds%60, micros%1e6)
}

// rowKey returns the key of a row of the binary protocol.
func (d *decoder) rowKey(t *schema.Table, p []byte) (source.Key, error) {
	parts := make([]string, len(t.Columns))
	at := 1 + d.nulls
	nulls := p[1:]
	var scratch []byte
	for i := range d.fields {
		if nulls[(i+2)>>3]&(1<<((i+2)&7)) != 0 {
			continue
		}
		if at > len(p) {
			return "", errMalformed
		}
		part, n, err := appendKeyValue(scratch[:0], &t.Columns[i], &d.fields[i], p[at:])
		if err != nil {
			return "", err
		}
		if d.fields[i].key {
			parts[i] = string(part)
		}
		scratch, at = part, at+n
	}
	var key strings.Builder
	for i, c := range t.Key {
		if parts[c] == "" {
			return "", fmt.Errorf("key column %s is NULL", t.Columns[c].Name)
		}
		if i > 0 {
			key.WriteByte(',')
		}
		key.WriteString(parts[c])
	}
	return source.Key(key.String()), nil
}

// keyParams reads a key as arguments of a statement, one for each value.
func keyParams(key source.Key) ([]param, error) {
	if key == "" {
		return nil, nil
	}
	parts := strings.Split(string(key), ",")
	params := make([]param, len(parts))
	for i, part := range parts {
		p, err := keyParam(part)
		if err != nil {
			return nil, fmt.Errorf("read key %q: %w", key, err)
		}
		params[i] = p
	}
	return params, nil
}

func keyParam(part string) (param, error) {
	if part == "" {
		return param{}, errValue
	}
	switch text := part[1:]; part[0] {
	case 'i':
		n, err := strconv.ParseInt(text, 10, 64)
		return param{wire: typeLonglong, number: uint64(n)}, err
	case 'u':
		n, err := strconv.ParseUint(text, 10, 64)
		return param{wire: typeLonglong, unsigned: true, number: n}, err
	case 'f':
		n, err := strconv.ParseUint(text, 16, 64)
		return param{wire: typeDouble, number: n}, err
	case 't':
		return param{wire: typeVarString, text: text}, nil
	case 'x':
		b, err := hex.DecodeString(text)
		return param{wire: typeBlob, text: string(b)}, err
	}
	return param{}, errValue
}
