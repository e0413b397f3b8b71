package binlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A plan is how to decode the row images of one version of a table, resolved once from its shape and its table map.
type plan struct {
	table *schema.Table
	cols  []column
	packs bool // some columns are packed: rows take more memory than log
}

// A column is how to decode one column: flat, so that the loop over rows follows no pointer but that of the labels.
type column struct {
	op     op
	size   int            // bytes that the value surely has: all of a fixed one, the length prefix of another
	frac   uint8          // digits of a fraction of a second
	digits uint8          // Decimal: digits before the point
	scale  uint8          // Decimal: digits after it
	key    bool           // part of the key: may not become NULL by a zero date
	length int            // BINARY: what the value is padded to; Decimal: bytes of its wide form
	labels []string       // Enum, Set
	text   charset.Append // String, nil for UTF-8 and for bytes
	name   string
	bare   bool // JSON: numbers without a fraction are printed without one
	packed *packedColumn
}

// fractions is the version from which on MySQL prints the double 1 in JSON as 1.0.
const fractions = 80000

// An op is one way of decoding.
type op uint8

const (
	opInt8 op = iota + 1
	opInt16
	opInt24
	opInt32
	opWord64 // signed, unsigned and Float64
	opUint8
	opUint16
	opUint24
	opUint32 // and Float32
	opYear
	opBit
	opDate
	opTime
	opTime2
	opDatetime
	opDatetime2
	opTimestamp
	opTimestamp2
	opDecimal
	opWideDecimal
	opEnum
	opSet
	opBytes
	opPadded
	opUTF8
	opText
	opJSON
	opInet
	opPacked
)

// newPlan checks the table map against the shape and resolves how to decode. What the table map says of a column's
// character set goes before what the shape does.
func newPlan(t *schema.Table, m *tableMap, f *serverFacts) (*plan, error) {
	if len(m.types) != len(t.Columns) {
		return nil, fmt.Errorf("the log has %d columns, the known shape has %d (%s)", len(m.types), len(t.Columns), t)
	}
	p := &plan{table: t, cols: make([]column, len(t.Columns))}
	var unpacking *inflater // one for all columns
	n := counts{flavor: f.flavor, charsets: f.charsets}
	for i := range t.Columns {
		if err := n.check(m, i, &t.Columns[i]); err != nil {
			return nil, fmt.Errorf("column %d (%s): %w", i+1, t.Columns[i].Name, err)
		}
		p.cols[i].key = slices.Contains(t.Key, i)
		if err := p.cols[i].resolve(&t.Columns[i], m.types[i], m.metas[i], n.collation(m, i)); err != nil {
			return nil, fmt.Errorf("column %d (%s): %w", i+1, t.Columns[i].Name, err)
		}
		if isPacked(m.types[i]) {
			if unpacking == nil {
				unpacking = new(inflater)
			}
			p.cols[i].pack(unpacking)
			p.packs = true
		}
	}
	for _, k := range t.Key {
		if slices.Contains(t.Columns[k].Labels, "") {
			return nil, fmt.Errorf("column %d (%s) of the key has an empty label, as the server's invalid value is: two rows could look like one", k+1, t.Columns[k].Name)
		}
	}
	if f.flavor == MySQL && f.version < fractions {
		for i := range p.cols {
			p.cols[i].bare = true
		}
	}
	return p, nil
}

// unpacked is the memory of a batch, where the log does not tell it; else 0.
func (d *plan) unpacked(b *row.Batch) int {
	if !d.packs {
		return 0
	}
	return b.Bytes()
}

// counts numbers the columns as the optional metadata does: each kind of column by itself.
type counts struct {
	flavor                     Flavor
	charsets                   map[int]string
	numeric, text, enums, sets int
}

// check compares what the optional metadata says of a column, as far as it is there.
func (n *counts) check(m *tableMap, i int, c *schema.Column) error {
	if i < len(m.names) && !strings.EqualFold(m.names[i], c.Name) {
		return fmt.Errorf("the log calls it %q", m.names[i])
	}
	real, _ := realType(m.types[i], m.metas[i])
	switch {
	case isNumeric(real):
		if err := n.checkSign(m, c); err != nil {
			return err
		}
		n.numeric++
	case real == mysql.MYSQL_TYPE_ENUM:
		if n.enums < len(m.enums) && !sameLabels(m.enums[n.enums], c) {
			return fmt.Errorf("the log has the labels %q, the known shape %q", m.enums[n.enums], c.Labels)
		}
		n.enums++
	case real == mysql.MYSQL_TYPE_SET:
		if n.sets < len(m.sets) && !sameLabels(m.sets[n.sets], c) {
			return fmt.Errorf("the log has the labels %q, the known shape %q", m.sets[n.sets], c.Labels)
		}
		n.sets++
	}
	return nil
}

func (n *counts) checkSign(m *tableMap, c *schema.Column) error {
	if n.numeric/8 >= len(m.unsigned) {
		return nil
	}
	unsigned := m.unsigned[n.numeric/8]&(0x80>>(n.numeric%8)) != 0
	if unsigned && c.Type.Kind == schema.Int || !unsigned && c.Type.Kind == schema.Uint {
		return fmt.Errorf("the log says unsigned=%t, the known shape %v", unsigned, c.Type)
	}
	return nil
}

// collation returns the name of the character set that the log gives a column, empty if it gives none.
func (n *counts) collation(m *tableMap, i int) string {
	real, _ := realType(m.types[i], m.metas[i])
	if !isText(real, n.flavor) {
		return ""
	}
	n.text++
	return n.charsets[m.charset.of(n.text-1)]
}

// resolve finds the op for a column of a type of the log.
func (d *column) resolve(c *schema.Column, logged byte, meta uint16, set string) error {
	real, length := realType(logged, meta)
	*d = column{name: c.Name, labels: c.Labels, key: d.key}
	ok := false
	switch c.Type.Kind {
	case schema.Int, schema.Uint, schema.Float, schema.Year, schema.Bit:
		ok = d.number(c.Type, real, meta)
	case schema.Date, schema.Time, schema.Datetime, schema.Timestamp:
		ok = d.temporal(c.Type, real, meta)
	case schema.Decimal:
		ok = real == mysql.MYSQL_TYPE_NEWDECIMAL && meta == c.Type.Precision<<8|c.Type.Scale
		d.decimal(c.Type)
	case schema.Enum:
		ok = real == mysql.MYSQL_TYPE_ENUM && (length == 1 || length == 2)
		d.op, d.size = opEnum, length
	case schema.Set:
		ok = real == mysql.MYSQL_TYPE_SET && length >= 1 && length <= 8
		d.op, d.size = opSet, length
	default:
		var err error
		if ok, err = d.bytes(c, real, length, set); err != nil {
			return err
		}
	}
	if !ok {
		return fmt.Errorf("the log has %s, the known shape %v (%s)", nativeName(real, meta), c.Type, c.Native)
	}
	return nil
}

func (d *column) number(t schema.Type, real byte, meta uint16) bool {
	kind := t.Kind
	signed := kind == schema.Int
	integer := signed || kind == schema.Uint
	pick := func(a, b op, size int) bool {
		d.op, d.size = b, size
		if signed {
			d.op = a
		}
		return true
	}
	switch {
	case kind == schema.Bit && real == mysql.MYSQL_TYPE_BIT:
		bits := int(meta>>8)*8 + int(meta&0xff)
		d.op, d.size = opBit, (bits+7)/8
		return bits == int(t.Bits) && bits <= 64
	case kind == schema.Year && real == mysql.MYSQL_TYPE_YEAR:
		return pick(opYear, opYear, 1)
	case kind == schema.Float && t.Bits == 32 && real == mysql.MYSQL_TYPE_FLOAT:
		return pick(opUint32, opUint32, 4)
	case kind == schema.Float && t.Bits == 64 && real == mysql.MYSQL_TYPE_DOUBLE:
		return pick(opWord64, opWord64, 8)
	case integer && t.Bits == 8 && real == mysql.MYSQL_TYPE_TINY:
		return pick(opInt8, opUint8, 1)
	case integer && t.Bits == 16 && real == mysql.MYSQL_TYPE_SHORT:
		return pick(opInt16, opUint16, 2)
	case integer && t.Bits == 24 && real == mysql.MYSQL_TYPE_INT24:
		return pick(opInt24, opUint24, 3)
	case integer && t.Bits == 32 && real == mysql.MYSQL_TYPE_LONG:
		return pick(opInt32, opUint32, 4)
	case integer && t.Bits == 64 && real == mysql.MYSQL_TYPE_LONGLONG:
		return pick(opWord64, opWord64, 8)
	}
	return false
}

// temporal resolves dates and times. The forms of MySQL before 5.6 have no fractions and no metadata; tables made then
// keep them.
func (d *column) temporal(t schema.Type, real byte, meta uint16) bool {
	d.frac = uint8(t.Precision)
	fraction := (int(t.Precision) + 1) / 2
	fits := meta == t.Precision && t.Precision <= 6
	old := t.Precision == 0
	switch {
	case t.Kind == schema.Date && (real == mysql.MYSQL_TYPE_DATE || real == mysql.MYSQL_TYPE_NEWDATE):
		d.op, d.size = opDate, 3
		return true
	case t.Kind == schema.Time && real == mysql.MYSQL_TYPE_TIME2:
		d.op, d.size = opTime2, 3+fraction
		return fits
	case t.Kind == schema.Datetime && real == mysql.MYSQL_TYPE_DATETIME2:
		d.op, d.size = opDatetime2, 5+fraction
		return fits
	case t.Kind == schema.Timestamp && real == mysql.MYSQL_TYPE_TIMESTAMP2:
		d.op, d.size = opTimestamp2, 4+fraction
		return fits
	case t.Kind == schema.Time && real == mysql.MYSQL_TYPE_TIME:
		d.op, d.size = opTime, 3
		return old
	case t.Kind == schema.Datetime && real == mysql.MYSQL_TYPE_DATETIME:
		d.op, d.size = opDatetime, 8
		return old
	case t.Kind == schema.Timestamp && real == mysql.MYSQL_TYPE_TIMESTAMP:
		d.op, d.size = opTimestamp, 4
		return old
	}
	return false
}

func (d *column) decimal(t schema.Type) {
	d.digits, d.scale = uint8(t.Precision-t.Scale), uint8(t.Scale)
	d.size = decimalSize(int(d.digits)) + decimalSize(int(d.scale))
	d.op, d.length = opDecimal, t.Width()
	if !t.Fixed() {
		d.op = opWideDecimal
	}
}

// bytes resolves what the log holds as a length and bytes.
func (d *column) bytes(c *schema.Column, real byte, length int, set string) (bool, error) {
	short := real == mysql.MYSQL_TYPE_VARCHAR || real == mysql.MYSQL_TYPE_VAR_STRING || real == mysql.MYSQL_TYPE_STRING ||
		real == typeVarcharCompressed
	blob := real == mysql.MYSQL_TYPE_BLOB || real == typeBlobCompressed
	if d.size = length; short {
		d.size = 1
		if length > 255 {
			d.size = 2
		}
	} else if d.size < 1 || d.size > 4 {
		return false, nil
	}
	switch c.Type.Kind {
	case schema.String:
		if real == mysql.MYSQL_TYPE_STRING && isInet(c.Native) {
			d.op, d.length = opInet, length
			return length == 4 || length == 16, nil
		}
		return short || blob, d.charset(c, set)
	case schema.Binary:
		d.op = opBytes
		if c.Type.Length > 0 {
			d.op, d.length = opPadded, int(c.Type.Length)
			return real == mysql.MYSQL_TYPE_STRING && length == d.length, nil
		}
		return short || blob, nil
	case schema.JSON:
		d.op = opJSON
		if real == mysql.MYSQL_TYPE_JSON {
			return true, nil
		}
		return blob, d.charset(c, set)
	case schema.UUID:
		d.op, d.length = opPadded, 16
		return real == mysql.MYSQL_TYPE_STRING && length == 16, nil
	case schema.Geometry:
		d.op = opBytes
		return real == mysql.MYSQL_TYPE_GEOMETRY || blob, nil
	case schema.Vector:
		d.op = opBytes
		return real == mysql.MYSQL_TYPE_VECTOR || short || blob, nil
	}
	return false, nil
}

// pack makes a column that was resolved as if it were plain one whose values are packed.
func (d *column) pack(f *inflater) {
	plain := *d
	limit := uint64(1)<<(8*d.size) - 1
	plain.size = 4
	*d = column{op: opPacked, size: d.size, name: d.name, packed: &packedColumn{plain: plain, limit: limit, inflater: f}}
}

// isInet says that the column is one of MariaDB's address types, which the log holds as plain bytes.
func isInet(native string) bool {
	return strings.EqualFold(native, "inet6") || strings.EqualFold(native, "inet4")
}

func (d *column) charset(c *schema.Column, set string) error {
	if set == "" {
		set = c.Charset
	}
	find := charset.For
	if d.key { // two codes of one character are two keys to the server
		find = charset.ForKey
	}
	text, ok := find(set)
	if !ok {
		return fmt.Errorf("character set %q cannot be converted to UTF-8: ALTER the column to utf8mb4, or exclude the table", set)
	}
	d.op, d.text = opText, text
	if strings.HasPrefix(set, "utf8") {
		d.op = opUTF8
	}
	return nil
}
