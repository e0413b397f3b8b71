package pipeline

import (
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A fitting makes rows of a source's shape fit the sink's table. Columns are moved, not copied.
type fitting struct {
	table *schema.Table // the sink's
	from  []int         // for each of its columns the source's, -1: NULL
	casts []cast        // for each of its columns; nil: the value as it is
}

// A cast moves the values of one column to another type. What the type cannot hold becomes NULL.
type cast func(to, from *row.Vector, n int)

func newFitting(v *view, source *schema.Table, sink schema.Name) *fitting {
	f := &fitting{table: v.shape(source, sink)}
	for _, c := range v.Columns {
		f.from = append(f.from, c.From)
		var how cast
		if c.From >= 0 {
			how = castOf(source.Columns[c.From].Type, c.Column.Type)
		}
		f.casts = append(f.casts, how)
	}
	return f
}

// fit returns the rows of b in the sink's shape, and frees b. An error concerns the table: a column that may not be NULL
// would be.
func (f *fitting) fit(b *row.Batch) (*row.Batch, error) {
	out := row.New(f.table)
	out.Ops, b.Ops = b.Ops, out.Ops
	out.Seqs, b.Seqs = b.Seqs, out.Seqs
	out.Times, b.Times = b.Times, out.Times
	out.Orders, b.Orders = b.Orders, out.Orders
	out.Origin = b.Origin
	defer b.Free()
	for i, from := range f.from {
		switch {
		case from < 0:
			for range out.Len() {
				out.Cols[i].AppendNull()
			}
		case f.casts[i] != nil:
			f.casts[i](&out.Cols[i], &b.Cols[from], out.Len())
		default:
			out.Cols[i], b.Cols[from] = b.Cols[from], out.Cols[i]
		}
		if c := &f.table.Columns[i]; !c.Nullable && out.Cols[i].Valid != nil {
			if at := firstNull(&out.Cols[i], out.Len()); at >= 0 {
				out.Free()
				return nil, fmt.Errorf("column %s is NOT NULL in the sink's table, and the source has a value that it cannot hold: "+
					"schema.change.behavior keeps the table as it is; make the column nullable there, or resync the table", c.Name)
			}
		}
	}
	return out, nil
}

func firstNull(v *row.Vector, n int) int {
	for i := range n {
		if v.Null(i) {
			return i
		}
	}
	return -1
}

// castOf returns how values of one type become values of another, nil when they are held alike.
func castOf(from, to schema.Type) cast {
	switch {
	case from == to, from.Fixed() == to.Fixed() && from.Kind == to.Kind && alike(from, to):
		return nil
	case isInteger(from.Kind) && isInteger(to.Kind):
		return func(out, in *row.Vector, n int) { castIntegers(out, in, n, from.Kind == schema.Int, to) }
	case isText(from.Kind) && (to.Kind == schema.String || to.Kind == schema.Binary && to.Length == 0):
		return nil
	default:
		return castNone
	}
}

// alike says that two types of one kind hold a value the same way, and that the second has room for all of the first.
func alike(from, to schema.Type) bool {
	switch from.Kind {
	case schema.Int, schema.Uint, schema.Bit:
		return from.Bits <= to.Bits
	case schema.Time, schema.Datetime, schema.Timestamp:
		return from.Precision <= to.Precision
	case schema.Decimal:
		return from.Scale == to.Scale && from.Precision <= to.Precision && from.Width() == to.Width()
	case schema.String, schema.JSON, schema.Enum, schema.Set, schema.Date, schema.Year, schema.UUID, schema.Geometry:
		return true
	default:
		return false
	}
}

func isInteger(k schema.Kind) bool {
	return k == schema.Int || k == schema.Uint || k == schema.Year || k == schema.Bit
}

func isText(k schema.Kind) bool {
	return k == schema.String || k == schema.Enum || k == schema.Set || k == schema.JSON
}

// castIntegers keeps the numbers that fit.
func castIntegers(out, in *row.Vector, n int, signed bool, to schema.Type) {
	for i := range n {
		switch w := in.Words[i]; {
		case in.IsAbsent(i):
			out.AppendAbsent()
		case in.Null(i) || !fits(w, signed, to):
			out.AppendNull()
		default:
			out.AppendWord(w)
		}
	}
}

// fits says that an integer type holds a number, given as a word.
func fits(w uint64, signed bool, to schema.Type) bool {
	bits := to.Bits
	if to.Kind == schema.Year {
		bits = 16
	}
	if to.Kind == schema.Int {
		if !signed && int64(w) < 0 {
			return false
		}
		shift := 64 - bits
		return int64(w)<<shift>>shift == int64(w)
	}
	if signed && int64(w) < 0 {
		return false
	}
	return bits == 64 || w>>bits == 0
}

// castNone gives up all values: there is no way from one type to the other that keeps them.
func castNone(out, in *row.Vector, n int) {
	for i := range n {
		if in.IsAbsent(i) {
			out.AppendAbsent()
		} else {
			out.AppendNull()
		}
	}
}
