package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
)

// A column says how a column of the source goes into a field of the Iceberg table.
type column struct {
	index  int // in the source table
	source schema.Type
	field  iceberg.NestedField
	form   form
}

// A layout says how one version of a source table goes into the files of an Iceberg table. It is immutable.
type layout struct {
	table    *schema.Table
	schema   *iceberg.Schema
	spec     iceberg.PartitionSpec
	props    iceberg.Properties
	cols     []column
	keys     []column // the key's, in key order
	keyIDs   []int    // their field ids
	arrow    *arrow.Schema
	keyArrow *arrow.Schema
	places   table.LocationProvider
	fs       iceio.WriteFileIO
}

// newLayout matches a source table's shape with the Iceberg table as it stands.
func newLayout(ctx context.Context, t *schema.Table, tbl *table.Table) (*layout, error) {
	l := &layout{table: t, schema: tbl.Schema(), spec: tbl.Spec(), props: tbl.Properties()}
	if v := tbl.Metadata().Version(); v != 2 {
		return nil, fmt.Errorf("the Iceberg table has format version %d: the sink writes version 2, which every engine reads; make the table anew", v)
	}
	ts, err := targets(t)
	if err != nil {
		return nil, err
	}
	for i, target := range ts {
		c, err := matchColumn(l.schema, t, i, target)
		if err != nil {
			return nil, err
		}
		l.cols = append(l.cols, c)
	}
	for _, k := range t.Key {
		l.keys = append(l.keys, l.cols[k])
		l.keyIDs = append(l.keyIDs, l.cols[k].field.ID)
	}
	if err := errors.Join(l.checkKey(), l.checkRequired(), l.checkSpec(tbl)); err != nil {
		return nil, err
	}
	if l.arrow, err = arrowSchema(l.cols); err == nil {
		l.keyArrow, err = arrowSchema(l.keys)
	}
	if err != nil {
		return nil, err
	}
	return l, l.open(ctx, tbl)
}

func (l *layout) open(ctx context.Context, tbl *table.Table) (err error) {
	if l.places, err = tbl.LocationProvider(); err != nil {
		return err
	}
	fs, err := tbl.FS(ctx)
	if err != nil {
		return err
	}
	wfs, ok := fs.(iceio.WriteFileIO)
	if !ok {
		return fmt.Errorf("%s: its file system cannot be written to", tbl.Location())
	}
	l.fs = wfs
	return nil
}

// matchColumn finds the field that column i of t fills.
func matchColumn(sc *iceberg.Schema, t *schema.Table, i int, want target) (column, error) {
	f, ok := fieldFor(sc, t, want.name)
	if !ok {
		return column{}, fmt.Errorf("column %s is not in the Iceberg table", want.name)
	}
	form, ok := want.fits(f.Type)
	if !ok {
		return column{}, fmt.Errorf("column %s is %s in the Iceberg table, and %s (%s) does not go into it", want.name, f.Type, t.Columns[i].Type, want.Type)
	}
	return column{index: i, source: t.Columns[i].Type, field: f, form: form}, nil
}

// fits says in which form values go into a field of type have.
func (m mapping) fits(have iceberg.Type) (form, bool) {
	switch {
	case m.Type.Equals(have):
		return m.form, true
	case !promotes(m.Type, have):
		return 0, false
	case m.form == formInt32:
		return formWords, true
	case m.form == formFloat32:
		return formFloatWide, true
	}
	return m.form, true
}

// fieldFor returns the field for a source column: of NAME, NAME_v2, NAME_v3... the last that exists and is no other
// column of the source. See Incompatible.
func fieldFor(sc *iceberg.Schema, t *schema.Table, name string) (f iceberg.NestedField, ok bool) {
	best := 0
	for _, c := range sc.Fields() {
		v := versionOf(c.Name, name)
		if v > best && (v == 1 || t.Column(c.Name) < 0) {
			f, ok, best = c, true, v
		}
	}
	return f, ok
}

// versionOf returns 1 for the name itself, n for NAME_vn, 0 for others.
func versionOf(field, name string) int {
	if field == name {
		return 1
	}
	digits, ok := strings.CutPrefix(field, name+"_v")
	if n, err := strconv.Atoi(digits); ok && err == nil && n > 1 && n < 1000 && strconv.Itoa(n) == digits {
		return n
	}
	return 0
}

// checkKey compares the Iceberg table's identifier fields with the source's key.
func (l *layout) checkKey() error {
	have, want := slices.Sorted(slices.Values(l.schema.IdentifierFieldIDs)), slices.Sorted(slices.Values(l.keyIDs))
	if slices.Equal(have, want) {
		return nil
	}
	name := func(ids []int) string {
		var names []string
		for _, id := range ids {
			n, _ := l.schema.FindColumnName(id)
			names = append(names, n)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	return fmt.Errorf("the key is %s, the Iceberg table's identifier fields are %s: rows written under one key cannot be updated under another; "+
		"copy the table again, into a new Iceberg table", name(l.keyIDs), name(have))
}

// checkRequired finds fields that must have a value and that no column fills.
func (l *layout) checkRequired() error {
	for _, f := range l.schema.Fields() {
		if f.Required && !slices.ContainsFunc(l.cols, func(c column) bool { return c.field.ID == f.ID }) {
			return fmt.Errorf("field %s of the Iceberg table is required, and no source column fills it: make it optional", f.Name)
		}
	}
	return nil
}

// checkSpec refuses partitioning under which an old row could not be found by its key alone: an equality delete applies
// to the files of its own partition only.
func (l *layout) checkSpec(tbl *table.Table) error {
	if len(l.keys) == 0 {
		return nil
	}
	for _, spec := range tbl.Metadata().PartitionSpecs() {
		for _, f := range spec.Fields() {
			if _, void := f.Transform.(iceberg.VoidTransform); !void && !slices.Contains(l.keyIDs, f.SourceID()) {
				name, _ := l.schema.FindColumnName(f.SourceID())
				return fmt.Errorf("partitioned by %s of %s, which is not part of the key: rows whose %s changes could not be found again; "+
					"partition by key columns, like bucket[16](%s)", f.Transform, name, name, l.keys[0].field.Name)
			}
		}
	}
	if specs := tbl.Metadata().PartitionSpecs(); len(specs) > 1 && tbl.CurrentSnapshot() != nil {
		return fmt.Errorf("the Iceberg table has %d partition specs: deletes reach the files of one only; rewrite it under one spec, as a new table", len(specs))
	}
	return nil
}

func arrowSchema(cols []column) (*arrow.Schema, error) {
	fields := make([]iceberg.NestedField, len(cols))
	for i, c := range cols {
		fields[i] = c.field
	}
	return table.SchemaToArrowSchema(iceberg.NewSchema(0, fields...), nil, true, false)
}
