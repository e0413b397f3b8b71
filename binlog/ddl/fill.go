package ddl

import (
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// Filled returns the columns that an ALTER TABLE adds and that rows which are there get a value other than NULL in, of
// which no event in the log tells: see Column.Fill. Those whose value only the server knows are DataChanges.
func (s *Statement) Filled() []*Column {
	var cols []*Column
	for i := range s.Clauses {
		c := &s.Clauses[i]
		if _, ok := c.Column.Fill(); ok && c.Kind == Add && c.Reason == "" {
			cols = append(cols, &c.Column)
		}
	}
	return cols
}

// Fill returns what rows get in the column when it is added, as text; ok is false for NULL, and for the zero dates that
// are read as NULL. A column that is NOT NULL and says no default has the zero of its type.
func (c *Column) Fill() (text string, ok bool) {
	switch {
	case c.Default.Kind == Literal:
		return c.Default.Text, true
	case c.Nullable:
		return "", false
	}
	switch t := c.Type; t.Kind {
	case schema.Date, schema.Datetime, schema.Timestamp:
		return "", false
	case schema.Int, schema.Uint, schema.Float, schema.Bit, schema.Decimal, schema.Year:
		return "0", true
	case schema.Time:
		return "00:00:00", true
	case schema.Binary:
		return strings.Repeat("\x00", int(min(t.Length, 255))), true
	case schema.UUID:
		return "00000000-0000-0000-0000-000000000000", true
	case schema.JSON:
		return "null", true
	case schema.Enum:
		if len(c.Labels) > 0 {
			return c.Labels[0], true
		}
	default:
	}
	return "", true
}

// Quote returns the beginning of a statement for people, at most about n bytes of it: on one line, without comments, and
// with '...' for strings, which may be secrets.
func Quote(statement string, mode Mode, n int) string {
	cut := statement[:min(len(statement), n)]
	toks, _ := lex(cut, mode) // what an open quote hides is left out
	p := &parser{src: cut, toks: toks, mode: mode}
	text := p.quoteUpTo(0, len(toks), n)
	if len(cut) < len(statement) && !strings.HasSuffix(text, "...") {
		text += "..."
	}
	return text
}
