package oracle

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/cdcsync/cdcsync/schema"
)

var vitessParser = func() *sqlparser.Parser {
	p, err := sqlparser.New(sqlparser.Options{MySQLServerVersion: "8.4.0"})
	if err != nil {
		panic(err)
	}
	return p
}()

// ofVitess spells what Vitess's parser says, false if it cannot read the statement in full.
func ofVitess(text, database string) (a answer, ok bool) {
	node, err := vitessParser.ParseStrictDDL(text)
	if err != nil {
		return a, false
	}
	v := vitess{answer: &a, database: database}
	return a, v.statement(node)
}

type vitess struct {
	*answer
	database string
}

func (v *vitess) name(n sqlparser.TableName) string {
	if n.Qualifier.IsEmpty() {
		return v.database + "." + n.Name.String()
	}
	return n.Qualifier.String() + "." + n.Name.String()
}

// statement is false for a statement that is not compared.
func (v *vitess) statement(node sqlparser.Statement) bool {
	switch n := node.(type) {
	case *sqlparser.CreateTable:
		if !n.FullyParsed {
			return false
		}
		if !n.Temp {
			v.create(n)
		}
	case *sqlparser.AlterTable:
		if !n.FullyParsed {
			return false
		}
		name := v.name(n.Table)
		v.say(name, "alter")
		for _, o := range n.AlterOptions {
			v.clause(name, o)
		}
	case *sqlparser.DropTable:
		for _, t := range n.FromTables {
			if !n.Temp {
				v.say(v.name(t), "drop table")
			}
		}
	case *sqlparser.RenameTable:
		for _, p := range n.TablePairs {
			v.say(v.name(p.FromTable), "rename to %s", v.name(p.ToTable))
		}
	case *sqlparser.TruncateTable:
		v.say(v.name(n.Table), "truncate table")
	case *sqlparser.CreateDatabase:
		v.say(n.DBName.String()+".", "create database")
	case *sqlparser.AlterDatabase:
		name := n.DBName.String()
		if name == "" {
			name = v.database
		}
		v.say(name+".", "alter database")
	case *sqlparser.DropDatabase:
		v.say(n.DBName.String()+".", "drop database")
	case *sqlparser.CreateView, *sqlparser.DropView, *sqlparser.AlterView, *sqlparser.CreateProcedure, *sqlparser.DropProcedure:
	default:
		return false
	}
	return true
}

func (v *vitess) create(n *sqlparser.CreateTable) {
	name := v.name(n.Table)
	v.say(name, "create")
	if n.OptLike != nil {
		v.say(name, "like %s", v.name(n.OptLike.LikeTable))
	}
	if n.TableSpec != nil {
		v.definitions(name, n.TableSpec)
	}
	if n.Select != nil {
		v.say(name, "select")
	}
}

func (v *vitess) definitions(name string, spec *sqlparser.TableSpec) {
	var keys []string
	for _, d := range spec.Columns {
		c := vitessColumn(d)
		keys = append(keys, c.inlineKey()...)
		v.say(name, "column %s", c)
	}
	for _, i := range spec.Indexes {
		keys = append(keys, index(i)...)
	}
	v.sayKeys(name, keys)
}

// index spells a key, if it is one.
func index(i *sqlparser.IndexDefinition) []string {
	switch i.Info.Type {
	case sqlparser.IndexTypePrimary:
		return []string{"primary " + vitessParts(i.Columns)}
	case sqlparser.IndexTypeUnique:
		return []string{"unique " + vitessParts(i.Columns)}
	default:
		return nil
	}
}

func vitessParts(columns []*sqlparser.IndexColumn) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = part(c.Column.String(), c.Length != nil || c.Expression != nil)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

func (v *vitess) clause(name string, option sqlparser.AlterOption) {
	switch o := option.(type) {
	case *sqlparser.AddColumns:
		for _, d := range o.Columns {
			c := vitessColumn(d)
			v.say(name, "add %s%s", c, place(o.First, o.After))
			v.sayKeys(name, c.inlineKey())
		}
	case *sqlparser.ModifyColumn:
		c := vitessColumn(o.NewColDefinition)
		v.say(name, "modify %s %s%s", c.name, c, place(o.First, o.After))
		v.sayKeys(name, c.inlineKey())
	case *sqlparser.ChangeColumn:
		c := vitessColumn(o.NewColDefinition)
		v.say(name, "modify %s %s%s", o.OldColumn.Name.String(), c, place(o.First, o.After))
		v.sayKeys(name, c.inlineKey())
	case *sqlparser.DropColumn:
		v.say(name, "drop %s", o.Name.Name.String())
	case *sqlparser.RenameColumn:
		v.say(name, "rename %s to %s", o.OldName.Name.String(), o.NewName.Name.String())
	case *sqlparser.RenameTableName:
		v.say(name, "rename to %s", v.name(o.Table))
	case *sqlparser.AddIndexDefinition:
		v.sayKeys(name, index(o.IndexDefinition))
	case *sqlparser.DropKey:
		switch o.Type {
		case sqlparser.PrimaryKeyType:
			v.say(name, "drop primary")
		case sqlparser.NormalKeyType:
			v.sayDrop(name, o.Name.String())
		default:
		}
	case *sqlparser.AlterCharset:
		v.say(name, "convert %s", strings.ToLower(o.CharacterSet))
	default:
	}
}

func place(first bool, after *sqlparser.ColName) string {
	switch {
	case first:
		return " first"
	case after != nil:
		return " after " + after.Name.String()
	}
	return ""
}

func vitessColumn(d *sqlparser.ColumnDefinition) *column {
	c := &column{name: d.Name.String(), typ: vitessType(d.Type)}
	if c.typ.Kind == schema.Enum || c.typ.Kind == schema.Set {
		for _, label := range d.Type.EnumValues {
			c.labels = append(c.labels, unquote(label))
		}
	}
	o := d.Type.Options
	if o == nil {
		return c
	}
	if o.Null != nil {
		c.notNull = !*o.Null
	}
	if o.Default != nil {
		_, isNull := o.Default.(*sqlparser.NullVal)
		c.fallback = !isNull
	}
	c.generated = o.As != nil
	c.key = vitessKey(o)
	return c
}

// unquote reads a literal as Vitess spells it.
func unquote(literal string) string {
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `''`, `'`).Replace(strings.TrimSuffix(strings.TrimPrefix(literal, "'"), "'"))
}

// vitessKey is the key that is written with a column. The package does not export the names of the kinds.
func vitessKey(o *sqlparser.ColumnTypeOptions) string { return keyOptions[o.KeyOpt] }

// keyOptions are the kinds of key, by what Vitess has for each.
var keyOptions = func() map[sqlparser.ColumnKeyOption]string {
	all := map[sqlparser.ColumnKeyOption]string{}
	for text, key := range map[string]string{"primary key": "primary", "key": "primary", "unique": "unique", "unique key": "unique"} {
		node, err := vitessParser.ParseStrictDDL("create table t (a int " + text + ")")
		if err != nil {
			panic(err)
		}
		all[node.(*sqlparser.CreateTable).TableSpec.Columns[0].Type.Options.KeyOpt] = key
	}
	return all
}()

// vitessType is a type of Vitess's as package schema has it.
func vitessType(t *sqlparser.ColumnType) schema.Type {
	length, scale := 0, 0
	if t.Length != nil {
		length = *t.Length
	}
	if t.Scale != nil {
		scale = *t.Scale
	}
	name := strings.ToLower(t.Type)
	if bits, ok := map[string]uint8{"tinyint": 8, "bool": 8, "boolean": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}[name]; ok {
		if t.Unsigned || t.Zerofill {
			return schema.Type{Kind: schema.Uint, Bits: bits}
		}
		return schema.Type{Kind: schema.Int, Bits: bits}
	}
	text := strings.EqualFold(t.Charset.Name, "binary")
	switch name {
	case "float", "float4":
		if length > 24 && t.Scale == nil {
			return schema.Type{Kind: schema.Float, Bits: 64}
		}
		return schema.Type{Kind: schema.Float, Bits: 32}
	case "double", "real", "float8":
		return schema.Type{Kind: schema.Float, Bits: 64}
	case "decimal", "numeric":
		if length == 0 {
			length = 10
		}
		return schema.Type{Kind: schema.Decimal, Precision: uint16(length), Scale: uint16(scale)}
	case "bit":
		return schema.Type{Kind: schema.Bit, Bits: uint8(max(1, length))}
	case "year":
		return schema.Type{Kind: schema.Year}
	case "date":
		return schema.Type{Kind: schema.Date}
	case "time":
		return schema.Type{Kind: schema.Time, Precision: uint16(length)}
	case "datetime":
		return schema.Type{Kind: schema.Datetime, Precision: uint16(length)}
	case "timestamp":
		return schema.Type{Kind: schema.Timestamp, Precision: uint16(length)}
	case "json":
		return schema.Type{Kind: schema.JSON}
	case "enum":
		return schema.Type{Kind: schema.Enum}
	case "set":
		return schema.Type{Kind: schema.Set}
	case "binary":
		return schema.Type{Kind: schema.Binary, Length: uint32(max(1, length))}
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return schema.Type{Kind: schema.Binary}
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return schema.Type{Kind: schema.Geometry}
	case "vector":
		if length == 0 {
			length = 2048
		}
		return schema.Type{Kind: schema.Vector, Precision: uint16(length)}
	case "char":
		if text {
			return schema.Type{Kind: schema.Binary, Length: uint32(max(1, length))}
		}
	}
	if text {
		return schema.Type{Kind: schema.Binary}
	}
	return schema.Type{Kind: schema.String}
}
