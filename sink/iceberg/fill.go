package iceberg

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A fill writes a table anew when columns are added that rows which are there have a value in: an Iceberg v2 table can
// only say NULL of a column that a file lacks. The files, the schema and the snapshot are one commit, so that no reader
// sees the column without its values. The deletes of the table are applied on the way.
type fill struct {
	staged *table.Table // the table with its new schema, not committed yet
	layout *layout
	values map[int]schema.Value // by column of the new shape
}

// filled returns what the added columns of a change hold in the rows that are there, by their place in the new shape.
func filled(c *schema.Change) map[int]schema.Value {
	values := map[int]schema.Value{}
	for i, e := range c.Edits {
		if e.Kind != schema.AddColumn || e.Fill == nil {
			continue
		}
		name := e.Column
		for _, later := range c.Edits[i+1:] {
			if later.Kind == schema.RenameColumn && later.Column == name {
				name = later.To
			}
		}
		if at := c.After.Column(name); at >= 0 {
			values[at] = *e.Fill
		}
	}
	return values
}

// fill stages the snapshot of a table that is written anew under the schema that updates give it. It returns no snapshot
// when there is nothing to fill: no row, or no column that is new.
func (s *Sink) fill(ctx context.Context, tbl *table.Table, c *schema.Change, updates []table.Update) (*snapshot, error) {
	values := filled(c)
	if len(values) == 0 || len(updates) == 0 || tbl.CurrentSnapshot() == nil {
		return nil, nil
	}
	meta, err := table.UpdateTableMetadata(tbl.Metadata(), updates, "")
	if err != nil {
		return nil, fmt.Errorf("stage schema: %w", err)
	}
	f := fill{staged: table.New(tbl.Identifier(), meta, tbl.MetadataLocation(), tbl.FS, nil), values: values}
	if f.layout, err = newLayout(ctx, c.After, f.staged); err != nil {
		return nil, err
	}
	for at := range values {
		if f.layout.cols[at].field.ID <= tbl.Metadata().LastColumnID() {
			delete(values, at) // the table had it before
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	files, err := f.rewrite(ctx)
	if err != nil {
		return nil, fmt.Errorf("fill added columns: %w", err)
	}
	return &snapshot{base: f.staged, data: files, empty: true,
		summary: iceberg.Properties{propPipeline: s.pipeline, "cdcsync.fill": "true"}}, nil
}

// rewrite reads all rows of the table, and writes them with the new columns filled.
func (f *fill) rewrite(ctx context.Context) ([]iceberg.DataFile, error) {
	sc, records, err := f.staged.Scan(table.WithMaxConcurrency(1)).ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	at, err := f.places(sc)
	if err != nil {
		return nil, err
	}
	var files []iceberg.DataFile
	for file, err := range table.WriteRecords(ctx, f.staged, sc, f.records(sc, at, records)) {
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// places finds the filled columns in the records: their place there, by column of the shape.
func (f *fill) places(sc *arrow.Schema) (map[int]int, error) {
	at := map[int]int{}
	for col := range f.values {
		name := f.layout.cols[col].field.Name
		found := sc.FieldIndices(name)
		if len(found) != 1 {
			return nil, fmt.Errorf("column %s stands %d times in the scan", name, len(found))
		}
		at[col] = found[0]
	}
	return at, nil
}

func (f *fill) records(sc *arrow.Schema, at map[int]int, in iter.Seq2[arrow.RecordBatch, error]) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for rec, err := range in {
			if err == nil {
				rec = f.record(sc, at, rec)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// record puts the values into a copy of rec, and releases rec.
func (f *fill) record(sc *arrow.Schema, at map[int]int, rec arrow.RecordBatch) arrow.RecordBatch {
	defer rec.Release()
	cols := make([]arrow.Array, rec.NumCols())
	copy(cols, rec.Columns())
	for col, place := range at {
		c := &f.layout.cols[col]
		v := repeat(f.values[col], c.source.Fixed(), int(rec.NumRows()))
		cols[place] = toArrow(sc.Field(place).Type, c, &v)
		defer cols[place].Release()
	}
	return array.NewRecordBatch(sc, cols, rec.NumRows())
}

// repeat is a vector of n times the same value.
func repeat(value schema.Value, fixed bool, n int) row.Vector {
	var v row.Vector
	if !fixed {
		v.Offsets = []uint32{0}
	}
	for range n {
		if fixed {
			v.AppendWord(value.Word)
		} else {
			v.AppendBytes(value.Bytes)
		}
	}
	return v
}
