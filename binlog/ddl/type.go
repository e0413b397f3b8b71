package ddl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// ParseType reads the type of a column as information_schema.COLUMNS.COLUMN_TYPE, SHOW CREATE TABLE or a statement
// spells it, in full: "int(10) unsigned", "enum('a','b')", "national varchar(10)". charset is the character set of the
// column; "binary" makes CHAR, VARCHAR and TEXT binary, and others do not matter. labels are those of an ENUM or SET. The
// error names a type that is not known.
//
// TINYINT(1) is Int8 like any TINYINT; INET4 and INET6 are String, in their text form; JSON is what the server says:
// MariaDB says longtext.
func ParseType(native, charset string) (t schema.Type, labels []string, err error) {
	n, err := parseNative(native)
	if err != nil {
		return schema.Type{}, nil, err
	}
	if Charset(charset) == "binary" {
		n = n.asBinary()
	}
	t, err = n.schemaType()
	return t, n.labels, err
}

// TypeFlags returns what a type tells beyond its values: that they are compressed in the log.
func TypeFlags(native string) schema.ColumnFlags {
	if n, err := parseNative(native); err == nil && n.compressed {
		return schema.Compressed
	}
	return 0
}

// parseNative reads a type that stands alone. Servers spell types with backslash escapes whatever the sql_mode.
func parseNative(native string) (nativeType, error) {
	// Servers print what they know themselves in versioned comments: all of them are meant.
	toks, err := lex(native, Mode{MariaDB: true})
	if err != nil {
		return nativeType{}, fmt.Errorf("read type %q: %w", native, err)
	}
	p := &parser{src: native, toks: toks}
	n, err := p.nativeType()
	if err == nil && !p.done() {
		err = p.unexpected()
	}
	if err != nil {
		return nativeType{}, fmt.Errorf("read type %q: %w", native, err)
	}
	return n, nil
}

// A nativeType is a column type as the server has it, all synonyms resolved.
type nativeType struct {
	name       string
	args       []int
	labels     []string
	unsigned   bool
	zerofill   bool
	compressed bool
	charset    string // empty when the type does not say
	collation  string
	serial     bool // SERIAL: not null, and unique
	mode       Mode // of the server that spells it
}

// typeNames are the words that begin a type, with the name that the server has for it.
var typeNames = map[string]string{
	"tinyint": "tinyint", "int1": "tinyint", "bool": "tinyint", "boolean": "tinyint", "smallint": "smallint",
	"int2": "smallint", "mediumint": "mediumint", "int3": "mediumint", "middleint": "mediumint", "int": "int",
	"integer": "int", "int4": "int", "bigint": "bigint", "int8": "bigint", "serial": "bigint",
	"float": "float", "float4": "float", "double": "double", "float8": "double", "real": "double",
	"decimal": "decimal", "dec": "decimal", "numeric": "decimal", "fixed": "decimal", "bit": "bit",
	"year": "year", "date": "date", "time": "time", "datetime": "datetime", "timestamp": "timestamp",
	"char": "char", "character": "char", "nchar": "char", "national": "char", "varchar": "varchar",
	"varcharacter": "varchar", "nvarchar": "varchar", "long": "mediumtext", "tinytext": "tinytext", "text": "text",
	"mediumtext": "mediumtext", "longtext": "longtext", "binary": "binary", "varbinary": "varbinary",
	"tinyblob": "tinyblob", "blob": "blob", "mediumblob": "mediumblob", "longblob": "longblob", "enum": "enum",
	"set": "set", "json": "json", "uuid": "uuid", "inet4": "inet4", "inet6": "inet6", "vector": "vector",
	"geometry": "geometry", "point": "point", "linestring": "linestring", "polygon": "polygon",
	"multipoint": "multipoint", "multilinestring": "multilinestring", "multipolygon": "multipolygon",
	"geometrycollection": "geomcollection", "geomcollection": "geomcollection",
}

// nativeType reads a type with its attributes.
func (p *parser) nativeType() (nativeType, error) {
	t := p.peek()
	word := strings.ToLower(t.text)
	name, known := typeNames[word]
	if t.kind != tokenWord || !known {
		return nativeType{}, fmt.Errorf("type %q is not known", p.quote(p.i, p.i+1))
	}
	p.i++
	n := nativeType{name: name, mode: p.mode}
	switch word {
	case "bool", "boolean":
		n.args = []int{1}
	case "serial":
		n.unsigned, n.serial = true, true
	case "nchar", "nvarchar", "national":
		n.charset = "utf8mb3"
	case "json":
		if p.mode.MariaDB {
			n.name, n.charset = "longtext", "utf8mb4"
		}
	}
	p.typeName(&n, word)
	if err := p.typeArguments(&n); err != nil {
		return nativeType{}, err
	}
	p.typeAttributes(&n)
	n.settle()
	return n, nil
}

// typeName reads the other words of a type's name.
func (p *parser) typeName(n *nativeType, word string) {
	switch word {
	case "double":
		p.words("precision")
	case "long":
		if p.words("varbinary") {
			n.name = "mediumblob"
		} else if !p.words("varchar") && !p.words("varcharacter") && (p.words("char", "varying") || p.words("character", "varying")) {
			return
		}
	case "national":
		if p.words("varchar") || p.words("varcharacter") {
			n.name = "varchar"
			return
		}
		_ = p.words("char") || p.words("character")
		fallthrough
	case "char", "character", "nchar":
		if p.words("varying") || word == "nchar" && (p.words("varchar") || p.words("varcharacter")) {
			n.name = "varchar"
		}
	}
}

// typeArguments reads what stands in brackets behind the name.
func (p *parser) typeArguments(n *nativeType) error {
	if !p.punct("(") {
		return nil
	}
	for {
		t := p.next()
		switch {
		case (n.name == "enum" || n.name == "set") && t.kind == tokenString:
			n.labels = append(n.labels, strings.TrimRight(t.text, " "))
		case (n.name == "enum" || n.name == "set") && t.kind != tokenEnd:
			b, ok := p.hexOrBinary(t)
			if !ok {
				return fmt.Errorf("label %q of %s is not known", t.text, n.name)
			}
			n.labels = append(n.labels, string(b))
		case t.kind == tokenNumber:
			v, err := strconv.ParseUint(t.text, 10, 32)
			if err != nil {
				return fmt.Errorf("length %q of %s: %w", t.text, n.name, err)
			}
			n.args = append(n.args, int(v))
		default:
			return p.unexpectedToken(t)
		}
		if p.punct(")") {
			return nil
		}
		if !p.punct(",") {
			return p.unexpected()
		}
	}
}

// typeAttributes reads what may follow a type and belongs to it.
func (p *parser) typeAttributes(n *nativeType) {
	for {
		switch {
		case p.words("unsigned"):
			n.unsigned = true
		case p.words("zerofill"):
			n.unsigned, n.zerofill = true, true
		case p.words("signed"), p.isText(n) && p.words("binary"):
		case p.isText(n) && p.words("ascii"):
			n.charset = "latin1"
		case p.isText(n) && p.words("unicode"):
			n.charset = "ucs2"
		case p.isText(n) && p.words("byte"):
			n.charset = "binary"
		case p.words("character", "set"), p.words("charset"), p.words("char", "set"):
			n.charset = Charset(p.next().text)
		case p.words("collate"):
			n.collation = strings.ToLower(p.next().text)
		case p.words("compressed"):
			n.compressed = true
			if p.punct("=") {
				p.i++
			}
		default:
			return
		}
	}
}

func (p *parser) isText(n *nativeType) bool { return n.isText() }

// isText says that the type's values have a character set.
func (n *nativeType) isText() bool {
	switch n.name {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		return true
	}
	return false
}

// settle gives the type the form that the server makes of it.
func (n *nativeType) settle() {
	if n.charset == "" && n.collation != "" {
		n.charset = CollationCharset(n.collation)
	}
	if n.name == "float" && len(n.args) == 1 {
		if n.args[0] > 24 {
			n.name = "double"
		}
		n.args = nil
	}
	if n.charset == "binary" {
		*n = n.asBinary()
	}
}

// asBinary returns the type that a text type becomes under the character set binary.
func (n nativeType) asBinary() nativeType {
	switch n.name {
	case "char":
		n.name = "binary"
	case "varchar":
		n.name = "varbinary"
	case "tinytext", "text", "mediumtext", "longtext":
		n.name = strings.TrimSuffix(n.name, "text") + "blob"
	}
	return n
}

// arg returns an argument of the type, or what it is when not said.
func (n *nativeType) arg(i, missing int) int {
	if i < len(n.args) {
		return n.args[i]
	}
	return missing
}

// schemaType returns what the values of the type mean.
func (n *nativeType) schemaType() (schema.Type, error) {
	switch n.name {
	case "tinyint":
		return n.integer(8), nil
	case "smallint":
		return n.integer(16), nil
	case "mediumint":
		return n.integer(24), nil
	case "int":
		return n.integer(32), nil
	case "bigint":
		return n.integer(64), nil
	case "float":
		return schema.Type{Kind: schema.Float, Bits: 32}, nil
	case "double":
		return schema.Type{Kind: schema.Float, Bits: 64}, nil
	case "decimal":
		return n.decimal()
	case "bit":
		return n.bit()
	case "time":
		return n.seconds(schema.Time)
	case "datetime":
		return n.seconds(schema.Datetime)
	case "timestamp":
		return n.seconds(schema.Timestamp)
	case "binary":
		return schema.Type{Kind: schema.Binary, Length: uint32(n.arg(0, 1))}, nil
	case "vector":
		return n.vector()
	}
	kind, ok := plainKinds[n.name]
	if !ok {
		return schema.Type{}, fmt.Errorf("type %q is not known", n.name)
	}
	if (kind == schema.Enum || kind == schema.Set) && len(n.labels) == 0 {
		return schema.Type{}, fmt.Errorf("type %q has no labels", n.name)
	}
	return schema.Type{Kind: kind}, nil
}

// plainKinds are the types that need no parameter.
var plainKinds = map[string]schema.Kind{
	"year": schema.Year, "date": schema.Date, "char": schema.String, "varchar": schema.String, "tinytext": schema.String,
	"text": schema.String, "mediumtext": schema.String, "longtext": schema.String, "inet4": schema.String,
	"inet6": schema.String, "varbinary": schema.Binary, "tinyblob": schema.Binary, "blob": schema.Binary,
	"mediumblob": schema.Binary, "longblob": schema.Binary, "enum": schema.Enum, "set": schema.Set, "json": schema.JSON,
	"uuid": schema.UUID, "geometry": schema.Geometry, "point": schema.Geometry, "linestring": schema.Geometry,
	"polygon": schema.Geometry, "multipoint": schema.Geometry, "multilinestring": schema.Geometry,
	"multipolygon": schema.Geometry, "geomcollection": schema.Geometry,
}

func (n *nativeType) integer(bits uint8) schema.Type {
	if n.unsigned {
		return schema.Type{Kind: schema.Uint, Bits: bits}
	}
	return schema.Type{Kind: schema.Int, Bits: bits}
}

func (n *nativeType) decimal() (schema.Type, error) {
	precision, scale := n.arg(0, 10), n.arg(1, 0)
	if precision == 0 {
		precision = 10
	}
	if precision > 65 || scale > precision {
		return schema.Type{}, fmt.Errorf("decimal(%d,%d) is out of range", precision, scale)
	}
	return schema.Type{Kind: schema.Decimal, Precision: uint16(precision), Scale: uint16(scale)}, nil
}

func (n *nativeType) bit() (schema.Type, error) {
	bits := max(1, n.arg(0, 1))
	if bits > 64 {
		return schema.Type{}, fmt.Errorf("bit(%d) is out of range", bits)
	}
	return schema.Type{Kind: schema.Bit, Bits: uint8(bits)}, nil
}

func (n *nativeType) seconds(k schema.Kind) (schema.Type, error) {
	digits := n.arg(0, 0)
	if digits > 6 {
		return schema.Type{}, fmt.Errorf("%s(%d) is out of range", n.name, digits)
	}
	return schema.Type{Kind: k, Precision: uint16(digits)}, nil
}

func (n *nativeType) vector() (schema.Type, error) {
	// MySQL's VECTOR without length has 2048 entries.
	length := n.arg(0, 2048)
	if length > 65535 {
		return schema.Type{}, fmt.Errorf("vector(%d) is out of range", length)
	}
	return schema.Type{Kind: schema.Vector, Precision: uint16(length)}, nil
}
