package oracle

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog/ddl"
)

// database is the default database of all statements.
const database = "shop"

// A statement is one of the corpus.
type statement struct {
	text string
	mode ddl.Mode
	from string // where it stands
}

// modes are how the servers read statements.
var modes = map[string]ddl.Mode{
	"mysql":   {Database: database, Version: 90700},
	"mariadb": {Database: database, Version: 110806, MariaDB: true},
}

// TestOracles holds that wherever an oracle can read a statement, package ddl says the same of it, or that it does not
// understand it; and that it never leaves out a table that an oracle names.
func TestOracles(t *testing.T) {
	all := slices.Concat(corpus(t), scripts(t), generated())
	var n score
	for _, s := range all {
		n.judge(t, s)
	}
	t.Logf("%d statements, %d not understood; TiDB reads %d, Vitess %d, one of them %d", n.all, n.open, n.tidb, n.vitess, n.either)
	if n.all < 5000 || n.tidb < n.all*6/10 || n.vitess < n.all*6/10 || n.open > n.all/50 {
		t.Error("the comparison has become hollow")
	}
}

var oracles = map[string]func(text, database string) (answer, bool){"TiDB": ofTiDB, "Vitess": ofVitess}

// A score counts statements, and those that could be read.
type score struct{ all, open, tidb, vitess, either int }

func (n *score) judge(t *testing.T, s statement) {
	ours, understood := ofDDL(s.text, s.mode)
	n.all++
	if !understood {
		n.open++
		t.Logf("%s: %s\nis not understood", s.from, s.text)
	}
	read := false
	for name, oracle := range oracles {
		theirs, ok := oracle(s.text, s.mode.Database)
		if !ok {
			continue
		}
		read = true
		if name == "TiDB" {
			n.tidb++
		} else {
			n.vitess++
		}
		compare(t, s, name, ours, theirs, understood)
	}
	if read {
		n.either++
	}
}

func compare(t *testing.T, s statement, name string, ours, theirs answer, understood bool) {
	t.Helper()
	if strings.ContainsFunc(s.text, func(r rune) bool { return r > 0xffff }) {
		return // servers have ? for it in names, the oracles do not
	}
	for table := range theirs.touched {
		if !ours.touched[table] && !ours.touched["."] {
			t.Errorf("%s: %s\nsays nothing of %s, of which %s says %q", s.from, s.text, table, name, theirs.facts)
			return
		}
	}
	if s.mode.MariaDB {
		for i, fact := range theirs.facts {
			theirs.facts[i] = inMariaDB(fact)
		}
	}
	if !understood || slices.Equal(ours.facts, theirs.facts) || known(s, ours.facts, theirs.facts) {
		return
	}
	t.Errorf("%s: %s\ngot  %q\n%s %q", s.from, s.text, ours.facts, name, theirs.facts)
}

// corpus reads testdata/statements: a statement a line, \n for a line break; "# mysql", "# mariadb" and "# both" say how those that follow are
// to be read.
func corpus(t testing.TB) []statement {
	t.Helper()
	t.Helper()
	f, err := os.Open("testdata/statements")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []statement
	which := []string{"mysql", "mariadb"}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		head, comment := strings.CutPrefix(text, "# ")
		switch {
		case comment && head == "both":
			which = []string{"mysql", "mariadb"}
		case comment && (head == "mysql" || head == "mariadb"):
			which = []string{head}
		case comment || text == "":
		default:
			for _, m := range which {
				all = append(all, statement{strings.ReplaceAll(text, `\n`, "\n"), modes[m], fmt.Sprintf("statements:%d %s", n, m)})
			}
		}
	}
	if err := lines.Err(); err != nil || len(all) < 500 {
		t.Fatalf("%d statements: %v", len(all), err)
	}
	return all
}

// scripts are the statements of package ddl's own tests, in its default database.
func scripts(t *testing.T) []statement {
	t.Helper()
	paths, err := filepath.Glob("../testdata/*/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var all []statement
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(data), "\n\n") {
			head, rest, _ := strings.Cut(strings.TrimSpace(block), "\n")
			text, _, ok := strings.Cut(rest, "\n----")
			words := strings.Fields(head)
			if !ok || len(words) != 1 { // others are read in modes that the oracles have not
				continue
			}
			if mode, ok := modes[words[0]]; ok {
				mode.Database = "d"
				all = append(all, statement{text, mode, filepath.Base(path)})
			}
		}
	}
	return all
}

// TestOracles_Mutated takes words out of statements, doubles, swaps and borrows them, and looks for one of which an oracle
// names a table that package ddl leaves out. CDCSYNC_SEED repeats a run. (The fuzzer of Go is too slow for the oracles'
// tables.)
func TestOracles_Mutated(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("CDCSYNC_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CDCSYNC_SEED=%d", seed)
	r, all, read := rand.New(rand.NewPCG(seed, 1)), corpus(t), 0
	for range 20_000 {
		s := all[r.IntN(len(all))]
		text := mutated(r, s.text, all[r.IntN(len(all))].text)
		if strings.Contains(text, "/*") || strings.ContainsFunc(text, func(c rune) bool { return c > '~' }) {
			continue // servers read comments by their version, and other characters in ways of their own
		}
		ours, _ := ofDDL(text, s.mode)
		for name, oracle := range oracles {
			theirs, ok := oracle(text, database)
			if ok {
				read++
			}
			for table := range theirs.touched {
				if ok && !ours.touched[table] && !ours.touched["."] {
					t.Errorf("%q: got %q, %s says %q", text, ours.facts, name, theirs.facts)
				}
			}
		}
	}
	t.Logf("the oracles read %d of 20000 statements", read)
	if read < 2000 {
		t.Error("the comparison has become hollow")
	}
}

var wordOrSign = regexp.MustCompile("`[^`]*`|'[^']*'|\\w+|\\s+|.")

// mutated changes a statement by one to three words, some of them from another one.
func mutated(r *rand.Rand, text, other string) string {
	words, more := wordOrSign.FindAllString(text, -1), wordOrSign.FindAllString(other, -1)
	for range 1 + r.IntN(3) {
		i, k := r.IntN(len(words)), r.IntN(len(words))
		switch r.IntN(4) {
		case 0:
			words = slices.Delete(words, i, i+1)
		case 1:
			words = slices.Insert(words, i, words[k])
		case 2:
			words[i], words[k] = words[k], words[i]
		case 3:
			words = slices.Insert(words, i, " ", more[r.IntN(len(more))], " ")
		}
		if len(words) == 0 {
			break
		}
	}
	return strings.Join(words, "")
}

// generated are statements made of each type with each attribute, at each place where a column is defined.
func generated() []statement {
	var all []statement
	for _, typ := range columnTypes {
		for i, attribute := range attributes {
			for k, form := range forms {
				if (i+k)%2 == 1 && i > 4 { // half of the combinations are enough
					continue
				}
				text := fmt.Sprintf(form, typ+" "+attribute)
				all = append(all, statement{text, modes["mysql"], "generated"})
			}
		}
	}
	return all
}

var columnTypes = []string{
	"tinyint", "tinyint(1)", "bool", "boolean", "smallint unsigned", "mediumint(8) unsigned zerofill", "int", "int(11)", "integer unsigned", "bigint(20)", "bigint unsigned",
	"float", "float(7,3)", "float(30)", "double", "double precision", "double(20,5) unsigned", "real", "decimal", "decimal(12)", "decimal(12,2)", "numeric(65,30)", "dec(5,1)", "fixed(6,2)",
	"bit", "bit(1)", "bit(64)", "year", "year(4)", "date", "time", "time(3)", "datetime", "datetime(6)", "timestamp", "timestamp(3)",
	"char", "char(10)", "char(10) binary", "varchar(255)", "varchar(20) character set latin1", "varchar(20) charset utf8mb4 collate utf8mb4_bin", "varchar(9) binary", "character varying(30)",
	"nchar(5)", "national varchar(12)", "nvarchar(7)", "tinytext", "text", "text(1000)", "mediumtext character set gbk", "longtext", "long", "long varchar",
	"binary", "binary(16)", "varbinary(255)", "tinyblob", "blob", "blob(70000)", "mediumblob", "longblob", "char(4) character set binary", "varchar(8) character set binary", "text character set binary",
	"enum('a','b')", "enum('it''s','b, c','')", "enum('x','y') character set latin1", "set('p','q')", "json", "geometry", "point", "linestring", "polygon", "multipoint", "geometrycollection", "vector(3)",
}

var attributes = []string{
	"", "null", "not null", "default null", "comment 'x, y'", "not null default '1'", "default '1' not null", "unique", "not null unique key", "null default null comment 'it''s (a) b'",
	"not null primary key", "key", "invisible", "column_format dynamic", "storage disk", "not null comment \"two\"",
}

var forms = []string{
	"create table t (a %s, b int)", "create table t (id int, a %s)", "alter table t add a %s", "alter table t add column a %s first", "alter table t add column `a` %s after `b c`",
	"alter table t modify a %s", "alter table x.t modify column a %s after b", "alter table t change b a %s", "alter table `t` change column b a %s first, drop column c",
}

// known says that a difference is one of the oracle's own.
func known(s statement, ours, theirs []string) bool {
	text := strings.ToLower(s.text)
	switch {
	case strings.Contains(text, "drop constraint"): // it may be of a unique key: an oracle does not look
		return slices.Equal(slices.DeleteFunc(slices.Clone(ours), func(f string) bool { return strings.Contains(f, ": drop index ") }), theirs)
	case strings.Contains(text, "exchange partition"): // its rows go into the other table as well
		return len(ours) == len(theirs)+1
	case strings.Contains(text, "/*!"), strings.Contains(text, "/*m!"): // the oracles take all of them for MySQL's, of any version
		return true
	}
	return slices.Equal(ours, []string{".: dml"}) // a function may change any table: the oracles do not say so
}
