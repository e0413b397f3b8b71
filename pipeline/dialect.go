package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// Patterns name tables in one of two ways. The zero value names none.
//
// Text is Flink CDC's dialect: patterns separated by commas, each a regular expression for the database and one for the
// table with a dot between them. Because that dot separates, "any character" is written \. there: shop\.*.order_\.* is all
// tables whose name begins with order_ in all databases whose name begins with shop. [.] is a dot of the name itself, \, a
// comma. The expressions are RE2's, match whole names, and do not mind case.
//
// Globs are what shells have: shop.order_* with * for any characters and ? for one; \ takes the next character as it is.
type Patterns struct {
	Text  string
	Globs []string
}

// Tables says which tables of a source a pipeline copies.
type Tables struct{ Include, Exclude Patterns }

// ParseTables makes a matcher. Its error names each pattern that is wrong, and where.
func ParseTables(t Tables) (func(schema.Name) bool, error) {
	include, err1 := t.Include.parse()
	exclude, err2 := t.Exclude.parse()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if len(include) == 0 {
		return nil, errors.New(`no tables are named: write database.table, for instance shop.orders, or shop.\.* for all tables of shop`)
	}
	return func(n schema.Name) bool { return anyMatches(include, n) && !anyMatches(exclude, n) }, nil
}

// A selector matches the names of tables.
type selector struct{ re *regexp.Regexp }

// between stands between database and table in what a selector matches: no name has it.
const between = "\x00"

func (s selector) matches(n schema.Name) bool {
	return s.re.MatchString(n.Namespace + between + n.Table)
}

// groups returns what the groups of a match hold, the whole match first; nil when there is none.
func (s selector) groups(n schema.Name) []string {
	return s.re.FindStringSubmatch(n.Namespace + between + n.Table)
}

func anyMatches(list []selector, n schema.Name) bool {
	for _, s := range list {
		if s.matches(n) {
			return true
		}
	}
	return false
}

func (p Patterns) parse() ([]selector, error) {
	list, err := parseDialect(p.Text)
	errs := []error{err}
	for _, g := range p.Globs {
		s, err := parseGlob(g)
		list, errs = append(list, s), append(errs, err)
	}
	return list, errors.Join(errs...)
}

// A piece is one pattern of a text in the dialect.
type piece struct {
	text string
	at   int   // its offset
	dots []int // of the unescaped dots, within text
}

// split cuts a text at its unescaped commas. In a class ([a,b.]) and in a repetition ({1,2}) they are ordinary.
func split(text string) []piece {
	var all []piece
	p := piece{}
	class, braces := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '[' && !class, c == ']' && class:
			class = !class
		case class:
		case c == '{' || c == '}':
			braces = c == '{'
		case c == ',' && !braces:
			p.text = text[p.at:i]
			all, p = append(all, p), piece{at: i + 1}
		case c == '.':
			p.dots = append(p.dots, i-p.at)
		}
	}
	p.text = text[p.at:]
	return append(all, p)
}

func parseDialect(text string) ([]selector, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var list []selector
	var errs []error
	for _, p := range split(text) {
		s, err := p.selector()
		if err != nil {
			err = fmt.Errorf("pattern %q at offset %d: %w", strings.TrimSpace(p.text), p.at, err)
		}
		list, errs = append(list, s), append(errs, err)
	}
	return list, errors.Join(errs...)
}

func (p piece) selector() (selector, error) {
	switch {
	case strings.TrimSpace(p.text) == "":
		return selector{}, errors.New("it is empty: take a comma away")
	case len(p.dots) == 0:
		return selector{}, errors.New(`no dot separates database and table: write database.table, and \. for "any character"`)
	case len(p.dots) > 1:
		return selector{}, fmt.Errorf(`it has %d dots, and only the one between database and table may stand alone: write \. for `+
			`"any character" (all tables of shop are shop.\.*), and [.] for a dot in a name`, len(p.dots))
	}
	d := p.dots[0]
	return compile(regex(p.text[:d]), regex(p.text[d+1:]))
}

// regex makes an expression of a part in the dialect: \. becomes a dot, \, a comma.
func regex(part string) string {
	part = strings.TrimSpace(part)
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
			if part[i] != '.' && part[i] != ',' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(part[i])
	}
	return b.String()
}

// compile makes a selector of two expressions. Each is compiled alone first, so that one cannot end within the other.
func compile(database, table string) (selector, error) {
	for _, part := range []string{database, table} {
		if part == "" {
			return selector{}, errors.New("a name is missing beside the dot")
		}
		if _, err := regexp.Compile("(?is)" + part); err != nil {
			return selector{}, explain(err)
		}
	}
	re, err := regexp.Compile("(?is)^(?:" + database + ")" + between + "(?:" + table + ")$")
	if err != nil {
		return selector{}, explain(err)
	}
	return selector{re}, nil
}

// explain words an error of an expression.
func explain(err error) error {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code {
	case syntax.ErrInvalidPerlOp:
		return fmt.Errorf("%s in %q: expressions are RE2's, without look-around and back-references; tables.exclude subtracts", se.Code, se.Expr)
	case syntax.ErrMissingRepeatArgument:
		return fmt.Errorf(`%s: %q follows nothing; "any characters" is \.*`, se.Code, se.Expr)
	default:
		return fmt.Errorf("%s: %q", se.Code, se.Expr)
	}
}

// parseGlob reads database.table with wildcards; the first dot separates.
func parseGlob(glob string) (selector, error) {
	var parts [2]strings.Builder
	part := 0
	g := strings.TrimSpace(glob)
	for i := 0; i < len(g); i++ {
		switch c := g[i]; {
		case c == '.' && part == 0:
			part = 1
		case c == '*':
			parts[part].WriteString(".*")
		case c == '?':
			parts[part].WriteString(".")
		case c == '\\' && i+1 < len(g):
			i++
			parts[part].WriteString(regexp.QuoteMeta(g[i : i+1]))
		default:
			parts[part].WriteString(regexp.QuoteMeta(g[i : i+1]))
		}
	}
	if part == 0 {
		return selector{}, fmt.Errorf("pattern %q: no dot separates database and table: write database.table, for instance shop.*", glob)
	}
	s, err := compile(parts[0].String(), parts[1].String())
	if err != nil {
		err = fmt.Errorf("pattern %q: %w", glob, err)
	}
	return s, err
}
