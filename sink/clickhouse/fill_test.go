package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// An added column shows in the old rows what a row with that value would show.
func TestLayout_Fill(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"default":   func(*Config) {},
		"text":      func(c *Config) { c.Dates, c.Time, c.Enum = StringDate, TimeString, EnumString },
		"new_types": func(c *Config) { c.Time, c.Set, c.JSON, c.Geometry = Time64, SetArray, JSONType, WKB },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			change(&cfg)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			expectFilled(t, &cfg, valueCases(cfg.Dates == StringDate), rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func expectFilled(t *testing.T, cfg *Config, cases []valueCase, r *rand.Rand) {
	before := caseTable(nil)
	b := newBenchTable(t, before, cfg)
	b.server.Exec(t, "INSERT INTO "+quoteTable(b.name)+" VALUES (1, 1, 0), (2, 2, 0)")
	shape := caseTable(cases)
	after, err := newLayout(shape, cfg)
	if err != nil {
		t.Fatal(err)
	}
	values := row.New(shape) // row 0 has what the columns are filled with
	values.Append(row.Insert, 1, 0)
	fillRow(values, r, cases, []int{0, 1, 3, 4, 6}[r.IntN(5)]) // those where nothing is NULL
	var clauses []string
	for i := 1; i < len(shape.Columns); i++ {
		expr, err := after.fillExpr(i, valueOf(&values.Cols[i]))
		if err != nil {
			t.Fatal(err)
		}
		clauses = append(clauses, after.addClause(i, expr))
	}
	b.server.Exec(t, alterSQL(b.name, cfg, clauses...))
	b.layout = after
	_, got := b.read(t, "id")
	if len(got) != 2 {
		t.Fatalf("got %d rows, want 2", len(got))
	}
	for i, c := range shape.Columns[1:] {
		want := sinktest.Text(c.Type, &values.Cols[i+1], 0)
		if c.Type.Kind == schema.Geometry && cfg.Geometry == WKB {
			want = want[2*sridBytes:]
		}
		if g := got[0][i+1]; g != got[1][i+1] || g != want && !sameAddress(g, want) {
			t.Errorf("%s: got %.100q and %.100q, want %.100q, by %.200s", c.Name, g, got[1][i+1], want, clauses[i])
		}
	}
}

func valueOf(v *row.Vector) *schema.Value {
	if v.Offsets == nil {
		return &schema.Value{Word: v.Words[0]}
	}
	return &schema.Value{Bytes: v.Value(0)}
}

// NULL is what there is without a value; where it cannot be, and where a row would stop the table, there is none.
func TestLayout_FillOfNothing(t *testing.T) {
	cfg, early, late := testConfig(), firstDay-1, &schema.Value{Word: uint64(lastMicro + 1)}
	shape := func(nullable bool) *layout {
		s := noteShape()
		s.Columns = append(s.Columns, schema.Column{Name: "v", Type: schema.Type{Kind: schema.Vector}, Nullable: nullable},
			schema.Column{Name: "d", Type: schema.Type{Kind: schema.Date}, Nullable: nullable},
			schema.Column{Name: "at", Type: schema.Type{Kind: schema.Datetime}, Nullable: nullable})
		l, err := newLayout(s, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		column   int
		nullable bool
		dates    Dates
		fill     *schema.Value
		want     string // an expression, or a part of an error that begins with a space
	}{
		{1, true, StopTable, nil, "NULL"}, {4, true, StopTable, nil, "[]"}, {4, false, StopTable, nil, " column v has no NULLs"},
		{5, true, StopTable, nil, "NULL"}, {5, false, StopTable, nil, " column d has no NULLs"}, {5, false, NullDate, nil, "NULL"},
		{5, true, StopTable, &schema.Value{Word: uint64(early)}, " column d: 1899-12-31 in a row"}, {5, true, NullDate, &schema.Value{Word: uint64(early)}, "NULL"},
		{6, true, StopTable, late, " column at: 2300-01-01 00:00:00 in a row"}, {6, false, StringDate, late, "'2300-01-01 00:00:00'"},
	} {
		cfg.Dates = c.dates
		got, err := shape(c.nullable).fillExpr(c.column, c.fill)
		if err != nil {
			got = fmt.Sprint(err)
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}
