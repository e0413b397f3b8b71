package format

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// TestBinary_Property draws tables and rows, and has other libraries read them back. A failure prints the seed.
func TestBinary_Property(t *testing.T) {
	for _, bc := range binaryCases {
		t.Run(bc.name, func(t *testing.T) {
			url := fakeRegistry(t)
			r := newReader(t, bc, url)
			all := samples()
			rapid.Check(t, func(rt *rapid.T) {
				c := rapid.SampledFrom([]DebeziumConfig{modes()["default"], modes()["micros"]}).Draw(rt, "mode")
				table := &schema.Table{Name: schema.Name{Namespace: "inventory", Table: "random"}, Version: 1}
				for i := range rapid.IntRange(1, 8).Draw(rt, "columns") {
					col := rapid.SampledFrom(all).Draw(rt, "column").column
					col.Name += strings.Repeat("x", i)
					col.Nullable = rapid.Bool().Draw(rt, "nullable")
					table.Columns = append(table.Columns, col)
				}
				b := row.New(table)
				for range rapid.IntRange(1, 4).Draw(rt, "rows") {
					appendRow(b, row.Insert, drawRow(rt, &c, table)...)
				}
				expectSame(rt, r, c, table, b)
			})
		})
	}
}

// expectSame encodes each row, and reads it back.
func expectSame(t *rapid.T, r *reader, c DebeziumConfig, table *schema.Table, b *row.Batch) {
	f, err := r.make(AvroConfig{DebeziumConfig: c, Registry: RegistryConfig{URL: r.url}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(t.Context(), table, rapid.StringMatching(`[a-z]{20}`).Draw(t, "topic"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		value, err := e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: i, Now: made})
		if err != nil {
			t.Fatal(err)
		}
		got, err := formattest.Read(r.decode(t, value))
		if err != nil {
			t.Fatal(err)
		}
		for k := range table.Columns {
			if want := sinktest.Text(table.Columns[k].Type, &b.Cols[k], i); got.After[k] != want {
				t.Errorf("row %d, column %s (%s): got %q, want %q", i, table.Columns[k].Name, table.Columns[k].Native, got.After[k], want)
			}
		}
	}
}

func drawRow(t *rapid.T, mode *DebeziumConfig, table *schema.Table) (values []value) {
	for i := range table.Columns {
		if c := &table.Columns[i]; c.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			values = append(values, nil)
		} else {
			values = append(values, drawValue(t, mode, c))
		}
	}
	return values
}

// drawValue draws one of the values that a column can have. Those of BIGINT UNSIGNED that a mode turns negative are left out.
func drawValue(t *rapid.T, mode *DebeziumConfig, c *schema.Column) value {
	whole := func(low, high int64) value { return uint64(rapid.Int64Range(low, high).Draw(t, "word")) }
	bytesOf := func(low, high int) string {
		return string(rapid.SliceOfN(rapid.Byte(), low, high).Draw(t, "bytes"))
	}
	switch k := c.Type; k.Kind {
	case schema.Int:
		return whole(math.MinInt64>>(64-k.Bits), math.MaxInt64>>(64-k.Bits))
	case schema.Uint:
		if k.Bits == 64 && mode.BigintUnsignedMode == BigintUnsignedPrecise {
			return rapid.Uint64().Draw(t, "word")
		}
		return whole(0, math.MaxInt64>>max(0, 63-int(k.Bits)))
	case schema.Bit:
		return rapid.Uint64Range(0, math.MaxUint64>>(64-k.Bits)).Draw(t, "bits")
	case schema.Float:
		if k.Bits == 32 {
			return uint64(math.Float32bits(rapid.Float32().Draw(t, "float")))
		}
		return math.Float64bits(rapid.Float64().Draw(t, "double"))
	case schema.Year:
		return whole(1901, 2155)
	case schema.Date:
		return whole(-719_162, 2_932_896)
	case schema.Time:
		return cut(whole(-838*3600*second, 838*3600*second), k.Precision)
	case schema.Datetime, schema.Timestamp:
		return cut(whole(-62_135_596_800*second, 253_402_300_799*second), k.Precision)
	case schema.Decimal:
		return drawDecimal(t, k)
	case schema.Enum, schema.Set:
		return rapid.SampledFrom(append(c.Labels, "")).Draw(t, "label")
	case schema.Binary:
		return bytesOf(int(k.Length), max(int(k.Length), 300))
	case schema.UUID:
		return bytesOf(16, 16)
	case schema.Vector:
		return string(sinktest.VectorBytes(rapid.SliceOfN(rapid.Float32(), 0, 100).Draw(t, "vector")...))
	case schema.Geometry:
		if nativeOf(c).base == "point" {
			return point[:9] + string(sinktest.LittleEndian(big.NewInt(rapid.Int64().Draw(t, "x")&^(1<<62)), 8)) + point[17:]
		}
		return string([]byte{byte(rapid.IntRange(0, 255).Draw(t, "srid")), 1, 0, 0}) + bytesOf(0, 200)
	default:
		return rapid.StringN(0, 200, -1).Draw(t, "text")
	}
}

// cut leaves as many digits of a second as a column has.
func cut(micros value, digits uint16) value {
	unit := int64(math.Pow10(6 - int(digits)))
	n := int64(micros.(uint64))
	return uint64(n - n%unit)
}

func drawDecimal(t *rapid.T, k schema.Type) value {
	if k.Fixed() {
		limit := int64(math.Pow10(int(k.Precision))) - 1
		return uint64(rapid.Int64Range(-limit, limit).Draw(t, "unscaled"))
	}
	pattern := map[int]string{16: "-?[0-9]{1,38}", 32: "-?[0-9]{1,65}"}[k.Width()]
	return wide(rapid.StringMatching(pattern).Draw(t, "unscaled"), k.Width())
}
