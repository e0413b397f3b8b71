package ddl

import (
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A Trigger is a trigger as far as it copies rows to another table, as tools for online schema changes have it.
type Trigger struct {
	Name  string
	After bool   // AFTER, not BEFORE
	Event string // insert, update, delete
	// Into is the table that the trigger writes to, zero when that cannot be told. For a DELETE that is all.
	Into schema.Name
	// Columns and From are what a REPLACE INTO writes: the column of the other table, and the column of the changed row
	// that it comes from. Both are empty when it writes anything else.
	Columns, From []string
}

// createTrigger reads what follows CREATE: a trigger. All else that is no table, and what is not read of a trigger, touches
// none.
func (p *parser) createTrigger() []Statement {
	if p.words("definer") {
		p.punct("=")
		for !p.done() && !p.seesAny("trigger", "view", "procedure", "function", "event", "sql", "aggregate", "package") {
			p.i++
		}
	}
	if !p.words("trigger") {
		return one(Statement{Kind: Other})
	}
	p.words("if", "not", "exists")
	name, err := p.columnName()
	t := &Trigger{Name: name, After: p.sees("after")}
	if err != nil || !p.anyWord("after", "before") {
		return one(Statement{Kind: Other})
	}
	t.Event = strings.ToLower(p.next().text)
	if !p.words("on") {
		return one(Statement{Kind: Other})
	}
	on, err := p.table()
	if err != nil {
		return one(Statement{Kind: Other})
	}
	t.body(p)
	return one(Statement{Kind: CreateTrigger, Table: on, Trigger: t})
}

// body looks for the statements of a trigger's body: DELETE FROM and REPLACE INTO one and the same table.
func (t *Trigger) body(p *parser) {
	for !p.done() {
		switch {
		case p.words("delete"):
			p.words("ignore")
			if !p.words("from") || !t.writes(p) {
				return
			}
		case p.words("replace", "into"):
			if !t.writes(p) {
				return
			}
			t.copies(p)
		default:
			p.i++
		}
	}
}

// writes reads the table that is written to. It is false when another one is, too: the trigger is none of a tool's then.
func (t *Trigger) writes(p *parser) bool {
	into, err := p.table()
	if err != nil || t.Into != (schema.Name{}) && t.Into != into {
		t.Into, t.Columns, t.From = schema.Name{}, nil, nil
		return false
	}
	t.Into = into
	return true
}

// copies reads (a, b) VALUES (NEW.c, NEW.d).
func (t *Trigger) copies(p *parser) {
	columns, err := p.inBrackets()
	if err != nil || !p.words("values") {
		return
	}
	values, err := p.inBrackets()
	if err != nil {
		return
	}
	to, from := columns.namesOf(""), values.namesOf("new")
	if len(to) == len(from) {
		t.Columns, t.From = to, from
	}
}

// namesOf reads a list of names, each behind the row that it is of if there is one; nil if it is anything else.
func (p *parser) namesOf(row string) []string {
	var names []string
	for {
		if row != "" && (!p.words(row) || !p.punct(".")) {
			return nil
		}
		name, err := p.name()
		if err != nil {
			return nil
		}
		names = append(names, name)
		if !p.punct(",") {
			break
		}
	}
	if !p.done() {
		return nil
	}
	return names
}

// dropTrigger reads what follows DROP TRIGGER.
func (p *parser) dropTrigger() []Statement {
	p.words("if", "exists")
	name, err := p.table() // a trigger is named as a table is: perhaps behind its database
	if err != nil {
		return one(Statement{Kind: Other})
	}
	return one(Statement{Kind: DropTrigger, Table: schema.Name{Namespace: name.Namespace}, Trigger: &Trigger{Name: name.Table}})
}

// analyze reads what follows ANALYZE.
func (p *parser) analyze() []Statement {
	_ = p.anyWord("local", "no_write_to_binlog")
	var sts []Statement
	for p.words("table"); ; {
		t, err := p.table()
		if err != nil {
			return one(Statement{Kind: Other})
		}
		sts = append(sts, Statement{Kind: AnalyzeTable, Table: t})
		if !p.punct(",") {
			return sts
		}
	}
}
