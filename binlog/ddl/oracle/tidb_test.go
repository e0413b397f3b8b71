package oracle

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/pingcap/tidb/pkg/parser/types"

	"github.com/cdcsync/cdcsync/schema"
)

// ofTiDB spells what TiDB's parser says, false if it cannot read the statement.
func ofTiDB(text, database string) (a answer, ok bool) {
	p := parser.New()
	nodes, _, err := p.Parse(text, "", "")
	if err != nil || len(nodes) != 1 {
		return a, false
	}
	t := tidb{answer: &a, database: database}
	return a, t.statement(nodes[0])
}

type tidb struct {
	*answer
	database string
}

func (t *tidb) name(n *ast.TableName) string {
	if n.Schema.O == "" {
		return t.database + "." + n.Name.O
	}
	return n.Schema.O + "." + n.Name.O
}

// statement is false for a statement that is not compared.
func (t *tidb) statement(node ast.StmtNode) bool {
	switch n := node.(type) {
	case *ast.CreateTableStmt:
		if n.TemporaryKeyword == ast.TemporaryNone {
			t.create(n)
		}
	case *ast.AlterTableStmt:
		name := t.name(n.Table)
		t.say(name, "alter")
		for _, s := range n.Specs {
			t.clause(name, s)
		}
	case *ast.DropTableStmt:
		for _, d := range n.Tables {
			if !n.IsView && n.TemporaryKeyword == ast.TemporaryNone {
				t.say(t.name(d), "drop table")
			}
		}
	case *ast.RenameTableStmt:
		for _, r := range n.TableToTables {
			t.say(t.name(r.OldTable), "rename to %s", t.name(r.NewTable))
		}
	case *ast.TruncateTableStmt:
		t.say(t.name(n.Table), "truncate table")
	case *ast.CreateIndexStmt:
		t.say(t.name(n.Table), "alter")
		if n.KeyType == ast.IndexKeyTypeUnique {
			t.say(t.name(n.Table), "unique %s", parts(n.IndexPartSpecifications))
		}
	case *ast.DropIndexStmt:
		t.say(t.name(n.Table), "alter")
		t.sayDrop(t.name(n.Table), n.IndexName)
	case *ast.CreateDatabaseStmt:
		t.say(n.Name.O+".", "create database")
	case *ast.AlterDatabaseStmt:
		name := n.Name.O
		if n.AlterDefaultDatabase {
			name = t.database
		}
		t.say(name+".", "alter database")
	case *ast.DropDatabaseStmt:
		t.say(n.Name.O+".", "drop database")
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.LoadDataStmt:
		return false // which tables are targets takes the resolution of names
	}
	return true
}

func (t *tidb) create(n *ast.CreateTableStmt) {
	name := t.name(n.Table)
	t.say(name, "create")
	if n.ReferTable != nil {
		t.say(name, "like %s", t.name(n.ReferTable))
	}
	var keys []string
	for _, d := range n.Cols {
		c := t.column(d)
		keys = append(keys, c.inlineKey()...)
		t.say(name, "column %s", c)
	}
	for _, c := range n.Constraints {
		keys = append(keys, constraint(c)...)
	}
	t.sayKeys(name, keys)
	if n.Select != nil {
		t.say(name, "select")
	}
}

func (t *tidb) clause(name string, s *ast.AlterTableSpec) {
	where := ""
	if s.Position != nil && s.Position.Tp == ast.ColumnPositionFirst {
		where = " first"
	} else if s.Position != nil && s.Position.Tp == ast.ColumnPositionAfter {
		where = " after " + s.Position.RelativeColumn.Name.O
	}
	switch s.Tp {
	case ast.AlterTableAddColumns:
		var keys []string
		for _, d := range s.NewColumns {
			c := t.column(d)
			t.say(name, "add %s%s", c, where)
			keys = append(keys, c.inlineKey()...)
		}
		for _, c := range s.NewConstraints {
			keys = append(keys, constraint(c)...)
		}
		t.sayKeys(name, keys)
	case ast.AlterTableModifyColumn:
		c := t.column(s.NewColumns[0])
		t.say(name, "modify %s %s%s", c.name, c, where)
		t.sayKeys(name, c.inlineKey())
	case ast.AlterTableChangeColumn:
		c := t.column(s.NewColumns[0])
		t.say(name, "modify %s %s%s", s.OldColumnName.Name.O, c, where)
		t.sayKeys(name, c.inlineKey())
	case ast.AlterTableDropColumn:
		t.say(name, "drop %s", s.OldColumnName.Name.O)
	case ast.AlterTableRenameColumn:
		t.say(name, "rename %s to %s", s.OldColumnName.Name.O, s.NewColumnName.Name.O)
	case ast.AlterTableRenameTable:
		t.say(name, "rename to %s", t.name(s.NewTable))
	case ast.AlterTableAddConstraint:
		t.sayKeys(name, constraint(s.Constraint))
	case ast.AlterTableDropPrimaryKey:
		t.say(name, "drop primary")
	case ast.AlterTableDropIndex:
		t.sayDrop(name, s.Name)
	case ast.AlterTableOption:
		for _, o := range s.Options {
			if o.Tp == ast.TableOptionCharset && o.UintValue == ast.TableOptionCharsetWithConvertTo {
				t.say(name, "convert %s", strings.ToLower(o.StrValue))
			}
		}
	default:
	}
}

// constraint spells a key, if it is one.
func constraint(c *ast.Constraint) []string {
	switch c.Tp {
	case ast.ConstraintPrimaryKey:
		return []string{"primary " + parts(c.Keys)}
	case ast.ConstraintUniq, ast.ConstraintUniqKey, ast.ConstraintUniqIndex:
		return []string{"unique " + parts(c.Keys)}
	default:
		return nil
	}
}

func parts(keys []*ast.IndexPartSpecification) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		if k.Expr != nil || k.Length > 0 {
			all[i] = part("", true)
		} else {
			all[i] = part(k.Column.Name.O, false)
		}
	}
	return "(" + strings.Join(all, ", ") + ")"
}

func (t *tidb) column(d *ast.ColumnDef) *column {
	c := &column{name: d.Name.Name.O, typ: tidbType(d.Tp)}
	if d.Tp.GetType() == mysql.TypeEnum || d.Tp.GetType() == mysql.TypeSet {
		c.labels = d.Tp.GetElems()
	}
	for _, o := range d.Options {
		switch o.Tp {
		case ast.ColumnOptionNotNull:
			c.notNull = true
		case ast.ColumnOptionNull:
			c.notNull = false
		case ast.ColumnOptionPrimaryKey:
			c.key = "primary"
		case ast.ColumnOptionUniqKey:
			if c.key == "" {
				c.key = "unique"
			}
		case ast.ColumnOptionDefaultValue:
			v, literal := o.Expr.(*test_driver.ValueExpr)
			c.fallback = !literal || v.Kind() != test_driver.KindNull
		case ast.ColumnOptionGenerated:
			c.generated = true
		default:
		}
	}
	return c
}

// tidbType is a type of TiDB's as package schema has it.
func tidbType(f *types.FieldType) schema.Type {
	unsigned := mysql.HasUnsignedFlag(f.GetFlag())
	integer := func(bits uint8) schema.Type {
		if unsigned {
			return schema.Type{Kind: schema.Uint, Bits: bits}
		}
		return schema.Type{Kind: schema.Int, Bits: bits}
	}
	binary := f.GetCharset() == "binary"
	bytes := func() schema.Type {
		if binary {
			return schema.Type{Kind: schema.Binary}
		}
		return schema.Type{Kind: schema.String}
	}
	part := uint16(max(0, f.GetDecimal()))
	switch f.GetType() {
	case mysql.TypeTiny:
		return integer(8)
	case mysql.TypeShort:
		return integer(16)
	case mysql.TypeInt24:
		return integer(24)
	case mysql.TypeLong:
		return integer(32)
	case mysql.TypeLonglong:
		return integer(64)
	case mysql.TypeFloat:
		return schema.Type{Kind: schema.Float, Bits: 32}
	case mysql.TypeDouble:
		return schema.Type{Kind: schema.Float, Bits: 64}
	case mysql.TypeNewDecimal:
		digits := f.GetFlen()
		if digits <= 0 {
			digits = 10
		}
		return schema.Type{Kind: schema.Decimal, Precision: uint16(digits), Scale: part}
	case mysql.TypeBit:
		return schema.Type{Kind: schema.Bit, Bits: uint8(max(1, f.GetFlen()))}
	case mysql.TypeYear:
		return schema.Type{Kind: schema.Year}
	case mysql.TypeDate:
		return schema.Type{Kind: schema.Date}
	case mysql.TypeDuration:
		return schema.Type{Kind: schema.Time, Precision: part}
	case mysql.TypeDatetime:
		return schema.Type{Kind: schema.Datetime, Precision: part}
	case mysql.TypeTimestamp:
		return schema.Type{Kind: schema.Timestamp, Precision: part}
	case mysql.TypeString:
		typ := bytes()
		if binary {
			typ.Length = uint32(max(1, f.GetFlen()))
		}
		return typ
	case mysql.TypeEnum:
		return schema.Type{Kind: schema.Enum}
	case mysql.TypeSet:
		return schema.Type{Kind: schema.Set}
	case mysql.TypeJSON:
		return schema.Type{Kind: schema.JSON}
	case mysql.TypeTiDBVectorFloat32:
		if f.GetFlen() <= 0 {
			return schema.Type{Kind: schema.Vector, Precision: 2048}
		}
		return schema.Type{Kind: schema.Vector, Precision: uint16(f.GetFlen())}
	}
	return bytes()
}
