package schema

import (
	"slices"
	"strings"
)

// Has says that the change has an edit of that kind.
func (c *Change) Has(k EditKind) bool {
	return slices.ContainsFunc(c.Edits, func(e Edit) bool { return e.Kind == k })
}

// Lineage says where the columns of Before are in After, -1 for one that is gone, and which of After are new, in order. The
// change has both tables.
//
// Edits name columns as they are called when the edit is made, or, in a statement that swaps names, as they were called
// before it.
func (c *Change) Lineage() (to, added []int) {
	names := make([]string, len(c.Before.Columns)) // of the columns of Before by now, empty for one that is gone
	for i := range names {
		names[i] = c.Before.Columns[i].Name
	}
	fresh := map[string]bool{} // added by an edit, in lower case
	for _, e := range c.Edits {
		i := c.called(e.Column, names)
		switch {
		case e.Kind == AddColumn:
			fresh[strings.ToLower(e.Column)] = true
		case e.Kind == DropColumn && i < 0:
			delete(fresh, strings.ToLower(e.Column))
		case e.Kind == DropColumn:
			names[i] = ""
		case e.Kind == RenameColumn && i >= 0:
			names[i] = e.To
		}
	}
	to = make([]int, len(names))
	for i, name := range names {
		if to[i] = -1; name != "" && !fresh[strings.ToLower(name)] {
			to[i] = c.After.Column(name)
		}
	}
	for j := range c.After.Columns {
		if !slices.Contains(to, j) {
			added = append(added, j)
		}
	}
	return to, added
}

// called finds a column by the name that it had before the change, if that is still its own, or by the one that it got; -1
// if there is none.
func (c *Change) called(name string, names []string) int {
	for i, now := range names {
		if strings.EqualFold(now, name) && strings.EqualFold(c.Before.Columns[i].Name, name) {
			return i
		}
	}
	return slices.IndexFunc(names, func(now string) bool { return now != "" && strings.EqualFold(now, name) })
}
