package ddl

import (
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// alter reads what follows ALTER.
func (p *parser) alter() ([]Statement, error) {
	_ = p.anyWord("online", "offline")
	ignore := p.words("ignore")
	switch {
	case p.words("table"):
	case p.words("database"), p.words("schema"):
		return p.database(AlterDatabase)
	case p.seesAny("view", "algorithm", "definer", "sql", "procedure", "function", "event", "user", "role", "server",
		"sequence", "package", "tablespace", "undo", "logfile", "instance", "resource", "library"):
		return one(Statement{Kind: Other}), nil
	default:
		return nil, p.unexpected()
	}
	st := Statement{Kind: AlterTable, IfExists: p.words("if", "exists")}
	var err error
	if st.Table, err = p.table(); err != nil {
		return nil, err
	}
	if err := p.wait(); err != nil {
		return nil, err
	}
	if ignore {
		st.Clauses = []Clause{{Kind: DataChange, Reason: "ALTER IGNORE TABLE deletes rows that are not unique"}}
	}
	return p.alterClauses(st)
}

// alterClauses reads all clauses. One that is not understood makes the whole not understood: clauses depend on each
// other.
func (p *parser) alterClauses(st Statement) ([]Statement, error) {
	first := p.i
	parts, err := p.elements()
	if err != nil {
		return p.notUnderstoodTable(st.Table, p.part(first, len(p.toks)), err), nil
	}
	for i := 0; i < len(parts); i++ {
		e := parts[i]
		if lists(e) {
			// Partition clauses and ORDER BY have commas of their own.
			e.toks = p.toks[len(p.toks)-remaining(parts[i:]):]
			i = len(parts)
		}
		clauses, err := e.clauses()
		if err != nil {
			return p.notUnderstoodTable(st.Table, p.part(len(p.toks)-remaining(parts[min(i, len(parts)-1):]), len(p.toks)), err), nil
		}
		st.Clauses = append(st.Clauses, clauses...)
	}
	return append(one(st), others(st.Clauses)...), nil
}

// others makes statements of the other tables whose rows the clauses change.
func others(clauses []Clause) []Statement {
	var sts []Statement
	for _, c := range clauses {
		if c.Kind == DataChange && c.To != (schema.Name{}) {
			sts = append(sts, c.other())
		}
	}
	return sts
}

// other is what the clause does to the other table.
func (c Clause) other() Statement {
	switch c.Becomes {
	case CreateTable:
		return Statement{Kind: NotUnderstood, Table: c.To, Creates: true, Reason: c.Reason}
	case DropTable:
		return Statement{Kind: DropTable, Table: c.To, IfExists: true}
	default:
		to := c.To
		c.To = schema.Name{}
		return Statement{Kind: AlterTable, Table: to, IfExists: true, Clauses: []Clause{c}}
	}
}

// remaining counts the tokens of parts with the commas between them.
func remaining(parts []*parser) int {
	n := len(parts) - 1
	for _, e := range parts {
		n += len(e.toks)
	}
	return n
}

// lists says that a clause has a list with commas to its end.
func lists(e *parser) bool {
	for _, ws := range [][]string{
		{"order", "by"}, {"drop", "partition"}, {"truncate", "partition"}, {"discard", "partition"}, {"import", "partition"},
		{"reorganize", "partition"}, {"rebuild", "partition"}, {"analyze", "partition"}, {"check", "partition"},
		{"optimize", "partition"}, {"repair", "partition"}, {"coalesce", "partition"},
	} {
		if e.sees(ws...) {
			return true
		}
	}
	return false
}

// clauses reads what stands between two commas: one clause, or options of the table side by side.
func (p *parser) clauses() ([]Clause, error) {
	var cs []Clause
	for !p.done() {
		c, err := p.clause()
		if err != nil {
			return nil, err
		}
		cs = append(cs, c...)
	}
	return cs, nil
}

// clause reads one clause.
func (p *parser) clause() ([]Clause, error) {
	switch {
	case p.words("add"):
		return p.add()
	case p.words("drop"):
		return p.dropClause()
	case p.words("modify"):
		return p.modify(false)
	case p.words("change"):
		return p.modify(true)
	case p.words("rename"):
		return p.renameClause()
	case p.words("alter"):
		return p.alterColumn()
	case p.words("convert", "to"), p.words("convert"):
		return p.convert()
	case p.seesAny("discard", "import", "truncate", "exchange", "reorganize", "coalesce", "rebuild", "analyze", "check",
		"optimize", "repair", "remove", "partition", "convert"), p.sees("drop", "partition"):
		return p.partitionClause()
	case p.words("order", "by"), p.words("enable", "keys"), p.words("disable", "keys"):
		return p.rest(Clause{}), nil
	case p.words("force"), p.words("with", "validation"), p.words("without", "validation"), p.words("nowait"),
		p.anyWord("secondary_load", "secondary_unload"):
		return []Clause{{}}, nil
	case p.anyWord("algorithm", "lock"):
		p.punct("=")
		_, err := p.name()
		return []Clause{{}}, err
	}
	charset, known, err := p.tableOption()
	if err != nil || !known {
		if err == nil {
			err = p.unexpected()
		}
		return nil, err
	}
	if charset != "" {
		return []Clause{{Kind: SetCharset, Charset: charset}}, nil
	}
	return []Clause{{}}, nil
}

// alterColumn reads what follows ALTER: a column's default or visibility, or something of an index or a check.
func (p *parser) alterColumn() ([]Clause, error) {
	if p.seesAny("index", "key", "check", "constraint") {
		return p.rest(Clause{}), nil
	}
	p.words("column")
	p.words("if", "exists")
	name, err := p.columnName()
	if err != nil {
		return nil, err
	}
	switch {
	case p.words("set", "invisible"):
		return []Clause{{Kind: Hide, Name: name}}, nil
	case p.words("set", "visible"):
		return []Clause{{Kind: Show, Name: name}}, nil
	case p.sees("set", "default"), p.sees("drop", "default"):
		return p.rest(Clause{Kind: SetDefault, Name: name}), nil
	}
	return nil, p.unexpected()
}

// rest takes all that is left as part of the clause.
func (p *parser) rest(c Clause) []Clause {
	p.i = len(p.toks)
	return []Clause{c}
}

// add reads what follows ADD.
func (p *parser) add() ([]Clause, error) {
	switch {
	case p.words("partition"):
		return p.rest(Clause{Refuses: true}), nil
	case p.words("system", "versioning"):
		return []Clause{{Kind: DataChange, Reason: "ADD SYSTEM VERSIONING keeps the history of its rows in the table"}}, nil
	}
	if !p.sees("column") {
		k, key, err := p.keyDefinition()
		switch {
		case err != nil:
			return nil, err
		case k == primaryKey:
			return p.rest(Clause{Kind: AddPrimaryKey, Key: key}), nil
		case k == uniqueKey:
			return p.rest(Clause{Kind: AddUnique, Key: key}), nil
		case k == otherKey, k == ruleKey:
			return p.rest(Clause{Refuses: k == ruleKey}), nil
		}
	}
	p.words("column")
	c := Clause{Kind: Add, IfNotExists: p.words("if", "not", "exists")}
	if p.seesPunct("(") {
		return p.addList(c.IfNotExists)
	}
	var err error
	if c.Column, err = p.column(); err != nil {
		return nil, err
	}
	if err := p.place(&c); err != nil {
		return nil, err
	}
	return added(c), p.endOfColumn()
}

// addList reads ADD (a INT, b INT, KEY (b)).
func (p *parser) addList(ifNotExists bool) ([]Clause, error) {
	list, err := p.inBrackets()
	if err != nil {
		return nil, err
	}
	var body Create
	if err := list.tableElements(&body); err != nil {
		return nil, err
	}
	var cs []Clause
	for _, col := range body.Columns {
		unkeyed := col
		unkeyed.primary, unkeyed.unique = false, false
		cs = append(cs, added(Clause{Kind: Add, Column: unkeyed, IfNotExists: ifNotExists})...)
	}
	if body.Primary != nil {
		cs = append(cs, Clause{Kind: AddPrimaryKey, Key: body.Primary})
	}
	for _, key := range body.Unique {
		cs = append(cs, Clause{Kind: AddUnique, Key: key})
	}
	if body.refuses {
		cs = append(cs, Clause{Refuses: true})
	}
	return cs, p.endOfColumn()
}

// added makes the clauses of a new column: itself, and the keys that it says it is.
func added(c Clause) []Clause {
	switch {
	case c.Column.Flags&schema.Generated != 0:
		c.Reason = "ADD COLUMN " + c.Column.Name + " computes a value for each row"
	case c.Column.Default.Kind == Expression:
		c.Reason = "ADD COLUMN " + c.Column.Name + " gives each row a default that only the server knows: " + c.Column.Default.Text
	case c.Column.counts:
		c.Reason = "ADD COLUMN " + c.Column.Name + " numbers the rows"
	}
	return withKeys(c)
}

// withKeys adds the keys that a column's definition says it is.
func withKeys(c Clause) []Clause {
	c.Refuses = c.Column.refuses
	cs := []Clause{c}
	key := []KeyPart{{Column: c.Column.Name}}
	if c.Column.primary {
		cs = append(cs, Clause{Kind: AddPrimaryKey, Key: key, IfNotExists: c.IfNotExists})
	}
	if c.Column.unique {
		cs = append(cs, Clause{Kind: AddUnique, Key: key, IfNotExists: c.IfNotExists})
	}
	return cs
}

// place reads FIRST or AFTER.
func (p *parser) place(c *Clause) (err error) {
	switch {
	case p.words("first"):
		c.First = true
	case p.words("after"):
		c.After, err = p.columnName()
	}
	return err
}

// endOfColumn says that a column's clause ends here, or partitions follow.
func (p *parser) endOfColumn() error {
	if p.sees("partition", "by") || p.sees("remove", "partitioning") {
		return nil
	}
	return p.end()
}

// dropClause reads what follows DROP.
func (p *parser) dropClause() ([]Clause, error) {
	switch {
	case p.words("primary", "key"):
		return []Clause{{Kind: DropPrimaryKey}}, nil
	case p.words("partition"):
		return p.rest(Clause{Kind: DataChange, Reason: "DROP PARTITION deletes rows"}), nil
	case p.words("system", "versioning"):
		return []Clause{{Kind: DataChange, Reason: "DROP SYSTEM VERSIONING deletes the history of the rows"}}, nil
	case p.words("foreign", "key"), p.words("check"), p.words("period", "for"):
		return p.rest(Clause{}), nil
	case p.anyWord("index", "key", "constraint"):
		ifExists := p.words("if", "exists")
		name, err := p.name()
		return []Clause{dropIndex(name, ifExists)}, err
	}
	p.words("column")
	c := Clause{Kind: Drop, IfExists: p.words("if", "exists")}
	var err error
	c.Name, err = p.columnName()
	_ = p.anyWord("restrict", "cascade")
	if err == nil {
		err = p.endOfColumn()
	}
	return []Clause{c}, err
}

// dropIndex is the clause of an index that is dropped: the primary key is one too.
func dropIndex(name string, ifExists bool) Clause {
	if strings.EqualFold(name, "primary") {
		return Clause{Kind: DropPrimaryKey, IfExists: ifExists}
	}
	return Clause{Kind: DropIndex, Name: name, IfExists: ifExists}
}

// modify reads what follows MODIFY, or CHANGE, which names the column again.
func (p *parser) modify(change bool) ([]Clause, error) {
	p.words("column")
	c := Clause{Kind: Modify, IfExists: p.words("if", "exists")}
	var err error
	if c.Name, err = p.columnName(); err != nil {
		return nil, err
	}
	name := c.Name
	if change {
		if name, err = p.columnName(); err != nil {
			return nil, err
		}
	}
	if c.Column, err = p.columnDefinition(name); err != nil {
		return nil, err
	}
	if err := p.place(&c); err != nil {
		return nil, err
	}
	if c.Column.Flags&schema.Generated != 0 {
		c.Reason = "MODIFY COLUMN " + c.Name + " may compute a value for each row"
	}
	return withKeys(c), p.endOfColumn()
}

// renameClause reads what follows RENAME.
func (p *parser) renameClause() ([]Clause, error) {
	switch {
	case p.sees("column") && p.ahead(1).kind != tokenEnd && !p.sees("column", "to"):
		p.i++
		c := Clause{Kind: Rename, IfExists: p.words("if", "exists")}
		var err error
		if c.Name, err = p.columnName(); err != nil {
			return nil, err
		}
		if !p.words("to") {
			return nil, p.unexpected()
		}
		c.Column.Name, err = p.name()
		return []Clause{c}, err
	case p.seesAny("index", "key"):
		return p.rest(Clause{}), nil
	}
	_ = p.anyWord("to", "as") || p.punct("=")
	to, err := p.table()
	return []Clause{{Kind: RenameTo, To: to}}, err
}

// convert reads what follows CONVERT.
func (p *parser) convert() ([]Clause, error) {
	if p.seesAny("partition", "table") {
		c := Clause{Kind: DataChange, Becomes: DropTable, Reason: "CONVERT moves rows between tables"}
		if p.sees("partition") {
			c.Becomes = CreateTable
		}
		return p.otherTable(c)
	}
	if !p.words("character", "set") && !p.words("charset") && !p.words("char", "set") {
		return nil, p.unexpected()
	}
	c := Clause{Kind: ConvertCharset, Reason: "CONVERT TO CHARACTER SET rewrites all text"}
	name, err := p.charsetName()
	if err != nil {
		return nil, err
	}
	if c.Charset = Charset(name); c.Charset == "default" {
		c.Charset = ""
	}
	if p.words("collate") {
		if _, err := p.charsetName(); err != nil {
			return nil, err
		}
	}
	return []Clause{c}, nil
}

// charsetName reads the name of a character set or collation, which may be a string.
func (p *parser) charsetName() (string, error) {
	p.punct("=")
	if p.peek().kind == tokenString {
		return p.next().text, nil
	}
	return p.name()
}

// partitionClause reads a clause about partitions or tablespaces.
func (p *parser) partitionClause() ([]Clause, error) {
	first := p.i
	verb := strings.ToUpper(p.next().text)
	c := Clause{Refuses: true}
	switch verb {
	case "DISCARD", "IMPORT":
		c = Clause{Kind: DataChange, Reason: verb + " TABLESPACE takes rows away or brings new ones"}
	case "TRUNCATE":
		c = Clause{Kind: DataChange, Reason: "TRUNCATE PARTITION deletes rows"}
	case "EXCHANGE":
		c = Clause{Kind: DataChange, Reason: "EXCHANGE PARTITION swaps rows with another table"}
	case "REMOVE":
		if !p.words("partitioning") {
			return nil, p.unexpected()
		}
		return []Clause{{}}, nil
	}
	if verb != "PARTITION" && !p.sees("partition") && !p.sees("tablespace") {
		p.i = first
		return nil, p.unexpected()
	}
	if verb == "EXCHANGE" {
		return p.otherTable(c)
	}
	return p.rest(c), nil
}

// otherTable finds the table that is named behind the word TABLE, and takes all that is left.
func (p *parser) otherTable(c Clause) ([]Clause, error) {
	for !p.words("table") {
		if p.done() {
			return nil, errEndsEarly
		}
		p.i++
	}
	var err error
	c.To, err = p.table()
	return p.rest(c), err
}
