package iceberg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

var (
	typeInt    = schema.Type{Kind: schema.Int, Bits: 32}
	typeLong   = schema.Type{Kind: schema.Int, Bits: 64}
	typeString = schema.Type{Kind: schema.String}
)

func typeDecimal(n uint16) schema.Type { return schema.Type{Kind: schema.Decimal, Precision: n} }

// shapeOf makes table shop.t of "name type" columns; those with a star are the key.
func shapeOf(version uint32, cols ...any) *schema.Table {
	t := &schema.Table{Name: schema.Name{Namespace: "shop", Table: "t"}, Version: version}
	for i := 0; i < len(cols); i += 2 {
		name, key := strings.CutPrefix(cols[i].(string), "*")
		if key {
			t.Key = append(t.Key, len(t.Columns))
		}
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: cols[i+1].(schema.Type), Nullable: !key})
	}
	return t
}

func evolve(t testing.TB, s *Sink, before, after *schema.Table, edits ...schema.Edit) error {
	t.Helper()
	return s.Evolve(t.Context(), &schema.Change{Before: before, After: after, Edits: edits})
}

func mustEvolve(t testing.TB, s *Sink, before, after *schema.Table, edits ...schema.Edit) {
	t.Helper()
	if err := evolve(t, s, before, after, edits...); err != nil {
		t.Fatal(err)
	}
}

// writeRow commits one row of words and texts.
func writeRow(t testing.TB, s *Sink, o *schema.Table, epoch uint64, op row.Op, values ...any) error {
	t.Helper()
	b := row.New(o)
	b.Append(op, 1, 0)
	for i, v := range values {
		switch v := v.(type) {
		case int:
			b.Cols[i].AppendWord(uint64(v))
		case string:
			b.Cols[i].AppendBytes([]byte(v))
		default:
			b.Cols[i].AppendNull()
		}
	}
	x, err := s.Begin(t.Context())
	if err == nil {
		err = x.Write(t.Context(), b)
	}
	if err != nil {
		return err
	}
	return x.Commit(t.Context(), map[schema.Name]sink.Mark{o.Name: {Run: 1, Epoch: epoch}})
}

// content is "column,column: row; row" of shop.t.
func content(t testing.TB, s *Sink) string {
	t.Helper()
	got, err := s.Peek(t.Context(), schema.Name{Namespace: "shop", Table: "t"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range got.Rows {
		rows = append(rows, strings.Join(r, " "))
	}
	slices.Sort(rows)
	return strings.Join(got.Columns, ",") + ": " + strings.Join(rows, "; ")
}

func expectRefusal(t testing.TB, err error, words ...string) {
	t.Helper()
	var te *schema.TableError
	if !errors.As(err, &te) || errors.Is(err, sink.ErrTransient) {
		t.Fatalf("got %v, want a TableError", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to say %q", err, w)
		}
	}
}

func TestEvolve_Refusals(t *testing.T) {
	base := shapeOf(1, "*id", typeInt, "a", typeInt)
	for _, c := range []struct {
		name   string
		config func(*Config)
		before *schema.Table // created, with an upserted row
		after  *schema.Table
		edits  []schema.Edit
		words  []string
	}{
		{name: "float_key", after: shapeOf(1, "*f", schema.Type{Kind: schema.Float, Bits: 64}), words: []string{"column f", "cannot be a key"}},
		{name: "key_grows", before: shapeOf(1, "*id", typeDecimal(9)), after: shapeOf(2, "*id", typeDecimal(12)), words: []string{"id", "decimal(9, 0)", "decimal(12, 0)"}},
		{name: "key_changes", before: base, after: shapeOf(2, "id", typeInt, "*a", typeInt), words: []string{"(a)", "(id)"}},
		{name: "key_lost", before: base, after: shapeOf(2, "id", typeInt, "a", typeInt), words: []string{"key"}},
		{name: "key_dropped", before: base, after: shapeOf(2, "a", typeInt), edits: []schema.Edit{{Kind: schema.DropColumn, Column: "id"}}, words: []string{"key column id was dropped"}},
		{name: "incompatible", before: base, after: shapeOf(2, "*id", typeInt, "a", typeString), words: []string{"column a", "schema.incompatible"}},
		{name: "partition_not_key", config: partitionBy("a"), after: base, words: []string{"partition.key", "bucket[16](id)"}},
		{name: "partition_unknown", config: partitionBy("nope"), after: base, words: []string{"nope"}},
		{name: "partition_type", config: partitionBy("day(a)"), after: base, words: []string{"day", "int"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTest(t, t.TempDir(), c.config)
			if c.before != nil {
				mustEvolve(t, s, nil, c.before)
				if err := writeRow(t, s, c.before, 1, row.Upsert, []any{1, 2}[:len(c.before.Columns)]...); err != nil {
					t.Fatal(err)
				}
			}
			was := ""
			if c.before != nil {
				was = content(t, s)
			}
			expectRefusal(t, evolve(t, s, c.before, c.after, c.edits...), c.words...)
			if c.before != nil && content(t, s) != was {
				t.Errorf("got %s after a refusal, want %s", content(t, s), was)
			}
		})
	}
}

func partitionBy(fields string) func(*Config) {
	return func(c *Config) { c.PartitionKey = "shop.t:" + fields }
}

// TestEvolve_KeyGrows widens an integer key, the commonest of migrations: old and new rows of a key must stay one.
func TestEvolve_KeyGrows(t *testing.T) {
	s, v1, v2 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt), shapeOf(2, "*id", typeLong)
	mustEvolve(t, s, nil, v1)
	err := writeRow(t, s, v1, 1, row.Insert, 1)
	mustEvolve(t, s, v1, v2)
	if err = errors.Join(err, writeRow(t, s, v2, 2, row.Upsert, 1), writeRow(t, s, v2, 3, row.Insert, 1<<40)); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, s), "id: 1; 1099511627776"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEvolve_NewColumn goes on in a new column after each change that Iceberg cannot make, and drops and renames it.
func TestEvolve_NewColumn(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, func(c *Config) { c.Incompatible = NewColumn })
	v1, v2, v3 := shapeOf(1, "*id", typeInt, "a", typeInt), shapeOf(2, "*id", typeInt, "a", typeString), shapeOf(3, "*id", typeInt, "a", schema.Type{Kind: schema.Date})
	mustEvolve(t, s, nil, v1)
	err := writeRow(t, s, v1, 1, row.Insert, 1, 10)
	mustEvolve(t, s, v1, v2)
	mustEvolve(t, s, v1, v2)
	err = errors.Join(err, writeRow(t, s, v2, 2, row.Insert, 2, "x"))
	mustEvolve(t, s, v2, v3)
	err = errors.Join(err, writeRow(t, s, v3, 3, row.Insert, 3, 0))
	if got, want := content(t, s), "id,a_v3,a_v2,a: 1 NULL NULL 10; 2 NULL x NULL; 3 1970-01-01 NULL NULL"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	v4 := shapeOf(4, "*id", typeInt, "b", schema.Type{Kind: schema.Date})
	mustEvolve(t, s, v3, v4, schema.Edit{Kind: schema.RenameColumn, Column: "a", To: "b"})
	if got, want := content(t, s), "id,b,a_v2,a: 1 NULL NULL 10; 2 NULL x NULL; 3 1970-01-01 NULL NULL"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	lint(t, dir)
}

// TestEvolve_Swap renames two columns into each other, which no comparison of shapes can tell.
func TestEvolve_Swap(t *testing.T) {
	s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt, "a", typeInt, "b", typeInt, "c", typeInt)
	mustEvolve(t, s, nil, v1)
	if err := writeRow(t, s, v1, 1, row.Insert, 1, 10, 20, 30); err != nil {
		t.Fatal(err)
	}
	v2 := shapeOf(2, "*id", typeInt, "b", typeInt, "a", typeInt, "d", typeInt, "c", typeInt)
	for range 2 {
		mustEvolve(t, s, v1, v2, schema.Edit{Kind: schema.RenameColumn, Column: "a", To: "b"}, schema.Edit{Kind: schema.RenameColumn, Column: "b", To: "a"},
			schema.Edit{Kind: schema.RenameColumn, Column: "c", To: "d"}, schema.Edit{Kind: schema.AddColumn, Column: "c"})
	}
	if got, want := content(t, s), "id,b,a,d,c: 1 10 20 30 NULL"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEvolve_Ring renames columns in a ring, through a name that none of them has in the end.
func TestEvolve_Ring(t *testing.T) {
	s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt, "a", typeInt, "b", typeInt, "c", typeInt)
	mustEvolve(t, s, nil, v1)
	if err := writeRow(t, s, v1, 1, row.Insert, 1, 10, 20, 30); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) schema.Edit {
		return schema.Edit{Kind: schema.RenameColumn, Column: from, To: to}
	}
	v2 := shapeOf(2, "*id", typeInt, "b", typeInt, "c", typeInt, "a", typeInt)
	for range 2 {
		mustEvolve(t, s, v1, v2, rename("a", "third"), rename("c", "a"), rename("b", "c"), rename("third", "b"))
	}
	if got, want := content(t, s), "id,b,c,a: 1 10 20 30"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEvolve_NoCommit evolves to what is there already.
func TestEvolve_NoCommit(t *testing.T) {
	s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt)
	mustEvolve(t, s, nil, v1)
	location := func() string {
		tbl, err := s.load(t.Context(), v1.Name)
		if err != nil {
			t.Fatal(err)
		}
		return tbl.MetadataLocation()
	}
	before := location()
	mustEvolve(t, s, nil, v1)
	if location() != before {
		t.Error("an evolve to the same shape made a commit")
	}
}

func TestEvolve_ForeignTables(t *testing.T) {
	dir, v1 := t.TempDir(), shapeOf(1, "*id", typeInt)
	s := openTest(t, dir, nil)
	mustEvolve(t, s, nil, v1)
	other, err := Open(t.Context(), "other", s.cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	expectRefusal(t, evolve(t, other, nil, v1), `"test"`, `"other"`)
	if marks, err := other.Marks(t.Context(), []schema.Name{v1.Name}); err != nil || len(marks) > 0 {
		t.Errorf("got %v, %v, want no marks", marks, err)
	}
}

func TestEvolve_Drop(t *testing.T) {
	for drop, kept := range map[Drop]bool{KeepTable: true, DropTable: false} {
		s, v1 := openTest(t, t.TempDir(), func(c *Config) { c.Drop = drop }), shapeOf(1, "*id", typeInt)
		mustEvolve(t, s, nil, v1)
		if err := writeRow(t, s, v1, 1, row.Insert, 1); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			mustEvolve(t, s, v1, nil)
		}
		tbl, err := s.load(t.Context(), v1.Name)
		if err != nil || (tbl != nil) != kept {
			t.Errorf("%s: got %v, %v", drop, tbl, err)
		}
		if marks, err := s.Marks(t.Context(), []schema.Name{v1.Name}); err != nil || len(marks) > 0 {
			t.Errorf("%s: got %v, %v, want no marks of a table that is gone", drop, marks, err)
		}
		// Another table takes the name, even in the same shape: the old rows are not its rows.
		for range 2 {
			mustEvolve(t, s, nil, v1)
		}
		err = writeRow(t, s, v1, 2, row.Insert, 1)
		if got, want := content(t, s), "id: 1"; err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", drop, got, err, want)
		}
	}
}

// TestEvolve_RenameOver renames a table to the name of one that was dropped, and of one that was not.
func TestEvolve_RenameOver(t *testing.T) {
	s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt)
	other := *v1
	other.Name.Table, other.Version = "u", 3
	mustEvolve(t, s, nil, v1)
	mustEvolve(t, s, nil, &other)
	if err := errors.Join(writeRow(t, s, v1, 1, row.Insert, 1), writeRow(t, s, &other, 1, row.Insert, 2)); err != nil {
		t.Fatal(err)
	}
	now := *v1
	now.Version = 4
	expectRefusal(t, evolve(t, s, &other, &now, schema.Edit{Kind: schema.RenameTable}), "shop.u was renamed", "exists already")
	mustEvolve(t, s, v1, nil)
	for range 2 {
		mustEvolve(t, s, &other, &now, schema.Edit{Kind: schema.RenameTable})
	}
	if got, want := content(t, s), "id: 2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestMarks_RolledBack finds that somebody rolled the table back behind the sink's back.
func TestMarks_RolledBack(t *testing.T) {
	s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt)
	mustEvolve(t, s, nil, v1)
	if err := errors.Join(writeRow(t, s, v1, 1, row.Insert, 1), writeRow(t, s, v1, 2, row.Insert, 2)); err != nil {
		t.Fatal(err)
	}
	tbl, err := s.load(t.Context(), v1.Name)
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.RollbackToSnapshot(*tbl.CurrentSnapshot().ParentSnapshotID); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = s.Marks(t.Context(), []schema.Name{v1.Name})
	expectRefusal(t, err, "rolled back", "test/1/2")
	expectRefusal(t, writeRow(t, s, v1, 3, row.Insert, 3), "rolled back")
}

// TestCommit_TableAltered alters, drops and takes over a table between Write and Commit. The other table is committed.
func TestCommit_TableAltered(t *testing.T) {
	for name, change := range map[string]func(*Sink, *table.Table) error{
		"somebody altered": func(s *Sink, tbl *table.Table) error {
			tx := tbl.NewTransaction()
			return errors.Join(tx.UpdateSchema(true, false).DeleteColumn([]string{"a"}).Commit(), commitOf(t, tx))
		},
		"is gone": func(s *Sink, tbl *table.Table) error { return s.cat.DropTable(t.Context(), tbl.Identifier()) },
		"belongs to pipeline": func(s *Sink, tbl *table.Table) error {
			tx := tbl.NewTransaction()
			return errors.Join(tx.SetProperties(map[string]string{propPipeline: "thief"}), commitOf(t, tx))
		},
	} {
		s, v1 := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt, "a", typeInt)
		other := *v1
		other.Name.Table = "u"
		mustEvolve(t, s, nil, v1)
		mustEvolve(t, s, nil, &other)
		x, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		marks := map[schema.Name]sink.Mark{}
		for _, o := range []*schema.Table{v1, &other} {
			b := row.New(o)
			b.Append(row.Insert, 1, 0)
			b.Cols[0].AppendWord(1)
			b.Cols[1].AppendWord(2)
			marks[o.Name] = sink.Mark{Run: 1, Epoch: 1}
			if err := x.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		tbl, err := s.load(t.Context(), v1.Name)
		if err = errors.Join(err, change(s, tbl)); err != nil {
			t.Fatal(err)
		}
		expectRefusal(t, x.Commit(t.Context(), marks), name)
		if rows, err := s.Peek(t.Context(), other.Name, 0); err != nil || len(rows.Rows) != 1 {
			t.Errorf("%s: the other table has %v, %v", name, rows, err)
		}
	}
}

func commitOf(t *testing.T, tx *table.Transaction) error {
	_, err := tx.Commit(t.Context())
	return err
}

// TestSink_Names writes tables and columns whose names mean something to a path, a URL, or a query.
func TestSink_Names(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	for i, name := range []string{"order", "a.b", "a b", `"quoted"`, "`tick`", "emoji 😀", "../../up", "..", "a/b", "a%2Fb", "SELECT", strings.Repeat("x", 64), "a?b#c", "łódź"} {
		o := shapeOf(1, "*id", typeInt, name, typeString, "plain", typeInt)
		o.Name = schema.Name{Namespace: fmt.Sprintf("db %d'", i), Table: name}
		err := evolve(t, s, nil, o)
		if strings.Contains(name, "/") || name == ".." {
			expectRefusal(t, err, "route")
			continue
		}
		err = errors.Join(err, writeRow(t, s, o, 1, row.Insert, 1, "x", 1), writeRow(t, s, o, 2, row.Upsert, 1, "y", 2), writeRow(t, s, o, 3, row.Insert, 2, "z", 3))
		got, perr := s.Peek(t.Context(), o.Name, 0)
		if err = errors.Join(err, perr); err != nil || len(got.Rows) != 2 || got.Columns[1] != name {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
	lint(t, dir)
}

// TestSink_WideTable writes a table of 1,000 columns.
func TestSink_WideTable(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	cols, values := []any{"*id", typeInt}, []any{1}
	for i := range 999 {
		cols, values = append(cols, fmt.Sprintf("c%d", i), typeInt), append(values, i)
	}
	o := shapeOf(1, cols...)
	mustEvolve(t, s, nil, o)
	if err := errors.Join(writeRow(t, s, o, 1, row.Insert, values...), writeRow(t, s, o, 2, row.Upsert, values...)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Peek(t.Context(), o.Name, 0)
	if err != nil || len(got.Rows) != 1 || got.Rows[0][999] != "998" {
		t.Errorf("got %d rows, %v", len(got.Rows), err)
	}
}

// TestSink_LargeRow writes, updates and deletes rows of 30 MB.
func TestSink_LargeRow(t *testing.T) {
	s, o := openTest(t, t.TempDir(), nil), shapeOf(1, "*id", typeInt, "blob", typeString)
	mustEvolve(t, s, nil, o)
	big := strings.Repeat("0123456789abcdef", 30<<20/16)
	err := errors.Join(writeRow(t, s, o, 1, row.Insert, 1, big), writeRow(t, s, o, 2, row.Insert, 2, big), writeRow(t, s, o, 3, row.Upsert, 1, "small"), writeRow(t, s, o, 4, row.Upsert, 3, big[1:]))
	got, perr := s.Peek(t.Context(), o.Name, 0)
	if err = errors.Join(err, perr); err != nil || len(got.Rows) != 3 {
		t.Fatalf("got %d rows, %v", len(got.Rows), err)
	}
	for _, r := range got.Rows {
		if want := map[string]string{"1": "small", "2": big, "3": big[1:]}[r[0]]; r[1] != want {
			t.Errorf("row %s: got %d bytes, want %d", r[0], len(r[1]), len(want))
		}
	}
}
