package clickhouse

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// A valueCase is a type with its extreme values and a maker of others. A value is a word, or bytes.
type valueCase struct {
	column   schema.Column
	extremes []any
	random   func(r *rand.Rand) any
}

func (c *valueCase) value(r *rand.Rand, i int) any {
	if i < len(c.extremes) {
		return c.extremes[i]
	}
	return c.random(r)
}

func words(ws ...int64) []any {
	var all []any
	for _, w := range ws {
		all = append(all, uint64(w))
	}
	return all
}

// between makes words of a range.
func between(lo, hi int64) func(*rand.Rand) any {
	return func(r *rand.Rand) any { return uint64(lo) + r.Uint64N(uint64(hi-lo)) }
}

// texts makes texts of some runes.
func texts(most int) func(*rand.Rand) any {
	const alphabet = "ab'\"\\\t\n\x00`zażółć😀,{}"
	runes := []rune(alphabet)
	return func(r *rand.Rand) any {
		var b strings.Builder
		for range r.IntN(most) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		return []byte(b.String())
	}
}

func someBytes(least, most int) func(*rand.Rand) any {
	return func(r *rand.Rand) any {
		p := make([]byte, least+r.IntN(most-least+1))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		return p
	}
}

func oneOf(values ...string) (extremes []any, random func(*rand.Rand) any) {
	for _, v := range values {
		extremes = append(extremes, []byte(v))
	}
	return extremes, func(r *rand.Rand) any { return []byte(values[r.IntN(len(values))]) }
}

func typed(t schema.Type, random func(*rand.Rand) any, extremes ...any) valueCase {
	return valueCase{schema.Column{Type: t, Native: t.String()}, extremes, random}
}

// valueCases are all types, with dates in ClickHouse's range unless far.
func valueCases(far bool) []valueCase {
	kind := func(k schema.Kind) schema.Type { return schema.Type{Kind: k} }
	first, last := firstDay, lastDay
	if far {
		first, last = -719162, 2932896 // 0001-01-01, 9999-12-31
	}
	cases := []valueCase{
		typed(kind(schema.Year), between(1901, 2156), words(0, 1901, 2155)...),
		typed(kind(schema.Date), between(first, last), words(0, -1, first, last)...),
		typed(kind(schema.String), texts(200), []byte(""), []byte("NULL"), []byte(strings.Repeat("long ", 3000))),
		typed(kind(schema.Binary), someBytes(0, 300), []byte{}, []byte("\x00\xff\xfe"), []byte(strings.Repeat("\x80", 20000))),
		typed(schema.Type{Kind: schema.Binary, Length: 16}, someBytes(16, 16), make([]byte, 16)),
		typed(kind(schema.UUID), someBytes(16, 16), make([]byte, 16), []byte("\xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00")),
		typed(kind(schema.Geometry), someBytes(9, 40), []byte("\xe6\x10\x00\x00\x01\x01\x00\x00\x00")),
		typed(schema.Type{Kind: schema.Vector, Precision: 3}, floats32(3), sinktest.VectorBytes(1, -2, float32(math.Inf(1)))),
		typed(schema.Type{Kind: schema.Float, Bits: 32}, func(r *rand.Rand) any { return float32Bits(r) },
			uint64(0), uint64(1<<31), uint64(math.Float32bits(math.MaxFloat32)), uint64(1)),
		typed(schema.Type{Kind: schema.Float, Bits: 64}, func(r *rand.Rand) any { return float64Bits(r) },
			uint64(0), uint64(1<<63), math.Float64bits(-math.MaxFloat64), uint64(1), math.Float64bits(0.1), math.Float64bits(1e21)),
	}
	cases = append(cases, labelCases()...)
	for p := range uint16(7) {
		tick, micros := ticks(p), func(days int64) int64 { return days * dayMicros }
		whole := func(random func(*rand.Rand) any) func(*rand.Rand) any {
			return func(r *rand.Rand) any { w := int64(random(r).(uint64)); return uint64(w - remainder(w, tick)) }
		}
		cases = append(cases,
			typed(schema.Type{Kind: schema.Datetime, Precision: p}, whole(between(micros(first), micros(last))), words(0, -tick, micros(first), micros(last+1)-tick)...),
			typed(schema.Type{Kind: schema.Timestamp, Precision: p}, whole(between(0, 4294967295*secondMicros)), words(tick, 2147483647*secondMicros)...),
			typed(schema.Type{Kind: schema.Time, Precision: p}, whole(between(-3020399*secondMicros, 3020399*secondMicros)),
				words(0, -tick, 3020399*secondMicros, -3020399*secondMicros, 3020400*secondMicros-tick, tick-3020400*secondMicros)...))
	}
	for _, n := range []uint8{8, 16, 24, 32, 64} {
		low := int64(-1) << (n - 1)
		cases = append(cases,
			typed(schema.Type{Kind: schema.Int, Bits: n}, func(r *rand.Rand) any { return uint64(int64(r.Uint64()) >> (64 - n)) }, words(0, -1, low, -low-1)...),
			typed(schema.Type{Kind: schema.Uint, Bits: n}, func(r *rand.Rand) any { return r.Uint64() >> (64 - n) }, uint64(0), uint64(math.MaxUint64)>>(64-n)))
	}
	for n := uint8(1); n <= 64; n += 7 {
		cases = append(cases, typed(schema.Type{Kind: schema.Bit, Bits: n}, func(r *rand.Rand) any { return r.Uint64() >> (64 - n) }, uint64(math.MaxUint64)>>(64-n)))
	}
	for _, d := range [][2]uint16{{1, 0}, {9, 2}, {9, 9}, {10, 0}, {18, 6}, {19, 4}, {38, 0}, {38, 38}, {39, 1}, {65, 30}, {76, 10}} {
		cases = append(cases, decimalCase(d[0], d[1]))
	}
	return cases
}

func labelCases() []valueCase {
	var cases []valueCase
	add := func(c schema.Column, values ...string) {
		extremes, random := oneOf(values...)
		cases = append(cases, valueCase{c, extremes, random})
	}
	add(schema.Column{Type: schema.Type{Kind: schema.Enum}, Native: "enum('small','big')", Labels: []string{"small", "big"}}, "", "small", "big")
	add(schema.Column{Type: schema.Type{Kind: schema.Set}, Native: "set('a','b','c')", Labels: []string{"a", "b", "c"}}, "", "a", "a,b", "a,b,c")
	add(schema.Column{Type: schema.Type{Kind: schema.JSON}, Native: "json"}, `{}`, `{"a":"b"}`, `{"a":{"b":"c"},"x":[true,false]}`)
	add(schema.Column{Type: schema.Type{Kind: schema.String}, Native: "inet4"}, "0.0.0.0", "255.255.255.255", "10.1.2.3")
	add(schema.Column{Type: schema.Type{Kind: schema.String}, Native: "inet6"}, "::", "::1", "fe80::1", "2001:db8::ff00:42:8329", "::ffff:192.168.0.1")
	cases = append(cases, valueCase{schema.Column{Type: schema.Type{Kind: schema.String}, Native: "inet6"}, nil, func(r *rand.Rand) any {
		var a [16]byte
		for i := range 8 {
			if r.IntN(2) == 0 {
				binary.BigEndian.PutUint16(a[2*i:], uint16(r.Uint32()))
			}
		}
		return binlog.AppendInet6(nil, a)
	}})
	return cases
}

func float32Bits(r *rand.Rand) uint64 {
	for {
		if f := math.Float32frombits(r.Uint32()); f == f && !math.IsInf(float64(f), 0) {
			return uint64(math.Float32bits(f))
		}
	}
}

func float64Bits(r *rand.Rand) uint64 {
	for {
		if f := math.Float64frombits(r.Uint64()); f == f && !math.IsInf(f, 0) {
			return math.Float64bits(f)
		}
	}
}

func floats32(n int) func(*rand.Rand) any {
	return func(r *rand.Rand) any {
		var all []float32
		for range n {
			all = append(all, math.Float32frombits(uint32(float32Bits(r))))
		}
		return sinktest.VectorBytes(all...)
	}
}

func decimalCase(precision, scale uint16) valueCase {
	t := schema.Type{Kind: schema.Decimal, Precision: precision, Scale: scale}
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	most.Sub(most, big.NewInt(1))
	hold := func(u *big.Int) any {
		if t.Fixed() {
			return uint64(u.Int64())
		}
		return sinktest.LittleEndian(u, t.Width())
	}
	random := func(r *rand.Rand) any {
		u := new(big.Int)
		for range precision {
			u.Add(u.Mul(u, big.NewInt(10)), big.NewInt(r.Int64N(10)))
		}
		if r.IntN(2) == 0 {
			u.Neg(u)
		}
		return hold(u)
	}
	return typed(t, random, hold(most), hold(new(big.Int).Neg(most)), hold(new(big.Int)), hold(big.NewInt(-1)))
}

// caseTable is a table with a column for each case as it is, and a nullable one.
func caseTable(cases []valueCase) *schema.Table {
	t := &schema.Table{Name: schema.Name{Namespace: "shop", Table: "all"}, Version: 1, Key: []int{0},
		Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}}}
	for i, c := range cases {
		full, null := c.column, c.column
		full.Name = fmt.Sprintf("c%d_%s", i, c.column.Type.Kind)
		null.Name, null.Nullable = full.Name+"_null", true
		t.Columns = append(t.Columns, full, null)
	}
	return t
}

func appendCell(v *row.Vector, x any) {
	switch x := x.(type) {
	case nil:
		v.AppendNull()
	case uint64:
		v.AppendWord(x)
	case []byte:
		v.AppendBytes(x)
	}
}

// fillRow appends values of all cases; every third nullable one is NULL.
func fillRow(b *row.Batch, r *rand.Rand, cases []valueCase, i int) {
	b.Cols[0].AppendWord(uint64(i))
	for c := range cases {
		x := cases[c].value(r, i)
		appendCell(&b.Cols[1+2*c], x)
		if i%3 == 2 {
			x = nil
		}
		appendCell(&b.Cols[2+2*c], x)
	}
}

// TestEncoder_RoundTrip writes extreme and random values of all types and has the server spell them.
func TestEncoder_RoundTrip(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"default":   func(*Config) {},
		"text":      func(c *Config) { c.Dates, c.Time, c.Enum = StringDate, TimeString, EnumString },
		"new_types": func(c *Config) { c.Time, c.Set, c.JSON, c.Dates = Time64, SetArray, JSONType, NullDate },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			change(&cfg)
			roundTrip(t, &cfg, valueCases(cfg.Dates == StringDate))
		})
	}
}

// testConfig keeps the SRID of geometries, so that they can be compared whole.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Hostname, cfg.Geometry = "127.0.0.1", SRID
	return cfg
}

func roundTrip(t *testing.T, cfg *Config, cases []valueCase) {
	shape := caseTable(cases)
	const inserted, updated = 40, 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b := newBenchTable(t, shape, cfg)
	first, second := row.New(shape), row.New(shape)
	for i := range inserted {
		first.Append(row.Insert, uint64(i+1), 0)
		fillRow(first, r, cases, i)
	}
	for i := range updated { // old rows are left out of the block, between new ones
		second.Append(row.Before, uint64(1000+i), 0)
		fillRow(second, r, cases, i)
		second.Append(row.After, uint64(1000+i), 0)
		fillRow(second, r, cases, i)
	}
	b.insert(t, first, second)
	_, got := b.read(t, "id")
	if len(got) != inserted {
		t.Fatalf("got %d rows, want %d", len(got), inserted)
	}
	for i := range got {
		from, at := first, i
		if i < updated {
			from, at = second, 2*i+1
		}
		for c, column := range shape.Columns {
			if want := sinktest.Text(column.Type, &from.Cols[c], at); got[i][c] != want && !sameAddress(got[i][c], want) {
				t.Errorf("row %d, %s %s: got %.200q, want %.200q", i, column.Name, b.layout.columns[c].text, got[i][c], want)
			}
		}
	}
	types := b.types(t)
	for _, c := range b.layout.columns {
		if types[c.name] != c.text {
			t.Errorf("column %s: the server has type %s, want %s", c.name, types[c.name], c.text)
		}
	}
}

// sameAddress says that two texts are of one IPv6 address: MariaDB shortens a single group of zeros too.
func sameAddress(got, want string) bool {
	a, err := netip.ParseAddr(got)
	b, other := netip.ParseAddr(want)
	return err == nil && other == nil && a.Is6() && a == b
}
