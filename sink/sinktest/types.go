package sinktest

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// typeCase is a type with values that try its limits. The first two of each differ.
type typeCase struct {
	t      schema.Type
	values []value
}

func wide(text string, n int) []byte {
	u, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic("sinktest: not a number: " + text)
	}
	return LittleEndian(u, n)
}

func bits(f float64) uint64 { return math.Float64bits(f) }

func bits32(f float32) uint64 { return uint64(math.Float32bits(f)) }

// typeCases are all kinds of values.
func typeCases() []typeCase {
	k, nines := func(k schema.Kind) schema.Type { return schema.Type{Kind: k} }, func(n int) string { return strings.Repeat("9", n) }
	cases := []typeCase{
		{schema.Type{Kind: schema.Float, Bits: 32}, []value{bits32(1.5), bits32(-math.MaxFloat32), bits32(math.SmallestNonzeroFloat32), uint64(0)}},
		{schema.Type{Kind: schema.Float, Bits: 64}, []value{bits(math.Pi), bits(-math.MaxFloat64), bits(math.SmallestNonzeroFloat64), bits(0.1)}},
		{k(schema.Year), []value{1901, 2155, 0}},
		{k(schema.Date), []value{0, -719162, 2932896}}, // 1970, year 1, year 9999
		{schema.Type{Kind: schema.Time, Precision: 6}, []value{1, -3020399999999, 3020399999999, 0}},
		{schema.Type{Kind: schema.Datetime, Precision: 6}, []value{1, -62135596800000000, 253402300799999999}},
		{schema.Type{Kind: schema.Timestamp, Precision: 6}, []value{1, 1_700_000_000_123_456, 2147483647999999}},
		{k(schema.String), []value{"", "zażółć 😀 \x00 \"'\\", strings.Repeat("long ", 3000)}},
		{k(schema.Binary), []value{"", "\x00\xff\xfe", strings.Repeat("\x80", 5000)}},
		{schema.Type{Kind: schema.Binary, Length: 4}, []value{"\x00\x00\x00\x00", "\xff\x00\x01\x02"}},
		{k(schema.Enum), []value{"small", ""}},
		{k(schema.Set), []value{"a,b", ""}},
		{k(schema.JSON), []value{`{"a": [1, null]}`, `""`}},
		{k(schema.UUID), []value{strings.Repeat("\x00", 16), "\xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00"}},
		{k(schema.Geometry), []value{"\x00\x00\x00\x00\x01\x01\x00\x00\x00", "\xe6\x10\x00\x00\x01"}},
		{schema.Type{Kind: schema.Vector, Precision: 2}, []value{VectorBytes(1, -2), VectorBytes(0, float32(math.Inf(1)))}},
		{schema.Type{Kind: schema.Decimal, Precision: 1}, []value{9, -9, 0}},
		{schema.Type{Kind: schema.Decimal, Precision: 9, Scale: 9}, []value{999999999, -1, 0}},
		{schema.Type{Kind: schema.Decimal, Precision: 18, Scale: 2}, []value{999999999999999999, -999999999999999999, 5}},
		{schema.Type{Kind: schema.Decimal, Precision: 19, Scale: 4}, []value{wide(nines(19), 16), wide("-"+nines(19), 16), wide("-1", 16)}},
		{schema.Type{Kind: schema.Decimal, Precision: 38, Scale: 38}, []value{wide(nines(38), 16), wide("-"+nines(38), 16), wide("0", 16)}},
		{schema.Type{Kind: schema.Decimal, Precision: 65, Scale: 30}, []value{wide(nines(65), 32), wide("-"+nines(65), 32), wide("-5", 32), wide("0", 32)}},
	}
	for _, n := range []uint8{8, 16, 24, 32, 64} {
		cases = append(cases,
			typeCase{schema.Type{Kind: schema.Int, Bits: n}, []value{int(1)<<(n-1) - 1, int(-1) << (n - 1), 0}},
			typeCase{schema.Type{Kind: schema.Uint, Bits: n}, []value{uint64(math.MaxUint64) >> (64 - n), uint64(0), uint64(1)}})
	}
	for _, n := range []uint8{1, 8, 63, 64} {
		cases = append(cases, typeCase{schema.Type{Kind: schema.Bit, Bits: n}, []value{uint64(math.MaxUint64) >> (64 - n), uint64(0)}})
	}
	return cases
}

// want spells a value as the store's reader must. A Bit of 64 bits may also be bytes.
func want(t schema.Type, x value) string {
	b := row.New(&schema.Table{Columns: []schema.Column{{Type: t}}})
	defer b.Free()
	appendRow(b, row.Insert, x)
	return Text(t, &b.Cols[0], 0)
}

// same says that the reader's spelling is the value.
func same(t schema.Type, got, want string) bool {
	if t.Kind == schema.Bit && t.Bits == 64 && len(got) == 16 {
		var n uint64
		_, err := fmt.Sscanf(got, "%x", &n)
		return err == nil && fmt.Sprint(n) == want
	}
	return got == want
}

// testTypes writes a table of all types: a row for the i-th values of all, and one of NULLs.
func testTypes(t *testing.T, s *suite) {
	cases := typeCases()
	o := &schema.Table{Name: schema.Name{Namespace: "shop", Table: "types"}, Version: 1, Key: []int{0}, Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}}}}
	for i, c := range cases {
		o.Columns = append(o.Columns, column(fmt.Sprintf("c%d_%s", i, strings.ToLower(c.t.Kind.String())), c.t))
	}
	s.evolve(t, schema.Change{After: o})
	const rows = 4
	b := row.New(o)
	for n := range rows {
		values := []value{n}
		for _, c := range cases {
			values = append(values, c.values[n%len(c.values)])
		}
		appendRow(b, row.Insert, values...)
	}
	appendRow(b, row.Insert, append([]value{rows}, make([]value, len(cases))...)...)
	s.commit(t, b)
	names, got := s.store.Rows(t, o.Name)
	if len(got) != rows+1 {
		t.Fatalf("got %d rows, want %d", len(got), rows+1)
	}
	for _, r := range got {
		n := int(r[0][0] - '0')
		for i, c := range cases {
			w := Null
			if n < rows {
				w = want(c.t, c.values[n%len(c.values)])
			}
			if g := r[slices.Index(names, o.Columns[i+1].Name)]; !same(c.t, g, w) {
				t.Errorf("row %d, %s of %s: got %q, want %q", n, o.Columns[i+1].Name, c.t, g, w)
			}
		}
	}
}

// testKeys updates and deletes by a key of each type that can be one, within a commit and across commits.
func testKeys(t *testing.T, s *suite) {
	for i, c := range typeCases() {
		if c.t.Kind == schema.Float || c.t.Kind == schema.JSON || c.t.Kind == schema.Geometry || c.t.Kind == schema.Vector {
			continue
		}
		o := &schema.Table{Name: schema.Name{Namespace: "keys", Table: fmt.Sprintf("t%d", i)}, Version: 1, Key: []int{2, 1}, Columns: []schema.Column{
			column("note", schema.Type{Kind: schema.String}), {Name: "k", Type: c.t}, {Name: "part", Type: schema.Type{Kind: schema.Int, Bits: 16}},
		}}
		s.evolve(t, schema.Change{After: o})
		a, b := c.values[0], c.values[1]
		s.commit(t, batch(o, rowOf(row.Insert, "a1", a, 1), rowOf(row.Insert, "b1", b, 1), rowOf(row.Insert, "a2", a, 2), rowOf(row.Insert, "b2", b, 2)),
			batch(o, rowOf(row.Before, "b2", b, 2), rowOf(row.After, "b2+", b, 2), rowOf(row.Before, "a2", a, 2), rowOf(row.After, "a3", a, 3)),
			batch(o, rowOf(row.Before, "a3", a, 3), rowOf(row.After, "a2", a, 2)))
		s.commit(t, batch(o, rowOf(row.Delete, "a1", a, 1), rowOf(row.Before, "b1", b, 1), rowOf(row.After, "b1+", b, 1), rowOf(row.Upsert, "b2++", b, 2)))
		s.expectKeyed(t, o, c, "a2 "+want(c.t, a), "b1+ "+want(c.t, b), "b2++ "+want(c.t, b))
	}
}

func (s *suite) expectKeyed(t *testing.T, o *schema.Table, c typeCase, wanted ...string) {
	t.Helper()
	_, rows := s.store.Rows(t, o.Name)
	ok := len(rows) == len(wanted)
	for _, r := range rows {
		ok = ok && slices.ContainsFunc(wanted, func(w string) bool {
			return r[0] == strings.SplitN(w, " ", 2)[0] && same(c.t, r[1], strings.SplitN(w, " ", 2)[1])
		})
	}
	if !ok {
		t.Errorf("key of type %s: got %q, want %q", c.t, rows, wanted)
	}
}
