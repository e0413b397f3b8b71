package ddl

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A parser walks over the tokens of a statement.
type parser struct {
	src  string
	toks []token
	i    int
	mode Mode
}

var errEndsEarly = errors.New("the text ends too early")

func (p *parser) done() bool { return p.i >= len(p.toks) }

// peek returns the token at hand, the end when there is none.
func (p *parser) peek() token { return p.ahead(0) }

func (p *parser) ahead(n int) token {
	if p.i+n < len(p.toks) {
		return p.toks[p.i+n]
	}
	return token{start: len(p.src), end: len(p.src)}
}

// next returns the token at hand and steps over it.
func (p *parser) next() token {
	t := p.peek()
	if !p.done() {
		p.i++
	}
	return t
}

// words steps over these keywords, all or none.
func (p *parser) words(ws ...string) bool {
	for n, w := range ws {
		if t := p.ahead(n); t.kind != tokenWord || !strings.EqualFold(t.text, w) {
			return false
		}
	}
	p.i += len(ws)
	return true
}

// anyWord steps over one of these keywords.
func (p *parser) anyWord(ws ...string) bool {
	for _, w := range ws {
		if p.words(w) {
			return true
		}
	}
	return false
}

// sees says that these keywords are next.
func (p *parser) sees(ws ...string) bool {
	at := p.i
	ok := p.words(ws...)
	p.i = at
	return ok
}

// seesAny says that one of these keywords is next.
func (p *parser) seesAny(ws ...string) bool {
	for _, w := range ws {
		if p.sees(w) {
			return true
		}
	}
	return false
}

// punct steps over a punctuation mark.
func (p *parser) punct(c string) bool {
	if t := p.peek(); t.kind == tokenPunct && t.text == c {
		p.i++
		return true
	}
	return false
}

// seesPunct says that a punctuation mark is next.
func (p *parser) seesPunct(c string) bool {
	t := p.peek()
	return t.kind == tokenPunct && t.text == c
}

// unexpected is the error that the token at hand does not belong there.
func (p *parser) unexpected() error {
	if p.done() {
		return errEndsEarly
	}
	return fmt.Errorf("%q is not expected", p.quote(p.i, len(p.toks)))
}

// unexpectedToken is the same of the token that was stepped over last, if there was any.
func (p *parser) unexpectedToken(t token) error {
	if t.kind != tokenEnd {
		p.i--
	}
	return p.unexpected()
}

// quoteLength is how much of a statement a reason quotes, in bytes.
const quoteLength = 80

// quote returns the text of the tokens from the first to before the last, for people. Strings may be secrets, and are left
// out.
func (p *parser) quote(first, last int) string { return p.quoteUpTo(first, last, quoteLength) }

func (p *parser) quoteUpTo(first, last, length int) string {
	var b strings.Builder
	for i := first; i < min(last, len(p.toks)); i++ {
		t := p.toks[i]
		if i > first && t.start > p.toks[i-1].end {
			b.WriteByte(' ')
		}
		if t.kind == tokenString {
			b.WriteString("'...'")
		} else {
			b.WriteString(p.src[t.start:t.end])
		}
		if b.Len() > length {
			return strings.ToValidUTF8(b.String()[:length], "") + "..."
		}
	}
	return b.String()
}

// name reads the name of a column, an index and the like.
func (p *parser) name() (string, error) {
	switch t := p.peek(); t.kind {
	case tokenWord, tokenQuoted:
		p.i++
		return t.text, nil
	default:
		return "", p.unexpected()
	}
}

// columnName reads the name of a column, perhaps behind those of its table and database.
func (p *parser) columnName() (string, error) {
	n, err := p.name()
	for err == nil && p.punct(".") {
		n, err = p.name()
	}
	return n, err
}

// table reads the name of a table.
func (p *parser) table() (schema.Name, error) {
	n, err := p.name()
	if err != nil {
		return schema.Name{}, err
	}
	if !p.punct(".") {
		return p.fold(schema.Name{Namespace: p.mode.Database, Table: n}), nil
	}
	t, err := p.name()
	return p.fold(schema.Name{Namespace: n, Table: t}), err
}

// fold gives a name the case that the server keeps it in.
func (p *parser) fold(n schema.Name) schema.Name {
	if p.mode.LowerNames {
		n.Namespace, n.Table = strings.ToLower(n.Namespace), strings.ToLower(n.Table)
	}
	return n
}

// skip steps over one token, or over all of a bracket.
func (p *parser) skip() error {
	depth := 0
	for {
		switch t := p.next(); {
		case t.kind == tokenEnd:
			return errEndsEarly
		case t.kind == tokenPunct && t.text == "(":
			depth++
		case t.kind == tokenPunct && t.text == ")":
			depth--
		}
		if depth <= 0 {
			return nil
		}
	}
}

// bracket steps over a bracket with all its contents.
func (p *parser) bracket() error {
	if !p.seesPunct("(") {
		return p.unexpected()
	}
	return p.skip()
}

// elements cuts what is left into parsers of its parts, between the commas outside of brackets.
func (p *parser) elements() ([]*parser, error) {
	var parts []*parser
	first := p.i
	for !p.done() {
		if p.seesPunct(",") {
			parts = append(parts, p.part(first, p.i))
			p.i++
			first = p.i
			continue
		}
		if p.seesPunct(")") {
			return nil, p.unexpected()
		}
		if err := p.skip(); err != nil {
			return nil, err
		}
	}
	return append(parts, p.part(first, p.i)), nil
}

// part is a parser of the tokens from the first to before the last.
func (p *parser) part(first, last int) *parser {
	return &parser{src: p.src, toks: p.toks[first:last:last], mode: p.mode}
}

// inBrackets steps over a bracket and returns a parser of its contents.
func (p *parser) inBrackets() (*parser, error) {
	first := p.i + 1
	if err := p.bracket(); err != nil {
		return nil, err
	}
	return p.part(first, p.i-1), nil
}

// hexOrBinary reads the bytes of x'41', 0x41, b'01', 0b01; t is the token before the one at hand.
func (p *parser) hexOrBinary(t token) ([]byte, bool) {
	base, digits := "", ""
	switch s := p.peek(); {
	case t.kind == tokenWord && s.kind == tokenString && s.start == t.end && (strings.EqualFold(t.text, "x") || strings.EqualFold(t.text, "b")):
		base, digits = strings.ToLower(t.text), s.text
	case t.kind == tokenNumber && len(t.text) > 2 && (t.text[1] == 'x' || t.text[1] == 'b'):
		base, digits = t.text[1:2], t.text[2:]
	default:
		return nil, false
	}
	radix, perByte := 16, 2
	if base == "b" {
		radix, perByte = 2, 8
	}
	v := new(big.Int)
	if digits != "" {
		if _, ok := v.SetString(digits, radix); !ok || strings.ContainsAny(digits, "+-_") {
			return nil, false
		}
	}
	if t.kind == tokenWord {
		p.i++
	}
	return v.FillBytes(make([]byte, (len(digits)+perByte-1)/perByte)), true
}
