package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A view is a sink table that has not followed all changes of its source: where each of its columns comes from now. A
// table without a view is as at the source.
type view struct {
	Version uint32       `json:"version"` // of the sink's shape
	Columns []viewColumn `json:"columns"`
}

// A viewColumn is a column of the sink's table.
type viewColumn struct {
	Column schema.Column `json:"column"`
	From   int           `json:"from"` // index in the source's shape; -1: the source has it no more, its rows have NULL there
}

// identity is the view of a table that is as at the source.
func identity(t *schema.Table) *view {
	v := &view{Version: t.Version}
	for i, c := range t.Columns {
		v.Columns = append(v.Columns, viewColumn{c, i})
	}
	return v
}

// shape is the sink's table, of which source is the source's.
func (v *view) shape(source *schema.Table, sink schema.Name) *schema.Table {
	t := &schema.Table{Name: sink, Version: v.Version, Source: source.Name}
	for _, c := range v.Columns {
		t.Columns = append(t.Columns, c.Column)
	}
	for _, k := range source.Key {
		t.Key = append(t.Key, slices.IndexFunc(v.Columns, func(c viewColumn) bool { return c.From == k }))
	}
	return t
}

// find returns the index of the column of that name, -1 if there is none.
func (v *view) find(name string) int {
	return slices.IndexFunc(v.Columns, func(c viewColumn) bool { return strings.EqualFold(c.Column.Name, name) })
}

// A turn is one change of a view: what it becomes, and what the sink is to do.
type turn struct {
	policy *Policy
	change *schema.Change
	next   *view
	edits  []schema.Edit
}

// follow says what the view becomes when the source's table changes, and which edits the sink's table needs for that.
// The error says why rows of the new shape can no longer be made to fit.
func (p *Policy) follow(v *view, c *schema.Change) (*view, []schema.Edit, error) {
	t := &turn{policy: p, change: c, next: &view{Version: v.Version, Columns: slices.Clone(v.Columns)}}
	to, fresh := c.Lineage()
	var gone []int // in next, to be removed
	for i := range t.next.Columns {
		col := &t.next.Columns[i]
		if col.From < 0 {
			continue
		}
		again, remove, err := t.known(col, to[col.From])
		if err != nil {
			return nil, nil, err
		}
		if again >= 0 {
			fresh = append(fresh, again)
		}
		if remove {
			gone = append(gone, i)
		}
	}
	for _, i := range slices.Backward(gone) {
		t.next.Columns = slices.Delete(t.next.Columns, i, i+1)
	}
	slices.Sort(fresh)
	for _, j := range fresh {
		if err := t.add(j); err != nil {
			return nil, nil, err
		}
	}
	t.rest()
	return t.next, t.edits, t.whole()
}

// known follows a column that the view has: j is where the source's is now, -1 if it is gone. again is the index of a
// column of the source that counts as a new one, -1 for none; remove says that the sink drops the column.
func (t *turn) known(col *viewColumn, j int) (again int, remove bool, err error) {
	if j < 0 {
		remove, err = t.drop(col, t.policy.of(schema.DropColumn))
		return -1, remove, err
	}
	was, now := &t.change.Before.Columns[col.From], &t.change.After.Columns[j]
	col.From = j
	if was.Name != now.Name {
		switch t.policy.of(schema.RenameColumn) {
		case Evolve, TryEvolve:
			if at := t.next.find(now.Name); at >= 0 && &t.next.Columns[at] != col {
				return -1, false, fmt.Errorf("column %s is now %s, and the sink's table has a column of that name from before", was.Name, now.Name)
			}
			t.edits = append(t.edits, schema.Edit{Kind: schema.RenameColumn, Column: col.Column.Name, To: now.Name})
			col.Column.Name = now.Name
		case Lenient:
			_, err := t.drop(col, Lenient)
			return j, false, err
		default:
			_, err := t.drop(col, Ignore)
			return -1, false, err
		}
	}
	t.modify(col, was, now)
	return -1, false, nil
}

// drop lets go of a column that the source has no more.
func (t *turn) drop(col *viewColumn, how Behavior) (remove bool, err error) {
	if how == Evolve || how == TryEvolve {
		t.edits = append(t.edits, schema.Edit{Kind: schema.DropColumn, Column: col.Column.Name})
		return true, nil
	}
	col.From = -1
	switch {
	case col.Column.Nullable:
	case how == Lenient:
		col.Column.Nullable = true
		t.edits = append(t.edits, schema.Edit{Kind: schema.ModifyColumn, Column: col.Column.Name})
	default:
		return false, fmt.Errorf("column %s is NOT NULL in the sink's table, and the source has it no more: make it nullable there, or resync", col.Column.Name)
	}
	return false, nil
}

// modify follows the type of a column. Ignored, values are made to fit the old one.
func (t *turn) modify(col *viewColumn, was, now *schema.Column) {
	if was.Type == now.Type && was.Nullable == now.Nullable && slices.Equal(was.Labels, now.Labels) || t.policy.of(schema.ModifyColumn) == Ignore {
		return
	}
	name := col.Column.Name
	col.Column = *now
	col.Column.Name = name
	t.edits = append(t.edits, schema.Edit{Kind: schema.ModifyColumn, Column: name})
}

// add takes in a column that is new at the source.
func (t *turn) add(j int) error {
	col := viewColumn{t.change.After.Columns[j], j}
	how := t.policy.of(schema.AddColumn)
	if how == Ignore {
		return nil
	}
	if at := t.next.find(col.Column.Name); at >= 0 {
		old := &t.next.Columns[at]
		if old.Column.Type != col.Column.Type {
			return fmt.Errorf("column %s is new with type %s, and the sink's table has one of that name from before with type %s",
				col.Column.Name, col.Column.Native, old.Column.Native)
		}
		old.From = j
		return nil
	}
	at := len(t.next.Columns)
	if how == Lenient {
		col.Column.Nullable = true
	} else if before := slices.IndexFunc(t.next.Columns, func(c viewColumn) bool { return c.From == j-1 }); before >= 0 || j == 0 {
		at = before + 1
	}
	t.next.Columns = slices.Insert(t.next.Columns, at, col)
	t.edits = append(t.edits, schema.Edit{Kind: schema.AddColumn, Column: col.Column.Name, Fill: t.fill(col.Column.Name)})
	return nil
}

// fill is what the rows that are there get in an added column.
func (t *turn) fill(name string) *schema.Value {
	for _, e := range t.change.Edits {
		if e.Kind == schema.AddColumn && strings.EqualFold(e.Column, name) {
			return e.Fill
		}
	}
	return nil
}

// rest passes on what is about the table rather than a column.
func (t *turn) rest() {
	for _, e := range t.change.Edits {
		switch e.Kind {
		case schema.TruncateTable, schema.RenameTable, schema.ChangeKey:
			if t.policy.of(e.Kind) != Ignore {
				t.edits = append(t.edits, e)
			}
		}
	}
}

var errKeyLost = errors.New("a column of its key is not in the sink's table any more: resync it, or exclude the table")

// whole makes sure that the sink's table has the key.
func (t *turn) whole() error {
	for _, k := range t.change.After.Key {
		if !slices.ContainsFunc(t.next.Columns, func(c viewColumn) bool { return c.From == k }) {
			return errKeyLost
		}
	}
	return nil
}
