package clickhouse

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

const benchRows = 8192

// narrowShape is id bigint, k int, c varchar(32), v decimal(12,2), ts datetime.
func narrowShape() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "narrow"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}},
		{Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 32}},
		{Name: "c", Type: schema.Type{Kind: schema.String}},
		{Name: "v", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}, Nullable: true},
		{Name: "ts", Type: schema.Type{Kind: schema.Datetime}, Nullable: true},
	}}
}

var narrowText = []byte("0123456789abcdef0123456789abcdef") // read-only

func appendNarrow(b *row.Batch, op row.Op, i int) {
	b.Append(op, uint64(i), 0)
	b.Cols[0].AppendWord(uint64(i))
	b.Cols[1].AppendWord(uint64(i % 97))
	b.Cols[2].AppendBytes(narrowText[:i%33])
	b.Cols[3].AppendWord(uint64(i * 100))
	if i%100 == 0 {
		b.Cols[4].AppendNull()
	} else {
		b.Cols[4].AppendWord(uint64(1_700_000_000+i) * 1_000_000)
	}
}

func narrowInserts() *row.Batch {
	b := row.New(narrowShape())
	for i := range benchRows {
		appendNarrow(b, row.Insert, i)
	}
	return b
}

// narrowUpdates are as many updates as narrowInserts are rows: two images each.
func narrowUpdates() *row.Batch {
	b := row.New(narrowShape())
	for i := range benchRows {
		appendNarrow(b, row.Before, i)
		appendNarrow(b, row.After, i)
	}
	return b
}

// wideRows has a column of each type as it is and one with NULLs.
func wideRows() *row.Batch {
	cases, r := valueCases(false), rand.New(rand.NewPCG(1, 2))
	b := row.New(caseTable(cases))
	for i := range 512 {
		b.Append(row.Insert, uint64(i), 0)
		fillRow(b, r, cases, i+3*1000) // past the extremes, some of which are very long
	}
	return b
}

func benchmarkEncode(b *testing.B, batch *row.Batch, rows int) {
	cfg := testConfig()
	l, err := newLayout(batch.Table, &cfg)
	if err != nil {
		b.Fatal(err)
	}
	e := newEncoder(l)
	var parts [][]byte
	var head []byte
	b.ReportAllocs()
	for b.Loop() {
		e.reset()
		if err := e.add(batch); err != nil {
			b.Fatal(err)
		}
		e.setCommit(1)
		parts, head = e.native(parts[:0], head[:0])
	}
	b.SetBytes(int64(len(slices.Concat(parts...))))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

func BenchmarkEncode_Narrow(b *testing.B)       { benchmarkEncode(b, narrowInserts(), benchRows) }
func BenchmarkEncode_NarrowUpdate(b *testing.B) { benchmarkEncode(b, narrowUpdates(), benchRows) }
func BenchmarkEncode_Wide(b *testing.B)         { benchmarkEncode(b, wideRows(), 512) }

func BenchmarkEncode_Append(b *testing.B) {
	batch := narrowInserts()
	batch.Table.Key = nil
	batch.Origin = schema.Origin{Seq: 1<<40 + 4, File: "binlog.000001", Domain: 1, ServerID: 1, Number: 1234567}
	benchmarkEncode(b, batch, benchRows)
}

// A block that is filled again takes no memory, whatever the types and the mode.
func TestEncoder_NoAllocations(t *testing.T) {
	cfg := testConfig()
	keyless := narrowInserts()
	keyless.Table.Key = nil
	keyless.Origin = schema.Origin{Seq: 1<<40 + 4, File: "binlog.000001", Domain: 1, ServerID: 1, Number: 1234567}
	for name, batch := range map[string]*row.Batch{"inserts": narrowInserts(), "updates": narrowUpdates(), "wide": wideRows(), "append": keyless} {
		for _, change := range []func(*Config){
			func(*Config) {},
			func(c *Config) { c.Dates, c.Time, c.Enum, c.Geometry = StringDate, TimeString, EnumString, WKB },
			func(c *Config) { c.Time, c.Set, c.JSON, c.Dates = Time64, SetArray, JSONType, NullDate },
		} {
			cfg := cfg
			change(&cfg)
			l, err := newLayout(batch.Table, &cfg)
			if err != nil {
				t.Fatal(err)
			}
			e := newEncoder(l)
			var parts [][]byte
			var head []byte
			if n := testing.AllocsPerRun(10, func() {
				e.reset()
				if err := e.add(batch); err != nil {
					t.Fatal(err)
				}
				e.setCommit(1)
				parts, head = e.native(parts[:0], head[:0])
			}); n > 0 {
				t.Errorf("%s: got %v allocations for %d rows, want none", name, n, batch.Len())
			}
			if n := int64(len(slices.Concat(parts...))); n == 0 || n < e.bytes() {
				t.Errorf("%s: got a block of %d bytes, want more than %d", name, n, e.bytes())
			}
		}
	}
}
