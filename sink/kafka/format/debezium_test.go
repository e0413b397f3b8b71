package format

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

func mysqlConfig() DebeziumConfig {
	return DebeziumConfig{Name: "dbserver1", Connector: "mysql", Version: "1.0.0"}
}

// TestDebezium_Customers is the example of Debezium's documentation: every op, with and without schema.
func TestDebezium_Customers(t *testing.T) {
	table := customers()
	b := row.New(table)
	appendRow(b, row.Insert, 1004, "Anne", "Kretchmar", "annek@noanswer.org")
	appendRow(b, row.Before, 1004, "Anne", "Kretchmar", "annek@noanswer.org")
	appendRow(b, row.After, 1004, "Anne Marie", "Kretchmar", "annek@noanswer.org")
	appendRow(b, row.Delete, 1004, absent{}, absent{}, absent{})
	changes := []Change{
		{Op: Create, Batch: b, Before: -1, After: 0, Now: made, TableOrder: 1},
		{Op: Update, Batch: b, Before: 1, After: 2, Now: made, TableOrder: 2},
		{Op: Delete, Batch: b, Before: 3, After: -1, Now: made, TableOrder: 3},
		{Op: Truncate, Batch: b, Before: -1, After: -1, Now: made},
	}
	for name, change := range map[string]func(*DebeziumConfig){
		"plain":  func(*DebeziumConfig) {},
		"schema": func(c *DebeziumConfig) { c.IncludeSchema, c.Transactions = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			c := mysqlConfig()
			change(&c)
			f, err := NewDebezium(c)
			e := encoderOf(t, f, err, table)
			var got []byte
			for i := range changes {
				got = append(got, encode(t, e, &changes[i])...)
			}
			b.Origin = schema.Origin{}
			got = append(got, encode(t, e, &Change{Op: Read, Batch: b, Before: -1, After: 0, Now: made})...)
			b.Origin = origin
			golden(t, "debezium/customers-"+name+".txt", got)
		})
	}
}

// modes are configurations that together use each mode.
func modes() map[string]DebeziumConfig {
	of := func(d DecimalMode, t TimeMode, b BinaryMode, u BigintUnsignedMode) DebeziumConfig {
		return DebeziumConfig{Name: "dbserver1", Connector: "mariadb", Version: "1.0.0", IncludeSchema: true,
			DecimalMode: d, TimeMode: t, BinaryMode: b, BigintUnsignedMode: u}
	}
	return map[string]DebeziumConfig{
		"default":     of("", "", "", ""),
		"connect":     of(DecimalString, TimeConnect, BinaryBase64, BigintUnsignedPrecise),
		"isostring":   of(DecimalDouble, TimeISO, BinaryHex, BigintUnsignedLong),
		"nanoseconds": of(DecimalString, TimeNanoseconds, BinaryBase64URLSafe, BigintUnsignedLong),
		"micros":      of(DecimalPrecise, TimeMicroseconds, BinaryBytes, BigintUnsignedPrecise),
	}
}

func TestDebezium_Kinds(t *testing.T) {
	for name, c := range modes() {
		t.Run(name, func(t *testing.T) {
			table, b := corpus()
			f, err := NewDebezium(c)
			e := encoderOf(t, f, err, table)
			var got []byte
			for i := range b.Len() {
				got = append(got, encode(t, e, &Change{Op: Create, Batch: b, Before: -1, After: i, Now: made})...)
			}
			golden(t, "debezium/kinds-"+name+".txt", got)
		})
	}
}

func TestDebezium_Allocs(t *testing.T) {
	for name, c := range modes() {
		table, b := corpus()
		f, err := NewDebezium(c)
		e := encoderOf(t, f, err, table)
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
			t.Errorf("%s: %v allocations for a row, want none", name, got)
		}
	}
}

func TestDebezium_Refusals(t *testing.T) {
	day := schema.Column{Name: "at", Type: schema.Type{Kind: schema.Time}, Native: "time", Nullable: true}
	when := schema.Column{Name: "at", Type: schema.Type{Kind: schema.Datetime, Precision: 6}, Native: "datetime(6)", Nullable: true}
	place := schema.Column{Name: "at", Type: schema.Type{Kind: schema.Geometry}, Native: "point", Nullable: true}
	vector := schema.Column{Name: "at", Type: schema.Type{Kind: schema.Vector, Precision: 1}, Native: "vector(1)", Nullable: true}
	for name, c := range map[string]struct {
		column schema.Column
		mode   TimeMode
		key    value
		x      value
		want   string
	}{
		"longer than a day":   {day, TimeConnect, 1, 86_400 * second, "24:00:00"},
		"negative time":       {day, TimeISO, 1, -second, "-00:00:01"},
		"past nanoseconds":    {when, TimeNanoseconds, 1, 253402300799999999, "9999-12-31 23:59:59.999999"},
		"before nanoseconds":  {when, TimeNanoseconds, 1, -62135596800000000, "0001-01-01"},
		"point of no point":   {place, TimeAdaptive, 1, "\x00\x00\x00\x00\x01", "point"},
		"geometry of 3 bytes": {place, TimeAdaptive, 1, "\x00\x00\x00", "SRID"},
		"vector of 3 bytes":   {vector, TimeAdaptive, 1, "\x00\x00\x00", "vector"},
		"absent value":        {day, TimeAdaptive, 1, absent{}, "binlog_row_image"},
		"null key":            {day, TimeAdaptive, nil, 0, "id"},
		"absent key":          {day, TimeAdaptive, absent{}, 0, "id"},
	} {
		table := customers()
		table.Columns = []schema.Column{table.Columns[0], c.column}
		b := row.New(table)
		appendRow(b, row.Insert, c.key, c.x)
		config := mysqlConfig()
		config.TimeMode = c.mode
		f, err := NewDebezium(config)
		e := encoderOf(t, f, err, table)
		if _, err = e.AppendKey(nil, b, 0); err == nil {
			_, err = e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: 0})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || c.key == 1 && !strings.Contains(err.Error(), "column at") {
			t.Errorf("%s: got %v, want an error of %s", name, err, c.want)
		}
	}
}

// TestDebezium_LossyKey refuses keys that a mode would make alike.
func TestDebezium_LossyKey(t *testing.T) {
	for precision, refused := range map[uint16]bool{3: false, 4: true} {
		for _, kind := range []schema.Kind{schema.Time, schema.Datetime} {
			table := customers()
			table.Columns[0].Type = schema.Type{Kind: kind, Precision: precision}
			c := mysqlConfig()
			c.TimeMode = TimeConnect
			f, err := NewDebezium(c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Encoder(t.Context(), table, ""); (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "column id") {
				t.Errorf("%v(%d): got %v, want an error: %t", kind, precision, err, refused)
			}
		}
	}
}

func TestNewDebezium_Refusals(t *testing.T) {
	for want, c := range map[string]DebeziumConfig{
		"topic.prefix":                  {Connector: "mysql"},
		"connector":                     {Name: "a", Connector: "oracle"},
		"decimal.handling.mode":         {Name: "a", Connector: "mysql", DecimalMode: "exact"},
		"time.precision.mode":           {Name: "a", Connector: "mysql", TimeMode: "adaptive"},
		"binary.handling.mode":          {Name: "a", Connector: "mysql", BinaryMode: "base32"},
		"bigint.unsigned.handling.mode": {Name: "a", Connector: "mysql", BigintUnsignedMode: "double"},
	} {
		if _, err := NewDebezium(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error of %s", err, want)
		}
	}
}

// narrow is a table of five columns, as the project's other benchmarks have it.
func narrow(rows int) (*schema.Table, *row.Batch) {
	of := func(name, native string, k schema.Kind, bits uint8) schema.Column {
		return schema.Column{Name: name, Type: schema.Type{Kind: k, Bits: bits}, Native: native, Nullable: true}
	}
	t := &schema.Table{Name: schema.Name{Namespace: "bench", Table: "narrow"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		of("id", "bigint", schema.Int, 64), of("account", "int", schema.Int, 32), of("note", "varchar(64)", schema.String, 0),
		{Name: "amount", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}, Native: "decimal(12,2)", Nullable: true},
		{Name: "changed", Type: schema.Type{Kind: schema.Datetime, Precision: 6}, Native: "datetime(6)", Nullable: true},
	}}
	b := row.New(t)
	for i := range rows {
		appendRow(b, row.Insert, 1_000_000+i, i*7919%100_000, "a note of some thirty characters", i*1_000_003%10_000_000, 1_770_000_000_000_000+i*1001)
	}
	return t, b
}

func benchmarkCreate(b *testing.B, f Format, err error) {
	table, rows := narrow(4096)
	e := encoderOf(b, f, err, table)
	var dst []byte
	b.ReportAllocs()
	n, c := 0, &Change{Op: Create, Batch: rows, Before: -1, Now: made}
	for b.Loop() {
		if dst, err = e.AppendKey(dst[:0], rows, c.After); err == nil {
			dst, err = e.AppendValue(dst, c)
		}
		if err != nil {
			b.Fatal(err)
		}
		c.After, n = (c.After+1)&4095, len(dst)
	}
	b.ReportMetric(float64(n), "bytes/record")
}

func BenchmarkDebezium_Create(b *testing.B) {
	f, err := NewDebezium(mysqlConfig())
	benchmarkCreate(b, f, err)
}

func BenchmarkDebezium_CreateWithSchema(b *testing.B) {
	c := mysqlConfig()
	c.IncludeSchema = true
	f, err := NewDebezium(c)
	benchmarkCreate(b, f, err)
}
