package schema

import (
	"fmt"
	"strings"
	"testing"
)

func TestChange_Lineage(t *testing.T) {
	table := func(names string) *Table {
		t := &Table{}
		for name := range strings.FieldsSeq(names) {
			t.Columns = append(t.Columns, Column{Name: name})
		}
		return t
	}
	rename := func(from, to string) Edit { return Edit{Kind: RenameColumn, Column: from, To: to} }
	add := func(name string) Edit { return Edit{Kind: AddColumn, Column: name} }
	drop := func(name string) Edit { return Edit{Kind: DropColumn, Column: name} }
	for _, c := range []struct {
		name, before, after string
		edits               []Edit
		want                string // to, added
	}{
		{"nothing", "a b", "a b", nil, "[0 1] []"},
		{"add first", "a b", "n a b", []Edit{add("n")}, "[1 2] [0]"},
		{"drop", "a b c", "a c", []Edit{drop("b")}, "[0 -1 1] []"},
		{"rename", "a b", "a c", []Edit{rename("b", "c")}, "[0 1] []"},
		{"rename without regard to case", "a B", "a C", []Edit{rename("b", "C")}, "[0 1] []"},
		{"swap", "a b c", "b a c", []Edit{rename("a", "b"), rename("b", "a")}, "[0 1 2] []"},
		{"rotate", "a b", "b c", []Edit{rename("a", "b"), rename("b", "c")}, "[0 1] []"},
		{"dropped and added again", "a b", "a b", []Edit{drop("b"), add("b")}, "[0 -1] [1]"},
		{"renamed, and another takes the name", "a b", "a c b", []Edit{rename("b", "c"), add("b")}, "[0 1] [2]"},
		{"added and dropped", "a", "a", []Edit{add("n"), drop("n")}, "[0] []"},
		{"moved", "a b", "b a", []Edit{{Kind: MoveColumn, Column: "b"}}, "[1 0] []"},
	} {
		to, added := (&Change{Before: table(c.before), After: table(c.after), Edits: c.edits}).Lineage()
		if got := fmt.Sprint(to, added); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
