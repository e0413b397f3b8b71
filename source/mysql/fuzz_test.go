package mysql

import (
	"bytes"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/schema/row"
)

// FuzzRow holds that no row of the protocol can make the decoder panic, take memory beyond measure, or leave a batch whose
// columns are not of one length.
func FuzzRow(f *testing.F) {
	table, columns, data := record(wide(), 1)
	d, err := newDecoder(table, columns)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[4 : 4+(int(data[0])|int(data[1])<<8)])
	f.Fuzz(func(t *testing.T, packet []byte) {
		b := row.New(table)
		defer b.Free()
		err := d.row(b, packet)
		if n := b.Bytes(); n > 1000*(len(packet)+64) {
			t.Errorf("%d bytes became %d", len(packet), n)
		}
		if err != nil {
			b.Truncate(0)
			return
		}
		for i := range b.Cols {
			if b.Cols[i].Len() != 1 {
				t.Errorf("column %s has %d values", table.Columns[i].Name, b.Cols[i].Len())
			}
		}
		for i := range columns {
			_, n, err := appendKeyValue(nil, &table.Columns[i], &d.fields[i], packet)
			if err == nil && (n < 0 || n > len(packet)) {
				t.Errorf("column %s: a key value of %d bytes in %d", table.Columns[i].Name, n, len(packet))
			}
		}
	})
}

// FuzzColumn compares a column's definition with go-mysql's reading of it.
func FuzzColumn(f *testing.F) {
	f.Add([]byte("\x03def\x04shop\x01a\x01a\x02id\x02id\x0c\x3f\x00\x0b\x00\x00\x00\x03\x03\x50\x00\x00\x00"))
	f.Add([]byte("\x03def\x00\x00\x00\x01v\x00\x0c\xff\x00\xfc\xff\xff\xff\xfc\x10\x00\x1f\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := parseColumn(p)
		if err == nil {
			err = parseError(append([]byte{headerErr}, p...))
		}
		if err == nil {
			t.Fatal("an error packet is none")
		}
		want, ok := gomysqlColumn(p)
		if got == (column{}) || !ok {
			return
		}
		if got.wire != want.Type || got.charset != want.Charset || got.decimals != want.Decimal || got.unsigned != (want.Flag&gomysql.UNSIGNED_FLAG != 0) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func gomysqlColumn(p []byte) (field *gomysql.Field, ok bool) {
	defer func() { ok = recover() == nil && ok }()
	field, err := gomysql.FieldData(bytes.Clone(p)).Parse()
	return field, err == nil
}

// FuzzWire cuts any bytes into messages, and compares with a cutter that sees all of them at once.
func FuzzWire(f *testing.F) {
	_, _, data := record(narrow(), 3)
	f.Add(data, uint32(0))
	f.Add(data, uint32(readBuffer-4))
	f.Add([]byte("\x01\x00\x00\x01\xfe"), uint32(readBuffer-3))
	f.Fuzz(func(t *testing.T, raw []byte, long uint32) {
		n := long % (4 * readBuffer)
		stream := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}, make([]byte, n)...)
		stream = append(stream, raw...)
		w := newWire(&replay{data: stream})
		for seq := byte(0); ; seq++ {
			if len(stream) < 4 || stream[3] != seq || len(stream)-4 < int(stream[0])|int(stream[1])<<8|int(stream[2])<<16 {
				if got, err := w.next(); err == nil {
					t.Fatalf("got %d bytes of a message that is cut or out of order", len(got))
				}
				return
			}
			end := 4 + (int(stream[0]) | int(stream[1])<<8 | int(stream[2])<<16)
			want := stream[4:end]
			if got, err := w.next(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(want))
			}
			stream = stream[end:]
		}
	})
}
