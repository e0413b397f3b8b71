package row

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/schema"
)

func testTable() *schema.Table {
	return &schema.Table{
		Name: schema.Name{Namespace: "shop", Table: "orders"}, Version: 1, Key: []int{0, 1},
		Columns: []schema.Column{
			{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}},
			{Name: "code", Type: schema.Type{Kind: schema.String}},
			{Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true},
			{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 32}, Nullable: true},
		},
	}
}

// A cell is a value as a test thinks of it; neither word nor bytes: NULL, or absent.
type cell struct {
	word   uint64
	bytes  []byte
	null   bool
	absent bool
}

func (c cell) appendTo(v *Vector) {
	switch {
	case c.null:
		v.AppendNull()
	case c.absent:
		v.AppendAbsent()
	case c.bytes != nil:
		v.AppendBytes(c.bytes)
	default:
		v.AppendWord(c.word)
	}
}

func (c cell) check(v *Vector, i int) error {
	switch {
	case v.Null(i) != c.null || v.IsAbsent(i) != c.absent:
		return fmt.Errorf("value %d: got null %v absent %v, want %+v", i, v.Null(i), v.IsAbsent(i), c)
	case c.null || c.absent:
		return nil
	case c.bytes != nil && !bytes.Equal(v.Value(i), c.bytes), c.bytes == nil && v.Words[i] != c.word:
		return fmt.Errorf("value %d: got another value than %+v", i, c)
	}
	return nil
}

func drawCell(t *rapid.T, fixed, nullable bool) cell {
	switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case nullable && k == 0:
		return cell{null: true}
	case nullable && k == 1:
		return cell{absent: true}
	case fixed:
		return cell{word: rapid.Uint64().Draw(t, "word")}
	default:
		return cell{bytes: append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")...)}
	}
}

func drawRow(t *rapid.T, tb *schema.Table) []cell {
	cells := make([]cell, len(tb.Columns))
	for c := range cells {
		cells[c] = drawCell(t, tb.Columns[c].Type.Fixed(), tb.Columns[c].Nullable)
	}
	return cells
}

// What is appended is read back, also after truncation, copying and reuse of pooled buffers.
func TestBatch_HoldsWhatIsAppended(t *testing.T) {
	tb := testTable()
	rapid.Check(t, func(t *rapid.T) {
		b, other := New(tb), New(tb)
		defer b.Free()
		defer other.Free()
		var rows [][]cell
		for range rapid.IntRange(0, 200).Draw(t, "rows") {
			if rapid.IntRange(0, 40).Draw(t, "cut") == 0 {
				n := rapid.IntRange(0, len(rows)).Draw(t, "keep")
				rows = rows[:n]
				b.Truncate(n)
			}
			cells := drawRow(t, tb)
			b.Append(Insert, uint64(len(rows)), 0)
			for c := range cells {
				cells[c].appendTo(&b.Cols[c])
			}
			rows = append(rows, cells)
		}
		for i := range rows {
			other.AppendRow(b, i)
		}
		for i, cells := range rows {
			for c := range cells {
				for _, x := range []*Batch{b, other} {
					if err := cells[c].check(&x.Cols[c], i); err != nil {
						t.Fatalf("row %d column %d: %v", i, c, err)
					}
				}
			}
		}
	})
}

// Keys are equal exactly if their bytes are: no pair of different keys runs into one.
func TestBatch_KeyIsCanonical(t *testing.T) {
	tb := testTable()
	rapid.Check(t, func(t *rapid.T) {
		b := New(tb)
		defer b.Free()
		var ids [2]uint64
		var codes [2][]byte
		for i := range ids {
			ids[i] = rapid.Uint64Range(0, 2).Draw(t, "id")
			codes[i] = rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 3).Draw(t, "code")
			b.Append(Insert, 0, 0)
			b.Cols[0].AppendWord(ids[i])
			b.Cols[1].AppendBytes(codes[i])
			b.Cols[2].AppendNull()
			b.Cols[3].AppendWord(uint64(i)) // no part of the key
		}
		same := ids[0] == ids[1] && bytes.Equal(codes[0], codes[1])
		if got := bytes.Equal(b.Key(nil, 0), b.Key(nil, 1)); got != same {
			t.Fatalf("got equal %v, want %v for %v %q and %v %q", got, same, ids[0], codes[0], ids[1], codes[1])
		}
	})
}

func TestBatch_KeyNull(t *testing.T) {
	b := New(testTable())
	b.Append(Insert, 0, 0)
	b.Cols[0].AppendWord(1)
	b.Cols[1].AppendAbsent()
	if got := b.KeyNull(0); got != 1 {
		t.Errorf("got column %d, want 1", got)
	}
}

// Without a key NULL and the empty string are different rows.
func TestBatch_KeylessTellsNullFromEmpty(t *testing.T) {
	tb := testTable()
	tb.Key = nil
	b := New(tb)
	for _, null := range []bool{true, false} {
		b.Append(Insert, 0, 0)
		b.Cols[0].AppendWord(1)
		b.Cols[1].AppendBytes(nil)
		if null {
			b.Cols[2].AppendNull()
		} else {
			b.Cols[2].AppendBytes(nil)
		}
		b.Cols[3].AppendWord(1)
	}
	if bytes.Equal(b.Key(nil, 0), b.Key(nil, 1)) {
		t.Error("got equal keys for NULL and the empty string")
	}
}

// Filling a pooled batch again allocates nothing per row, NULLs and absent values included.
func TestBatch_NoAllocations(t *testing.T) {
	tb := testTable()
	text := []byte("some text")
	fill := func() {
		b := New(tb)
		for i := range 1000 {
			b.Append(Insert, uint64(i), 0)
			b.Cols[0].AppendWord(uint64(i))
			b.Cols[1].AppendBytes(text)
			if i%3 == 0 {
				b.Cols[2].AppendNull()
				b.Cols[3].AppendAbsent()
			} else {
				b.Cols[2].AppendBytes(text)
				b.Cols[3].AppendWord(1)
			}
		}
		b.Free()
	}
	fill()
	if n := testing.AllocsPerRun(50, fill); n > 3 { // the pool may lose a batch to the collector
		t.Errorf("got %v allocations for 1000 rows, want none per row", n)
	}
}

func BenchmarkBatch_Fill(b *testing.B) {
	tb := testTable()
	text := []byte("some text")
	b.ReportAllocs()
	for b.Loop() {
		x := New(tb)
		for i := range 4096 {
			x.Append(Insert, uint64(i), 0)
			x.Cols[0].AppendWord(uint64(i))
			x.Cols[1].AppendBytes(text)
			x.Cols[2].AppendBytes(text)
			x.Cols[3].AppendWord(1)
		}
		x.Free()
	}
}
