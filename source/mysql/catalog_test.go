package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

func TestTables(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		exec := func(sql string) { srv.Exec(t, strings.ReplaceAll(sql, "DB.", database+".")) }
		exec("CREATE TABLE DB.plain (id BIGINT UNSIGNED NOT NULL, b INT, a VARCHAR(20) CHARACTER SET latin1 NOT NULL, e ENUM('x','it''s','ü'), PRIMARY KEY (a, id))")
		exec("CREATE TABLE DB.by_unique (id INT NOT NULL, n INT, u INT NOT NULL, v VARCHAR(500) NOT NULL, UNIQUE z_whole (u), UNIQUE a_null (n), UNIQUE b_prefix (v(10)), UNIQUE y_two (id, u))")
		exec("CREATE TABLE DB.keyless (a INT, b TEXT)")
		exec("CREATE TABLE DB.generated (id INT PRIMARY KEY, a INT, s INT AS (a * 2) STORED, v INT AS (a + 1) VIRTUAL)")
		exec("CREATE TABLE DB.blank (id INT, e ENUM('a','') NOT NULL, PRIMARY KEY (id, e))")
		exec("CREATE VIEW DB.looks AS SELECT 1 AS one")
		exec("CREATE TABLE DB.`we``ird \"name\".with ツ select` (`in``dex` INT PRIMARY KEY, `a.b` INT, `\"` TEXT, `ツ` INT)")
		if srv.Flavour == servers.FlavourMariaDB {
			exec("CREATE SEQUENCE DB.seq")
			exec("CREATE TABLE DB.versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING")
			exec("CREATE TABLE DB.hidden (id INT PRIMARY KEY, h INT INVISIBLE)")
			exec("CREATE TABLE DB.packed (id INT PRIMARY KEY, p TEXT COMPRESSED)")
		}
		s := open(t, srv)
		if !s.server.mariadb() && s.server.number >= 80023 {
			exec("CREATE TABLE DB.hidden (id INT PRIMARY KEY, h INT INVISIBLE)")
		}
		d, err := s.Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		checkTables(t, d, srv.Flavour == servers.FlavourMariaDB)
	})
}

func checkTables(t *testing.T, d source.Discovered, mariadb bool) {
	t.Helper()
	refused := map[string]string{}
	for _, r := range d.Refused {
		refused[r.Table.Table] = r.Err.Error()
	}
	wantRefused := map[string]string{"keyless": "primary key", "blank": "a label that is empty"}
	if mariadb {
		wantRefused = map[string]string{"blank": "a label that is empty", "seq": "sequence", "versioned": "system-versioned"}
	}
	for name, part := range wantRefused {
		if !strings.Contains(refused[name], part) {
			t.Errorf("table %s is refused with %q, want %q", name, refused[name], part)
		}
	}
	if len(refused) != len(wantRefused) {
		t.Errorf("got %d refused, want %d: %v", len(refused), len(wantRefused), refused)
	}
	tables := map[string]*schema.Table{}
	for _, table := range d.Tables {
		tables[table.Name.Table] = table
		if table.Version != 1 {
			t.Errorf("%s has version %d, want 1", table.Name, table.Version)
		}
	}
	if !slices.IsSortedFunc(d.Tables, func(a, b *schema.Table) int { return a.Name.Compare(b.Name) }) {
		t.Error("tables are not in the order of their names")
	}
	plain := tables["plain"]
	if got, want := plain.String()[strings.Index(plain.String(), "plain"):], "plain v1 (id Uint64 key, b Int32, a String key, e Enum)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !slices.Equal(plain.Key, []int{2, 0}) || plain.Columns[2].Charset != "latin1" || !slices.Equal(plain.Columns[3].Labels, []string{"x", "it's", "ü"}) {
		t.Errorf("got %+v", plain)
	}
	if got := tables["by_unique"].Key; !slices.Equal(got, []int{0, 2}) {
		t.Errorf("key of by_unique is %v, want that of y_two", got)
	}
	for i, want := range []schema.ColumnFlags{0, 0, schema.Generated, schema.Generated} {
		if got := tables["generated"].Columns[i].Flags; got != want {
			t.Errorf("flags of generated column %d are %v, want %v", i, got, want)
		}
	}
	if p := tables["packed"]; mariadb && (p == nil || p.Columns[1].Flags != schema.Compressed) {
		t.Errorf("the table of a COMPRESSED column is %v", p)
	}
	if h := tables["hidden"]; h != nil && h.Columns[1].Flags != schema.Invisible {
		t.Errorf("flags of the invisible column are %v", h.Columns[1].Flags)
	}
	if w := tables["we`ird \"name\".with ツ select"]; w == nil || w.Column("in`dex") != 0 || w.Column("ツ") != 3 {
		t.Errorf("the table of odd names is %v", w)
	}
	if tables["looks"] != nil {
		t.Error("a view is captured")
	}
}

// TestTables_Many discovers 2,000 tables and one of 1,000 columns, and reads the latter.
func TestTables_Many(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		for from := range 20 {
			var sql strings.Builder
			for i := range 100 {
				fmt.Fprintf(&sql, "CREATE TABLE %s.t%04d (id INT PRIMARY KEY, a VARCHAR(20), b DECIMAL(10,2));", database, from*100+i)
			}
			srv.Exec(t, sql.String())
		}
		columns, values := "id INT PRIMARY KEY", "1"
		for i := range 999 {
			columns += fmt.Sprintf(", c%d INT", i)
			values += fmt.Sprintf(", %d", i)
		}
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.wide (%s)", database, columns), fmt.Sprintf("INSERT INTO %s.wide VALUES (%s)", database, values))
		s := open(t, srv)
		start := time.Now()
		d, err := s.Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("2,001 tables took %v", time.Since(start))
		if len(d.Tables) != 2001 || len(d.Refused) != 0 {
			t.Fatalf("got %d tables and %d refused, want 2001 and none", len(d.Tables), len(d.Refused))
		}
		wide := d.Tables[2000]
		readAll(t.Context(), t, s, wide, source.Range{}, func() int { return 1 << 20 }, func(b *row.Batch) {
			if b.Len() != 1 || b.Cols[999].Words[0] != 998 {
				t.Errorf("the wide row was read wrong")
			}
		})
	})
}
