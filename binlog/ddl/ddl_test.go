package ddl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/cdcsync/cdcsync/schema"
)

// TestParse runs the script of statements. Arguments: the flavour and version ("mariadb=101106", "mysql=80036"), "ansi",
// "noescapes", "lower", "implicit". The default database is d.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var b strings.Builder
			for _, st := range Parse(d.Input, modeOf(t, d)) {
				b.WriteString(describe(&st))
			}
			return b.String()
		})
	})
}

// TestApply runs the script of shapes: "create" makes tables known, "apply" changes them.
func TestApply(t *testing.T) {
	datadriven.Walk(t, "testdata/apply", func(t *testing.T, path string) {
		tables := map[schema.Name]*schema.Table{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "reset" {
				clear(tables)
			}
			var b strings.Builder
			for _, st := range Parse(d.Input, modeOf(t, d)) {
				b.WriteString(applyTo(tables, &st))
			}
			return b.String()
		})
	})
}

func modeOf(t *testing.T, d *datadriven.TestData) Mode {
	m := Mode{Database: "d", MariaDB: d.Cmd == "mariadb", ANSIQuotes: d.HasArg("ansi"), NoBackslashEscapes: d.HasArg("noescapes"),
		LowerNames: d.HasArg("lower"), ImplicitTimestamps: d.HasArg("implicit")}
	d.MaybeScanArgs(t, "version", &m.Version)
	return m
}

// applyTo applies a statement to the tables that are known, and says what came of it.
func applyTo(tables map[schema.Name]*schema.Table, st *Statement) string {
	before := tables[st.Table]
	after, edits, err := Apply(before, st, "utf8mb4")
	if st.Create != nil && st.Create.Like != (schema.Name{}) && (before == nil || !st.IfNotExists) {
		after, err = st.Create.Shape(st.Table, tables[st.Create.Like], "utf8mb4")
	}
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	delete(tables, st.Table)
	if after == nil {
		return "none\n"
	}
	tables[after.Name] = after
	var b strings.Builder
	for _, e := range edits {
		fmt.Fprintf(&b, "%s %s", e.Kind, e.Column)
		if e.To != "" {
			b.WriteString(" to " + e.To)
		}
		b.WriteString("\n")
	}
	if after == before {
		b.WriteString("no change\n")
	}
	return b.String() + shapeText(after)
}

func shapeText(t *schema.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d key=%v\n", t.Name, t.Version, t.Key)
	for _, c := range t.Columns {
		b.WriteString("  " + columnText(&c) + "\n")
	}
	return b.String()
}

func columnText(c *schema.Column) string {
	s := fmt.Sprintf("%s: %s [%s]", c.Name, c.Type, c.Native)
	if !c.Nullable {
		s += " not null"
	}
	if c.Charset != "" {
		s += " " + c.Charset
	}
	for i, f := range []string{"generated", "invisible", "compressed"} {
		if c.Flags&(1<<i) != 0 {
			s += " " + f
		}
	}
	return s
}

// describe prints all that was read of a statement.
func describe(st *Statement) string {
	var b strings.Builder
	b.WriteString(st.Kind.String())
	if st.Table != (schema.Name{}) {
		b.WriteString(" " + st.Table.String())
	}
	if st.Kind == RenameTable {
		b.WriteString(" to " + st.To.String())
	}
	for i, f := range []bool{st.Temporary, st.IfExists, st.IfNotExists} {
		if f {
			b.WriteString([]string{" temporary", " if exists", " if not exists"}[i])
		}
	}
	if st.Reason != "" {
		b.WriteString(": " + st.Reason)
	}
	b.WriteString("\n")
	if st.Create != nil {
		b.WriteString(describeCreate(st.Create))
	}
	for i := range st.Clauses {
		b.WriteString("  " + describeClause(&st.Clauses[i]) + "\n")
	}
	if t := st.Trigger; t != nil {
		fmt.Fprintf(&b, "  %s after=%t %s into %s %v from %v\n", t.Name, t.After, t.Event, t.Into, t.Columns, t.From)
	}
	return b.String()
}

func describeCreate(c *Create) string {
	var b strings.Builder
	if c.OrReplace {
		b.WriteString("  or replace\n")
	}
	if c.Like != (schema.Name{}) {
		fmt.Fprintf(&b, "  like %s\n", c.Like)
	}
	for i := range c.Columns {
		b.WriteString("  " + describeColumn(&c.Columns[i]) + "\n")
	}
	if c.Primary != nil {
		fmt.Fprintf(&b, "  primary %s\n", describeKey(c.Primary))
	}
	for _, u := range c.Unique {
		fmt.Fprintf(&b, "  unique %s\n", describeKey(u))
	}
	if c.Versioned {
		b.WriteString("  versioned\n")
	}
	if c.Charset != "" {
		fmt.Fprintf(&b, "  charset %s\n", c.Charset)
	}
	if c.Select {
		b.WriteString("  select\n")
	}
	return b.String()
}

func describeColumn(c *Column) string {
	s := columnText(&c.Column)
	if len(c.Labels) > 0 {
		s += fmt.Sprintf(" labels=%q", c.Labels)
	}
	switch c.Default.Kind {
	case Literal:
		s += fmt.Sprintf(" default %q", c.Default.Text)
	case Expression:
		s += " default expression " + c.Default.Text
	}
	if c.Updates {
		s += " on update"
	}
	return s
}

func describeKey(key []KeyPart) string {
	var parts []string
	for _, k := range key {
		p := k.Column
		if k.Prefix {
			p += "(prefix)"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, ", ")
}

func describeClause(c *Clause) string {
	s := [...]string{"harmless", "add", "drop", "rename", "modify", "rename to", "add primary key", "drop primary key",
		"add unique", "drop index", "set charset", "convert charset", "hide", "show", "set default", "data change"}[c.Kind]
	if c.Name != "" {
		s += " " + c.Name
	}
	if c.Kind == Rename {
		s += " to " + c.Column.Name
	} else if c.Column.Name != "" {
		s += " " + describeColumn(&c.Column)
	}
	if c.To != (schema.Name{}) {
		s += " " + c.To.String()
	}
	if c.Key != nil {
		s += " " + describeKey(c.Key)
	}
	if c.Charset != "" {
		s += " " + c.Charset
	}
	if c.First {
		s += " first"
	}
	if c.After != "" {
		s += " after " + c.After
	}
	if c.IfExists {
		s += " if exists"
	}
	if c.IfNotExists {
		s += " if not exists"
	}
	if c.Refuses {
		s += " refuses rows"
	}
	if c.Reason != "" {
		s += " !! " + c.Reason
	}
	return s
}
