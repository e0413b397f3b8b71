package snapshot

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// TestMerge_RenamedOntoKnown gives a table the name of another one that is being copied: that one is no more.
func TestMerge_RenamedOntoKnown(t *testing.T) {
	m := newMerge("start")
	shapes := map[string]*schema.Table{}
	for _, name := range []string{"a", "b", "c"} {
		shapes[name] = &schema.Table{Name: schema.Name{Table: name}, Version: 1, Key: []int{0}, Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}}}
		m.add(&table{shape: shapes[name]})
	}
	after := *shapes["a"]
	after.Name.Table = "b"
	m.deliver(source.Event{Schema: &schema.Change{Before: shapes["a"], After: &after, Edits: []schema.Edit{{Kind: schema.RenameTable}}}})
	if want := []schema.Name{{Table: "b"}, {Table: "c"}}; !slices.Equal(m.order, want) || len(m.tables) != 2 || m.left != 2 {
		t.Errorf("got order %v, %d tables, %d left to copy, want %v", m.order, len(m.tables), m.left, want)
	}
	if m.tables[after.Name].shape != &after {
		t.Errorf("got %s under the new name", m.tables[after.Name].shape)
	}
}
