package parity

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A subject is one type on one server, with a table that has it beside a key, and one whose key it is.
type subject struct {
	columnType
	family string
	plain  string // name of the table (id, v)
	keyed  string // name of the table (v, n) with the key v; empty: the server takes no such key
}

// subjectsOf are all types that a server has.
func subjectsOf(t *testing.T, s *servers.Server) []*subject {
	t.Helper()
	version, chosen := versionOf(t, s), regexp.MustCompile(os.Getenv("CDCSYNC_PARITY_TYPES"))
	var all []*subject
	for _, f := range families() {
		for _, c := range f.types {
			if c.only != "" && c.only != s.Flavour || version < c.since || !chosen.MatchString(c.native) {
				continue
			}
			all = append(all, &subject{columnType: c, family: f.name, plain: fmt.Sprintf("t%03d", len(all))})
		}
	}
	return all
}

// createPlain makes the tables that have the types beside a key.
func createPlain(t *testing.T, s *servers.Server, database string, all []*subject) {
	t.Helper()
	var create strings.Builder
	for _, sub := range all {
		fmt.Fprintf(&create, "CREATE TABLE `%s`.%s (id INT PRIMARY KEY, %sv %s) CHARACTER SET utf8mb4;\n", database, sub.plain, sub.dependence("b"), nullable(sub.native))
	}
	s.Exec(t, create.String())
}

// dependence is the definition of the column that a generated one is made of.
func (sub *subject) dependence(name string) string {
	if sub.base == "" {
		return ""
	}
	return name + " " + sub.base + ", "
}

// nullable adds NULL where a type would be NOT NULL without a word, as TIMESTAMP is.
func nullable(native string) string {
	if strings.HasPrefix(native, "timestamp") {
		return native + " NULL"
	}
	return native
}

// steady keeps a key of TIMESTAMP from changing by itself: older servers give the first such column of a table, which has no
// default, ON UPDATE CURRENT_TIMESTAMP.
func steady(native string) string {
	if strings.HasPrefix(native, "timestamp") {
		return native + " NOT NULL DEFAULT '2001-02-03 04:05:06'"
	}
	return native + " NOT NULL"
}

// createKeyed makes the table whose key is the type, and holds the list of types to what the server says.
func (sub *subject) createKeyed(t *testing.T, s *servers.Server, database string, skip bool) {
	t.Helper()
	if skip || sub.key == untried || sub.base != "" || strings.HasSuffix(sub.native, " invisible") {
		return
	}
	name := "k" + sub.plain[1:]
	_, err := s.DB(t).ExecContext(t.Context(), fmt.Sprintf("SET SESSION sql_mode = ''; CREATE TABLE `%s`.%s (v %s NOT NULL PRIMARY KEY, n INT) CHARACTER SET utf8mb4", database, name, steady(sub.native)))
	switch {
	case err == nil && sub.key == refused:
		t.Errorf("%s: the server takes it as a key", sub.native)
	case err != nil && sub.key == tried:
		t.Errorf("%s as a key: %v", sub.native, err)
	case err == nil:
		sub.keyed = name
	}
}

// versionOf is the server's version as a number: 80036 for 8.0.36, 101106 for 10.11.6.
func versionOf(t *testing.T, s *servers.Server) int {
	t.Helper()
	var major, minor, patch int
	if _, err := fmt.Sscanf(s.Value(t, "SELECT VERSION()"), "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatalf("read version: %v", err)
	}
	return (major*100+minor)*100 + patch
}

// A writer writes the rows of all subjects, over one connection that allows dates which are none.
type writer struct {
	conn     *sql.Conn
	database string
	r        *rand.Rand
	next     int // the id of the newest row
}

func newWriter(t *testing.T, s *servers.Server, database string, r *rand.Rand) *writer {
	t.Helper()
	conn, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &writer{conn: conn, database: database, r: r}
	w.exec(t, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; SET NAMES utf8mb4; USE `"+database+"`")
	return w
}

func (w *writer) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := w.conn.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%.400s: %v", statement, err)
	}
}

// value is a literal for row i of a table: a fixed one while there are any, then random ones and NULLs.
func (w *writer) value(sub *subject, fixed []string, i int) string {
	switch {
	case i < len(fixed):
		return fixed[i]
	case w.r.IntN(8) > 0:
		return sub.random(w.r)
	}
	return "NULL"
}

// insert writes rows into the plain table of a subject, and into the one whose key is the type.
func (w *writer) insert(t *testing.T, sub *subject, fixed []string, random int) {
	t.Helper()
	rows := make([]string, len(fixed)+random)
	for i := range rows {
		w.next++
		rows[i] = fmt.Sprintf("(%d, %s)", w.next, w.value(sub, fixed, i))
	}
	w.exec(t, fmt.Sprintf("INSERT INTO %s (id, %s) VALUES %s", sub.plain, sub.written("b", "v"), strings.Join(rows, ", ")))
}

// written is the column that values are written to.
func (sub *subject) written(base, value string) string {
	if sub.base != "" {
		return base
	}
	return value
}

// insertKeys writes rows into the table whose key is the type.
func (w *writer) insertKeys(t *testing.T, sub *subject, fixed []string, random int) {
	t.Helper()
	if sub.keyed == "" {
		return
	}
	var rows []string
	for i := range len(fixed) + random {
		if v := w.value(sub, fixed, i); v != "NULL" && !slices.Contains(sub.invalid, v) {
			w.next++
			rows = append(rows, fmt.Sprintf("(%s, %d)", rewritten(v), w.next))
		}
	}
	if len(rows) > 0 {
		w.exec(t, fmt.Sprintf("INSERT IGNORE INTO %s (v, n) VALUES %s", sub.keyed, strings.Join(rows, ", ")))
	}
}

// change updates and deletes some of the rows that are there.
func (w *writer) change(t *testing.T, sub *subject) {
	t.Helper()
	w.exec(t, fmt.Sprintf("UPDATE %s SET %s = %s WHERE id %% 5 = %d; DELETE FROM %[1]s WHERE id %% 7 = %[5]d",
		sub.plain, sub.written("b", "v"), sub.random(w.r), w.r.IntN(5), w.r.IntN(7)))
}

// changeKeys does so in the table whose key is the type, and gives a row another key.
func (w *writer) changeKeys(t *testing.T, sub *subject) {
	t.Helper()
	if sub.keyed == "" {
		return
	}
	w.exec(t, fmt.Sprintf("UPDATE %s SET n = -n WHERE n %% 3 = %d; DELETE FROM %[1]s WHERE n %% 5 = %[3]d; UPDATE IGNORE %[1]s SET v = %[4]s ORDER BY n LIMIT 1",
		sub.keyed, w.r.IntN(3), w.r.IntN(5), rewritten(sub.random(w.r))))
}

// rewritten has the server choose the codes of a text that is made of bytes: a key of which a character has two codes is
// refused in the one that the server does not write.
func rewritten(literal string) string {
	if strings.HasPrefix(literal, byBytes) {
		return "convert(" + literal + " using utf8mb4)"
	}
	return literal
}

// fixed are the values that each run writes, in the order of this one.
func (w *writer) fixed(sub *subject) []string {
	all := slices.Concat(sub.values, sub.invalid)
	w.r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all
}

// printed are the texts of a table as the server has them in UTF-8, in hexadecimal, by id.
func printed(t *testing.T, s *servers.Server, database string, sub *subject) map[uint64]string {
	t.Helper()
	rows, err := s.DB(t).QueryContext(t.Context(), fmt.Sprintf("SELECT id, HEX(CONVERT(CAST(v AS CHAR) USING utf8mb4)) FROM `%s`.%s WHERE v IS NOT NULL", database, sub.plain))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[uint64]string{}
	for rows.Next() {
		var id uint64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			t.Fatal(err)
		}
		all[id] = strings.ToLower(text)
	}
	return all
}
