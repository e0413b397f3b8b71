package ddl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// altered works out the shape after an ALTER TABLE, as both servers do: the names in DROP, CHANGE, MODIFY and RENAME are
// those of the old table whatever stands before them, and the places of FIRST and AFTER are in the new one.
func altered(before *schema.Table, st *Statement, charset string) (*schema.Table, []schema.Edit, error) {
	a := alteration{before: before, clauses: effective(before, st.Clauses)}
	a.setCharset(charset)
	err := a.columns()
	if err == nil {
		err = a.key()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("alter table %s: %w", before.Name, err)
	}
	after, edits := a.result()
	if len(edits) == 0 && after.Charset == before.Charset {
		return before, nil, nil
	}
	return after, edits, nil
}

// setCharset finds the character set of columns that name none, before and after. The database's counts where the table's
// is not known.
func (a *alteration) setCharset(database string) {
	a.charset, a.after.Charset = database, a.before.Charset
	if a.before.Charset != "" {
		a.charset = a.before.Charset
	}
	for _, c := range a.clauses {
		if c.Kind != SetCharset && c.Kind != ConvertCharset {
			continue
		}
		if a.charset = c.Charset; a.charset == "" {
			a.charset = database
		}
		a.after.Charset = a.charset
	}
}

// An alteration is an ALTER TABLE under way.
type alteration struct {
	before  *schema.Table
	clauses []*Clause
	charset string

	cols  []altColumn
	after schema.Table
	moved []string // the new names of columns that a clause gives a place
}

// An altColumn is a column of the new shape.
type altColumn struct {
	schema.Column
	from int // its place in the old shape, -1 when it is new
}

// effective leaves out the clauses that IF EXISTS or IF NOT EXISTS make void.
func effective(t *schema.Table, clauses []Clause) []*Clause {
	var cs []*Clause
	for i := range clauses {
		c := &clauses[i]
		name := c.Name
		switch {
		case c.Kind == Add:
			name = c.Column.Name
		case (c.Kind == AddPrimaryKey || c.Kind == AddUnique) && len(c.Key) > 0:
			name = c.Key[0].Column // of a column that the clause before adds
		}
		exists := t.Column(name) >= 0
		if c.IfNotExists && exists || c.IfExists && !exists && c.Kind != DropPrimaryKey && c.Kind != DropIndex {
			continue
		}
		cs = append(cs, c)
	}
	return cs
}

// columns works out the new columns: first the old ones as they are changed, then each new or moved one put in its place.
func (a *alteration) columns() error {
	about, err := a.about()
	if err != nil {
		return err
	}
	for i := range a.before.Columns {
		c := about[i]
		switch {
		case c == nil:
			a.cols = append(a.cols, altColumn{a.before.Columns[i], i})
		case c.Kind == Rename:
			col := altColumn{a.before.Columns[i], i}
			col.Name = c.Column.Name
			a.cols = append(a.cols, col)
		case c.Kind == Modify:
			if err := a.put(c, len(a.cols), i); err != nil {
				return err
			}
		}
	}
	for _, c := range a.clauses {
		if c.Kind == Add || c.Kind == Modify && (c.First || c.After != "") {
			if err := a.place(c); err != nil {
				return err
			}
		}
	}
	if err := a.convert(); err != nil {
		return err
	}
	a.show()
	return a.distinct()
}

// about finds the clauses about old columns, by the place of the column.
func (a *alteration) about() (map[int]*Clause, error) {
	about := map[int]*Clause{}
	for _, c := range a.clauses {
		if c.Kind != Drop && c.Kind != Rename && c.Kind != Modify {
			continue
		}
		i := a.before.Column(c.Name)
		if i < 0 {
			return nil, fmt.Errorf("column %q is not known", c.Name)
		}
		if about[i] != nil {
			return nil, fmt.Errorf("column %q is changed twice", c.Name)
		}
		about[i] = c
	}
	return about, nil
}

// place puts an added or moved column where its clause says.
func (a *alteration) place(c *Clause) error {
	from := -1
	if c.Kind == Modify {
		from = a.before.Column(c.Name)
		a.cols = slices.DeleteFunc(a.cols, func(col altColumn) bool { return col.from == from })
		a.moved = append(a.moved, c.Column.Name)
	}
	at := len(a.cols)
	switch {
	case c.First:
		at = 0
	case c.After != "":
		at = a.find(c.After) + 1
		if at == 0 {
			return fmt.Errorf("column %q, to stand before %q, is not known", c.After, c.Column.Name)
		}
	}
	return a.put(c, at, from)
}

// maxColumns is the most columns that a table of either server has.
const maxColumns = 4096

// put inserts the column of a clause.
func (a *alteration) put(c *Clause, at, from int) error {
	if len(a.cols) >= maxColumns {
		return fmt.Errorf("more than %d columns", maxColumns)
	}
	col, err := c.Column.shape(a.charset)
	if err != nil {
		return err
	}
	// A column of the primary key stays NOT NULL without being told to.
	if from >= 0 && slices.Contains(a.before.Key, from) && !c.Column.SaysNull && !a.drops() {
		col.Nullable = false
	}
	a.cols = slices.Insert(a.cols, at, altColumn{col, from})
	return nil
}

func (a *alteration) find(name string) int {
	return slices.IndexFunc(a.cols, func(c altColumn) bool { return strings.EqualFold(c.Name, name) })
}

// convert gives all text columns the character set of CONVERT TO.
func (a *alteration) convert() error {
	k := slices.IndexFunc(a.clauses, func(c *Clause) bool { return c.Kind == ConvertCharset })
	if k < 0 {
		return nil
	}
	charset := a.charset
	if a.clauses[k].Charset != "" {
		charset = a.clauses[k].Charset
	}
	for i := range a.cols {
		c := &a.cols[i]
		if c.Charset == "" {
			continue
		}
		if err := convert(&c.Column, charset); err != nil {
			return err
		}
	}
	return nil
}

// show makes columns visible or invisible.
func (a *alteration) show() {
	for _, c := range a.clauses {
		i := a.find(c.Name)
		switch {
		case i < 0:
		case c.Kind == Hide:
			a.cols[i].Flags |= schema.Invisible
		case c.Kind == Show:
			a.cols[i].Flags &^= schema.Invisible
		}
	}
}

// distinct says that a name stands twice.
func (a *alteration) distinct() error {
	for i, c := range a.cols {
		if a.find(c.Name) != i {
			return fmt.Errorf("column %q stands twice", c.Name)
		}
		a.after.Columns = append(a.after.Columns, c.Column)
	}
	if len(a.cols) == 0 {
		return fmt.Errorf("no column is left")
	}
	return nil
}

// key works out the new key.
func (a *alteration) key() error {
	var primary []KeyPart
	var unique [][]KeyPart
	for _, c := range a.clauses {
		switch c.Kind {
		case AddPrimaryKey:
			primary = c.Key
		case AddUnique:
			unique = append(unique, c.Key)
		default:
		}
	}
	var key []int
	for _, k := range a.before.Key {
		if i := slices.IndexFunc(a.cols, func(c altColumn) bool { return c.from == k }); i >= 0 && !a.drops() {
			key = append(key, i)
		}
	}
	a.after.Name, a.after.Version = a.before.Name, a.before.Version+1
	if primary == nil && notNull(&a.after, key) {
		a.after.Key, a.after.Unique = key, a.before.Unique
		return nil
	}
	return setKey(&a.after, primary, unique)
}

// drops says that the primary key is dropped.
func (a *alteration) drops() bool {
	return slices.ContainsFunc(a.clauses, func(c *Clause) bool { return c.Kind == DropPrimaryKey })
}

// result returns the new shape and what leads to it.
func (a *alteration) result() (*schema.Table, []schema.Edit) {
	edits := a.columnEdits()
	if a.keyChanged() {
		edits = append(edits, schema.Edit{Kind: schema.ChangeKey})
	}
	for _, c := range a.clauses {
		if c.Kind == RenameTo && c.To != a.after.Name {
			a.after.Name = c.To
			edits = append(edits, schema.Edit{Kind: schema.RenameTable})
		}
	}
	return &a.after, edits
}

// keyChanged says that the key is over other columns, or over the same in another order.
func (a *alteration) keyChanged() bool {
	was := make([]int, len(a.after.Key))
	for i, k := range a.after.Key {
		was[i] = a.cols[k].from
	}
	return !slices.Equal(was, a.before.Key)
}
