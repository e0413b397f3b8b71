package format

import (
	"bytes"
	"flag"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

var update = flag.Bool("update", false, "write the golden files anew; then read them")

// A value is an int, a uint64 word, a string of bytes, nil for NULL, or absent.
type value any

type absent struct{}

// Times of all rows of these tests, microseconds since the epoch.
const (
	committed = 1_770_091_506_789_012
	made      = 1_770_091_507_123_456
)

// origin is the transaction of rows that are not of a snapshot.
var origin = schema.Origin{
	Seq: 3<<40 | 154, File: "mysql-bin.000003", Server: [16]byte{0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62},
	Number: 23, ServerID: 223344, Thread: 7,
}

// sample is a column with values that try its type's limits.
type sample struct {
	column schema.Column
	values [3]value
}

func wide(text string, n int) string {
	u, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic("not a number: " + text)
	}
	return string(sinktest.LittleEndian(u, n))
}

// point is a point in WKB behind its SRID.
const point = "\xe6\x10\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\xc0"

// samples are all kinds of columns, as MySQL and MariaDB have them.
func samples() []sample {
	single, double := func(f float32) value { return uint64(math.Float32bits(f)) }, math.Float64bits
	var all []sample
	add := func(native string, t schema.Type, values ...value) {
		c := schema.Column{Name: "c_" + nativeOf(&schema.Column{Native: native}).base, Type: t, Native: native, Nullable: true}
		for _, s := range all {
			if s.column.Name == c.Name {
				c.Name += "_"
			}
		}
		all = append(all, sample{c, [3]value(append(values, nil))})
	}
	of := func(k schema.Kind, bits uint8) schema.Type { return schema.Type{Kind: k, Bits: bits} }
	digits := func(k schema.Kind, n uint16) schema.Type { return schema.Type{Kind: k, Precision: n} }
	add("tinyint(4)", of(schema.Int, 8), -128, 127)
	add("tinyint(3) unsigned", of(schema.Uint, 8), 255, 0)
	add("smallint(6)", of(schema.Int, 16), -32768, 1)
	add("smallint(5) unsigned", of(schema.Uint, 16), 65535, 0)
	add("mediumint(9)", of(schema.Int, 24), -8388608, 1)
	add("int(11)", of(schema.Int, 32), -2147483648, 1)
	add("int(10) unsigned", of(schema.Uint, 32), 4294967295, 0)
	add("bigint(20)", of(schema.Int, 64), math.MinInt64, 1)
	add("bigint(20) unsigned", of(schema.Uint, 64), math.MaxInt64, 0)
	add("float", of(schema.Float, 32), single(1.1), single(math.MaxFloat32))
	add("float(7,4)", of(schema.Float, 32), single(1.1), single(-12.5))
	add("double", of(schema.Float, 64), double(0.1), double(-math.MaxFloat64))
	add("year(4)", schema.Type{Kind: schema.Year}, 2155, 0)
	add("bit(1)", of(schema.Bit, 1), 1, 0)
	add("bit(20)", of(schema.Bit, 20), 0x3_0201, 0)
	add("bit(64)", of(schema.Bit, 64), uint64(math.MaxUint64), 1)
	add("date", schema.Type{Kind: schema.Date}, 20000, -719162)
	add("time", digits(schema.Time, 0), 17*3600*second+18*60*second+19*second, 0)
	add("time(6)", digits(schema.Time, 6), 86_399_999_999, 1)
	add("datetime", digits(schema.Datetime, 0), 1_529_476_623_000_000, -1_000_000)
	add("datetime(3)", digits(schema.Datetime, 3), 1_529_476_623_120_000, -1000)
	add("datetime(6)", digits(schema.Datetime, 6), 1_529_476_623_123_456, -1)
	add("timestamp", digits(schema.Timestamp, 0), 1_529_501_823_000_000, second)
	add("timestamp(3)", digits(schema.Timestamp, 3), 1_529_501_823_100_000, 1000)
	add("timestamp(6)", digits(schema.Timestamp, 6), 1_529_501_823_123_456, 1)
	add("decimal(5,2)", schema.Type{Kind: schema.Decimal, Precision: 5, Scale: 2}, 12345, -1)
	add("decimal(18,0)", schema.Type{Kind: schema.Decimal, Precision: 18}, -999999999999999999, 128)
	add("decimal(38,10)", schema.Type{Kind: schema.Decimal, Precision: 38, Scale: 10}, wide("-99999999999999999999999999999999999999", 16), wide("1", 16))
	add("decimal(65,30)", schema.Type{Kind: schema.Decimal, Precision: 65, Scale: 30}, wide("10000000000000000000000000000000000000000000000000000000000000000", 32), wide("0", 32))
	add("varchar(20)", schema.Type{Kind: schema.String}, "zażółć 😀 \x00\x1f\n \"'\\/", "")
	add("char(36)", schema.Type{Kind: schema.String}, "</script>", "\u2028")
	add("binary(4)", schema.Type{Kind: schema.Binary, Length: 4}, "\x00\xff\xfe\x3e", "\x00\x00\x00\x00")
	add("longblob", schema.Type{Kind: schema.Binary}, "\xfb\xff", "")
	add("enum('small','it''s')", schema.Type{Kind: schema.Enum}, "it's", "")
	add("set('a','b')", schema.Type{Kind: schema.Set}, "a,b", "")
	add("json", schema.Type{Kind: schema.JSON}, `{"a": [1, null, "x"]}`, `""`)
	add("uuid", schema.Type{Kind: schema.UUID}, "\xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")
	add("geometry", schema.Type{Kind: schema.Geometry}, point, "\x00\x00\x00\x00\x01\x07\x00\x00\x00\x00\x00\x00\x00")
	add("point", schema.Type{Kind: schema.Geometry}, point, "\x00\x00\x00\x00"+point[4:])
	add("vector(2)", schema.Type{Kind: schema.Vector, Precision: 2}, string(sinktest.VectorBytes(1, -2.5)), string(sinktest.VectorBytes(0, float32(math.Inf(1)))))
	for i := range all {
		switch all[i].column.Type.Kind {
		case schema.Enum:
			all[i].column.Labels = []string{"small", "it's"}
		case schema.Set:
			all[i].column.Labels = []string{"a", "b"}
		case schema.String:
			all[i].column.Charset = "utf8mb4"
		}
	}
	return all
}

// corpus is a table with a column for each sample and their values as three rows; the last has NULLs only.
func corpus() (*schema.Table, *row.Batch) {
	t := &schema.Table{Name: schema.Name{Namespace: "lake", Table: "kinds"}, Source: schema.Name{Namespace: "inventory", Table: "kinds"}, Version: 1, Key: []int{0},
		Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int(11)"}}}
	all := samples()
	for _, s := range all {
		t.Columns = append(t.Columns, s.column)
	}
	b := row.New(t)
	for i := range 3 {
		values := []value{1000 + i}
		for _, s := range all {
			values = append(values, s.values[i])
		}
		appendRow(b, row.Insert, values...)
	}
	return t, b
}

// customers is the table of Debezium's documentation.
func customers() *schema.Table {
	text := func(name string) schema.Column {
		return schema.Column{Name: name, Type: schema.Type{Kind: schema.String}, Native: "varchar(255)", Charset: "utf8mb4"}
	}
	return &schema.Table{Name: schema.Name{Namespace: "inventory", Table: "customers"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int"}, text("first_name"), text("last_name"), text("email"),
	}}
}

func appendRow(b *row.Batch, op row.Op, values ...value) {
	b.Origin = origin
	b.Append(op, origin.Seq+uint64(100*(b.Len()+1)), committed)
	b.Number(uint32(b.Len()), 1)
	for i, x := range values {
		v := &b.Cols[i]
		switch x := x.(type) {
		case nil:
			v.AppendNull()
		case absent:
			v.AppendAbsent()
		case uint64:
			v.AppendWord(x)
		case int:
			v.AppendWord(uint64(int64(x)))
		case string:
			v.AppendBytes([]byte(x))
		default:
			panic("value of an unknown type")
		}
	}
}

// encoderOf makes an encoder.
func encoderOf(t testing.TB, f Format, err error, table *schema.Table) Encoder {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(t.Context(), table, "topic")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode makes a change's key and value, each on a line.
func encode(t testing.TB, e Encoder, c *Change) []byte {
	t.Helper()
	lines, err := []byte(nil), error(nil)
	if c.Row() >= 0 {
		if lines, err = e.AppendKey(lines, c.Batch, c.Row()); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err = e.AppendValue(append(lines, '\n'), c); err != nil {
		t.Fatal(err)
	}
	return append(lines, '\n')
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", path, got, want)
	}
}
