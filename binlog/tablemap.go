package binlog

import (
	"fmt"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/schema"
)

// A tableMap is what a TABLE_MAP event says of the table whose rows follow. Its slices point into the event.
type tableMap struct {
	name  schema.Name
	types []byte   // as the log spells them: CHAR, ENUM and SET are all STRING
	metas []uint16 // in the form that realType reads

	// The rest is there only as far as the server logs it: binlog_row_metadata.
	unsigned    []byte // a bit for each numeric column, the highest bit first; nil: not logged
	names       []string
	charset     collations // of the character columns
	enums, sets [][]string // labels in the charset of the column, for each ENUM and SET column
}

// collations are the collation ids of some of the columns: one for all with exceptions, or one each.
type collations struct {
	def        int
	exceptions []int // pairs of index and collation
	each       []int
}

// of returns the collation of the i-th of the columns that this is about, 0 if unknown.
func (c *collations) of(i int) int {
	if c.each != nil {
		if i < len(c.each) {
			return c.each[i]
		}
		return 0
	}
	for k := 0; k+1 < len(c.exceptions); k += 2 {
		if c.exceptions[k] == i {
			return c.exceptions[k+1]
		}
	}
	return c.def
}

// Fields of the optional metadata of a TABLE_MAP event.
const (
	metaSignedness = iota + 1
	metaDefaultCharset
	metaColumnCharset
	metaColumnName
	metaSetLabels
	metaEnumLabels
)

// tableMapName reads only the table's id and name: all that is needed to skip a table.
func tableMapName(p []byte) (id uint64, namespace, table []byte, rest []byte, err error) {
	c := cursor{p: p}
	id = c.uint(6)
	c.bytes(2) // flags
	namespace = c.bytes(int(c.uint(1)))
	c.bytes(1)
	table = c.bytes(int(c.uint(1)))
	c.bytes(1)
	return id, namespace, table, c.p, c.err()
}

// parseTableMap reads the body of a TABLE_MAP event.
func parseTableMap(p []byte) (*tableMap, error) {
	_, namespace, table, rest, err := tableMapName(p)
	if err != nil {
		return nil, err
	}
	m := &tableMap{name: schema.Name{Namespace: string(namespace), Table: string(table)}}
	c := cursor{p: rest}
	n := c.length()
	m.types = c.bytes(n)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := m.parseMetas(c.bytes(c.length())); err != nil {
		return nil, err
	}
	c.bytes((n + 7) / 8) // which columns are nullable
	for len(c.p) > 0 && !c.short {
		kind := c.uint(1)
		if err := m.parseOptional(kind, cursor{p: c.bytes(c.length())}); err != nil {
			return nil, err
		}
	}
	return m, c.err()
}

// parseMetas reads the metadata of each column's type.
func (m *tableMap) parseMetas(p []byte) error {
	c := cursor{p: p}
	m.metas = make([]uint16, len(m.types))
	for i, t := range m.types {
		switch t {
		case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_NEWDECIMAL:
			b := c.bytes(2)
			if b != nil {
				m.metas[i] = uint16(b[0])<<8 | uint16(b[1])
			}
		case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_BIT, typeVarcharCompressed,
			mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
			m.metas[i] = uint16(c.uint(2))
		case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_LONG_BLOB,
			mysql.MYSQL_TYPE_DOUBLE, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_JSON,
			mysql.MYSQL_TYPE_VECTOR, mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2,
			typeBlobCompressed:
			m.metas[i] = uint16(c.uint(1))
		}
	}
	return c.err()
}

// parseOptional reads one field of the optional metadata. Unknown fields are left alone, as the protocol wants.
func (m *tableMap) parseOptional(kind uint64, c cursor) error {
	switch kind {
	case metaSignedness:
		m.unsigned = c.p
	case metaDefaultCharset:
		m.charset.setDefault(c.lengths())
	case metaColumnCharset:
		m.charset.each = c.lengths()
	case metaColumnName:
		for len(c.p) > 0 && !c.short {
			m.names = append(m.names, string(c.bytes(c.length())))
		}
	case metaSetLabels:
		m.sets = parseLabels(&c)
	case metaEnumLabels:
		m.enums = parseLabels(&c)
	}
	return c.err()
}

func (c *collations) setDefault(all []int) {
	if len(all) > 0 {
		c.def, c.exceptions = all[0], all[1:]
	}
}

func parseLabels(c *cursor) [][]string {
	var all [][]string
	for len(c.p) > 0 && !c.short {
		n := c.length()
		var labels []string
		for ; n > 0 && !c.short; n-- {
			labels = append(labels, string(c.bytes(c.length())))
		}
		all = append(all, labels)
	}
	return all
}

// MariaDB's COMPRESSED columns have types of their own, which go-mysql does not name.
const (
	typeBlobCompressed    = 140
	typeVarcharCompressed = 141
)

func isPacked(t byte) bool { return t == typeBlobCompressed || t == typeVarcharCompressed }

// realType tells CHAR, ENUM and SET apart, and returns their length in bytes. Lengths above 255 borrow two bits of the
// type's byte, inverted.
func realType(t byte, meta uint16) (real byte, length int) {
	if t != mysql.MYSQL_TYPE_STRING || meta < 256 {
		return t, int(meta)
	}
	high, low := byte(meta>>8), meta&0xff
	if high&0x30 != 0x30 {
		return high | 0x30, int(low | uint16(high&0x30^0x30)<<4)
	}
	return high, int(low)
}

// isNumeric says that the column has a bit in the signedness field.
func isNumeric(t byte) bool {
	switch t {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG,
		mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE,
		mysql.MYSQL_TYPE_YEAR:
		return true
	}
	return false
}

// isText says that the column has an entry among the collations of character columns. MariaDB counts GEOMETRY in, MySQL
// VECTOR.
func isText(real byte, f Flavor) bool {
	switch real {
	case mysql.MYSQL_TYPE_GEOMETRY:
		return f == MariaDB
	case mysql.MYSQL_TYPE_VECTOR:
		return f == MySQL
	case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_BLOB,
		typeBlobCompressed, typeVarcharCompressed:
		return true
	}
	return false
}

// nativeName names a type of the log for people.
func nativeName(real byte, meta uint16) string {
	names := map[byte]string{
		mysql.MYSQL_TYPE_TINY: "tinyint", mysql.MYSQL_TYPE_SHORT: "smallint", mysql.MYSQL_TYPE_INT24: "mediumint",
		mysql.MYSQL_TYPE_LONG: "int", mysql.MYSQL_TYPE_LONGLONG: "bigint", mysql.MYSQL_TYPE_FLOAT: "float",
		mysql.MYSQL_TYPE_DOUBLE: "double", mysql.MYSQL_TYPE_NEWDECIMAL: "decimal", mysql.MYSQL_TYPE_YEAR: "year",
		mysql.MYSQL_TYPE_BIT: "bit", mysql.MYSQL_TYPE_DATE: "date", mysql.MYSQL_TYPE_TIME: "time",
		mysql.MYSQL_TYPE_TIME2: "time", mysql.MYSQL_TYPE_DATETIME: "datetime", mysql.MYSQL_TYPE_DATETIME2: "datetime",
		mysql.MYSQL_TYPE_TIMESTAMP: "timestamp", mysql.MYSQL_TYPE_TIMESTAMP2: "timestamp",
		mysql.MYSQL_TYPE_VARCHAR: "varchar", mysql.MYSQL_TYPE_VAR_STRING: "varchar", mysql.MYSQL_TYPE_STRING: "char",
		mysql.MYSQL_TYPE_ENUM: "enum", mysql.MYSQL_TYPE_SET: "set", mysql.MYSQL_TYPE_BLOB: "blob",
		mysql.MYSQL_TYPE_JSON: "json", mysql.MYSQL_TYPE_GEOMETRY: "geometry", mysql.MYSQL_TYPE_VECTOR: "vector",
		typeBlobCompressed: "blob compressed", typeVarcharCompressed: "varchar compressed",
	}
	name, ok := names[real]
	if !ok {
		name = "type"
	}
	return fmt.Sprintf("%s (type %d, metadata %d)", name, real, meta)
}

// sameLabels compares the labels of the log, which are in the column's character set, with those of the shape. A shape that
// was read from the server's catalogue has ? for a character that the catalogue cannot hold: then they are not the same.
func sameLabels(logged []string, c *schema.Column) bool {
	if len(logged) != len(c.Labels) {
		return false
	}
	convert, ok := charset.For(c.Charset)
	for i, l := range logged {
		text, err := []byte(l), error(nil)
		if ok {
			text, err = convert(nil, text)
		}
		if err == nil && (ok || isASCII(l)) && string(text) != c.Labels[i] {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
