package iceberg

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
)

// again is how most refusals end.
const again = "drop the Iceberg table and copy the table again"

// An alteration works out the schema that a table gets by a change.
type alteration struct {
	before *table.Table
	change *schema.Change
	// exact says that the table is known to match change.Before, so that the edits hold to the letter. Otherwise only
	// those count that cannot be misunderstood.
	exact        bool
	incompatible Incompatible

	renames []schema.Edit         // each from the name before the change to that after it
	fields  []iceberg.NestedField // the new schema's
	gone    map[int]bool          // ids of dropped fields
	lastID  int
}

// run returns the new schema. Its fields are those of the source's columns in their order, then those that only the
// Iceberg table has.
func (a *alteration) run() (*iceberg.Schema, error) {
	ts, err := targets(a.change.After)
	if err != nil {
		return nil, err
	}
	a.lastID, a.renames = a.before.Metadata().LastColumnID(), a.direct()
	if err := a.drop(); err != nil {
		return nil, err
	}
	for i, t := range ts {
		f, err := a.column(i, t)
		if err != nil {
			return nil, err
		}
		a.fields = append(a.fields, f)
	}
	for _, f := range a.before.Schema().Fields() {
		if !a.gone[f.ID] && !slices.ContainsFunc(a.fields, func(g iceberg.NestedField) bool { return g.ID == f.ID }) {
			a.fields = append(a.fields, f)
		}
	}
	return a.schema()
}

// drop finds the fields of dropped columns.
func (a *alteration) drop() error {
	a.gone = map[int]bool{}
	for _, e := range a.change.Edits {
		if e.Kind != schema.DropColumn || !a.exact && a.change.After.Column(e.Column) >= 0 {
			continue
		}
		f, ok := a.old(e.Column)
		if !ok {
			continue
		}
		if slices.Contains(a.before.Schema().IdentifierFieldIDs, f.ID) {
			return fmt.Errorf("key column %s was dropped: rows written under the old key cannot be updated under another; %s", e.Column, again)
		}
		for _, spec := range a.before.Metadata().PartitionSpecs() {
			if len(spec.FieldsBySourceID(f.ID)) > 0 {
				return fmt.Errorf("column %s was dropped, and the Iceberg table is partitioned by it; %s", e.Column, again)
			}
		}
		a.gone[f.ID] = true
	}
	return nil
}

// direct are the renames without the names between: columns that trade their names take a third one on the way.
func (a *alteration) direct() (renames []schema.Edit) {
	if !a.exact {
		for _, e := range a.change.Edits {
			if e.Kind == schema.RenameColumn {
				renames = append(renames, e)
			}
		}
		return renames
	}
	to, _ := a.change.Lineage()
	for i, k := range to {
		from := a.change.Before.Columns[i].Name
		if k >= 0 && a.change.After.Columns[k].Name != from {
			renames = append(renames, schema.Edit{Kind: schema.RenameColumn, Column: from, To: a.change.After.Columns[k].Name})
		}
	}
	return renames
}

// old returns the field that a column had before the change.
func (a *alteration) old(name string) (iceberg.NestedField, bool) {
	t := a.change.Before
	if t == nil {
		t = a.change.After
	}
	return fieldFor(a.before.Schema(), t, name)
}

// origin returns the field that a column of the new shape continues.
func (a *alteration) origin(name string) (f iceberg.NestedField, renamed, ok bool) {
	f, ok = fieldFor(a.before.Schema(), a.change.After, name)
	for _, e := range a.renames {
		from, had := a.old(e.Column)
		if e.To == name && had && (a.exact || !ok) {
			return from, true, true
		}
		if had && a.exact && from.ID == f.ID {
			ok = false // the field goes on under another name
		}
	}
	return f, false, ok && !a.gone[f.ID]
}

// column returns the field of one column of the new shape.
func (a *alteration) column(i int, want target) (iceberg.NestedField, error) {
	f, renamed, ok := a.origin(want.name)
	if !ok {
		return a.add(want.name, want)
	}
	if renamed {
		f.Name = want.name
	}
	f.Required = f.Required && slices.Contains(a.before.Schema().IdentifierFieldIDs, f.ID)
	if _, fits := want.fits(f.Type); fits {
		return f, nil
	}
	if promotes(f.Type, want.Type) {
		return a.promote(f, want)
	}
	if a.incompatible == NewColumn && !want.required {
		return a.add(fmt.Sprintf("%s_v%d", want.name, max(versionOf(f.Name, want.name), 1)+1), want)
	}
	hint := again
	if !want.required {
		hint += fmt.Sprintf(", or set schema.incompatible: new-column to go on in a new column %s_v2", want.name)
	}
	return f, fmt.Errorf("column %s is %s now (%s), the Iceberg column is %s, and Iceberg cannot read the one as the other: %s",
		want.name, a.change.After.Columns[i].Type, want.Type, f.Type, hint)
}

func (a *alteration) add(name string, want target) (iceberg.NestedField, error) {
	if want.required {
		return iceberg.NestedField{}, fmt.Errorf("key column %s is not in the Iceberg table, so its rows lack the value; %s", name, again)
	}
	a.lastID++
	return iceberg.NestedField{ID: a.lastID, Name: name, Type: want.Type}, nil
}

func (a *alteration) promote(f iceberg.NestedField, want target) (iceberg.NestedField, error) {
	if want.required && slices.Contains(a.before.Schema().IdentifierFieldIDs, f.ID) && a.equalityDeletes() {
		return f, fmt.Errorf("key column %s grew from %s to %s while the table has deletes by its old type, which some engines then miss; "+
			"compact the table with another engine first, or %s", f.Name, f.Type, want.Type, again)
	}
	f.Type = want.Type
	return f, nil
}

// equalityDeletes says that the current snapshot may have some.
func (a *alteration) equalityDeletes() bool {
	cur := a.before.CurrentSnapshot()
	return cur != nil && (cur.Summary == nil || cur.Summary.Properties["total-equality-deletes"] != "0")
}

// schema checks the fields and the key.
func (a *alteration) schema() (*iceberg.Schema, error) {
	seen := map[string]int{}
	for _, f := range a.fields {
		if id, twice := seen[strings.ToLower(f.Name)]; twice {
			return nil, fmt.Errorf("two columns of the Iceberg table would be called %s (fields %d and %d): rename the one that the source does not have", f.Name, id, f.ID)
		}
		seen[strings.ToLower(f.Name)] = f.ID
	}
	var ids []int
	for _, k := range a.change.After.Key {
		ids = append(ids, a.fields[k].ID)
	}
	have := a.before.Schema().IdentifierFieldIDs
	if !slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(have))) {
		return nil, fmt.Errorf("its key is (%s), and that of the Iceberg table (%s): rows written under one key cannot be updated under another; %s",
			names(a.fields, ids), names(a.before.Schema().Fields(), have), again)
	}
	return iceberg.NewSchemaWithIdentifiers(a.before.Schema().ID, have, a.fields...), nil
}

func names(fields []iceberg.NestedField, ids []int) string {
	var out []string
	for _, id := range ids {
		i := slices.IndexFunc(fields, func(f iceberg.NestedField) bool { return f.ID == id })
		if i >= 0 {
			out = append(out, fields[i].Name)
		}
	}
	return strings.Join(out, ", ")
}
