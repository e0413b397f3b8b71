package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// replay is a connection that has been recorded: it gives the same bytes again and again.
type replay struct {
	net.Conn
	data []byte
	at   int
}

func (r *replay) Read(p []byte) (int, error) {
	if r.at == len(r.data) {
		return 0, io.EOF
	}
	n := copy(p, r.data[r.at:])
	r.at += n
	return n, nil
}

func (r *replay) Write(p []byte) (int, error)      { return len(p), nil }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }
func (r *replay) Close() error                     { return nil }

// A value is a column of a recorded row: its type, and the bytes of one value on the wire.
type value struct {
	column schema.Column
	from   column
	bytes  []byte
}

func text(s string) []byte { return append(appendLenenc(nil, uint64(len(s))), s...) }

func le(n uint64, size int) []byte { return binary.LittleEndian.AppendUint64(nil, n)[:size] }

func datetime(year, month, day, hour, minute, second int, micros uint32) []byte {
	b := append([]byte{11}, le(uint64(year), 2)...)
	b = append(b, byte(month), byte(day), byte(hour), byte(minute), byte(second))
	return append(b, le(uint64(micros), 4)...)
}

func makeColumn(name string, kind schema.Kind, bits uint8) schema.Column {
	return schema.Column{Name: name, Type: schema.Type{Kind: kind, Bits: bits}, Nullable: true}
}

func textColumn(name string) schema.Column {
	c := makeColumn(name, schema.String, 0)
	c.Charset = "utf8mb4"
	return c
}

func decimalColumn(name string, precision, scale uint16) schema.Column {
	return schema.Column{Name: name, Type: schema.Type{Kind: schema.Decimal, Precision: precision, Scale: scale}}
}

// narrow is the table of the benchmarks: id bigint, k int, c varchar(32), v decimal(12,2), ts datetime.
func narrow() []value {
	return []value{
		{makeColumn("id", schema.Int, 64), column{wire: typeLonglong}, le(123456, 8)},
		{makeColumn("k", schema.Int, 32), column{wire: typeLong}, le(42, 4)},
		{textColumn("c"), column{wire: typeVarString}, text(strings.Repeat("abcdefgh", 4))},
		{decimalColumn("v", 12, 2), column{wire: typeNewDecimal, decimals: 2}, text("12345.67")},
		{makeColumn("ts", schema.Datetime, 0), column{wire: typeDatetime}, datetime(2026, 11, 21, 10, 20, 30, 0)},
	}
}

// wide is the table of 17 columns that the decoders are measured with.
func wide() []value {
	enum := makeColumn("state", schema.Enum, 0)
	enum.Labels = []string{"new", "paid", "sent", "done"}
	set := makeColumn("tags", schema.Set, 0)
	set.Labels = []string{"a", "b", "c", "d"}
	return []value{
		{makeColumn("id", schema.Int, 64), column{wire: typeLonglong}, le(123456, 8)},
		{enum, column{wire: typeLonglong}, le(3, 8)},
		{set, column{wire: typeLonglong}, le(5, 8)},
		{decimalColumn("price", 18, 4), column{wire: typeNewDecimal, decimals: 4}, text("-123456.7891")},
		{makeColumn("ratio", schema.Float, 64), column{wire: typeDouble}, le(0x3ff0000000000000, 8)},
		{makeColumn("a", schema.Int, 32), column{wire: typeLong}, le(7, 4)},
		{makeColumn("b", schema.Uint, 16), column{wire: typeShort, unsigned: true}, le(7, 2)},
		{makeColumn("t", schema.Int, 8), column{wire: typeTiny}, le(1, 1)},
		{makeColumn("created", schema.Datetime, 0), column{wire: typeDatetime}, datetime(2026, 11, 21, 10, 20, 30, 123456)},
		{makeColumn("updated", schema.Timestamp, 0), column{wire: typeTimestamp}, datetime(2026, 11, 21, 10, 20, 30, 123000)},
		{makeColumn("day", schema.Date, 0), column{wire: typeDate}, append([]byte{4}, le(2026, 2)[0], le(2026, 2)[1], 11, 21)},
		{textColumn("name"), column{wire: typeVarString}, text("Ada Lovelace, Countess")},
		{textColumn("mail"), column{wire: typeVarString}, text("ada@analytical-engine.example")},
		{textColumn("city"), column{wire: typeVarString}, text("London")},
		{textColumn("note"), column{wire: typeBlob}, text(strings.Repeat("lorem ipsum ", 10))},
		{makeColumn("doc", schema.JSON, 0), column{wire: typeJSON}, text(`{"a": 1, "b": [1, 2, 3], "c": "text"}`)},
		{makeColumn("bin", schema.Binary, 0), column{wire: typeVarString}, text("\x00\x01\x02\x03\x04\x05\x06\x07")},
	}
}

// record makes a table of the values, and the packets of so many equal rows with the end of the result.
func record(values []value, rows int) (*schema.Table, []column, []byte) {
	t := &schema.Table{Name: schema.Name{Namespace: "shop", Table: "orders"}, Version: 1, Key: []int{0}}
	var columns []column
	packet := append([]byte{headerOK}, make([]byte, (len(values)+9)/8)...)
	for _, v := range values {
		t.Columns = append(t.Columns, v.column)
		columns = append(columns, v.from)
		packet = append(packet, v.bytes...)
	}
	var data []byte
	seq := byte(0)
	send := func(p []byte) {
		data = append(data, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), seq)
		data = append(data, p...)
		seq++
	}
	for range rows {
		send(packet)
	}
	send([]byte{headerEOF, 0, 0, 2, 0})
	return t, columns, data
}

// TestReading_Allocations holds the line: reading a row allocates nothing.
func TestReading_Allocations(t *testing.T) {
	for name, values := range map[string][]value{"narrow": narrow(), "wide": wide()} {
		t.Run(name, func(t *testing.T) {
			const rows = 4000
			table, columns, data := record(values, rows)
			d, err := newDecoder(table, columns)
			if err != nil {
				t.Fatal(err)
			}
			nc := &replay{data: data}
			c := newConn(nc, 1)
			read := func() {
				nc.at, c.seq, c.pending = 0, 0, 0
				c.r.Reset(nc)
				r := &reading{table: table, limit: rows + 1, enough: 1 << 30}
				if err := r.rows(c, d); err != nil {
					t.Fatal(err)
				}
				if r.count != rows {
					t.Fatalf("got %d rows, want %d", r.count, rows)
				}
				r.free()
			}
			read() // the pool gets its buffers
			// A handful for each chunk, whatever its rows.
			if n := testing.AllocsPerRun(20, read); n > 20 {
				t.Errorf("%v allocations for %d rows", n, rows)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, values := range map[string][]value{"narrow": narrow(), "wide": wide()} {
		b.Run(name, func(b *testing.B) {
			const rows = 4000
			table, columns, data := record(values, rows)
			d, err := newDecoder(table, columns)
			if err != nil {
				b.Fatal(err)
			}
			nc := &replay{data: data}
			c := newConn(nc, 1)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				nc.at, c.seq, c.pending = 0, 0, 0
				c.r.Reset(nc)
				r := &reading{table: table, limit: rows + 1, enough: 1 << 30}
				if err := r.rows(c, d); err != nil {
					b.Fatal(err)
				}
				r.free()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// TestDecoder_Values decodes one row of each kind and looks at the values.
func TestDecoder_Values(t *testing.T) {
	table, columns, data := record(wide(), 1)
	d, err := newDecoder(table, columns)
	if err != nil {
		t.Fatal(err)
	}
	b := row.New(table)
	defer b.Free()
	n := int(data[0]) | int(data[1])<<8
	if err := d.row(b, data[4:4+n]); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{123456, 0, 0, -1234567891, 0x3ff0000000000000, 7, 7, 1, 1795256430123456, 1795256430123000, 20778} {
		if b.Cols[i].Offsets == nil && int64(b.Cols[i].Words[0]) != want {
			t.Errorf("column %s is %d, want %d", table.Columns[i].Name, int64(b.Cols[i].Words[0]), want)
		}
	}
	for i, want := range map[int]string{1: "sent", 2: "a,c", 11: "Ada Lovelace, Countess", 15: `{"a": 1, "b": [1, 2, 3], "c": "text"}`} {
		if got := string(b.Cols[i].Value(0)); got != want {
			t.Errorf("column %s is %q, want %q", table.Columns[i].Name, got, want)
		}
	}
	// Cut anywhere, the row is an error and no panic.
	for end := range n {
		cut := row.New(table)
		if err := d.row(cut, data[4:4+end]); err == nil {
			t.Errorf("a row cut at %d of %d bytes is taken for whole", end, n)
		}
		cut.Free()
	}
}

// TestWire_LongPackets reads messages at and around the lengths at which the protocol and the buffer change.
func TestWire_LongPackets(t *testing.T) {
	for _, n := range []int{0, 1, readBuffer - 5, readBuffer - 4, readBuffer - 3, maxPacket - 1, maxPacket, maxPacket + 1, 2 * maxPacket} {
		want := bytes.Repeat([]byte{7}, n)
		var data []byte
		seq := byte(0)
		for rest := want; ; {
			part := rest[:min(len(rest), maxPacket)]
			data = append(data, byte(len(part)), byte(len(part)>>8), byte(len(part)>>16), seq)
			data = append(data, part...)
			rest = rest[len(part):]
			seq++
			if len(part) < maxPacket {
				break
			}
		}
		data = append(data, 1, 0, 0, seq, 9)
		w := newWire(&replay{data: data})
		if got, err := w.next(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("message of %d bytes: got %d, %v", n, len(got), err)
		}
		if got, err := w.next(); err != nil || !bytes.Equal(got, []byte{9}) {
			t.Errorf("message after one of %d bytes: got %d, %v", n, got, err)
		}
		if _, err := w.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("end of the connection: got %v", err)
		}
	}
}
