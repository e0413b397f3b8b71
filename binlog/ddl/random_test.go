package ddl

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/schema"
)

// A spelling writes names, blanks and keywords in one of the ways that mean the same.
type spelling struct {
	*rapid.T
	mode Mode
}

func (s spelling) oneOf(from ...string) string { return rapid.SampledFrom(from).Draw(s.T, "one") }

// anyName draws the name of a table or column: reserved words, quotes, dots, blanks, comment signs, other scripts.
func (s spelling) anyName() string {
	special := rapid.SampledFrom([]string{"select", "table", "a`b", `a"b`, "a.b", "a'b", " x", "/*", "*/", "--", "#", "größe", "日本", "1a", "99",
		"(", ")", ",", "first", "after", "primary", "key", "comment", "to", "like", "a\\", "unique index", "ON", "`", `""`, "$x"})
	plain := rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_$]{0,20}`)
	return rapid.OneOf(special, plain).Draw(s.T, "name")
}

// distinct draws names that differ whatever their case.
func (s spelling) distinct(n int) []string {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return spelling{t, s.mode}.anyName() }), n, n, strings.ToLower).Draw(s.T, "names")
}

func (s spelling) quote(name string) string {
	if s.mode.ANSIQuotes && rapid.Bool().Draw(s.T, "double") {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// text writes words with blanks and comments between them, and their letters in any case where they are keywords.
func (s spelling) text(words ...string) string {
	blanks := []string{" ", "  ", "\n", "\t", "/* , ) ' */", " -- x'\n", " # `\n", "/**/ "}
	if s.mode.MariaDB {
		blanks = append(blanks, " /*!80000 frob, ( */ ")
	} else {
		blanks = append(blanks, " /*M! frob */ ", " /*!99998 frob ' */")
	}
	for i, w := range words {
		if strings.ToLower(w) == w && !strings.ContainsAny(w, "`\"'") && rapid.Bool().Draw(s.T, "upper") {
			words[i] = strings.ToUpper(w)
		}
	}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(w + s.oneOf(blanks...))
	}
	return b.String()
}

// columnText writes a column's definition, and what it means.
func (s spelling) column(name string) (string, schema.Column) {
	types := []struct {
		text, native string
		t            schema.Type
	}{
		{"bigint(20) unsigned", "bigint unsigned", schema.Type{Kind: schema.Uint, Bits: 64}},
		{"decimal(12, 2)", "decimal(12,2)", schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}},
		{"varchar(20) character set latin1", "varchar(20)", schema.Type{Kind: schema.String}},
		{"datetime(6)", "datetime(6)", schema.Type{Kind: schema.Datetime, Precision: 6}},
		{"binary(3)", "binary(3)", schema.Type{Kind: schema.Binary, Length: 3}},
		{"double precision", "double", schema.Type{Kind: schema.Float, Bits: 64}},
		{"enum('a, b', 'it''s)', '`')", "enum('a, b','it''s)','`')", schema.Type{Kind: schema.Enum}},
	}
	k := types[rapid.IntRange(0, len(types)-1).Draw(s.T, "type")]
	notNull := rapid.Bool().Draw(s.T, "not null")
	c := schema.Column{Name: name, Type: k.t, Native: k.native, Nullable: !notNull}
	if s.mode.MariaDB {
		c.Native = strings.Replace(c.Native, "bigint", "bigint(20)", 1)
	}
	if k.t.Kind == schema.String {
		c.Charset = "latin1"
	}
	if k.t.Kind == schema.Enum {
		c.Charset = "latin1" // the table's
		c.Labels = []string{"a, b", "it's)", "`"}
	}
	words := []string{s.quote(name)}
	words = append(words, k.text)
	if notNull {
		words = append(words, "not", "null")
	}
	words = append(words, s.oneOf("", "comment 'x, y)'", "default 'z'", "comment '/* `'"))
	return s.text(words...), c
}

func drawMode(t *rapid.T) Mode {
	return Mode{Database: "d", MariaDB: rapid.Bool().Draw(t, "mariadb"), ANSIQuotes: rapid.Bool().Draw(t, "ansi"), Version: 90700}
}

// drawCreate writes a CREATE TABLE, and the shape that it makes.
func drawCreate(s spelling, table schema.Name) (string, *schema.Table) {
	want := &schema.Table{Name: table, Version: 1}
	names := s.distinct(rapid.IntRange(1, 6).Draw(s.T, "columns"))
	var defs []string
	for _, n := range names {
		def, c := s.column(n)
		defs, want.Columns = append(defs, def), append(want.Columns, c)
	}
	want.Key = rapid.SliceOfNDistinct(rapid.IntRange(0, len(names)-1), 1, len(names), rapid.ID[int]).Draw(s.T, "key")
	var key []string
	for _, i := range want.Key {
		want.Columns[i].Nullable = false
		key = append(key, s.quote(names[i]))
	}
	defs = append(defs, s.text("primary", "key", "(", strings.Join(key, ","), ")"))
	rest := s.oneOf("", "engine=innodb", "comment = 'a;b'", "auto_increment 5, row_format=dynamic")
	return s.text("create", "table", s.quote(table.Namespace)+"."+s.quote(table.Table), "(", strings.Join(defs, ","), ")", rest), want
}

func TestParse_Random(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := spelling{t, drawMode(t)}
		names := s.distinct(2)
		text, want := drawCreate(s, schema.Name{Namespace: names[0], Table: names[1]})
		got := applyOne(t, nil, text, s.mode)
		if fmt.Sprint(shapeText(got)) != fmt.Sprint(shapeText(want)) {
			t.Fatalf("%s\ngot  %s\nwant %s", text, shapeText(got), shapeText(want))
		}
		for range 3 {
			text, want = drawAlter(s, got)
			got = applyOne(t, got, text, s.mode)
			if shapeText(got) != shapeText(want) {
				t.Fatalf("%s\ngot  %s\nwant %s", text, shapeText(got), shapeText(want))
			}
		}
	})
}

func applyOne(t *rapid.T, before *schema.Table, text string, m Mode) *schema.Table {
	sts := Parse(text, m)
	if len(sts) != 1 || sts[0].Kind == NotUnderstood {
		t.Fatalf("%s\nis read as %+v", text, sts)
	}
	if before != nil && sts[0].Table != before.Name {
		t.Fatalf("%s\ngot table %v, want %v", text, sts[0].Table, before.Name)
	}
	after, _, err := Apply(before, &sts[0], "latin1")
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return after
}

// drawAlter writes an ALTER TABLE about different columns, and the shape that it makes.
func drawAlter(s spelling, t *schema.Table) (string, *schema.Table) {
	want := &schema.Table{Name: t.Name, Version: t.Version + 1, Key: t.Key, Columns: slices.Clone(t.Columns)}
	fresh := s.anyName()
	for t.Column(fresh) >= 0 {
		fresh += "x"
	}
	i := rapid.IntRange(0, len(t.Columns)-1).Draw(s.T, "column")
	name := t.Columns[i].Name
	var clause string
	switch s.oneOf("add first", "add after", "add", "rename", "change") {
	case "add first":
		def, c := s.column(fresh)
		clause = s.text("add", "column", def, "first")
		want.Columns, want.Key = slices.Insert(want.Columns, 0, c), shifted(t.Key, 0)
	case "add after":
		def, c := s.column(fresh)
		clause = s.text("add", def, "after", s.quote(name))
		want.Columns, want.Key = slices.Insert(want.Columns, i+1, c), shifted(t.Key, i+1)
	case "add":
		def, c := s.column(fresh)
		clause = s.text("add", "(", def, ")")
		want.Columns = append(want.Columns, c)
	case "rename":
		clause = s.text("rename", "column", s.quote(name), "to", s.quote(fresh))
		want.Columns[i].Name = fresh
	case "change":
		def, c := s.column(fresh)
		c.Nullable = c.Nullable && !slices.Contains(t.Key, i)
		clause = s.text("change", s.quote(name), def)
		want.Columns[i] = c
	}
	extra := s.oneOf("", ", comment 'x, y'", ", algorithm=inplace, lock = none", ", add index (x, y)")
	return s.text("alter", "table", s.quote(t.Name.Namespace)+"."+s.quote(t.Name.Table), clause+extra), want
}

func shifted(key []int, at int) []int {
	key = slices.Clone(key)
	for i := range key {
		if key[i] >= at {
			key[i]++
		}
	}
	return key
}

// FuzzParse looks for texts that make Parse or Apply panic, hang, or lose the promise that there is always a statement.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"create table t (a int primary key, b enum('x','y') default 'x') engine=innodb", "alter table t add a int after b, drop c",
		"rename table a to b, c to d", "/*!50100 alter table t add x int */", "set statement a=1 for drop table t",
		"insert into t values (1)", "create table t (a int default (((((1))))))", "alter table t add a int first, order by a, b",
	} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(7))
	}
	before := &schema.Table{Name: schema.Name{Namespace: "d", Table: "t"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "a", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int"}, {Name: "b", Type: schema.Type{Kind: schema.String}, Native: "text", Charset: "latin1"},
	}}
	f.Fuzz(func(t *testing.T, text string, mode uint8) {
		m := Mode{Database: "d", MariaDB: mode&1 > 0, ANSIQuotes: mode&2 > 0, NoBackslashEscapes: mode&4 > 0, LowerNames: mode&8 > 0}
		sts := Parse(text, m)
		if len(sts) == 0 {
			t.Fatal("no statement")
		}
		for i := range sts {
			after, _, err := Apply(before, &sts[i], "utf8mb4")
			if err != nil || after == nil {
				continue
			}
			for _, k := range after.Key {
				if k < 0 || k >= len(after.Columns) {
					t.Fatalf("key %v of %d columns", after.Key, len(after.Columns))
				}
			}
		}
		_, _, _ = ParseType(text, "latin1")
	})
}

// TestParse_Hostile reads texts that are long or deep: none may take long.
func TestParse_Hostile(t *testing.T) {
	const n = MaxLength/2 - 100
	for name, text := range map[string]string{
		"deep brackets":    "create table t (a int default " + strings.Repeat("(", n) + strings.Repeat(")", n) + ")",
		"open brackets":    "alter table t add (" + strings.Repeat("(", n),
		"open comments":    strings.Repeat("/*", n),
		"nested comments":  "drop table t " + strings.Repeat("/*! ", n/2),
		"many clauses":     "alter table t " + strings.Repeat("add a int,", n/8) + "add a int",
		"many labels":      "create table t (a enum(" + strings.Repeat("'a',", n/3) + "'b'))",
		"many tables":      "drop table " + strings.Repeat("a,", n/2) + "b",
		"set statements":   strings.Repeat("set statement a=1 for ", n/20) + "drop table t",
		"long hexadecimal": "create table t (a int default 0x" + strings.Repeat("f", n) + ")",
		"long name":        "drop table " + strings.Repeat("a", n),
		"tables by commas": "alter table t " + strings.Repeat("order by a,", n/12),
	} {
		t.Run(name, func(t *testing.T) {
			start := spent(t)
			if len(Parse(text, Mode{})) == 0 {
				t.Error("no statement")
			}
			if took := spent(t) - start; took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// spent is the processor time of this process, which other processes on the machine do not lengthen.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestParse_TooLong(t *testing.T) {
	long := strings.Repeat(" ", MaxLength)
	for text, want := range map[string]Statement{
		"alter table `x`.`t`" + long + "add a int":   {Kind: NotUnderstood, Table: schema.Name{Namespace: "x", Table: "t"}},
		"insert into x.t values (1)" + long + ",(2)": {Kind: DML, Table: schema.Name{Namespace: "x", Table: "t"}},
	} {
		sts := Parse(text, Mode{Database: "d"})
		if i := slices.IndexFunc(sts, func(s Statement) bool { return s.Kind == want.Kind && s.Table == want.Table }); i < 0 {
			t.Errorf("%.30s: got %+v, want %+v", text, sts, want)
		}
	}
}
