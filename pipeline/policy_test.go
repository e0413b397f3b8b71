package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

// TestPolicy_Follow says for each behaviour what one change of (id key, a NOT NULL, b) makes of the sink's table.
func TestPolicy_Follow(t *testing.T) {
	text := schema.Type{Kind: schema.String}
	before := &schema.Table{Name: named("t"), Version: 3, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "a", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "b", Type: text, Nullable: true},
	}}
	changes := map[string]func(c *schema.Change){
		"add first": func(c *schema.Change) {
			c.After.Columns = slices.Insert(c.After.Columns, 0, schema.Column{Name: "n", Type: text})
			c.After.Key = []int{1}
			c.Edits = []schema.Edit{{Kind: schema.AddColumn, Column: "n"}}
		},
		"drop": func(c *schema.Change) {
			c.After.Columns = slices.Delete(c.After.Columns, 1, 2)
			c.Edits = []schema.Edit{{Kind: schema.DropColumn, Column: "a"}}
		},
		"drop nullable": func(c *schema.Change) {
			c.After.Columns = slices.Delete(c.After.Columns, 2, 3)
			c.Edits = []schema.Edit{{Kind: schema.DropColumn, Column: "b"}}
		},
		"rename": func(c *schema.Change) {
			c.After.Columns[2].Name = "c"
			c.Edits = []schema.Edit{{Kind: schema.RenameColumn, Column: "b", To: "c"}}
		},
		"modify": func(c *schema.Change) {
			c.After.Columns[1].Type = text
			c.Edits = []schema.Edit{{Kind: schema.ModifyColumn, Column: "a"}}
		},
		"truncate": func(c *schema.Change) { c.Edits = []schema.Edit{{Kind: schema.TruncateTable}} },
		"drop key": func(c *schema.Change) {
			c.After.Columns, c.After.Key = slices.Delete(c.After.Columns, 0, 1), []int{0}
			c.Edits = []schema.Edit{{Kind: schema.DropColumn, Column: "id"}, {Kind: schema.ChangeKey}}
		},
	}
	for _, c := range []struct {
		behavior Behavior
		change   string
		want     string // the sink's columns, ? for nullable, each with its place at the source; the edits
	}{
		{Evolve, "add first", "n:0 id:1 a:2 b?:3; add column n"},
		{Lenient, "add first", "id:1 a:2 b?:3 n?:0; add column n"},
		{Ignore, "add first", "id:1 a:2 b?:3; "},
		{Evolve, "drop", "id:0 b?:1; drop column a"},
		{Lenient, "drop", "id:0 a?:-1 b?:1; modify column a"},
		{Ignore, "drop", "error: column a is NOT NULL"},
		{Ignore, "drop nullable", "id:0 a:1 b?:-1; "},
		{Evolve, "rename", "id:0 a:1 c?:2; rename column b"},
		{Lenient, "rename", "id:0 a:1 b?:-1 c?:2; add column c"},
		{Ignore, "rename", "id:0 a:1 b?:-1; "},
		{Lenient, "modify", "id:0 a:1 b?:2; modify column a"},
		{Ignore, "modify", "id:0 a:1 b?:2; "},
		{Evolve, "truncate", "id:0 a:1 b?:2; truncate table "},
		{Lenient, "truncate", "id:0 a:1 b?:2; "},
		{Ignore, "drop key", "error: column id is NOT NULL"},
		{Lenient, "drop key", "id?:-1 a:0 b?:1; modify column id, change key "},
	} {
		p, err := NewPolicy(c.behavior, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		after := *before
		after.Columns, after.Key = slices.Clone(before.Columns), slices.Clone(before.Key)
		change := &schema.Change{Before: before, After: &after}
		changes[c.change](change)
		got := ""
		if v, edits, err := p.follow(identity(before), change); err != nil {
			got = "error: " + err.Error()
		} else {
			got = describeView(v) + "; " + describeEdits(edits)
		}
		if got != c.want && !(strings.HasPrefix(c.want, "error") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s, %s: got %s, want %s", c.behavior, c.change, got, c.want)
		}
	}
}

func describeView(v *view) string {
	var parts []string
	for _, c := range v.Columns {
		parts = append(parts, fmt.Sprintf("%s%s:%d", c.Column.Name, map[bool]string{true: "?"}[c.Column.Nullable], c.From))
	}
	return strings.Join(parts, " ")
}

func describeEdits(edits []schema.Edit) string {
	var parts []string
	for _, e := range edits {
		parts = append(parts, e.Kind.String()+" "+e.Column)
	}
	return strings.Join(parts, ", ")
}

func TestNewPolicy_Tags(t *testing.T) {
	for _, c := range []struct {
		behavior         Behavior
		include, exclude []string
		want             string // what is excluded, or the error
	}{
		{Evolve, nil, nil, ""},
		{Evolve, []string{"column"}, nil, "drop.table truncate.table alter.table.comment"},
		{Evolve, nil, []string{"drop"}, "drop.table drop.column"},
		{Evolve, []string{"all"}, []string{"truncate.table", "create.table"}, "truncate.table"},
		{Lenient, nil, nil, "drop.table truncate.table"},
		{Lenient, nil, []string{"add.column"}, "drop.table truncate.table add.column"},
		{Lenient, []string{"all"}, nil, ""},
		{Evolve, []string{"add.colum"}, nil, `include.schema.changes: "add.colum" is no kind`},
		{Evolve, nil, []string{"everything"}, `exclude.schema.changes: "everything" is no kind`},
	} {
		p, err := NewPolicy(c.behavior, c.include, c.exclude)
		if err != nil {
			if !strings.HasPrefix(err.Error(), c.want) || c.want == "" {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		var got []string
		for tag, out := range p.excluded {
			if out {
				got = append(got, tag)
			}
		}
		want := strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// behaviorCases are what a table has after the same life under each behaviour, and what becomes of the two other tables:
// one is emptied and written again, one is dropped.
var behaviorCases = []struct {
	behavior Behavior
	rows     []string // of a, those that came after the copy
	emptied  int      // rows of b
}{
	{TryEvolve, []string{"100 NULL", "101 NULL", "102 new", "103 newer"}, 1},
	{Lenient, []string{"100 one NULL", "101 NULL NULL", "102 NULL new", "103 NULL newer"}, 13},
	{Ignore, []string{"100 one", "101 NULL", "102 NULL", "103 NULL"}, 13},
}

// TestRun_Behaviors lets each operation of a run be its process's last while the source changes its tables, and holds that
// the sink's tables are what the behaviour says.
func TestRun_Behaviors(t *testing.T) {
	a, b, empty := named("a"), named("b"), named("empty")
	life := func(s *sourcetest.Source) {
		type src = *sourcetest.Source
		s.Script(
			func(s src) { s.Begin().Insert(a, "100", "one").Commit() },
			func(s src) { s.DropColumn(a) },
			func(s src) { s.Begin().Insert(a, "101").Commit() },
			func(s src) { s.AddColumn(a, column("extra", schema.String)) },
			func(s src) { s.Begin().Insert(a, "102", "new").Insert(a, "103", "new").Commit() },
			func(s src) { s.Begin().Update(a, vals("103", "new"), vals("103", "newer")).Commit() },
			func(s src) { s.Truncate(b) },
			func(s src) { s.Begin().Insert(b, "77", "7", "after").Commit() },
			func(s src) { s.Drop(empty) },
			func(s src) { s.Begin().Insert(b, "78", "7", "x").Delete(b, "78", "7", "x").Commit() },
		)
	}
	for _, c := range behaviorCases {
		for _, f := range []fate{diesBefore, diesAfter, failsAfter} {
			t.Run(fmt.Sprint(c.behavior, f), func(t *testing.T) {
				t.Parallel()
				for n, reached := 1, true; reached; n += 2 {
					in(t, func(t *testing.T) { reached = behave(t, c.behavior, c.rows, c.emptied, life, n, f) })
				}
			})
		}
	}
}

// copied runs the pipeline until it has copied what stock has put into the source.
func (r *rig) copied(t *testing.T) {
	t.Helper()
	if _, err := r.run(t.Context(), live(), func(s Status) bool { return len(s.Tables) == 3 && r.caughtUp(s) }); err != nil {
		t.Fatal(err)
	}
}

func behave(t *testing.T, b Behavior, rows []string, emptied int, life func(*sourcetest.Source), n int, f fate) bool {
	t.Helper()
	r := newRig(t)
	policy, err := NewPolicy(b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.tune = func(p *Pipeline) { p.Policy = policy }
	stock(r.src)
	r.copied(t)
	life(r.src)
	proc := &process{at: n, fate: f}
	s, err := r.run(t.Context(), proc, r.caughtUp)
	if errors.Is(err, errDead) {
		r.sink.Restart()
		s, err = r.run(t.Context(), live(), r.caughtUp)
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	all, _ := r.sink.Rows(named("a"))
	for _, v := range all {
		if len(v[0]) == 3 {
			got = append(got, strings.Join(v, " "))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, rows) || len(all) != 12+len(rows) {
		t.Fatalf("operation %d: got %q of %d, want %q; %+v", n, got, len(all), rows, s.Tables)
	}
	if left, _ := r.sink.Rows(named("b")); len(left) != emptied {
		t.Fatalf("operation %d: got %d rows of b, want %d", n, len(left), emptied)
	}
	if _, there := r.sink.Rows(named("empty")); there != (b != TryEvolve) {
		t.Fatalf("operation %d: the dropped table is there: %v", n, there)
	}
	return proc.ops >= n
}

// TestRun_Exception ends the pipeline at a schema change, each time, and has all that came before it.
func TestRun_Exception(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		r.tune = func(p *Pipeline) { p.Policy = Policy{Behavior: Exception} }
		stock(r.src)
		r.copied(t)
		r.src.Script(func(s *sourcetest.Source) {
			s.Begin().Insert(a, "100", "one").Commit()
			s.AddColumn(a, column("x", schema.String))
		})
		for range 2 {
			_, err := r.run(t.Context(), live(), r.caughtUp)
			if err == nil || !strings.Contains(err.Error(), "ALTER TABLE shop.a ADD x") || !strings.Contains(err.Error(), "exception") {
				t.Fatalf("got %v, want an error that names the statement", err)
			}
		}
		if rows, _ := r.sink.Rows(a); len(rows) != 13 {
			t.Errorf("got %d rows, want all 13 from before the change", len(rows))
		}
	})
}

// TestRun_TryEvolve leaves out a change that the sink refuses: rows are made to fit.
func TestRun_TryEvolve(t *testing.T) {
	in(t, func(t *testing.T) {
		r, a := newRig(t), named("a")
		r.tune = func(p *Pipeline) {
			p.Policy = Policy{Behavior: TryEvolve}
			p.Sink = &refusing{Sink: p.Sink, statement: "ALTER TABLE shop.a ADD x"}
		}
		stock(r.src)
		r.src.Script(func(s *sourcetest.Source) { s.AddColumn(a, column("x", schema.String)) },
			func(s *sourcetest.Source) { s.Begin().Insert(a, "100", "one", "left out").Commit() })
		s, err := r.run(t.Context(), live(), r.caughtUp)
		if err != nil || tableOf(t, s, a).State != Following {
			t.Fatal(err, s)
		}
		rows, _ := r.sink.Rows(a)
		if got := rows[len(rows)-1]; !slices.Equal(got, []string{"100", "one"}) || len(rows) != 13 {
			t.Errorf("got %q", rows)
		}
		saved, err := ReadState(t.Context(), r.dir, "test")
		if last := saved.Changes[len(saved.Changes)-1]; err != nil || !strings.Contains(last.Outcome, "that cannot be done") {
			t.Errorf("got %+v, %v, want the change with the sink's reason", saved.Changes, err)
		}
	})
}

// TestFitting_Casts holds that a cast keeps the values that the old type has room for, and no other.
func TestFitting_Casts(t *testing.T) {
	integer := func(k schema.Kind, bits uint8) schema.Type { return schema.Type{Kind: k, Bits: bits} }
	minus := ^uint64(0)
	for _, c := range []struct {
		from, to schema.Type
		in, want string
	}{
		{integer(schema.Int, 64), integer(schema.Int, 8), fmt.Sprintln(127, 128, minus, minus-127, minus-128), fmt.Sprintln(127, "NULL", minus, minus-127, "NULL")},
		{integer(schema.Int, 32), integer(schema.Uint, 16), fmt.Sprintln(65535, 65536, minus), "65535 NULL NULL"},
		{integer(schema.Uint, 64), integer(schema.Int, 64), fmt.Sprintln(7, minus), "7 NULL"},
		{integer(schema.Uint, 64), integer(schema.Uint, 64), fmt.Sprint(minus), fmt.Sprint(minus)},
		{integer(schema.Int, 16), schema.Type{Kind: schema.Date}, "5", "NULL"},
	} {
		source := &schema.Table{Version: 2, Columns: []schema.Column{{Name: "c", Type: c.from, Nullable: true}}}
		v := &view{Version: 1, Columns: []viewColumn{{schema.Column{Name: "c", Type: c.to, Nullable: true}, 0}}}
		b := row.New(source)
		for word := range strings.FieldsSeq(c.in) {
			var w uint64
			if _, err := fmt.Sscan(word, &w); err != nil {
				t.Fatal(err)
			}
			b.Append(row.Insert, 1, 0)
			b.Cols[0].AppendWord(w)
		}
		out, err := newFitting(v, source, named("t")).fit(b)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range out.Len() {
			if out.Cols[0].Null(i) {
				got = append(got, "NULL")
			} else {
				got = append(got, fmt.Sprint(out.Cols[0].Words[i]))
			}
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s to %s: got %q, want %q", c.from, c.to, got, c.want)
		}
		out.Free()
	}
}
