package ddl

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// columnEdits returns the edits of the columns, each valid on the outcome of those before it.
func (a *alteration) columnEdits() []schema.Edit {
	var edits []schema.Edit
	for i, c := range a.before.Columns {
		if a.heir(i) < 0 {
			edits = append(edits, schema.Edit{Kind: schema.DropColumn, Column: c.Name})
		}
	}
	edits = append(edits, a.renames()...)
	for i, c := range a.cols {
		if c.from >= 0 && !SameBut(a.before.Columns[c.from], a.after.Columns[i]) {
			edits = append(edits, schema.Edit{Kind: schema.ModifyColumn, Column: c.Name})
		}
	}
	for _, c := range a.cols {
		if c.from < 0 {
			edits = append(edits, schema.Edit{Kind: schema.AddColumn, Column: c.Name})
		}
	}
	if a.reordered() {
		for _, name := range a.moved {
			edits = append(edits, schema.Edit{Kind: schema.MoveColumn, Column: name})
		}
	}
	return edits
}

// heir finds the new place of an old column.
func (a *alteration) heir(i int) int {
	return slices.IndexFunc(a.cols, func(c altColumn) bool { return c.from == i })
}

// SameBut says that two columns differ in their names only.
func SameBut(x, y schema.Column) bool {
	return x.Type == y.Type && x.Nullable == y.Nullable && x.Native == y.Native && x.Charset == y.Charset &&
		x.Flags == y.Flags && slices.Equal(x.Labels, y.Labels)
}

// reordered says that the columns that stay stand in another order.
func (a *alteration) reordered() bool {
	last := -1
	for _, c := range a.cols {
		if c.from >= 0 && c.from < last {
			return true
		}
		last = max(last, c.from)
	}
	return false
}

// renames orders the renames so that no two columns have one name at any time. Where columns trade names, one of them
// has a third name meanwhile.
func (a *alteration) renames() []schema.Edit {
	var edits, todo []schema.Edit
	for _, c := range a.cols {
		if c.from >= 0 && a.before.Columns[c.from].Name != c.Name {
			todo = append(todo, schema.Edit{Kind: schema.RenameColumn, Column: a.before.Columns[c.from].Name, To: c.Name})
		}
	}
	for len(todo) > 0 {
		free := slices.IndexFunc(todo, func(e schema.Edit) bool { return !taken(todo, e) })
		if free < 0 {
			third := a.unused()
			edits = append(edits, schema.Edit{Kind: schema.RenameColumn, Column: todo[0].Column, To: third})
			todo[0].Column = third
			continue
		}
		edits = append(edits, todo[free])
		todo = slices.Delete(todo, free, free+1)
	}
	return edits
}

// taken says that another column has the name that e gives, and will give it up later.
func taken(todo []schema.Edit, e schema.Edit) bool {
	return slices.ContainsFunc(todo, func(o schema.Edit) bool { return o != e && strings.EqualFold(o.Column, e.To) })
}

// unused returns a name that no column has, before or after.
func (a *alteration) unused() string {
	name := "cdcsync_renamed"
	for a.before.Column(name) >= 0 || a.find(name) >= 0 {
		name += "_"
	}
	return name
}
