package binlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

// A reshaping is what a migration makes of its table's shape, and what has to be seen before that is believed. Its rule: the
// rows of the ghost are those that ALTER TABLE would have made of the table's. Tools copy columns by name, and with INSERT
// IGNORE, so that is less often so than that the statement works.
type reshaping struct {
	after   *schema.Table // the captured table's shape after the swap; the one before it when nothing changes
	edits   []schema.Edit
	renamed []renamed
	texts   [][2]int // altered text columns that may be in a unique key: the places before and after
}

// A renamed column of gh-ost's. It may have been told to treat the new name as a new column, so that its default is in all
// rows: a value that is none must be seen.
type renamed struct {
	name  string
	at    int // its place after
	usual schema.Value
	null  bool // the default is NULL
}

// newReshaping works out what a statement that altered a ghost makes of the table. why says why that is not certain.
func newReshaping(m *Migration, before *schema.Table, st *ddl.Statement, charset string) (r *reshaping, why string) {
	if reasons := st.DataChanges(); len(reasons) > 0 {
		return nil, "rows change without a trace in the log: " + strings.Join(reasons, "; ")
	}
	for i := range st.Clauses {
		if why := clauseRisk(m.Tool, &st.Clauses[i]); why != "" {
			return nil, why
		}
	}
	own := *st
	own.Table = m.Table
	r = &reshaping{}
	var err error
	if r.after, r.edits, err = ddl.Apply(before, &own, charset); err != nil {
		return nil, err.Error()
	}
	if r.after == before {
		return r, ""
	}
	if err := fill(&own, r.after, r.edits); err != nil {
		return nil, err.Error()
	}
	c := &schema.Change{Before: before, After: r.after, Edits: r.edits}
	if c.Has(schema.ChangeKey) || c.Has(schema.RenameTable) {
		return nil, "its key changes"
	}
	return r, r.lineage(m, c, st)
}

// clauseRisk says why a clause may leave rows out of the ghost, or give them other values than an ALTER of the table.
func clauseRisk(tool Tool, c *ddl.Clause) string {
	switch {
	case c.Kind == ddl.AddPrimaryKey, c.Kind == ddl.AddUnique, c.Kind == ddl.DropPrimaryKey:
		return "rows that are equal by a new unique key are left out of the new table"
	case c.Refuses:
		return "rows that do not fit a foreign key, a check or a partition are left out of the new table"
	case c.Kind == ddl.RenameTo:
		return "the new table was renamed"
	case c.Kind == ddl.Add && c.Column.Updates:
		return fmt.Sprintf("column %s, which is new, is set ON UPDATE when the tool writes a row again", c.Column.Name)
	case c.Kind == ddl.Rename && tool == GhOst:
		return fmt.Sprintf("gh-ost does not know RENAME COLUMN, and leaves %s empty", c.Column.Name)
	}
	return ""
}

// lineage judges what becomes of each column, and notes what is to be seen of it.
func (r *reshaping) lineage(m *Migration, c *schema.Change, st *ddl.Statement) (why string) {
	to, added := c.Lineage()
	for _, j := range added {
		if name := r.after.Columns[j].Name; c.Before.Column(name) >= 0 {
			return fmt.Sprintf("column %s is dropped and added: the tool may have copied it", name)
		}
	}
	for i, j := range to {
		if j < 0 {
			continue
		}
		b, a := &c.Before.Columns[i], &r.after.Columns[j]
		if why := columnRisk(b, a); why != "" {
			return fmt.Sprintf("column %s: %s", a.Name, why)
		}
		if redefinesText(st, a) && m.mayBeUnique(b.Name) {
			r.texts = append(r.texts, [2]int{i, j})
		}
		if strings.EqualFold(b.Name, a.Name) {
			continue
		}
		if c.Before.Column(a.Name) >= 0 {
			return fmt.Sprintf("column %s takes the name of another: the tool may have copied that", a.Name)
		}
		if m.Tool == GhOst {
			if why := r.rename(st, j); why != "" {
				return why
			}
		}
	}
	return ""
}

// redefinesText says that the statement says anew what a text column is: its collation may be another, which shapes do not
// have.
func redefinesText(st *ddl.Statement, c *schema.Column) bool {
	return c.Charset != "" && (c.Type.Kind == schema.String || c.Type.Kind == schema.JSON) && slices.ContainsFunc(st.Clauses, func(cl ddl.Clause) bool {
		return cl.Kind == ddl.Modify && strings.EqualFold(cl.Column.Name, c.Name)
	})
}

// mayBeUnique says that a column of the ghost may be in a unique key.
func (m *Migration) mayBeUnique(name string) bool {
	return m.Unique == nil || slices.ContainsFunc(m.Unique, func(u string) bool { return strings.EqualFold(u, name) })
}

// columnRisk says why values may not be the same that ALTER TABLE would have made of them. Of what ALTER may do without
// changing a value, that is left which tools do by writing the same value again.
func columnRisk(before, after *schema.Column) string {
	switch {
	case ddl.SameBut(*before, *after):
		return ""
	case before.Nullable && !after.Nullable:
		return "NULL becomes another value"
	case before.Charset != after.Charset:
		return "its text is converted"
	case before.Type == after.Type && strings.EqualFold(before.Native, after.Native) && slices.Equal(before.Labels, after.Labels):
		return ""
	}
	if why := ddl.Rewrites(before, after, false); why != "" {
		return why
	}
	switch before.Type.Kind {
	case schema.Int, schema.Uint:
		if before.Type.Kind == after.Type.Kind {
			return ""
		}
	case schema.Decimal, schema.Time, schema.Datetime, schema.Timestamp, schema.String, schema.Binary:
		return ""
	case schema.Enum, schema.Set:
		if len(after.Labels) >= len(before.Labels) && slices.Equal(after.Labels[:len(before.Labels)], before.Labels) {
			return ""
		}
		return "its labels have other numbers"
	default:
	}
	return "values are converted from " + before.Type.String() + " to " + after.Type.String()
}

// rename notes that a column of gh-ost's has a new name.
func (r *reshaping) rename(st *ddl.Statement, at int) (why string) {
	col := &r.after.Columns[at]
	for i := range st.Clauses {
		c := &st.Clauses[i].Column
		if st.Clauses[i].Kind != ddl.Modify || !strings.EqualFold(c.Name, col.Name) {
			continue
		}
		if c.Default.Kind == ddl.Expression {
			break
		}
		n := renamed{name: col.Name, at: at}
		text, ok := c.Fill()
		if n.null = !ok; ok {
			var err error
			if n.usual, n.null, err = valueOf(col, text); err != nil {
				break
			}
		}
		r.renamed = append(r.renamed, n)
		return ""
	}
	return fmt.Sprintf("column %s has a new name, and a default that only the server knows: the log cannot tell whether it was copied", col.Name)
}

// filledBy says in what a trigger of pt-online-schema-change fills the ghost otherwise than ALTER TABLE would.
func (r *reshaping) filledBy(before *schema.Table, t *ddl.Trigger) (why string) {
	if !t.After {
		return "trigger " + t.Name + " comes before the change"
	}
	if t.Event == "delete" {
		return ""
	}
	c := &schema.Change{Before: before, After: r.after, Edits: r.edits}
	to, _ := c.Lineage()
	from := make([]int, len(r.after.Columns))
	for j := range from {
		from[j] = -1
	}
	for k, name := range t.Columns {
		i, j := before.Column(t.From[k]), r.after.Column(name)
		if i < 0 || j < 0 || to[i] != j {
			return fmt.Sprintf("trigger %s fills %s from %s", t.Name, name, t.From[k])
		}
		from[j] = i
	}
	for i, j := range to {
		if j >= 0 && from[j] != i && before.Columns[i].Flags&schema.Generated == 0 {
			return fmt.Sprintf("trigger %s does not fill %s", t.Name, r.after.Columns[j].Name)
		}
	}
	return ""
}
