package iceberg

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
)

// An alteration is the change of one table's schema. It keeps its own picture of the fields while it stages them.
type alteration struct {
	sink   *Sink
	before *table.Table
	sc     *iceberg.Schema
	change *schema.Change
	update *table.UpdateSchema
	fields []iceberg.NestedField // as they will be
	dirty  bool
}

// stage adds the schema change, if there is one, to the transaction.
func (a *alteration) stage(tx *table.Transaction) error {
	a.update = tx.UpdateSchema(true, false)
	a.fields = a.sc.Fields()
	ts, err := targets(a.change.After)
	if err != nil {
		return err
	}
	for _, e := range a.change.Edits {
		if err := a.edit(e); err != nil {
			return err
		}
	}
	for i, t := range ts {
		if err := a.column(i, t); err != nil {
			return err
		}
	}
	if err := a.checkKey(); err != nil {
		return err
	}
	a.order()
	if !a.dirty {
		return nil
	}
	return a.update.Commit()
}

func (a *alteration) find(name string) int {
	return slices.IndexFunc(a.fields, func(f iceberg.NestedField) bool { return f.Name == name })
}

// current returns the index of the field that a column of the source fills.
func (a *alteration) current(name string) int {
	f, ok := fieldFor(iceberg.NewSchema(0, a.fields...), a.change.After, name)
	if !ok {
		return -1
	}
	return a.find(f.Name)
}

// edit does the edits that the comparison with the new shape cannot tell: a rename, and a drop.
func (a *alteration) edit(e schema.Edit) error {
	switch e.Kind {
	case schema.RenameColumn:
		from, to := a.current(e.Column), a.find(e.To)
		if from < 0 || to >= 0 && to != from || e.Column == e.To {
			return nil // done before, or not ours
		}
		a.update.RenameColumn([]string{a.fields[from].Name}, e.To)
		a.fields[from].Name = e.To
		a.dirty = true
	case schema.DropColumn:
		i := a.current(e.Column)
		if i < 0 {
			return nil
		}
		if slices.Contains(a.sc.IdentifierFieldIDs, a.fields[i].ID) {
			return errors.New(resync)
		}
		return a.delete(i)
	}
	return nil
}

const resync = "a key column was dropped: rows written under the old key cannot be updated under another; drop the Iceberg table and copy the table again"

func (a *alteration) delete(i int) error {
	if a.partitions(a.fields[i].ID) {
		return fmt.Errorf("column %s was dropped, and the Iceberg table is partitioned by it: copy the table again under another partition.key", a.fields[i].Name)
	}
	a.update.DeleteColumn([]string{a.fields[i].Name})
	a.fields = slices.Delete(a.fields, i, i+1)
	a.dirty = true
	return nil
}

func (a *alteration) partitions(id int) bool {
	for _, spec := range a.before.Metadata().PartitionSpecs() {
		if len(spec.FieldsBySourceID(id)) > 0 {
			return true
		}
	}
	return false
}

// column makes the field of one column what it should be.
func (a *alteration) column(i int, want target) error {
	n := a.current(want.name)
	if n < 0 {
		return a.add(want.name, want)
	}
	f := &a.fields[n]
	if _, ok := want.fits(f.Type); ok {
		return a.relax(n, want)
	}
	if promotes(f.Type, want.Type) {
		return a.promote(n, want)
	}
	was := f.Type.String()
	if a.sink.cfg.Incompatible == NewColumn && !want.required {
		next := versionOf(f.Name, want.name) + 1
		return a.add(fmt.Sprintf("%s_v%d", want.name, next), want)
	}
	if want.required {
		return fmt.Errorf("key column %s changed to %s (%s), the Iceberg column is %s, and Iceberg cannot read one as the other: drop the Iceberg table and copy the table again",
			want.name, a.change.After.Columns[i].Type, want.Type, was)
	}
	return fmt.Errorf("column %s changed to %s (%s), the Iceberg column is %s, and Iceberg cannot read one as the other: drop the Iceberg table and copy the table again, "+
		"or set schema.incompatible: new-column to go on in a column %s_v2", want.name, a.change.After.Columns[i].Type, want.Type, was, want.name)
}

func (a *alteration) add(name string, want target) error {
	if want.required {
		return fmt.Errorf("key column %s is not in the Iceberg table: %s", name, "rows that it has lack the value; drop the Iceberg table and copy the table again")
	}
	a.update.AddColumn([]string{name}, want.Type, "", false, nil)
	a.fields = append(a.fields, iceberg.NestedField{Name: name, Type: want.Type})
	a.dirty = true
	return nil
}

func (a *alteration) promote(n int, want target) error {
	f := &a.fields[n]
	if want.required && a.equalityDeletes() {
		return fmt.Errorf("key column %s grew from %s to %s while the table has deletes by its old type, which some engines then miss: "+
			"drop the Iceberg table and copy the table again, or compact it with another engine first", f.Name, f.Type, want.Type)
	}
	a.update.UpdateColumn([]string{f.Name}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Valid: true, Val: want.Type}})
	f.Type = want.Type
	a.dirty = true
	return a.relax(n, want)
}

// equalityDeletes says that the current snapshot may have some.
func (a *alteration) equalityDeletes() bool {
	cur := a.before.CurrentSnapshot()
	if cur == nil {
		return false
	}
	return cur.Summary == nil || cur.Summary.Properties["total-equality-deletes"] != "0"
}

// relax makes a field optional that is no longer part of a key.
func (a *alteration) relax(n int, want target) error {
	f := &a.fields[n]
	if !f.Required || want.required || slices.Contains(a.sc.IdentifierFieldIDs, f.ID) {
		return nil
	}
	a.update.UpdateColumn([]string{f.Name}, table.ColumnUpdate{Required: iceberg.Optional[bool]{Valid: true, Val: false}})
	f.Required = false
	a.dirty = true
	return nil
}

// checkKey compares the source's key with the identifier fields.
func (a *alteration) checkKey() error {
	t := a.change.After
	var ids []int
	for _, k := range t.Key {
		ids = append(ids, a.fields[a.current(t.Columns[k].Name)].ID)
	}
	slices.Sort(ids)
	have := slices.Sorted(slices.Values(a.sc.IdentifierFieldIDs))
	if slices.Equal(ids, have) {
		return nil
	}
	return fmt.Errorf("its key is other than that of the Iceberg table (fields %v, identifier fields %v): rows written under one key cannot be updated under another; "+
		"drop the Iceberg table and copy the table again", ids, have)
}

// order moves the fields into the order of the source's columns. Fields that the source does not have follow.
func (a *alteration) order() {
	for i, c := range a.change.After.Columns {
		n := a.current(c.Name)
		if n == i {
			continue
		}
		path := []string{a.fields[n].Name}
		if i == 0 {
			a.update.MoveFirst(path)
		} else {
			a.update.MoveAfter(path, []string{a.fields[i-1].Name})
		}
		f := a.fields[n]
		a.fields = slices.Insert(slices.Delete(a.fields, n, n+1), i, f)
		a.dirty = true
	}
}
