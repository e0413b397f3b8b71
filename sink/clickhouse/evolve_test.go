package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

func edit(kind schema.EditKind, column, to string) schema.Edit {
	return schema.Edit{Kind: kind, Column: column, To: to}
}

func text(name string) schema.Column {
	return schema.Column{Name: name, Type: schema.Type{Kind: schema.String}, Nullable: true}
}

func number(name string, bits uint8) schema.Column {
	return schema.Column{Name: name, Type: schema.Type{Kind: schema.Int, Bits: bits}, Nullable: true}
}

// A shift is a change of a table (id, a, b, c) with a row, and what it makes of it.
type shift struct {
	change func(*schema.Table)
	edits  []schema.Edit
	want   string // columns and the values of the row
}

var shifts = map[string]shift{ // read-only
	"swap names": {func(t *schema.Table) { t.Columns[1].Name, t.Columns[2].Name = "b", "a" },
		[]schema.Edit{edit(schema.RenameColumn, "a", "b"), edit(schema.RenameColumn, "b", "a")}, "id=1 b=A a=B c=7"},
	"circle": {func(t *schema.Table) { t.Columns[1].Name, t.Columns[2].Name, t.Columns[3].Name = "b", "c", "a" },
		[]schema.Edit{edit(schema.RenameColumn, "a", "b"), edit(schema.RenameColumn, "b", "c"), edit(schema.RenameColumn, "c", "a")}, "id=1 b=A c=B a=7"},
	"case": {func(t *schema.Table) { t.Columns[1].Name = "A" }, []schema.Edit{edit(schema.RenameColumn, "a", "A")}, "id=1 A=A b=B c=7"},
	"drop and add": {func(t *schema.Table) { t.Columns[1] = text("a") },
		[]schema.Edit{edit(schema.DropColumn, "a", ""), edit(schema.AddColumn, "a", "")}, "id=1 a=NULL b=B c=7"},
	"drop and rename": {func(t *schema.Table) { t.Columns = slices.Delete(t.Columns, 1, 2); t.Columns[1].Name = "a" },
		[]schema.Edit{edit(schema.DropColumn, "a", ""), edit(schema.RenameColumn, "b", "a")}, "id=1 a=B c=7"},
	"move": {func(t *schema.Table) {
		t.Columns[0], t.Columns[3] = t.Columns[3], t.Columns[0]
		t.Key = []int{3}
	}, []schema.Edit{edit(schema.MoveColumn, "id", ""), edit(schema.MoveColumn, "c", "")}, "c=7 a=A b=B id=1"},
	"widen and fill": {func(t *schema.Table) {
		t.Columns[3].Type.Bits = 64
		t.Columns = slices.Insert(t.Columns, 1, schema.Column{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 32}})
	}, []schema.Edit{edit(schema.ModifyColumn, "c", ""), {Kind: schema.AddColumn, Column: "n", Fill: &schema.Value{Word: 42}}}, "id=1 n=42 a=A b=B c=7"},
	"no more NULLs": {func(t *schema.Table) { t.Columns[1].Nullable, t.Columns[3].Nullable = false, false },
		[]schema.Edit{edit(schema.ModifyColumn, "a", ""), edit(schema.ModifyColumn, "c", "")}, "id=1 a=A b=B c=7"},
	"number to decimal": {func(t *schema.Table) { t.Columns[3].Type = schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2} },
		[]schema.Edit{edit(schema.ModifyColumn, "c", "")}, "id=1 a=A b=B c=7.00"},
	"all at once": {func(t *schema.Table) {
		t.Columns[1].Name, t.Columns[3].Type.Bits = "remark", 64
		t.Columns = append(slices.Delete(t.Columns, 2, 3), text("b"), text("d"))
	}, []schema.Edit{edit(schema.RenameColumn, "a", "remark"), edit(schema.DropColumn, "b", ""), edit(schema.ModifyColumn, "c", ""),
		edit(schema.AddColumn, "b", ""), edit(schema.AddColumn, "d", "")}, "id=1 remark=A c=7 b=NULL d=NULL"},
}

// wide makes a table (id, a, b, c) with rows: one that was NULL for a while, one deleted.
func (r *rig) wide() *schema.Table {
	o := r.shape("orders")
	o.Columns = []schema.Column{o.Columns[0], text("a"), text("b"), number("c", 32)}
	r.evolve(nil, o)
	for _, x := range []struct {
		op   row.Op
		id   uint64
		null bool
	}{{row.Insert, 1, true}, {row.Upsert, 1, false}, {row.Insert, 2, false}, {row.Delete, 2, false}} {
		r.seq++
		b := row.New(o) // each in a part of its own
		b.Append(x.op, r.seq, 0)
		b.Cols[0].AppendWord(x.id)
		for i, s := range []string{"A", "B"} {
			if x.null {
				b.Cols[i+1].AppendNull()
			} else {
				b.Cols[i+1].AppendBytes([]byte(s))
			}
		}
		b.Cols[3].AppendWord(7)
		r.commit(b)
	}
	return o
}

// spell is the only row of a table, with the names of its columns.
func (r *rig) spell(n schema.Name) string {
	got, err := r.sink.Peek(r.t.Context(), n, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, x := range got.Rows {
		for i, c := range got.Columns {
			out = append(out, c+"="+x[i])
		}
	}
	return strings.Join(out, " ")
}

// TestEvolve_Columns changes columns, twice.
func TestEvolve_Columns(t *testing.T) {
	for name, c := range shifts {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, servers.SharedClickHouse(t), nil)
			v1 := r.wide()
			v2 := next(v1, c.change)
			for range 2 {
				r.evolve(v1, v2, c.edits...)
				if got := r.spell(v1.Name); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				r.reopen()
			}
		})
	}
}

// A breaking connection fails at one statement, before it takes effect or after it, and at all that follow.
type breaking struct {
	driver.Conn
	left  int // statements until then
	after bool
}

func (b *breaking) Exec(ctx context.Context, query string, args ...any) error {
	b.left--
	if b.left > 0 || b.left == 0 && b.after {
		if err := b.Conn.Exec(ctx, query, args...); err != nil || b.left > 0 {
			return err
		}
	}
	return errReply
}

// TestEvolve_HalfWay breaks a change off at each of its statements, before or after the server has executed it, and repeats it.
func TestEvolve_HalfWay(t *testing.T) {
	for _, name := range []string{"circle", "widen and fill", "no more NULLs", "all at once"} {
		t.Run(name, func(t *testing.T) {
			c, r := shifts[name], newRig(t, servers.SharedClickHouse(t), nil)
			for try, finished := 0, false; !finished; try++ {
				v1 := r.wide()
				v2 := next(v1, c.change)
				broken := openTest(t, r.cfg)
				broken.run.Store(r.run)
				broken.cfg.RetryTimeout = 1
				broken.control.conn = &breaking{Conn: broken.control.conn, left: 1 + try/2, after: try%2 == 1}
				err := broken.Evolve(t.Context(), &schema.Change{Before: v1, After: v2, Edits: c.edits})
				if finished = err == nil; finished && try < 4 {
					t.Errorf("the change was not broken off at try %d", try)
				}
				r.reopen()
				r.evolve(v1, v2, c.edits...)
				if got := r.spell(v1.Name); got != c.want {
					t.Fatalf("try %d: got %s, want %s", try, got, c.want)
				}
				r.server.Exec(t, "DROP TABLE "+quoteTable(v1.Name)+" SYNC")
			}
		})
	}
}

// TestEvolve_OtherHalfWays breaks off what is not a change of columns.
func TestEvolve_OtherHalfWays(t *testing.T) {
	server := servers.SharedClickHouse(t)
	for name, c := range map[string]struct {
		prepare func(r *rig, o *schema.Table)
		change  func(o *schema.Table) *schema.Change
		want    []string
	}{
		"create": {func(r *rig, o *schema.Table) { r.evolve(o, nil) }, func(o *schema.Table) *schema.Change { return &schema.Change{After: o} }, nil},
		"truncate": {nil, func(o *schema.Table) *schema.Change {
			return editing(o, next(o, func(*schema.Table) {}), schema.TruncateTable)
		}, nil},
		"rename": {nil, func(o *schema.Table) *schema.Change {
			return editing(o, next(o, func(t *schema.Table) { t.Name.Table = "moved" }), schema.RenameTable)
		}, []string{"1 old"}},
		"begin copy": {nil, func(o *schema.Table) *schema.Change { return editing(o, o, schema.BeginCopy) }, []string{"1 old"}},
		"end copy": {func(r *rig, o *schema.Table) {
			r.evolve(o, o, schema.Edit{Kind: schema.BeginCopy})
			r.commit(r.batch(o, insert(2, "new")))
		}, func(o *schema.Table) *schema.Change { return editing(o, o, schema.EndCopy) }, []string{"2 new"}},
		"rename in a copy": {func(r *rig, o *schema.Table) {
			r.evolve(o, o, schema.Edit{Kind: schema.BeginCopy})
			r.commit(r.batch(o, insert(2, "new")))
		}, func(o *schema.Table) *schema.Change {
			return editing(o, next(o, func(t *schema.Table) { t.Name.Table = "moved" }), schema.RenameTable)
		}, []string{"1 old"}},
	} {
		t.Run(name, func(t *testing.T) {
			for try, finished := 0, false; !finished; try++ {
				r := newRig(t, server, func(c *Config) { c.View, c.Drop = true, DropTable })
				o := r.create("orders")
				r.commit(r.batch(o, insert(1, "old")))
				if c.prepare != nil {
					c.prepare(r, o)
				}
				broken := openTest(t, r.cfg)
				broken.run.Store(r.run)
				broken.cfg.RetryTimeout = 1
				broken.control.conn = &breaking{Conn: broken.control.conn, left: 1 + try/2, after: try%2 == 1}
				ch := c.change(o)
				finished = broken.Evolve(t.Context(), ch) == nil
				r.reopen()
				if err := r.sink.Evolve(t.Context(), ch); err != nil {
					t.Fatalf("try %d: %v", try, err)
				}
				r.expect(ch.After.Name, c.want...)
				if name != "begin copy" && name != "create" {
					r.expectMark(ch.After.Name)
				}
			}
		})
	}
}

func editing(before, after *schema.Table, kind schema.EditKind) *schema.Change {
	return &schema.Change{Before: before, After: after, Edits: []schema.Edit{{Kind: kind}}}
}

// TestEvolve_Refuses says what ClickHouse cannot do, and leaves the table as it was.
func TestEvolve_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		shift
		words []string
	}{
		"lossy": {shift{func(t *schema.Table) { t.Columns[3].Type.Bits = 8 }, []schema.Edit{edit(schema.ModifyColumn, "c", "")}, ""}, []string{"column c", "1 of its values"}},
		"other meaning": {shift{func(t *schema.Table) { t.Columns[3].Type = schema.Type{Kind: schema.Timestamp} }, []schema.Edit{edit(schema.ModifyColumn, "c", "")}, ""},
			[]string{"column c", "Timestamp"}},
		"key grows":   {shift{func(t *schema.Table) { t.Columns[0].Type.Bits = 32 }, []schema.Edit{edit(schema.ModifyColumn, "id", "")}, ""}, []string{"column id", "sorting key"}},
		"key renamed": {shift{func(t *schema.Table) { t.Columns[0].Name = "ident" }, []schema.Edit{edit(schema.RenameColumn, "id", "ident")}, ""}, []string{"id", "ident", "sorting key"}},
		"key dropped": {shift{func(t *schema.Table) { t.Columns = t.Columns[1:]; t.Key = nil }, []schema.Edit{edit(schema.DropColumn, "id", "")}, ""}, []string{"another way"}},
		"other key":   {shift{func(t *schema.Table) { t.Columns[1].Nullable = false; t.Key = []int{1} }, []schema.Edit{edit(schema.ChangeKey, "", "")}, ""}, []string{"(a)", "(id)"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, servers.SharedClickHouse(t), nil)
			v1 := r.wide()
			r.commit(func() *row.Batch {
				b := row.New(v1)
				r.seq++
				b.Append(row.Upsert, r.seq, 0)
				b.Cols[0].AppendWord(1)
				b.Cols[1].AppendBytes([]byte("A"))
				b.Cols[2].AppendBytes([]byte("B"))
				b.Cols[3].AppendWord(1000)
				return b
			}())
			v2 := next(v1, c.change)
			wantTableError(t, r.sink.Evolve(t.Context(), &schema.Change{Before: v1, After: v2, Edits: c.edits}), v1.Name, append(c.words, "copy the table again")...)
			if got := r.spell(v1.Name); got != "id=1 a=A b=B c=1000" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestEvolve_Found makes a table match a shape of which it is not known how it came about, unless its rows are kept by another key.
func TestEvolve_Found(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	v1 := r.wide()
	r.evolve(nil, next(v1, func(t *schema.Table) {
		t.Columns = append([]schema.Column{text("new")}, t.Columns[0], t.Columns[2], number("c", 64))
		t.Key = []int{1}
	}))
	if got := r.spell(v1.Name); got != "new=NULL id=1 a=A b=B c=7" {
		t.Errorf("got %s", got)
	}
	for _, key := range [][]int{nil, {1}, {0, 1}} {
		other := next(next(v1, func(*schema.Table) {}), func(t *schema.Table) { t.Key, t.Columns[1].Nullable = key, false })
		wantTableError(t, r.sink.Evolve(t.Context(), &schema.Change{After: other}), v1.Name, "copy the table again")
	}
}

// TestEvolve_DropTable keeps or drops the table; a name that comes back shows nothing of the old rows.
func TestEvolve_DropTable(t *testing.T) {
	for _, drop := range []Drop{KeepTable, DropTable} {
		t.Run(string(drop), func(t *testing.T) {
			r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.Drop, c.View = drop, true })
			o := r.create("orders")
			r.commit(r.batch(o, insert(1, "a")))
			for range 2 {
				r.evolve(o, nil)
				r.reopen()
			}
			marks, err := r.sink.Marks(t.Context(), []schema.Name{o.Name})
			if err != nil || len(marks) > 0 {
				t.Errorf("got %v, %v, want no marks", marks, err)
			}
			tables := "SELECT count() FROM system.tables WHERE database = " + quoteText(r.space) + " AND startsWith(name, 'orders')"
			if got, want := r.server.Value(t, tables), map[Drop]string{KeepTable: "2", DropTable: "0"}[drop]; got != want {
				t.Errorf("got %s tables and views, want %s", got, want)
			}
			again := next(o, func(*schema.Table) {})
			r.evolve(nil, again)
			r.expect(o.Name)
			r.commit(r.batch(again, insert(2, "b")))
			r.expect(o.Name, "2 b")
		})
	}
}

// TestEvolve_View keeps the view in step with the table: columns, names and copies.
func TestEvolve_View(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.View = true })
	o := r.create("orders")
	r.commit(r.batch(o, insert(1, "a"), insert(2, "b"), change{row.Delete, 2, "b"}))
	expect := func(view, want string) {
		t.Helper()
		if got := r.server.Value(t, fmt.Sprintf("SELECT * FROM `%s`.`%s` FORMAT TSVWithNames", r.space, view)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("orders_current", "id\tnote\n1\ta")
	v2 := next(o, func(t *schema.Table) { t.Columns = append(t.Columns, number("n", 8)) })
	r.evolve(o, v2, edit(schema.AddColumn, "n", ""))
	expect("orders_current", "id\tnote\tn\n1\ta\t\\N")
	v3 := next(v2, func(t *schema.Table) { t.Name.Table = "moved" })
	r.evolve(v2, v3, edit(schema.RenameTable, "", ""))
	expect("moved_current", "id\tnote\tn\n1\ta\t\\N")
	r.evolve(v3, v3, schema.Edit{Kind: schema.BeginCopy})
	r.commit(r.batch(v3, insert(9, "anew")))
	expect("moved_current", "id\tnote\tn\n1\ta\t\\N")
	r.evolve(v3, v3, schema.Edit{Kind: schema.EndCopy})
	expect("moved_current", "id\tnote\tn\n9\tanew\t\\N")
	if got := r.server.Value(t, "SELECT count() FROM system.tables WHERE database = "+quoteText(r.space)+" AND name NOT LIKE 'cdcsync%'"); got != "2" {
		t.Errorf("got %s tables and views, want 2", got)
	}
}
