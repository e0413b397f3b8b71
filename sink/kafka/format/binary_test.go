package format

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// A binaryCase is one of the encodings, and another library that reads it: by the registered schema and nothing else.
type binaryCase struct {
	name string
	make func(AvroConfig) (Format, error)
	// read returns a record's schema and value as JsonConverter would write them.
	read func(schema string, payload []byte) (*formattest.Field, any, error)
	head int // bytes before the payload
}

var binaryCases = []binaryCase{
	{"avro", NewAvro, readAvro, 5},
	{"protobuf", func(c AvroConfig) (Format, error) { return NewProtobuf(ProtobufConfig(c)) }, readProtobuf, 6},
}

// A reader decodes records by what the registry has.
type reader struct {
	binaryCase
	url    string
	client *sr.Client
}

func newReader(t testing.TB, c binaryCase, url string) *reader {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	return &reader{c, url, client}
}

// A tester is a testing.T, or a rapid.T.
type tester interface {
	Context() context.Context
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// decode reads a key or value as a record of JsonConverter.
func (r *reader) decode(t tester, record []byte) []byte {
	t.Helper()
	if len(record) < r.head || record[0] != 0 || r.head == 6 && record[5] != 0 {
		t.Fatalf("got a record that begins with % x", record[:min(len(record), 6)])
	}
	s, err := r.client.SchemaByID(t.Context(), int(binary.BigEndian.Uint32(record[1:])))
	if err != nil {
		t.Fatal(err)
	}
	field, value, err := r.read(s.Schema, record[r.head:])
	if err != nil {
		t.Fatalf("%v; schema %s", err, s.Schema)
	}
	whole, err := json.Marshal(map[string]any{"schema": field, "payload": numbers(value)})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// numbers turns what is no number into a text, as Jackson does: JSON has no word for it.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case float32:
		if x := float64(v); math.IsInf(x, 0) || math.IsNaN(x) {
			return notNumber(x)
		}
	}
	return v
}

// fakeRegistry is for what is about values, not about registries.
func fakeRegistry(t testing.TB) string {
	r := srfake.New()
	t.Cleanup(r.Close)
	return r.URL()
}

// TestBinary_Kinds has the values of all kinds, in all modes, read by another library from what a real registry has.
func TestBinary_Kinds(t *testing.T) {
	url := servers.SharedSchemaRegistry(t)
	for _, bc := range binaryCases {
		for name, c := range modes() {
			t.Run(bc.name+"/"+name, func(t *testing.T) {
				expectKinds(t, newReader(t, bc, url), AvroConfig{DebeziumConfig: c, Registry: RegistryConfig{URL: url}}, "kinds-"+bc.name+"-"+name)
			})
		}
	}
}

func expectKinds(t *testing.T, r *reader, c AvroConfig, topic string) {
	table, b := corpus()
	f, err := r.make(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(t.Context(), table, topic)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		key, value := pairOf(t, e, &Change{Op: Update, Batch: b, Before: (i + 1) % 3, After: i, Now: made})
		got, err := formattest.Read(r.decode(t, value))
		if err != nil {
			t.Fatal(err)
		}
		expectRow(t, &c.DebeziumConfig, b, i, got.After)
		expectRow(t, &c.DebeziumConfig, b, (i+1)%3, got.Before)
		expectKey(t, b, i, r.decode(t, key))
	}
}

// TestBinary_Flat has the rows alone, and nothing for a row that is gone.
func TestBinary_Flat(t *testing.T) {
	url := fakeRegistry(t)
	for _, bc := range binaryCases {
		t.Run(bc.name, func(t *testing.T) {
			r := newReader(t, bc, url)
			table, b := corpus()
			f, err := bc.make(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: url}, Envelope: EnvelopeFlat})
			e := encoderOf(t, f, err, table)
			for i := range b.Len() {
				_, value := pairOf(t, e, &Change{Op: Create, Batch: b, Before: -1, After: i})
				s, payload, err := formattest.Parse(r.decode(t, value))
				if err != nil {
					t.Fatal(err)
				}
				_, texts, err := formattest.Row(s, payload)
				if err != nil {
					t.Fatal(err)
				}
				c := mysqlConfig()
				expectRow(t, &c, b, i, texts)
			}
			if got, err := e.AppendValue(nil, &Change{Op: Delete, Batch: b, Before: 0, After: -1}); err != nil || len(got) > 0 {
				t.Errorf("got % x, %v for a row that is gone, want nothing", got, err)
			}
		})
	}
}

// TestBinary_Envelope reads all that an envelope says besides rows.
func TestBinary_Envelope(t *testing.T) {
	url := fakeRegistry(t)
	for _, bc := range binaryCases {
		t.Run(bc.name, func(t *testing.T) {
			r := newReader(t, bc, url)
			table := customers()
			b := row.New(table)
			appendRow(b, row.Insert, 1, "Anne", "Kretchmar", "a@x")
			appendRow(b, row.Delete, 1, "Anne", absent{}, "a@x")
			c := mysqlConfig()
			c.Transactions = true
			f, err := bc.make(AvroConfig{DebeziumConfig: c, Registry: RegistryConfig{URL: url}})
			e := encoderOf(t, f, err, table)
			for i, change := range []Change{
				{Op: Create, Before: -1, After: 0, TableOrder: 1}, {Op: Delete, Before: 1, After: -1, TableOrder: 2}, {Op: Truncate, Before: -1, After: -1},
			} {
				change.Batch, change.Now = b, made+int64(i)
				value, err := e.AppendValue(nil, &change)
				if err != nil {
					t.Fatal(err)
				}
				got, err := formattest.Read(r.decode(t, value))
				if err != nil {
					t.Fatal(err)
				}
				expectEnvelope(t, got, &change)
			}
			if err := expectSnapshot(t, r, e, b); err != nil {
				t.Error(err)
			}
		})
	}
}

func expectEnvelope(t *testing.T, got *formattest.Envelope, c *Change) {
	t.Helper()
	s := got.Source
	at, seq := c.place()
	if got.Op != string(byte(c.Op)) || got.Micros != c.Now || (got.After == nil) != (c.After < 0) {
		t.Errorf("got %+v of %c", got, c.Op)
	}
	if s.Version != "1.0.0" || s.Connector != "mysql" || s.Name != "dbserver1" || s.Snapshot != "false" || s.DB != "inventory" || s.Table != "customers" ||
		s.File != origin.File || s.GTID == nil || *s.GTID != "3e11fa47-71ca-11e1-9e33-c80aa9429562:23" || s.Micros != at || s.ServerID != 223344 ||
		s.Pos != int64(offset(seq)) || s.Row != 0 || s.Thread == nil || *s.Thread != 7 {
		t.Errorf("got the source %+v", s)
	}
	switch x := got.Transaction; {
	case c.TableOrder == 0:
		if x != nil {
			t.Errorf("got the transaction %+v, want none", x)
		}
	case x == nil || x.ID != *s.GTID || x.CollectionOrder != c.TableOrder || x.TotalOrder != uint64(c.Batch.Orders[c.Row()]):
		t.Errorf("got the transaction %+v", x)
	}
}

// expectSnapshot encodes with the same encoder a row that has no transaction.
func expectSnapshot(t *testing.T, r *reader, e Encoder, b *row.Batch) error {
	t.Helper()
	b.Origin, b.Orders = schema.Origin{}, nil
	value, err := e.AppendValue(nil, &Change{Op: Read, Batch: b, Before: -1, After: 0})
	if err != nil {
		return err
	}
	got, err := formattest.Read(r.decode(t, value))
	if err != nil {
		return err
	}
	if s := got.Source; s.Snapshot != "true" || s.File != "" || s.GTID != nil || s.Thread != nil || s.ServerID != 0 {
		return fmt.Errorf("got the source %+v of a snapshot", s)
	}
	return nil
}

// TestBinary_Gaps has rows whose values the log did not carry: the image before a change loses them, and all others are
// refused.
func TestBinary_Gaps(t *testing.T) {
	url := fakeRegistry(t)
	for _, bc := range binaryCases {
		t.Run(bc.name, func(t *testing.T) {
			table := customers()
			table.Columns[1].Nullable = true
			b := row.New(table)
			appendRow(b, row.Delete, 1, absent{}, "Kretchmar", "a@x")
			appendRow(b, row.Delete, absent{}, "Anne", "Kretchmar", "a@x")
			f, err := bc.make(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: url}})
			e := encoderOf(t, f, err, table)
			value, err := e.AppendValue(nil, &Change{Op: Delete, Batch: b, Before: 0, After: -1})
			if err != nil {
				t.Fatal(err)
			}
			got, err := formattest.Read(newReader(t, bc, url).decode(t, value))
			if want := "1 " + sinktest.Null + " Kretchmar a@x"; err != nil || strings.Join(got.Before, " ") != want {
				t.Errorf("got %q, %v before, want %q", got.Before, err, want)
			}
			if _, err := e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: 0}); err == nil || !strings.Contains(err.Error(), "first_name") {
				t.Errorf("got %v for an absent value after a change", err)
			}
			if _, err := e.AppendKey(nil, b, 1); err == nil || !strings.Contains(err.Error(), "key column id") {
				t.Errorf("got %v for an absent key", err)
			}
		})
	}
}

func TestBinary_Names(t *testing.T) {
	for name, want := range map[string]string{"id": "id", "9lives": "_9lives", "a-b c": "a_b_c", "größe": "gr__e", "": "_"} {
		if got := legalName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	table := customers()
	table.Columns[1].Name, table.Columns[2].Name = "a-b", "a_b"
	for _, bc := range binaryCases {
		f, err := bc.make(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: "http://127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Encoder(t.Context(), table, "topic"); err == nil || !strings.Contains(err.Error(), "a-b and a_b") {
			t.Errorf("%s: got %v for two columns of one name", bc.name, err)
		}
	}
}

// TestBinary_Refusals has values that a mode cannot hold, and values that are not what their type says.
func TestBinary_Refusals(t *testing.T) {
	at := func(native string, of schema.Type) schema.Column {
		return schema.Column{Name: "at", Type: of, Native: native}
	}
	for want, c := range map[string]struct {
		column schema.Column
		mode   TimeMode
		value  value
	}{
		"no time of a day":      {at("time", schema.Type{Kind: schema.Time}), TimeConnect, -1},
		"no time of a day,":     {at("time", schema.Type{Kind: schema.Time}), TimeISO, day},
		"outside of the years":  {at("datetime", schema.Type{Kind: schema.Datetime}), TimeNanoseconds, math.MaxInt64 / 1000 * 2},
		"has no SRID":           {at("geometry", schema.Type{Kind: schema.Geometry}), "", "abc"},
		"bytes of WKB":          {at("point", schema.Type{Kind: schema.Geometry}), "", "abcdefgh"},
		"no row of 4-byte":      {at("vector(1)", schema.Type{Kind: schema.Vector, Precision: 1}), "", "abcde"},
		"at is NULL, which its": {at("point", schema.Type{Kind: schema.Geometry}), "", nil},
	} {
		table := &schema.Table{Name: schema.Name{Namespace: "inventory", Table: "refused"}, Columns: []schema.Column{c.column}}
		b := row.New(table)
		appendRow(b, row.Insert, c.value)
		mode := mysqlConfig()
		mode.TimeMode = c.mode
		for _, bc := range binaryCases {
			f, err := bc.make(AvroConfig{DebeziumConfig: mode, Registry: RegistryConfig{URL: fakeRegistry(t)}})
			e := encoderOf(t, f, err, table)
			_, err = e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: 0})
			if bc.name == "protobuf" && c.value == nil {
				continue // all its columns are optional
			}
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "column at") {
				t.Errorf("%s: got %v, want %q", bc.name, err, want)
			}
		}
	}
}

func TestBinary_Allocs(t *testing.T) {
	url := fakeRegistry(t)
	for _, bc := range binaryCases {
		for name, c := range modes() {
			table, b := corpus()
			f, err := bc.make(AvroConfig{DebeziumConfig: c, Registry: RegistryConfig{URL: url, Subjects: TopicRecordNameStrategy}, Envelope: EnvelopeDebezium})
			if err != nil {
				t.Fatal(err)
			}
			e, err := f.Encoder(t.Context(), table, bc.name+name)
			if err != nil {
				t.Fatal(err)
			}
			var dst []byte
			i, change := 0, &Change{Op: Update, Batch: b}
			got := testing.AllocsPerRun(100, func() {
				change.Before, change.After, change.Now = (i+1)%3, i%3, made+int64(i)
				if dst, err = e.AppendKey(dst[:0], b, change.After); err == nil {
					dst, err = e.AppendValue(dst, change)
				}
				if err != nil {
					t.Fatal(err)
				}
				i++
			})
			if got > 0 {
				t.Errorf("%s/%s: %v allocations for a row, want none", bc.name, name, got)
			}
		}
	}
}

func BenchmarkAvro_Create(b *testing.B) {
	f, err := NewAvro(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: fakeRegistry(b)}})
	benchmarkCreate(b, f, err)
}

func BenchmarkAvro_CreateFlat(b *testing.B) {
	f, err := NewAvro(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: fakeRegistry(b)}, Envelope: EnvelopeFlat})
	benchmarkCreate(b, f, err)
}

func BenchmarkProtobuf_Create(b *testing.B) {
	f, err := NewProtobuf(ProtobufConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: fakeRegistry(b)}})
	benchmarkCreate(b, f, err)
}
