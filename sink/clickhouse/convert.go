package clickhouse

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A family is a set of kinds whose values ClickHouse turns into one another as the source does.
type family uint8

const (
	alone family = iota // a value of another kind means something else
	numeric
	textual
	temporal
)

// families are the families by kind. A TIMESTAMP is an instant and a DATETIME a wall clock: the source converts between them by
// the time zone of a session.
var families = map[schema.Kind]family{ // read-only
	schema.Int: numeric, schema.Uint: numeric, schema.Bit: numeric, schema.Year: numeric, schema.Decimal: numeric, schema.Float: numeric,
	schema.String: textual, schema.Enum: textual, schema.Set: textual, schema.JSON: textual,
	schema.Date: temporal, schema.Datetime: temporal,
}

// convertible says that the values of one type, as they are in ClickHouse, are those of the other after a conversion.
func convertible(from, to schema.Type) bool {
	f, ok := families[from.Kind]
	return from.Kind == to.Kind || ok && f == families[to.Kind]
}

// convert gives column i another type. All values must survive it there and back: ClickHouse would change the table's
// definition first, and then fail at each of its rows.
func (p *plan) convert(i int, have planned) error {
	c := &p.after.columns[i]
	refuse := func(why string) error {
		return fmt.Errorf("column %s is %s now (%s), the ClickHouse column is %s: %s; %s", c.name, p.after.table.Columns[i].Type, c.text, have.text, why, again)
	}
	switch {
	case c.key && p.after.mode.keyed():
		return refuse("ClickHouse cannot change a column of the sorting key")
	case have.old != nil && !convertible(have.old.source, c.source):
		return refuse("the one's values are not the other's")
	}
	name, was, wide := quoteName(c.name), bare(have.text), nullable(bare(c.text))
	s := step{clause: p.after.modifyClause(i), column: c.name}
	if bare(c.text) != was {
		s.check = fmt.Sprintf("SELECT toString(countIf(isNotNull(%[1]s) AND (isNull(accurateCastOrNull(%[1]s, %[2]s)) OR CAST(accurateCastOrNull(%[1]s, %[2]s), %[3]s) != %[1]s))) FROM %[4]s",
			name, quoteText(wide), quoteText(nullable(was)), quoteTable(p.at))
	}
	if strings.HasPrefix(have.text, "Nullable(") && !c.nullable { // NULLs are in old versions of rows and in tombstones
		s.clause = p.after.defaultClause(i)
		p.steps = append(p.steps, s, step{clause: plainClause(c.name)})
		s = step{clause: p.after.modifyClause(i)}
	}
	p.steps = append(p.steps, s)
	return nil
}

// defaultClause gives column i its type, and what is NULL the type's default.
func (l *layout) defaultClause(i int) string {
	c := &l.columns[i]
	return fmt.Sprintf("MODIFY COLUMN %s %s DEFAULT defaultValueOfTypeName(%s)", quoteName(c.name), c.text, quoteText(c.text))
}
