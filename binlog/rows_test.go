package binlog

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A fixture is a table with a table map and the body of a WRITE_ROWS event of version 2.
type fixture struct {
	shape *schema.Table
	plan  *plan
	cells []cell
	body  []byte // behind the table id
	rows  int
}

// A cell is one column of a fixture: its type in the shape and in the log, and one value as the log has it.
type cell struct {
	col   schema.Column
	typ   byte
	meta  uint16
	value []byte
}

func column1(kind schema.Kind, bits uint8, precision, scale uint16) schema.Column {
	return schema.Column{Name: "c", Nullable: true, Charset: "utf8mb4", Type: schema.Type{Kind: kind, Bits: bits, Precision: precision, Scale: scale}}
}

func str(prefix int, text string) []byte {
	p := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))[:prefix]
	return append(p, text...)
}

func narrowCells() []cell {
	return []cell{
		{column1(schema.Int, 64, 0, 0), 8, 0, []byte{1, 2, 3, 4, 0, 0, 0, 0}},
		{column1(schema.Int, 32, 0, 0), 3, 0, []byte{1, 2, 3, 0x80}},
		{column1(schema.String, 0, 0, 0), 15, 128, str(1, "a thirty-two byte string of text")},
		{column1(schema.Decimal, 0, 12, 2), 246, 12<<8 | 2, []byte{0x80, 0, 1, 0xe2, 0x40, 0x4b}},
		{column1(schema.Datetime, 0, 0, 0), 18, 0, []byte{0x99, 0xb2, 0xa2, 0x31, 0x45}},
	}
}

func wideCells() []cell {
	enum, set := column1(schema.Enum, 0, 0, 0), column1(schema.Set, 0, 0, 0)
	enum.Labels, set.Labels = []string{"new", "paid", "sent"}, []string{"a", "b", "c", "d"}
	return []cell{
		{column1(schema.Int, 64, 0, 0), 8, 0, []byte{1, 2, 3, 4, 0, 0, 0, 0}},
		{enum, 254, 0xf701, []byte{2}},
		{set, 254, 0xf801, []byte{5}},
		{column1(schema.Decimal, 0, 18, 4), 246, 18<<8 | 4, []byte{0x80, 0, 0, 1, 0xe2, 0x40, 0, 0, 0}[:9]},
		{column1(schema.Float, 64, 0, 0), 5, 8, []byte{1, 2, 3, 4, 5, 6, 7, 0x40}},
		{column1(schema.Int, 32, 0, 0), 3, 0, []byte{1, 2, 3, 4}},
		{column1(schema.Uint, 32, 0, 0), 3, 0, []byte{1, 2, 3, 0x80}},
		{column1(schema.Int, 16, 0, 0), 2, 0, []byte{1, 0x80}},
		{column1(schema.Datetime, 0, 6, 0), 18, 6, []byte{0x99, 0xb2, 0xa2, 0x31, 0x45, 1, 2, 3}},
		{column1(schema.Timestamp, 0, 3, 0), 17, 3, []byte{0x60, 1, 2, 3, 0x10, 0x20}},
		{column1(schema.Date, 0, 0, 0), 10, 0, []byte{0x21, 0xd4, 0x0f}},
		{column1(schema.String, 0, 0, 0), 15, 128, str(1, "customer name of some length")},
		{column1(schema.String, 0, 0, 0), 15, 1020, str(2, "someone@example.com")},
		{column1(schema.String, 0, 0, 0), 252, 2, str(2, "a note that is a little longer than the other columns of the row are")},
		{column1(schema.String, 0, 0, 0), 254, 0xfe08, str(1, "DE")},
		{column1(schema.JSON, 0, 0, 0), 252, 4, str(4, `{"a": 1, "b": [1.0, "x"], "c": {"d": true}}`)},
		{column1(schema.Binary, 0, 0, 0), 15, 32, str(1, "\x01\x02\x03\x04\x05\x06\x07\x08")},
	}
}

// t100 is a text of 100 bytes.
var t100 = strings.Repeat("packed ten", 10)

func deflated(text string) string {
	var b strings.Builder
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.String()
}

// everyCells has a column of each way of decoding.
func everyCells() []cell {
	fixed := column1(schema.Binary, 0, 0, 0)
	fixed.Type.Length = 4
	latin, inet := column1(schema.String, 0, 0, 0), column1(schema.String, 0, 0, 0)
	latin.Charset, inet.Native = "latin1", "inet6"
	return append(append(narrowCells(), wideCells()...), []cell{
		{column1(schema.Decimal, 0, 38, 10), 246, 38<<8 | 10, []byte{0x80, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 9}},
		{column1(schema.Decimal, 0, 65, 30), 246, 65<<8 | 30, append([]byte{0x80}, make([]byte, 29)...)},
		{column1(schema.Bit, 13, 0, 0), 16, 1<<8 | 5, []byte{1, 2}},
		{column1(schema.Year, 0, 0, 0), 13, 0, []byte{126}},
		{column1(schema.Time, 0, 6, 0), 19, 6, []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{column1(schema.Time, 0, 0, 0), 11, 0, []byte{1, 2, 0}},
		{column1(schema.Datetime, 0, 0, 0), 12, 0, []byte{0xca, 0x6a, 0x2b, 0x5b, 0x6d, 0x12, 0, 0}},
		{column1(schema.Timestamp, 0, 0, 0), 7, 0, []byte{1, 2, 3, 4}},
		{column1(schema.Int, 24, 0, 0), 9, 0, []byte{1, 2, 0x80}},
		{column1(schema.Uint, 24, 0, 0), 9, 0, []byte{1, 2, 0x80}},
		{column1(schema.Int, 8, 0, 0), 1, 0, []byte{0x80}},
		{column1(schema.Float, 32, 0, 0), 4, 4, []byte{1, 2, 3, 4}},
		{fixed, 254, 0xfe04, str(1, "\x01\x02")},
		{latin, 15, 10, str(1, "caf\xe9")},
		{inet, 254, 0xfe10, str(1, "\x20\x01")},
		{latin, typeVarcharCompressed, 10, str(1, "\x00caf\xe9")},
		{column1(schema.String, 0, 0, 0), typeBlobCompressed, 2, str(2, "\x89\x64"+deflated(t100))},
		{column1(schema.UUID, 0, 0, 0), 254, 0xfe10, str(1, "\x20\x01")},
		{column1(schema.JSON, 0, 0, 0), 245, 4, str(4, "\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x01\x00a")},
		{column1(schema.Geometry, 0, 0, 0), 255, 4, str(4, "\x00\x00\x00\x00\x01")},
		{column1(schema.Vector, 0, 1, 0), 242, 4, str(4, "\x00\x00\x80\x3f")},
	}...)
}

// newFixture makes rows of the cells; with nulls, every other value of all columns but the first is NULL.
func newFixture(tb testing.TB, cells []cell, rows int, nulls bool) *fixture {
	tb.Helper()
	f := &fixture{shape: &schema.Table{Version: 1, Key: []int{0}}, cells: cells, rows: rows}
	m := &tableMap{}
	for _, c := range cells {
		f.shape.Columns = append(f.shape.Columns, c.col)
		m.types, m.metas = append(m.types, c.typ), append(m.metas, c.meta)
	}
	var err error
	if f.plan, err = newPlan(f.shape, m, &serverFacts{flavor: MySQL, version: 90000}); err != nil {
		tb.Fatal(err)
	}
	size := (len(cells) + 7) / 8
	f.body = append([]byte{1, 0, 2, 0, byte(len(cells))}, bytes.Repeat([]byte{0xff}, size)...)
	for r := range rows {
		bits := make([]byte, size)
		at := len(f.body)
		f.body = append(f.body, bits...)
		for i, c := range cells {
			if nulls && i > 0 && (i+r)%2 == 0 {
				f.body[at+i/8] |= 1 << (i % 8)
				continue
			}
			f.body = append(f.body, c.value...)
		}
	}
	return f
}

// decode appends all rows of the fixture to b.
func (f *fixture) decode(b *row.Batch) error {
	e, err := parseRows(writeRows, true, len(f.plan.cols), f.body)
	if err != nil {
		return err
	}
	seq := uint64(1)
	for p := e.rows; len(p) > 0; seq++ {
		if p, err = f.plan.appendRow(b, &e, p, seq, 7); err != nil {
			return err
		}
	}
	return nil
}

func benchmarkDecode(b *testing.B, cells []cell) {
	const rows = 100
	f := newFixture(b, cells, rows, false)
	batch := row.New(f.shape)
	b.SetBytes(int64(len(f.body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.decode(batch); err != nil {
			b.Fatal(err)
		}
		if batch.Len() >= 2000 {
			batch.Truncate(0)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkDecode_Wide17(b *testing.B) { benchmarkDecode(b, wideCells()) }
func BenchmarkDecode_Narrow(b *testing.B) { benchmarkDecode(b, narrowCells()) }

func TestDecode_NoAllocs(t *testing.T) {
	for _, nulls := range []bool{false, true} {
		f := newFixture(t, everyCells(), 50, nulls)
		b := row.New(f.shape)
		decode := func() {
			b.Truncate(0)
			if err := f.decode(b); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // let the buffers grow
			decode()
		}
		if b.Len() != f.rows {
			t.Fatalf("got %d rows, want %d", b.Len(), f.rows)
		}
		if n := testing.AllocsPerRun(100, decode); n/float64(f.rows) >= 0.1 {
			t.Errorf("nulls %t: got %v allocations for %d rows, want 0 a row", nulls, n, f.rows)
		}
	}
}

// TestDecode_Cut holds that an event that is cut anywhere is an error, or whole rows.
func TestDecode_Cut(t *testing.T) {
	f := newFixture(t, everyCells(), 2, true)
	whole := f.body
	for n := range whole {
		f.body = whole[:n]
		b := row.New(f.shape)
		if err := f.decode(b); err == nil && b.Len() == f.rows {
			t.Errorf("cut to %d of %d bytes: got all rows", n, len(whole))
		}
	}
}

// FuzzDecode_Rows holds that no row event can make the decoder panic, or allocate beyond measure.
func FuzzDecode_Rows(f *testing.F) {
	fx := newFixture(f, everyCells(), 2, true)
	f.Add(uint8(1), true, fx.body)
	f.Fuzz(func(t *testing.T, kind uint8, extra bool, body []byte) {
		e, err := parseRows(rowsKind(kind%4+1), extra, len(fx.plan.cols), body)
		if err != nil {
			return
		}
		b := row.New(fx.shape)
		for p := e.rows; len(p) > 0 && err == nil; {
			p, err = fx.plan.appendRow(b, &e, p, 1, 1)
		}
		if n := b.Bytes(); n > 1000*(len(body)+64) {
			t.Errorf("%d bytes became %d", len(body), n)
		}
	})
}

// TestPackedColumn_Damaged holds that a packed value that is not whole, or not what it says, is an error.
func TestPackedColumn_Damaged(t *testing.T) {
	whole := "\x89\x64" + deflated(t100)
	c := column{op: opUTF8, size: 2}
	c.pack(new(inflater))
	decode := func(value string) (string, error) {
		v := row.New(&schema.Table{Columns: []schema.Column{column1(schema.String, 0, 0, 0)}}).Cols[0]
		_, err := c.decode(&v, str(2, value))
		return string(v.Data), err
	}
	if got, err := decode(whole); got != t100 || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	for n := 1; n < len(whole); n++ {
		if got, err := decode(whole[:n]); err == nil {
			t.Errorf("cut to %d bytes: got %q", n, got)
		}
	}
	for name, value := range map[string]string{
		"longer than said":  "\x89\x63" + whole[2:],
		"shorter than said": "\x89\x65" + whole[2:],
		"too long":          "\x8b\x01\x00\x00" + whole[2:],
		"other method":      "\x99" + whole[1:],
		"no checksum":       "\x81" + whole[1:],
		"size of 7 bytes":   "\x8f\x00\x00\x00\x00\x00\x00" + whole[1:],
	} {
		if got, err := decode(value); !errors.Is(err, errPacked) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func FuzzParseTableMap(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x01\x00\x04shop\x00\x01a\x00\x02\x03\x0f\x02\x20\x00\x02\x01\x01\x80\x04\x04\x01a\x01b"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseTableMap(body)
		if err != nil {
			return
		}
		shape := &schema.Table{}
		for range m.types {
			shape.Columns = append(shape.Columns, column1(schema.String, 0, 0, 0))
		}
		_, _ = newPlan(shape, m, &serverFacts{flavor: MariaDB})
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x01\x00a"))
	f.Add([]byte("\x02\x01\x00\x10\x00\x0f\x07\x00\xf6\x05\x0c\x02\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		text, err := appendJSON(nil, doc, false)
		if len(text) > 17*len(doc)+128 || err != nil && len(text) > 0 {
			t.Errorf("%d bytes became %d: %v", len(doc), len(text), err)
		}
	})
}

func FuzzJSONChange(f *testing.F) {
	doc := []byte("\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x01\x00a")
	f.Add(doc, []byte("\x00\x03$.a\x03\x05\x02\x00\x01\x03$.b\x06\x02\x00\x00\x04\x00\x00\x01\x06$.b[0]\x03\x04\x00\x00\x02\x03$.a"))
	f.Add(doc, []byte("\x02\x08$.b[last]\x02\x0a$.\"\\u00e9\""))
	f.Fuzz(func(t *testing.T, doc, changes []byte) {
		text, err := appendChangedJSON(nil, doc, changes)
		if len(text) > 17*(len(doc)+len(changes))+128 || err != nil && len(text) > 0 {
			t.Errorf("%d and %d bytes became %d: %v", len(doc), len(changes), len(text), err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x0e\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x04\x21\x00\x21\x00shop\x00DROP TABLE a"))
	f.Fuzz(func(_ *testing.T, body []byte) {
		queryText(body)
		if q, err := parseQuery(body); err == nil {
			_, _ = q.statement(map[int]string{33: "utf8mb4", 8: "latin1"})
		}
	})
}
