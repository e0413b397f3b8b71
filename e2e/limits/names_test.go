package limits

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// oddNames are names that a server takes and that break what is not careful. Servers allow the basic plane of Unicode
// only, up to 64 characters, and no space at the end.
var oddNames = []string{
	"select", "Order", "order", "a.b", "a_b", "a%2Eb", "a/b", "../up", "..", ".", ".hidden", "dots...", "end.",
	"back`tick", `dou"ble`, "sin'gle", `back\slash`, " space before", "two words", "semi;colon", "-- comment", "$dollar", "per%cent",
	"ques?tion", "has#hash", "co:lon", "st*ar", "tab\there", "new\nline", "größe", "☃☂✈", "表", "ﬁ", "e\u0301", "é2",
	"metadata", "data", "{brace}", "[bracket]", "1digit", "007", "null", "con", strings.Repeat("x", 64), strings.Repeat("語", 40),
}

// oddColumns are the names of columns of one table: they are compared without regard to case, and no accents differ.
func oddColumns() []string {
	seen := map[string]bool{}
	var columns []string
	for _, name := range append(oddNames, strings.Repeat("語", 64), "_cdc", "op", "file_path", "pos", "a-b", "a b") {
		if name == "order" || name == "é2" || seen[name] {
			continue
		}
		seen[name] = true
		columns = append(columns, name)
	}
	return columns
}

// TestNames copies tables, columns and databases with names that need quoting in SQL, in paths, in URLs or in patterns.
func TestNames(t *testing.T) {
	for _, flavour := range []string{"mariadb", "mysql"} {
		t.Run(flavour, func(t *testing.T) {
			s := servers.MariaDB
			version := "10.11"
			if flavour == "mysql" {
				s, version = servers.MySQL, "9.7"
			}
			copyNames(t, s(t, version))
		})
	}
}

func copyNames(t *testing.T, s *servers.Server) {
	t.Helper()
	databases := []string{"odd", "a.b `\"'", "Odd", "表/..", "select"}
	var pairs []verify.Pair
	stopped := 0
	for i, db := range databases {
		names := oddNames
		if i > 0 {
			names = oddNames[i*4 : i*4+4] // some everywhere, all in the first
		}
		s.Exec(t, "CREATE DATABASE "+quoted(db)+" CHARACTER SET utf8mb4")
		for _, name := range names {
			at := quoted(db) + "." + quoted(name)
			s.Exec(t, "CREATE TABLE "+at+" ("+quoted(name)+" int PRIMARY KEY, v varchar(40))", "INSERT INTO "+at+" VALUES (1, '🚀 one'), (2, NULL)")
			if refused(db) || refused(name) {
				stopped++
				continue
			}
			pairs = append(pairs, verify.Pair{Namespace: stored(t, db), Table: name, Database: db, Source: name})
		}
	}
	var declared []string
	for _, name := range oddColumns() {
		declared = append(declared, quoted(name)+" varchar(20) DEFAULT '👩‍👩‍👧 d'")
	}
	s.Exec(t, "CREATE TABLE odd.many (id int PRIMARY KEY, "+strings.Join(declared, ", ")+")", "INSERT INTO odd.many (id) VALUES (1), (2)")
	pairs = append(pairs, verify.Pair{Namespace: "odd", Table: "many", Database: "odd", Source: "many"})

	p := e2e.NewPipeline(t, s, "odd", e2e.Settings{"source.tables": `'\.*.\.*'`})
	d := p.Run(t)
	wait(t, p, d, 30*time.Second, "all tables have rows", func() bool { return len(tables(t, p)) >= len(pairs) })
	for _, pair := range pairs {
		if pair.Source == "many" {
			continue
		}
		at, key := quoted(pair.Database)+"."+quoted(pair.Source), quoted(pair.Source)
		s.Exec(t,
			"INSERT INTO "+at+" VALUES (3, '漢字 😀'), (4, 'x')", "UPDATE "+at+" SET v = concat(v, ' – ☃') WHERE "+key+" = 1", "DELETE FROM "+at+" WHERE "+key+" = 2",
			"ALTER TABLE "+at+" ADD COLUMN "+quoted("new `col`.x")+" int", "UPDATE "+at+" SET "+quoted("new `col`.x")+" = 7 WHERE "+key+" = 3")
	}
	s.Exec(t, "UPDATE odd.many SET "+quoted("back`tick")+" = 'changed', "+quoted("☃☂✈")+" = NULL WHERE id = 1",
		"CREATE TABLE odd."+quoted("late `er`.☂")+" ("+quoted("k.e`y")+" int PRIMARY KEY)", "INSERT INTO odd."+quoted("late `er`.☂")+" VALUES (1)",
		"RENAME TABLE odd."+quoted("two words")+" TO odd."+quoted("three. .. words"))
	for i, pair := range pairs {
		if pair.Database == "odd" && pair.Source == "two words" {
			pairs[i].Source, pairs[i].Table = "three. .. words", "three. .. words"
		}
	}
	late := "late `er`.☂"
	pairs = append(pairs, verify.Pair{Namespace: "odd", Table: late, Database: "odd", Source: late})
	equal(t, p, d, s, pairs)
	ends(t, p, d)
	inside(t, p, len(pairs))
	if n := refusals(t, p); n != stopped {
		t.Errorf("%d tables stopped for their names, want %d", n, stopped)
	}
}

// refused says that Iceberg's catalogs do not take the name: such a table stops, and asks for a route.
func refused(name string) bool {
	return name == "." || name == ".." || strings.ContainsAny(name, "/\t\n")
}

// refusals counts the tables that have stopped for their names.
func refusals(t *testing.T, p *e2e.Pipeline) int {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(p.Log(10_000)) {
		if table, why, ok := strings.Cut(line, " position="); ok && strings.Contains(why, "the name cannot be one in an Iceberg catalog; give the table another one in a route") {
			_, table, _ = strings.Cut(table, " table=")
			found[table] = true
		}
	}
	return len(found)
}

// equal waits until all pairs are equal.
func equal(t *testing.T, p *e2e.Pipeline, d *e2e.Daemon, s *servers.Server, pairs []verify.Pair) {
	t.Helper()
	var problems []string
	for deadline := time.Now().Add(time.Minute); ; {
		results, err := verify.Run(t.Context(), p.Catalog(), s, pairs...)
		if err != nil {
			t.Fatal(err)
		}
		problems = problems[:0]
		for i, r := range results {
			if err := r.Err(pairs[i]); err != nil {
				problems = append(problems, err.Error())
			}
		}
		if len(problems) == 0 {
			return
		}
		if time.Now().After(deadline) || d.Ended(200*time.Millisecond) {
			t.Fatalf("%d of %d tables differ:\n%s", len(problems), len(pairs), strings.Join(problems, "\n"))
		}
	}
}

// inside checks that every table has a folder of its own, below the warehouse, and that nothing else was written.
func inside(t *testing.T, p *e2e.Pipeline, atLeast int) {
	t.Helper()
	folders := map[string]string{}
	for name, location := range tables(t, p) {
		path := scheme.ReplaceAllString(location, "")
		folder := filepath.Dir(filepath.Dir(path))
		rel, err := filepath.Rel(p.Warehouse, folder)
		if err != nil || strings.HasPrefix(rel, "..") || len(strings.Split(rel, "/")) != 2 || filepath.Clean(path) != path {
			t.Errorf("table %q is in %s, want two folders below %s", name, folder, p.Warehouse)
		}
		if other, taken := folders[strings.ToLower(folder)]; taken {
			t.Logf("tables %q and %q differ only in case, in folders too: %s", name, other, folder)
		}
		folders[strings.ToLower(folder)] = name
	}
	if n := len(tables(t, p)); n < atLeast {
		t.Errorf("%d tables in the catalog, want at least %d", n, atLeast)
	}
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "warehouse", "state", "pipeline.yaml", "log", "pid":
		default:
			t.Errorf("%s is beside the warehouse", e.Name())
		}
	}
}
