// Package oracle compares package ddl with the parsers of TiDB and Vitess over many statements. It is a module of its own,
// so that the program does not depend on them.
//
// What a parser reads of a statement is spelled as facts, one for each thing that it does to a table: "shop.t: add a Int32
// not null after b". Both oracles know less than the servers do, so a statement that one of them cannot read is no fault.
package oracle

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

// An answer is what a parser says of a statement.
type answer struct {
	facts   []string
	touched map[string]bool // tables, "database." for all of a database
}

func (a *answer) say(table, format string, args ...any) {
	if a.touched == nil {
		a.touched = map[string]bool{}
	}
	a.touched[table] = true
	a.facts = append(a.facts, table+": "+fmt.Sprintf(format, args...))
}

// sayKeys says the keys of a new table: the primary key first, then the others.
func (a *answer) sayKeys(table string, keys []string) {
	for _, lead := range []string{"primary", "unique"} {
		for _, k := range keys {
			if strings.HasPrefix(k, lead) {
				a.say(table, "%s", k)
			}
		}
	}
}

// sayDrop says that an index is dropped: the primary key has a name, too.
func (a *answer) sayDrop(table, index string) {
	if strings.EqualFold(index, "primary") {
		a.say(table, "drop primary")
		return
	}
	a.say(table, "drop index %s", index)
}

// inMariaDB makes of a fact what MariaDB does: its JSON is text.
func inMariaDB(fact string) string {
	return jsonType.ReplaceAllString(fact, "$1 String")
}

var jsonType = regexp.MustCompile(`(: (?:column|add|modify \S+) \S+) JSON`)

// A column is what all parsers can say of a column's definition.
type column struct {
	name      string
	typ       schema.Type
	labels    []string
	notNull   bool
	fallback  bool // it has a default other than NULL
	generated bool
	key       string // "primary", "unique": said with the column
}

// inlineKey spells the key that is written with the column.
func (c *column) inlineKey() []string {
	if c.key == "" {
		return nil
	}
	return []string{c.key + " (" + c.name + ")"}
}

func (c *column) String() string {
	s := c.name + " " + c.typ.String()
	if len(c.labels) > 0 {
		s += fmt.Sprintf(" %q", c.labels)
	}
	if c.fallback {
		s += " default"
	}
	if c.notNull {
		s += " not null"
	}
	if c.generated {
		s += " generated"
	}
	return s
}

// ofDDL spells what package ddl says, false if it does not understand the statement.
func ofDDL(text string, mode ddl.Mode) (a answer, understood bool) {
	understood = true
	for _, st := range ddl.Parse(text, mode) {
		name := st.Table.Namespace + "." + st.Table.Table
		if st.Temporary {
			continue
		}
		switch st.Kind {
		case ddl.Other, ddl.AnalyzeTable:
		case ddl.NotUnderstood:
			understood = false
			a.say(name, "not understood")
		case ddl.CreateTable:
			sayCreate(&a, name, &st)
		case ddl.AlterTable:
			a.say(name, "alter")
			for i := range st.Clauses {
				sayClause(&a, name, &st.Clauses[i])
			}
		case ddl.RenameTable:
			a.say(name, "rename to %s.%s", st.To.Namespace, st.To.Table)
		default:
			a.say(name, "%s", st.Kind)
		}
	}
	return a, understood
}

func sayCreate(a *answer, name string, st *ddl.Statement) {
	c := st.Create
	a.say(name, "create")
	if c.Like != (schema.Name{}) {
		a.say(name, "like %s.%s", c.Like.Namespace, c.Like.Table)
	}
	for i := range c.Columns {
		a.say(name, "column %s", ofColumn(&c.Columns[i]))
	}
	if c.Primary != nil {
		a.say(name, "primary %s", ofKey(c.Primary))
	}
	for _, u := range c.Unique {
		a.say(name, "unique %s", ofKey(u))
	}
	if c.Select {
		a.say(name, "select")
	}
}

func sayClause(a *answer, name string, c *ddl.Clause) {
	where := ""
	if c.First {
		where = " first"
	} else if c.After != "" {
		where = " after " + c.After
	}
	switch c.Kind {
	case ddl.Add:
		a.say(name, "add %s%s", ofColumn(&c.Column), where)
	case ddl.Modify:
		a.say(name, "modify %s %s%s", c.Name, ofColumn(&c.Column), where)
	case ddl.Drop:
		a.say(name, "drop %s", c.Name)
	case ddl.Rename:
		a.say(name, "rename %s to %s", c.Name, c.Column.Name)
	case ddl.RenameTo:
		a.say(name, "rename to %s.%s", c.To.Namespace, c.To.Table)
	case ddl.AddPrimaryKey:
		a.say(name, "primary %s", ofKey(c.Key))
	case ddl.DropPrimaryKey:
		a.say(name, "drop primary")
	case ddl.AddUnique:
		a.say(name, "unique %s", ofKey(c.Key))
	case ddl.DropIndex:
		a.say(name, "drop index %s", c.Name)
	case ddl.ConvertCharset:
		a.say(name, "convert %s", c.Charset)
	default:
	}
}

func ofColumn(c *ddl.Column) *column {
	return &column{
		name: c.Name, typ: c.Type, labels: c.Labels, notNull: c.SaysNotNull,
		fallback: c.Default.Kind != ddl.NoDefault, generated: c.Flags&schema.Generated != 0,
	}
}

func ofKey(parts []ddl.KeyPart) string {
	all := make([]string, len(parts))
	for i, p := range parts {
		all[i] = part(p.Column, p.Prefix)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// part is one part of a key. What a prefix or an expression is of does not matter: it identifies no row.
func part(name string, prefix bool) string {
	if prefix {
		return "..."
	}
	return name
}
