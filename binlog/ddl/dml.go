package ddl

import (
	"errors"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// dml reads a statement that changes rows: the tables are those that it may write to, as far as its text tells.
func (p *parser) dml() []Statement {
	tables := p.targets()
	if len(tables) == 0 {
		tables = []schema.Name{{}}
	}
	sts := make([]Statement, len(tables))
	for i, t := range tables {
		sts[i] = Statement{Kind: DML, Table: t}
	}
	return sts
}

// targets returns the tables that a statement may write to, none when it does not tell.
func (p *parser) targets() []schema.Name {
	switch {
	case p.words("insert"), p.words("replace"):
		for p.anyWord("low_priority", "delayed", "high_priority", "ignore", "into") {
		}
		return p.oneTarget()
	case p.words("load"):
		for !p.done() && !p.words("into", "table") {
			p.i++
		}
		return p.oneTarget()
	case p.words("delete"):
		return p.deleteTargets()
	case p.words("update"):
		// Several tables may be joined, each of them a target.
		first := p.i
		for p.anyWord("low_priority", "ignore") {
			first = p.i
		}
		for !p.done() && !p.words("set") {
			if p.skip() != nil {
				break
			}
		}
		return p.part(first, p.i).anyNames()
	}
	// A function that a query calls may write anywhere; a WITH hides what its statement does.
	return nil
}

// deleteTargets reads what follows DELETE.
func (p *parser) deleteTargets() []schema.Name {
	for p.anyWord("low_priority", "quick", "ignore", "history") {
	}
	first := p.i
	if p.words("from") {
		t := p.oneTarget()
		if !p.seesPunct(",") && !p.sees("using") && !p.seesPunct(".") {
			return t
		}
	}
	// Targets are named with their aliases: all names are taken.
	for !p.done() && !p.words("where") {
		if p.skip() != nil {
			break
		}
	}
	return p.part(first, p.i).anyNames()
}

func (p *parser) oneTarget() []schema.Name {
	t, err := p.table()
	if err != nil {
		return nil
	}
	return []schema.Name{t}
}

// maxNameLength is the longest name of a table, in characters.
const maxNameLength = 64

// anyNames returns all that could be the name of a table: each name on its own, and each two with a dot between them.
func (p *parser) anyNames() []schema.Name {
	n := names{mode: p.mode, seen: map[schema.Name]bool{}}
	for _, t := range p.toks {
		n.add(t)
	}
	return n.found
}

// names collects what could be names of tables from tokens.
type names struct {
	mode   Mode
	seen   map[schema.Name]bool
	found  []schema.Name
	before [2]token
}

func (n *names) add(t token) {
	name := t.kind == tokenWord || t.kind == tokenQuoted
	if name && len([]rune(t.text)) <= maxNameLength {
		dot, space := n.before[1], n.before[0]
		if dot.kind == tokenPunct && dot.text == "." && (space.kind == tokenWord || space.kind == tokenQuoted) {
			n.put(schema.Name{Namespace: space.text, Table: t.text})
		} else if t.kind == tokenQuoted || !isKeyword(t.text) {
			n.put(schema.Name{Namespace: n.mode.Database, Table: t.text})
		}
	}
	n.before = [2]token{n.before[1], t}
}

func (n *names) put(name schema.Name) {
	name = (&parser{mode: n.mode}).fold(name)
	if !n.seen[name] {
		n.seen[name] = true
		n.found = append(n.found, name)
	}
}

// isKeyword says that a word, unquoted, cannot be the name of a table: both servers reserve it.
func isKeyword(word string) bool {
	switch strings.ToLower(word) {
	case "add", "all", "alter", "and", "as", "asc", "before", "between", "by", "cascade", "change", "character", "check",
		"collate", "column", "constraint", "create", "cross", "database", "default", "delete", "desc", "distinct", "drop",
		"else", "exists", "for", "force", "foreign", "from", "grant", "group", "having", "if", "ignore", "in", "index",
		"inner", "insert", "into", "is", "join", "key", "keys", "left", "like", "limit", "load", "lock", "not", "null",
		"on", "or", "order", "outer", "primary", "references", "rename", "replace", "restrict", "revoke", "right",
		"select", "set", "straight_join", "table", "then", "to", "trigger", "union", "unique", "unlock", "unsigned",
		"update", "use", "using", "values", "varchar", "when", "where", "with", "write":
		return true
	}
	return false
}

var errTooLong = errors.New("the text is longer than 1 MiB")

// scan reads a text that is too long to keep its tokens.
func scan(statement string, mode Mode) []Statement {
	head, _ := lex(statement[:MaxLength/16], mode)
	p := &parser{src: statement, toks: head, mode: mode}
	if p.setStatement() == nil && p.seesAny("insert", "replace", "load") {
		return p.dml()
	}
	if sts, err := p.byVerb(); err == nil && sts[0].Kind == Other {
		return sts // a routine, a view: the first words tell
	}
	l := lexer{src: statement, mode: mode}
	n := names{mode: mode, seen: map[schema.Name]bool{}}
	for {
		t, err := l.next()
		if err != nil || t.kind == tokenEnd {
			return p.notUnderstood(errTooLong, n.found)
		}
		n.add(t)
	}
}
