package ddl

import (
	"strings"
)

// create reads what follows CREATE.
func (p *parser) create() ([]Statement, error) {
	replace := p.words("or", "replace")
	temporary := p.words("temporary")
	switch {
	case p.words("table"):
		return p.createTable(Statement{Kind: CreateTable, Temporary: temporary, Create: &Create{OrReplace: replace}})
	case p.words("database"), p.words("schema"):
		return p.database(CreateDatabase)
	case p.seesAny("unique", "fulltext", "spatial", "vector", "online", "offline", "index"):
		return p.createIndex(replace)
	case temporary, p.seesAny("view", "algorithm", "definer", "sql", "trigger", "procedure", "function", "event", "user",
		"role", "server", "sequence", "package", "tablespace", "undo", "logfile", "aggregate", "resource", "library"):
		return p.createTrigger(), nil
	}
	return nil, p.unexpected()
}

// createTable reads what follows CREATE TABLE.
func (p *parser) createTable(st Statement) ([]Statement, error) {
	st.IfNotExists = p.words("if", "not", "exists")
	var err error
	if st.Table, err = p.table(); err != nil {
		return nil, err
	}
	first := p.i
	if err := p.tableBody(&st); err != nil {
		sts := p.notUnderstoodTable(st.Table, p.part(first, len(p.toks)), err)
		sts[0].Creates, sts[0].Temporary = true, st.Temporary
		return sts, nil
	}
	return one(st), nil
}

// tableBody reads what follows the name of a new table.
func (p *parser) tableBody(st *Statement) (err error) {
	if p.words("like") {
		st.Create.Like, err = p.table()
		return err
	}
	if p.seesPunct("(") && p.ahead(1).kind == tokenWord && strings.EqualFold(p.ahead(1).text, "like") {
		body, err := p.inBrackets()
		if err != nil {
			return err
		}
		body.i++
		st.Create.Like, err = body.table()
		return err
	}
	if p.seesPunct("(") && !p.seesQuery(1) {
		body, err := p.inBrackets()
		if err != nil {
			return err
		}
		if err := body.tableElements(st.Create); err != nil {
			return err
		}
	}
	return p.createOptions(st.Create)
}

// seesQuery says that a query begins n tokens ahead, perhaps in brackets.
func (p *parser) seesQuery(n int) bool {
	for p.ahead(n).kind == tokenPunct && p.ahead(n).text == "(" {
		n++
	}
	t := p.ahead(n)
	if t.kind != tokenWord {
		return false
	}
	switch strings.ToLower(t.text) {
	case "select", "values", "table":
		return true
	case "with":
		return !strings.EqualFold(p.ahead(n+1).text, "system") // WITH SYSTEM VERSIONING
	}
	return false
}

// tableElements reads the columns, keys and constraints of a new table.
func (p *parser) tableElements(c *Create) error {
	parts, err := p.elements()
	if err != nil {
		return err
	}
	for _, e := range parts {
		if err := e.tableElement(c); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) tableElement(c *Create) error {
	k, key, err := p.keyDefinition()
	if err != nil {
		return err
	}
	switch k {
	case primaryKey:
		c.Primary = key
		return nil
	case uniqueKey:
		c.Unique = append(c.Unique, key)
		return nil
	case ruleKey:
		c.refuses = true
		return nil
	case otherKey:
		return nil
	case noKey:
	}
	col, err := p.column()
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	c.Columns = append(c.Columns, col)
	if col.primary {
		c.Primary = []KeyPart{{Column: col.Name}}
	}
	if col.unique {
		c.Unique = append(c.Unique, []KeyPart{{Column: col.Name}})
	}
	return nil
}

// A keyKind tells the keys and constraints that matter.
type keyKind uint8

const (
	noKey keyKind = iota
	primaryKey
	uniqueKey
	otherKey // an index
	ruleKey  // what rows must fit, and what is not known in full: a foreign key, a check, a period
)

// keyDefinition reads a key or a constraint, if there is one rather than a column.
func (p *parser) keyDefinition() (keyKind, []KeyPart, error) {
	constraint, maybe := p.words("constraint"), false
	if constraint && !p.seesAny("primary", "unique", "foreign", "check") {
		maybe = p.words("if", "not", "exists")
		if _, err := p.name(); err != nil {
			return noKey, nil, err
		}
	}
	switch {
	case maybe && p.sees("primary"):
		return noKey, nil, p.unexpected() // only the server knows whether there is one
	case maybe:
		return ruleKey, nil, nil
	case p.words("primary", "key"):
		key, err := p.keyParts()
		return primaryKey, key, err
	case p.words("unique"):
		_ = p.anyWord("key", "index")
		if p.words("if", "not", "exists") {
			return ruleKey, nil, nil // an index of that name may be there, over other columns
		}
		key, err := p.keyParts()
		return uniqueKey, key, err
	case constraint, p.seesAny("foreign", "check"), p.sees("period", "for"):
		return ruleKey, nil, nil
	case p.seesAny("index", "key", "fulltext", "spatial"), p.sees("vector", "index"), p.sees("vector", "key"):
		return otherKey, nil, nil
	}
	return noKey, nil, nil
}

// keyParts reads the columns of a key, behind its name and type. What follows them does not matter.
func (p *parser) keyParts() ([]KeyPart, error) {
	if p.sees("if", "not", "exists") {
		return nil, p.unexpected() // only the server knows whether there is one
	}
	for !p.seesPunct("(") {
		if p.done() {
			return nil, errEndsEarly
		}
		p.i++
	}
	list, err := p.inBrackets()
	if err != nil {
		return nil, err
	}
	parts, err := list.elements()
	if err != nil {
		return nil, err
	}
	var key []KeyPart
	for _, e := range parts {
		if e.seesPunct("(") {
			key = append(key, KeyPart{Prefix: true})
			continue
		}
		if e.sees("period") || len(e.toks) > 1 && strings.EqualFold(e.toks[1].text, "without") {
			continue // MariaDB's period WITHOUT OVERLAPS: not a column
		}
		n, err := e.columnName()
		if err != nil {
			return nil, err
		}
		key = append(key, KeyPart{Column: n, Prefix: e.seesPunct("(")})
	}
	return key, nil
}

// createIndex reads CREATE INDEX, of which only unique ones matter.
func (p *parser) createIndex(replace bool) ([]Statement, error) {
	_ = p.anyWord("online", "offline")
	unique := p.words("unique")
	_ = unique || p.anyWord("fulltext", "spatial", "vector")
	if !p.words("index") {
		return nil, p.unexpected()
	}
	ifNotExists := p.words("if", "not", "exists")
	name := p.peek().text
	for !p.words("on") {
		if _, err := p.name(); err != nil {
			return nil, err
		}
	}
	t, err := p.table()
	if err != nil {
		return nil, err
	}
	st := Statement{Kind: AlterTable, Table: t}
	if replace {
		st.Clauses = append(st.Clauses, dropIndex(name, true))
	}
	c := Clause{Refuses: unique}
	if unique && !ifNotExists { // else an index of that name may be there, over other columns
		c.Kind = AddUnique
		c.Key, err = p.keyParts()
	}
	st.Clauses = append(st.Clauses, c)
	return one(st), err
}

// createOptions reads what follows the columns of a new table: options, partitions and a query.
func (p *parser) createOptions(c *Create) error {
	for !p.done() {
		switch {
		case p.punct(","):
		case p.seesQuery(0):
			c.Select = true
			return nil
		case p.anyWord("as", "ignore", "replace"):
			if !p.seesQuery(0) && !p.seesAny("as", "ignore", "replace") {
				return p.unexpected()
			}
		case p.words("partition", "by"):
			return p.partitions(c)
		case p.words("with", "system", "versioning"):
			c.Versioned = true
		default:
			charset, known, err := p.tableOption()
			if err != nil {
				return err
			}
			if !known {
				return p.unexpected()
			}
			if charset != "" {
				c.Charset = charset
			}
		}
	}
	return nil
}

// partitions steps over the partitions of a new table, up to a query.
func (p *parser) partitions(c *Create) error {
	for !p.done() {
		if p.seesQuery(0) || p.sees("as") {
			c.Select = true
			return nil
		}
		if err := p.skip(); err != nil {
			return err
		}
	}
	return nil
}

// tableOption reads one option of a table, and its character set if it sets that.
func (p *parser) tableOption() (charset string, known bool, err error) {
	p.words("default")
	switch {
	case p.words("character", "set"), p.words("charset"), p.words("char", "set"):
		p.punct("=")
		t := p.next()
		return Charset(t.text), t.kind != tokenEnd, nil
	case p.words("collate"):
		p.punct("=")
		return CollationCharset(p.next().text), true, nil
	case p.words("union"):
		p.punct("=")
		return "", true, p.bracket()
	case p.words("start", "transaction"):
		return "", true, nil
	case p.words("data", "directory"), p.words("index", "directory"):
		p.punct("=")
		p.next()
		return "", true, nil
	case p.words("storage"), p.words("tablespace"):
		p.punct("=")
		_, err = p.name()
		return "", true, err
	case p.anyWord(tableOptions...):
		p.punct("=")
		p.i = min(p.i+1, len(p.toks))
		return "", true, nil
	case p.peek().kind <= tokenQuoted && p.ahead(1).kind == tokenPunct && p.ahead(1).text == "=":
		// The option of an engine.
		p.i = min(p.i+3, len(p.toks))
		return "", true, nil
	}
	return "", false, nil
}

// tableOptions are the options of a table that take one value and say nothing about its rows.
var tableOptions = []string{
	"engine", "type", "auto_increment", "autoextend_size", "avg_row_length", "checksum", "table_checksum", "comment",
	"compression", "connection", "delay_key_write", "encryption", "engine_attribute", "insert_method",
	"ietf_quotes", "key_block_size", "max_rows", "min_rows", "pack_keys", "page_checksum", "page_compressed",
	"page_compression_level", "password", "row_format", "secondary_engine", "secondary_engine_attribute", "sequence",
	"stats_auto_recalc", "stats_persistent", "stats_sample_pages", "transactional", "encrypted", "encryption_key_id",
	"storage_engine",
}
