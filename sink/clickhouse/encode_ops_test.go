package clickhouse

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// noteShape is a table with a key of two columns and a nullable note.
func noteShape() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "notes"}, Version: 1, Key: []int{2, 0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}},
		{Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true},
		{Name: "part", Type: schema.Type{Kind: schema.String}},
		{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 8}},
	}}
}

// A gap is a value that the log does not carry.
type gap struct{}

// put appends a row of noteShape.
func put(b *row.Batch, op row.Op, seq uint64, values ...any) {
	b.Append(op, seq, int64(seq)*1_000_000)
	for i, x := range values {
		switch x := x.(type) {
		case nil:
			b.Cols[i].AppendNull()
		case gap:
			b.Cols[i].AppendAbsent()
		case int:
			b.Cols[i].AppendWord(uint64(int64(x)))
		case string:
			b.Cols[i].AppendBytes([]byte(x))
		}
	}
}

func expectRows(t *testing.T, got [][]string, want ...string) {
	t.Helper()
	var lines []string
	for _, r := range got {
		lines = append(lines, strings.Join(r, "|"))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("\n got %q\nwant %q", lines, want)
	}
}

// What an update leaves of its old row is a tombstone exactly when the key has changed.
func TestEncoder_Ops(t *testing.T) {
	for _, c := range []struct {
		soft bool
		want []string
	}{
		{false, []string{"1|b|x|1|2|0", "4|e|x|1|5|0", "5|NULL|x|1|7|0"}},
		{true, []string{"1|b|x|1|2|0", "2|c|x|1|3|1", "3|d|x|1|5|1", "4|e|x|1|5|0", "5|NULL|x|1|7|0"}},
	} {
		t.Run(fmt.Sprintf("soft_%v", c.soft), func(t *testing.T) {
			cfg, shape := testConfig(), noteShape()
			cfg.SoftDelete = c.soft
			table := newBenchTable(t, shape, &cfg)
			first := row.New(shape)
			put(first, row.Insert, 1, 1, "a", "x", 1)
			put(first, row.Insert, 1, 2, "b", "x", 1)
			put(first, row.Insert, 1, 3, "c", "x", 1)
			put(first, row.Before, 2, 1, "a", "x", 1)
			put(first, row.After, 2, 1, "b", "x", 1)
			second := row.New(shape)
			put(second, row.Delete, 3, 2, "c", "x", 1)
			put(second, row.Before, 5, 3, "d", "x", 1) // to another key
			put(second, row.After, 5, 4, "e", "x", 1)
			put(second, row.Upsert, 7, 5, nil, "x", 1)
			table.insert(t, second) // the order of blocks does not matter
			table.insert(t, first)
			table.insert(t, second)
			_, rows := table.read(t, "id")
			expectRows(t, rows, c.want...)
		})
	}
}

// The last of equal versions counts: rows of compressed log events may share a Seq.
func TestEncoder_LastOfEqualVersionsCounts(t *testing.T) {
	cfg, shape := testConfig(), noteShape()
	table := newBenchTable(t, shape, &cfg)
	const ids = 5000
	b := row.New(shape)
	for id := range ids {
		for gen := range 3 {
			put(b, row.Upsert, 9, id, fmt.Sprint(gen), "x", 1)
		}
		if id%2 == 0 {
			put(b, row.Delete, 9, id, "gone", "x", 1)
		}
	}
	for gen := range 4 {
		put(b, row.Upsert, 9, ids-1-gen, "late", "x", 1)
	}
	table.insert(t, b)
	check := func(when string) {
		t.Helper()
		got := table.server.Value(t, "SELECT note, count(), sum(id % 2) FROM "+quoteTable(table.name)+" FINAL GROUP BY note ORDER BY note")
		if want := "2\t2498\t2498\nlate\t4\t2"; got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	check("under FINAL")
	table.server.Exec(t, "OPTIMIZE TABLE "+quoteTable(table.name)+" FINAL")
	check("merged")
}

func TestEncoder_Append(t *testing.T) {
	cfg, shape := testConfig(), noteShape()
	cfg.Mode = Append
	table := newBenchTable(t, shape, &cfg)
	log, gtid, snapshot := row.New(shape), row.New(shape), row.New(shape)
	log.Origin = schema.Origin{Seq: 3<<40 + 1234, File: "binlog.000003"}
	put(log, row.Insert, 100, 1, "a", "x", 1)
	put(log, row.Before, 101, 1, "a", "x", 1)
	put(log, row.After, 101, 1, nil, "x", 1)
	gtid.Origin = schema.Origin{Seq: 3<<40 + 2000, File: "binlog.000003", Domain: 4, ServerID: 5, Number: 6}
	put(gtid, row.Delete, 102, 1, nil, "x", 1)
	put(snapshot, row.Insert, 99, 7, "s", "y", 1)
	put(snapshot, row.Upsert, 99, 8, "u", "y", 1)
	table.insert(t, log, gtid, snapshot)
	_, rows := table.read(t, "_version, _op, id")
	at := func(second int) string { return fmt.Sprintf("1970-01-01T00:01:%02d.000000", second-60) }
	expectRows(t, rows,
		"7|s|y|1|read|99||"+at(99)+"|77", "8|u|y|1|read|99||"+at(99)+"|77",
		"1|a|x|1|insert|100|binlog.000003:1234|"+at(100)+"|77",
		"1|a|x|1|before|101|binlog.000003:1234|"+at(101)+"|77", "1|NULL|x|1|after|101|binlog.000003:1234|"+at(101)+"|77",
		"1|NULL|x|1|delete|102|4-5-6|"+at(102)+"|77")
}

// Values that cannot be written stop the table, and the error names the column.
func TestEncoder_Refuses(t *testing.T) {
	dated := noteShape()
	dated.Columns = append(dated.Columns, schema.Column{Name: "d", Type: schema.Type{Kind: schema.Date}},
		schema.Column{Name: "at", Type: schema.Type{Kind: schema.Datetime, Precision: 3}, Nullable: true})
	early, late := int(firstMicro-1000), int(lastMicro+1)
	for name, c := range map[string]struct {
		op     row.Op
		values []any
		want   string
	}{
		"absent value":    {row.Insert, []any{1, gap{}, "x", 1, 0, 0}, "column note: the log does not carry its value"},
		"absent key":      {row.Delete, []any{1, "a", gap{}, 1, 0, 0}, "column part: the log does not carry its value"},
		"absent old key":  {row.Before, []any{gap{}, "a", "x", 1, 0, 0}, "column id: the log does not carry its value"},
		"null key":        {row.Upsert, []any{1, "a", nil, 1, 0, 0}, "column part: NULL in the key"},
		"null":            {row.Insert, []any{1, "a", "x", nil, 0, 0}, "column n: NULL in a row, and the source says"},
		"zero date":       {row.Insert, []any{1, "a", "x", 1, nil, 0}, "column d: NULL in a row, as zero dates are"},
		"early date":      {row.Insert, []any{1, "a", "x", 1, int(firstDay - 1), 0}, "column d: 1899-12-31 in a row"},
		"late date":       {row.Upsert, []any{1, "a", "x", 1, int(lastDay + 1), 0}, "column d: 2300-01-01 in a row"},
		"early datetime":  {row.Insert, []any{1, "a", "x", 1, 0, early}, "column at: 1899-12-31 23:59:59.999 in a row"},
		"late datetime":   {row.Insert, []any{1, "a", "x", 1, 0, late}, "column at: 2300-01-01 00:00:00.000 in a row"},
		"half of updates": {row.Before, []any{1, "a", "x", 1, 0, 0}, "an update's old row is not followed by its new one"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			l, err := newLayout(dated, &cfg)
			if err != nil {
				t.Fatal(err)
			}
			b := row.New(dated)
			put(b, row.Insert, 1, 5, nil, "x", 1, 0, nil)
			put(b, c.op, 2, c.values...)
			if name == "absent old key" {
				put(b, row.After, 2, 1, "a", "x", 1, 0, 0)
			}
			err = newEncoder(l).add(b)
			var table *schema.TableError
			if !errors.As(err, &table) || table.Table != dated.Name || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error of %s with %q", err, dated.Name, c.want)
			}
		})
	}
}

// Dates that ClickHouse cannot hold become what the configuration says, and those beside them stay as they are.
func TestEncoder_DatesOutOfRange(t *testing.T) {
	shape := noteShape()
	shape.Columns = append(shape.Columns, schema.Column{Name: "d", Type: schema.Type{Kind: schema.Date}},
		schema.Column{Name: "at", Type: schema.Type{Kind: schema.Datetime, Precision: 3}, Nullable: true})
	for dates, want := range map[Dates][]string{
		NullDate: {"1|a|x|1|NULL|NULL|1|0", "2|a|x|1|1970-01-02|2299-12-31T23:59:59.999000|1|0", "3|a|x|1|NULL|NULL|1|0", "4|a|x|1|1900-01-01|1900-01-01T00:00:00.000000|1|0"},
		StringDate: {"1|a|x|1|1899-12-31|2300-01-01T00:00:00.000000|1|0", "2|a|x|1|1970-01-02|2299-12-31T23:59:59.999000|1|0", "3|a|x|1|NULL|NULL|1|0",
			"4|a|x|1|1900-01-01|1900-01-01T00:00:00.000000|1|0"},
	} {
		t.Run(string(dates), func(t *testing.T) {
			cfg := testConfig()
			cfg.Dates = dates
			table := newBenchTable(t, shape, &cfg)
			b := row.New(shape)
			put(b, row.Insert, 1, 1, "a", "x", 1, int(firstDay-1), int(lastMicro+1))
			put(b, row.Insert, 1, 2, "a", "x", 1, 1, int(lastMicro-999))
			put(b, row.Insert, 1, 3, "a", "x", 1, nil, nil)
			put(b, row.Insert, 1, 4, "a", "x", 1, int(firstDay), int(firstMicro))
			table.insert(t, b)
			_, rows := table.read(t, "id")
			expectRows(t, rows, want...)
		})
	}
}

// A date in the key cannot become NULL.
func TestEncoder_KeyDateOutOfRange(t *testing.T) {
	shape := &schema.Table{Name: schema.Name{Namespace: "shop", Table: "days"}, Version: 1, Key: []int{0},
		Columns: []schema.Column{{Name: "day", Type: schema.Type{Kind: schema.Date}}}}
	cfg := testConfig()
	cfg.Dates = NullDate
	l, err := newLayout(shape, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := row.New(shape)
	put(b, row.Insert, 1, int(firstDay-1))
	if err := newEncoder(l).add(b); err == nil || !strings.Contains(err.Error(), "column day: 1899-12-31") {
		t.Errorf("got %v, want an error about day", err)
	}
}

// A tombstone has what the log carries, down to nothing but the key, for columns of all types.
func TestEncoder_TombstonesOfGaps(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"default":   func(*Config) {},
		"text":      func(c *Config) { c.Dates, c.Time, c.Enum = StringDate, TimeString, EnumString },
		"new_types": func(c *Config) { c.Time, c.Set, c.JSON, c.Geometry = Time64, SetArray, JSONType, WKB },
	} {
		t.Run(name, func(t *testing.T) {
			cfg, cases := testConfig(), valueCases(false)
			change(&cfg)
			shape := caseTable(cases)
			table := newBenchTable(t, shape, &cfg)
			rows, gone := row.New(shape), row.New(shape)
			for i := range 3 {
				rows.Append(row.Insert, 1, 0)
				fillRow(rows, rand.New(rand.NewPCG(1, 1)), cases, i)
			}
			for i := range 2 {
				gone.Append(row.Delete, 2, 0)
				gone.Cols[0].AppendWord(uint64(i))
				for c := range shape.Columns[1:] {
					if i == 0 {
						gone.Cols[1+c].AppendAbsent()
					} else {
						gone.Cols[1+c].AppendNull()
					}
				}
			}
			table.insert(t, rows, gone)
			if got := table.server.Value(t, "SELECT groupArray(id) FROM "+quoteTable(table.name)+" FINAL"); got != "[2]" {
				t.Errorf("got rows %s, want [2]", got)
			}
		})
	}
}

// A server that holds all years gets them. One that does not must not be asked to.
func TestEncoder_WideRange(t *testing.T) {
	server := servers.SharedClickHouse(t)
	sink := openTest(t, serverConfig(t, server.HTTPAddr, server.Database(t)))
	if err := sink.learnRange(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.server = sink.cfg.server
	if !cfg.server.instants {
		t.Error("got a server that does not hold instants to year 9999, as ClickHouse 26.7 does")
	}
	shape := noteShape()
	shape.Columns = append(shape.Columns, schema.Column{Name: "at", Type: schema.Type{Kind: schema.Datetime, Precision: 6}},
		schema.Column{Name: "second", Type: schema.Type{Kind: schema.Datetime}}, schema.Column{Name: "day", Type: schema.Type{Kind: schema.Date}})
	table := newBenchTable(t, shape, &cfg)
	days, b := []int64{wideFirstDay + 366, -25568, 0, 120530, wideLastDay}, row.New(shape)
	var want []string
	for i, day := range days {
		last, date := int((day+1)*dayMicros-1), int(day)
		if !cfg.server.days {
			date = 0
		}
		put(b, row.Insert, 1, i, "a", "x", 1, last, last/1_000_000*1_000_000, date)
		v := &b.Cols[4]
		want = append(want, fmt.Sprintf("%d|a|x|1|%s|%s|%s|1|0", i, sinktest.Text(shape.Columns[4].Type, v, i),
			sinktest.Text(shape.Columns[5].Type, &b.Cols[5], i), sinktest.Text(shape.Columns[6].Type, &b.Cols[6], i)))
	}
	table.insert(t, b)
	_, rows := table.read(t, "id")
	expectRows(t, rows, want...)
	below := row.New(shape)
	put(below, row.Insert, 1, 9, "a", "x", 1, int(wideFirstDay*dayMicros-1), 0, 0)
	if err := newEncoder(table.layout).add(below); err == nil {
		t.Error("got no error for an instant before year 0")
	}
}
