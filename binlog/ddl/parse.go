package ddl

import (
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
)

// MaxLength is the length of the longest text that Parse reads in full, in bytes. Of a longer one it takes only the
// names of what may be touched: no table that a row fits in needs so long a definition.
const MaxLength = 1 << 20

// Parse reads one statement, in UTF-8, as the log has it. There is always at least one Statement.
func Parse(statement string, mode Mode) []Statement {
	if len(statement) > MaxLength {
		return scan(statement, mode)
	}
	toks, err := lex(statement, mode)
	p := &parser{src: statement, toks: toks, mode: mode}
	if err != nil {
		return p.notUnderstood(err, p.anyNames())
	}
	for p.punct(";") {
	}
	for len(toks) > p.i && toks[len(toks)-1].text == ";" && toks[len(toks)-1].kind == tokenPunct {
		toks = toks[:len(toks)-1]
	}
	p.toks = toks
	return p.statement()
}

// statement reads a statement by its first words.
func (p *parser) statement() []Statement {
	if err := p.setStatement(); err != nil {
		return p.notUnderstood(err, p.anyNames())
	}
	first := p.i
	sts, err := p.byVerb()
	if err == nil {
		return sts
	}
	p.i = first
	return p.notUnderstood(err, p.anyNames())
}

// setStatement steps over MariaDB's SET STATEMENT variable = value, ... FOR.
func (p *parser) setStatement() error {
	for p.words("set", "statement") {
		for !p.words("for") {
			if err := p.skip(); err != nil {
				return err
			}
		}
	}
	return nil
}

// byVerb reads a statement. An error says that it is not understood.
func (p *parser) byVerb() ([]Statement, error) {
	switch {
	case p.done():
		return one(Statement{Kind: Other}), nil
	case p.words("create"):
		return p.create()
	case p.words("alter"):
		return p.alter()
	case p.words("drop"):
		return p.drop()
	case p.words("rename"):
		return p.rename()
	case p.words("truncate"):
		return p.truncate()
	case p.words("analyze"):
		if p.seesAny("table", "local", "no_write_to_binlog") {
			return p.analyze(), nil
		}
		return p.dml(), nil // MariaDB's ANALYZE runs the statement
	case p.seesAny("insert", "replace", "update", "delete", "load", "with", "select", "call", "do"), p.seesPunct("("):
		return p.dml(), nil
	case p.seesAny(harmlessVerbs...):
		return one(Statement{Kind: Other}), nil
	}
	return nil, p.unexpected()
}

// harmlessVerbs begin statements that change neither the shape of a table nor its rows.
var harmlessVerbs = []string{
	"begin", "start", "commit", "rollback", "savepoint", "release", "xa", "end", "set", "use", "show", "explain",
	"describe", "desc", "grant", "revoke", "flush", "optimize", "check", "checksum", "repair", "kill",
	"install", "uninstall", "lock", "unlock", "reset", "purge", "change", "stop", "cache", "prepare", "execute",
	"deallocate", "handler", "help", "signal", "resignal", "get", "restart", "shutdown", "backup", "binlog", "declare",
}

func one(s Statement) []Statement { return []Statement{s} }

// notUnderstood makes statements of the tables that may be touched.
func (p *parser) notUnderstood(why error, tables []schema.Name) []Statement {
	if len(tables) == 0 {
		tables = []schema.Name{{}}
	}
	sts := make([]Statement, len(tables))
	for i, t := range tables {
		sts[i] = Statement{Kind: NotUnderstood, Table: t, Reason: why.Error()}
	}
	return sts
}

// notUnderstoodTable says the same of a statement whose table is known.
func (p *parser) notUnderstoodTable(t schema.Name, part *parser, why error) []Statement {
	err := fmt.Errorf("%q: %w", part.quote(0, len(part.toks)), why)
	return p.notUnderstood(err, []schema.Name{t})
}

// drop reads what follows DROP.
func (p *parser) drop() ([]Statement, error) {
	st := Statement{Kind: DropTable, Temporary: p.words("temporary")}
	switch {
	case p.words("table"), p.words("tables"):
	case st.Temporary:
		return one(Statement{Kind: Other}), nil // a temporary sequence
	case p.words("database"), p.words("schema"):
		return p.database(DropDatabase)
	case p.words("trigger"):
		return p.dropTrigger(), nil
	case p.seesAny("view", "procedure", "function", "event", "user", "role", "server", "sequence", "package",
		"index", "tablespace", "undo", "logfile", "prepare", "resource", "spatial", "aggregate", "library", "connection"):
		return p.dropOther()
	default:
		return nil, p.unexpected()
	}
	st.IfExists = p.words("if", "exists")
	var sts []Statement
	for {
		var err error
		if st.Table, err = p.table(); err != nil {
			return nil, err
		}
		sts = append(sts, st)
		if p.punct(",") {
			continue
		}
		_ = p.anyWord("restrict", "cascade")
		if err := p.wait(); err != nil {
			return nil, err
		}
		return sts, p.end()
	}
}

// dropOther reads DROP INDEX, and takes all the others as harmless.
func (p *parser) dropOther() ([]Statement, error) {
	if !p.words("index") {
		return one(Statement{Kind: Other}), nil
	}
	ifExists := p.words("if", "exists")
	name, err := p.name()
	if err != nil || !p.words("on") {
		return nil, p.unexpected()
	}
	t, err := p.table()
	return one(Statement{Kind: AlterTable, Table: t, Clauses: []Clause{dropIndex(name, ifExists)}}), err
}

// wait steps over MariaDB's WAIT n and NOWAIT.
func (p *parser) wait() error {
	if p.words("nowait") || !p.words("wait") {
		return nil
	}
	if t := p.next(); t.kind != tokenNumber {
		return p.unexpectedToken(t)
	}
	return nil
}

// end says that nothing is left.
func (p *parser) end() error {
	if p.done() {
		return nil
	}
	return p.unexpected()
}

// rename reads what follows RENAME.
func (p *parser) rename() ([]Statement, error) {
	if p.words("user") {
		return one(Statement{Kind: Other}), nil
	}
	if !p.words("table") && !p.words("tables") {
		return nil, p.unexpected()
	}
	ifExists := p.words("if", "exists")
	var sts []Statement
	for {
		from, err := p.table()
		if err != nil {
			return nil, err
		}
		if err := p.wait(); err != nil || !p.words("to") {
			return nil, p.unexpected()
		}
		to, err := p.table()
		if err != nil {
			return nil, err
		}
		sts = append(sts, Statement{Kind: RenameTable, Table: from, To: to, IfExists: ifExists})
		if !p.punct(",") {
			return sts, p.end()
		}
	}
}

// truncate reads what follows TRUNCATE.
func (p *parser) truncate() ([]Statement, error) {
	p.words("table")
	t, err := p.table()
	if err == nil {
		err = p.wait()
	}
	if err != nil {
		return nil, err
	}
	return one(Statement{Kind: TruncateTable, Table: t}), p.end()
}

// database reads what follows CREATE, ALTER or DROP DATABASE.
func (p *parser) database(k Kind) ([]Statement, error) {
	st := Statement{Kind: k, IfExists: p.words("if", "exists"), IfNotExists: p.words("if", "not", "exists")}
	if k == AlterDatabase && p.seesAny("character", "charset", "default", "collate", "comment", "read") {
		st.Table.Namespace, st.Charset = p.mode.Database, p.databaseCharset()
		return one(st), nil
	}
	name, err := p.name()
	st.Table, st.Charset = p.fold(schema.Name{Namespace: name}), p.databaseCharset()
	return one(st), err
}

// databaseCharset reads the options of a database for its character set. Those that are not known say nothing of it.
func (p *parser) databaseCharset() (charset string) {
	for !p.done() {
		set, known, err := p.tableOption()
		if err != nil || !known {
			return charset
		}
		if set != "" {
			charset = set
		}
	}
	return charset
}
