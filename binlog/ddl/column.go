package ddl

import (
	"math/big"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// column reads a column's name and definition. The part of FIRST or AFTER is left.
func (p *parser) column() (Column, error) {
	name, err := p.columnName()
	if err != nil {
		return Column{}, err
	}
	return p.columnDefinition(name)
}

// columnDefinition reads what follows the name of a column.
func (p *parser) columnDefinition(name string) (Column, error) {
	n, err := p.nativeType()
	if err != nil {
		return Column{}, err
	}
	c := Column{Column: schema.Column{Name: name}, def: n, SaysNotNull: n.serial, unique: n.serial, counts: n.serial}
	for {
		more, err := p.columnAttribute(&c)
		if err != nil {
			return Column{}, err
		}
		if !more {
			break
		}
	}
	return c, p.settle(&c)
}

// settle works out the column from all that was said.
func (p *parser) settle(c *Column) error {
	c.def.settle()
	t, err := c.def.schemaType()
	if err != nil {
		return err
	}
	c.Type, c.Labels, c.Native = t, c.def.labels, c.def.native()
	c.Charset = c.def.shownCharset()
	if c.def.compressed {
		c.Flags |= schema.Compressed
	}
	implicit := p.mode.ImplicitTimestamps && t.Kind == schema.Timestamp && !c.SaysNull
	c.Nullable = !c.SaysNotNull && !c.primary && !implicit
	if implicit && c.Default.Kind == NoDefault {
		c.Default = Default{Expression, "the default of a TIMESTAMP column"}
	}
	return nil
}

// columnAttribute reads one attribute of a column; more is false when none is left.
func (p *parser) columnAttribute(c *Column) (more bool, err error) {
	switch {
	case p.done(), p.seesAny("first", "after"):
		return false, nil
	case p.words("not", "null"):
		c.SaysNotNull = true
	case p.words("null"):
		c.SaysNull = true
	case p.words("default"):
		// MySQL refuses DEFAULT NULL for a column of the primary key, MariaDB leaves such a column NOT NULL.
		c.SaysNull = c.SaysNull || p.sees("null") && !p.mode.MariaDB
		c.Default, err = p.defaultValue(&c.def)
	case p.words("on", "update"):
		c.Updates = true
		_, err = p.call()
	case p.words("serial", "default", "value"):
		c.SaysNotNull, c.unique, c.counts = true, true, true
	case p.words("auto_increment"):
		c.counts = true
	case p.words("unique"):
		p.words("key")
		c.unique = true
	case p.words("primary", "key"), p.words("primary"), p.words("key"):
		c.primary = true
	case p.words("generated", "always", "as", "row", "start"), p.words("generated", "always", "as", "row", "end"):
		c.SaysNotNull = true
	case p.words("generated", "always", "as"), p.words("as"):
		c.Flags |= schema.Generated
		err = p.bracket()
	case p.words("invisible"):
		c.Flags |= schema.Invisible
	default:
		return p.columnOption(c)
	}
	return true, err
}

// columnOption reads the attributes that matter little.
func (p *parser) columnOption(c *Column) (more bool, err error) {
	switch {
	case p.anyWord("visible", "virtual", "stored", "persistent"), p.words("with", "system", "versioning"),
		p.words("without", "system", "versioning"), p.words("not", "secondary"), p.words("enforced"), p.words("not", "enforced"):
	case p.words("comment"):
		p.strings()
	case p.anyWord("column_format", "storage"):
		_, err = p.name()
	case p.anyWord("engine_attribute", "secondary_engine_attribute"):
		p.punct("=")
		p.strings()
	case p.words("srid"), p.words("ref_system_id"):
		p.punct("=")
		p.next()
	case p.words("references"):
		c.refuses = true
		err = p.references()
	case p.words("check"):
		c.refuses = true
		err = p.bracket()
	case p.words("constraint"):
		if !p.sees("check") {
			_, err = p.name()
		}
	case p.ahead(1).kind == tokenPunct && p.ahead(1).text == "=" && p.peek().kind <= tokenQuoted:
		p.i = min(p.i+3, len(p.toks)) // the option of an engine
	default:
		at := p.i
		p.typeAttributes(&c.def)
		return p.i > at, nil
	}
	return true, err
}

// strings reads strings that stand side by side, which are one.
func (p *parser) strings() string {
	var b strings.Builder
	for p.peek().kind == tokenString {
		b.WriteString(p.next().text)
	}
	return b.String()
}

// references steps over a foreign key's other end.
func (p *parser) references() error {
	if _, err := p.table(); err != nil {
		return err
	}
	if p.seesPunct("(") {
		if err := p.bracket(); err != nil {
			return err
		}
	}
	for {
		switch {
		case p.words("match"):
			p.next()
		case p.words("on", "delete"), p.words("on", "update"):
			if !p.words("set", "null") && !p.words("set", "default") && !p.words("no", "action") && !p.anyWord("restrict", "cascade") {
				return p.unexpected()
			}
		default:
			return nil
		}
	}
}

// call steps over a function's name and arguments, and returns its text.
func (p *parser) call() (string, error) {
	first := p.i
	if _, err := p.columnName(); err != nil {
		return "", err
	}
	if p.seesPunct("(") {
		if err := p.bracket(); err != nil {
			return "", err
		}
	}
	return p.quote(first, p.i), nil
}

// defaultValue reads what follows DEFAULT.
func (p *parser) defaultValue(n *nativeType) (Default, error) {
	first := p.i
	if p.seesPunct("(") {
		inner, err := p.inBrackets()
		if err != nil {
			return Default{}, err
		}
		if d, ok := inner.literal(n); ok && inner.done() {
			return d, nil
		}
		return Default{Expression, p.quote(first, p.i)}, nil
	}
	if d, ok := p.literal(n); ok {
		return d, nil
	}
	p.i = first
	if p.words("next", "value", "for") {
		_, err := p.table()
		return Default{Expression, p.quote(first, p.i)}, err
	}
	text, err := p.call()
	return Default{Expression, text}, err
}

// literal reads a literal, if there is one.
func (p *parser) literal(n *nativeType) (Default, bool) {
	t := p.next()
	switch {
	case t.kind == tokenString:
		return Default{Literal, t.text + p.strings()}, true
	case t.kind == tokenPunct && (t.text == "-" || t.text == "+" || t.text == "."):
		return p.signedNumber(t)
	case t.kind == tokenWord && strings.EqualFold(t.text, "null"):
		return Default{}, true
	case t.kind == tokenWord && strings.EqualFold(t.text, "true"):
		return Default{Literal, "1"}, true
	case t.kind == tokenWord && strings.EqualFold(t.text, "false"):
		return Default{Literal, "0"}, true
	}
	if b, ok := p.hexOrBinary(t); ok {
		if n.isText() || n.isBytes() {
			return Default{Literal, string(b)}, true
		}
		return Default{Literal, new(big.Int).SetBytes(b).String()}, true
	}
	s := p.peek()
	switch {
	case t.kind == tokenNumber:
		return Default{Literal, t.text}, true
	case t.kind == tokenWord && s.kind == tokenString && isIntroducer(t.text):
		return Default{Literal, p.strings()}, true
	}
	return Default{}, false
}

// isIntroducer says that a string behind the word is still a literal: a character set, N, or a temporal type.
func isIntroducer(word string) bool {
	switch w := strings.ToLower(word); w {
	case "n", "date", "time", "timestamp":
		return true
	default:
		return strings.HasPrefix(w, "_")
	}
}

// signedNumber reads the digits behind a sign or a point.
func (p *parser) signedNumber(sign token) (Default, bool) {
	text := strings.TrimPrefix(sign.text, "+")
	if sign.text != "." && p.punct(".") {
		text += "."
	}
	t := p.next()
	if t.kind != tokenNumber && (t.kind != tokenWord || t.text == "" || !isDigit(t.text[0])) {
		return Default{}, false
	}
	return Default{Literal, text + t.text}, true
}

// isBytes says that the type's values are bytes.
func (n *nativeType) isBytes() bool {
	return n.name == "binary" || n.name == "varbinary" || strings.HasSuffix(n.name, "blob")
}

// shape is the column in a table whose character set is charset.
func (c *Column) shape(charset string) (schema.Column, error) {
	col := c.Column
	n := c.def
	if n.isText() && n.charset == "" {
		n.charset = Charset(charset)
		n.settle()
	}
	t, err := n.schemaType()
	if err != nil {
		return schema.Column{}, err
	}
	col.Type, col.Native, col.Charset = t, n.native(), n.shownCharset()
	return col, nil
}

// shownCharset is the character set of the column's values, empty when they are no text.
func (n *nativeType) shownCharset() string {
	old := n.mode.MariaDB || n.mode.Version != 0 && n.mode.Version < 80000
	if n.isText() && (n.charset != "binary" || old) {
		return n.charset
	}
	return "" // what newer MySQL says of a binary ENUM
}
