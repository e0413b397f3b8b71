package format

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// TestDebezium_Consumer reads each record by its schema alone, and compares with the values it was made of.
func TestDebezium_Consumer(t *testing.T) {
	for name, c := range modes() {
		t.Run(name, func(t *testing.T) {
			table, b := corpus()
			f, err := NewDebezium(c)
			e := encoderOf(t, f, err, table)
			for i := range b.Len() {
				key, value := pairOf(t, e, &Change{Op: Update, Batch: b, Before: (i + 1) % 3, After: i, Now: made})
				got, err := formattest.Read(value)
				if err != nil {
					t.Fatal(err)
				}
				expectRow(t, &c, b, i, got.After)
				expectRow(t, &c, b, (i+1)%3, got.Before)
				expectKey(t, b, i, key)
			}
		})
	}
}

func pairOf(t *testing.T, e Encoder, c *Change) (key, value []byte) {
	t.Helper()
	key, err := e.AppendKey(nil, c.Batch, c.Row())
	if err != nil {
		t.Fatal(err)
	}
	value, err = e.AppendValue(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return key, value
}

func expectKey(t *testing.T, b *row.Batch, i int, key []byte) {
	t.Helper()
	s, payload, err := formattest.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	names, texts, err := formattest.Row(s, payload)
	if want := sinktest.Text(b.Table.Columns[0].Type, &b.Cols[0], i); err != nil || len(names) != 1 || names[0] != "id" || texts[0] != want {
		t.Errorf("got the key %q = %q (%v), want id = %q", names, texts, err, want)
	}
}

func expectRow(t *testing.T, c *DebeziumConfig, b *row.Batch, i int, got []string) {
	t.Helper()
	if len(got) != len(b.Table.Columns) {
		t.Fatalf("got %d values, want %d", len(got), len(b.Table.Columns))
	}
	for k := range b.Table.Columns {
		col := &b.Table.Columns[k]
		want := sinktest.Text(col.Type, &b.Cols[k], i)
		if !agree(c, col, got[k], want) {
			t.Errorf("row %d, column %s (%s): got %q, want %q", i, col.Name, col.Native, got[k], want)
		}
	}
}

// agree compares texts. Some modes lose something, as they are known to.
func agree(c *DebeziumConfig, col *schema.Column, got, want string) bool {
	switch {
	case got == want || want == sinktest.Null:
		return got == want
	case col.Type.Kind == schema.Decimal && c.DecimalMode == DecimalDouble:
		exact, ok := new(big.Rat).SetString(want)
		nearest, _ := exact.Float64()
		return ok && got == sinktest.FloatText(nearest, 64)
	case col.Type.Kind == schema.Binary:
		p, err := hex.DecodeString(want)
		spelled := map[BinaryMode]*base64.Encoding{BinaryBase64: base64.StdEncoding, BinaryBase64URLSafe: base64.URLEncoding}[c.BinaryMode]
		return err == nil && spelled != nil && got == spelled.EncodeToString(p)
	case col.Type.Kind == schema.Time && c.TimeMode == TimeConnect:
		micros, err := strconv.Atoi(want)
		return err == nil && got == strconv.Itoa(micros/1000*1000)
	case col.Type.Kind == schema.Datetime && c.TimeMode == TimeConnect:
		return got == want[:len(want)-3]+"000"
	}
	return false
}

// TestDebezium_Fold reads a history of changes back into the table.
func TestDebezium_Fold(t *testing.T) {
	table := customers()
	b := row.New(table)
	appendRow(b, row.Insert, 1, "Anne", "Kretchmar", "a@x")
	appendRow(b, row.Insert, 2, "Ed", "Walker", "e@x")
	appendRow(b, row.Before, 1, "Anne", "Kretchmar", "a@x")
	appendRow(b, row.After, 1, "Anne", "Marie", "a@x")
	appendRow(b, row.Delete, 2, absent{}, absent{}, absent{})
	c := mysqlConfig()
	c.IncludeSchema, c.Transactions = true, true
	for i := 1; i < len(table.Columns); i++ {
		table.Columns[i].Nullable = true
	}
	f, err := NewDebezium(c)
	e := encoderOf(t, f, err, table)
	rows, last := map[string]string{}, int64(0)
	for n, change := range []Change{
		{Op: Create, Before: -1, After: 0}, {Op: Create, Before: -1, After: 1}, {Op: Update, Before: 2, After: 3}, {Op: Delete, Before: 4, After: -1},
	} {
		change.Batch, change.Now, change.TableOrder = b, made, uint64(n+1)
		key, value := pairOf(t, e, &change)
		got, err := formattest.Read(value)
		if err != nil {
			t.Fatal(err)
		}
		if delete(rows, string(key)); got.After != nil {
			rows[string(key)] = strings.Join(got.After, " ")
		}
		s := got.Source
		if s.Pos <= last || s.Row != 0 || s.File != origin.File || s.DB != "inventory" || s.Table != "customers" || s.ServerID != 223344 ||
			*s.GTID != "3e11fa47-71ca-11e1-9e33-c80aa9429562:23" || *s.Thread != 7 || s.Micros != committed || s.Snapshot != "false" || got.Micros != made {
			t.Errorf("record %d: source %+v", n, s)
		}
		if x := got.Transaction; x == nil || x.ID != *s.GTID || x.CollectionOrder != uint64(n+1) || x.TotalOrder != uint64(b.Orders[change.Row()]) {
			t.Errorf("record %d: transaction %+v", n, x)
		}
		last = s.Pos
	}
	if len(rows) != 1 {
		t.Errorf("got the rows %q, want one", rows)
	}
	for _, r := range rows {
		if r != "1 Anne Marie a@x" {
			t.Errorf("got the row %q", r)
		}
	}
}
