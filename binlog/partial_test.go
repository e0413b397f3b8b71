package binlog_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// eachPartial runs f on servers that log the changed parts of JSON documents.
func eachPartial(t *testing.T, f func(t *testing.T, s *servers.Server)) {
	t.Helper()
	for _, version := range []string{"8.0", "9.7"} {
		t.Run(version, func(t *testing.T) {
			s := servers.SharedMySQL(t, version)
			if strings.HasPrefix(s.Version, "5.") {
				t.Skip("the server logs documents only")
			}
			f(t, s)
		})
	}
}

// TestPartialJSON changes documents at random, and holds that each after image is what the server prints then.
func TestPartialJSON(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	eachPartial(t, func(t *testing.T, s *servers.Server) {
		g := documents{rand.New(rand.NewPCG(seed, 1))}
		db := s.Database(t)
		from := head(t, s)
		c, err := s.DB(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		exec := func(q string) {
			t.Helper()
			if _, err := c.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("exec %.2000s: %v", q, err)
			}
		}
		exec("USE `" + db + "`; SET NAMES utf8mb4; SET SESSION binlog_row_value_options = PARTIAL_JSON")
		exec("CREATE TABLE a (id int PRIMARY KEY, n int, j json, t text, k json)")
		for id := range 10 {
			exec(fmt.Sprintf("INSERT INTO a VALUES (%d, 0, %s, 'text', %s)", id, g.document(), g.document()))
		}
		var want []string
		for n := 1; n <= 1200; n++ {
			id := n % 10
			if n%100 < 10 { // documents shrink and grow: begin anew
				exec(fmt.Sprintf("UPDATE a SET n = %d, j = %s, k = %s WHERE id = %d", n, g.document(), g.nullable(), id))
			} else {
				exec(fmt.Sprintf("UPDATE a SET n = %d, %s WHERE id = %d", n, g.assignments(), id))
			}
			want = append(want, selected(t, c, id))
		}
		exec("SET SESSION binlog_row_value_options = ''")
		if n := partialEvents(t, s, from); n < 500 {
			t.Errorf("the server logged %d partial updates only", n)
		}
		events := until(t, open(t, s, db, from), head(t, s))
		got := afterImages(t, events)
		if len(got) != len(want) {
			t.Fatalf("got %d updates, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("update %d: got\n%.3000s\nwant\n%.3000s", i, got[i], want[i])
			}
		}
	})
}

// TestPartialJSON_Images has changes of a document in row images that are not whole: without the document before them they
// stop the table.
func TestPartialJSON_Images(t *testing.T) {
	eachPartial(t, func(t *testing.T, s *servers.Server) {
		tests := map[string]string{
			"MINIMAL": "stopped a",
			"NOBLOB":  `rows a v1: before(1, {"a": 1, "b": "BALLAST"}, 1) after(1, {"a": 2, "b": "BALLAST"}, 1)`,
		}
		ballast := strings.Repeat("ballast ", 20)
		for image, want := range tests {
			got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, j json, k json); CREATE TABLE b (id int PRIMARY KEY)",
				`INSERT INTO a VALUES (1, '{"a": 1, "b": "`+ballast+`"}', '1')`,
				"SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_row_image = "+image, "UPDATE a SET j = JSON_SET(j, '$.a', 2)",
				"SET SESSION binlog_row_value_options = '', binlog_row_image = FULL", "INSERT INTO b VALUES (1)")
			got = strings.ReplaceAll(got, ballast, "BALLAST")
			if !strings.HasSuffix(got, want+"\ncommit\nrows b v1: insert(1)\ncommit\n") {
				t.Errorf("%s: got\n%s", image, got)
			}
		}
	})
}

// TestPartialJSON_Compressed has changes of documents in a compressed transaction.
func TestPartialJSON_Compressed(t *testing.T) {
	s := servers.SharedMySQL(t, "9.7")
	if old(s) {
		t.Skip("the server does not compress")
	}
	ballast := strings.Repeat("b", 300)
	got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, j json)", `INSERT INTO a VALUES (1, '{"a": 1, "b": "`+ballast+`"}'), (2, NULL)`,
		"SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_transaction_compression = ON",
		"BEGIN; UPDATE a SET j = JSON_SET(j, '$.a', 2.0), id = id + 10 WHERE id = 1; UPDATE a SET j = JSON_REMOVE(j, '$.b', '$.a') WHERE id = 11; UPDATE a SET id = 12 WHERE id = 2; COMMIT",
		"SET SESSION binlog_row_value_options = '', binlog_transaction_compression = OFF")
	last := `{"a": 2.0, "b": "` + ballast + `"}`
	expect(t, got, "schema none -> a v1 (id j)", "commit", `rows a v1: insert(1, {"a": 1, "b": "`+ballast+`"}) insert(2, NULL)`, "commit",
		`rows a v1: before(1, {"a": 1, "b": "`+ballast+`"}) after(11, `+last+`) before(11, `+last+`) after(11, {}) before(2, NULL) after(12, NULL)`, "commit")
}

func selected(t *testing.T, c *sql.Conn, id int) string {
	t.Helper()
	var values [5]sql.NullString
	err := c.QueryRowContext(t.Context(), fmt.Sprintf("SELECT * FROM a WHERE id = %d", id)).Scan(&values[0], &values[1], &values[2], &values[3], &values[4])
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range values {
		if !v.Valid {
			v.String = "NULL"
		}
		all = append(all, v.String)
	}
	return strings.Join(all, "\n")
}

// afterImages prints the rows as they were after updates.
func afterImages(t *testing.T, events []source.Event) []string {
	t.Helper()
	var all []string
	for _, ev := range events {
		if ev.Stopped != nil {
			t.Fatal(ev.Stopped)
		}
		for i := 0; ev.Rows != nil && i < ev.Rows.Len(); i++ {
			if ev.Rows.Ops[i] == row.After {
				all = append(all, strings.Join(texts(ev.Rows, i), "\n"))
			}
		}
	}
	freeAll(events)
	return all
}

// partialEvents counts the events that hold changed parts.
func partialEvents(t *testing.T, s *servers.Server, from source.Position) int {
	t.Helper()
	p, err := binlog.ParsePosition(from)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.DB(t).QueryContext(t.Context(), fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d", p.File, p.Offset))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		var file, pos, kind, server, end, info sql.RawBytes
		if err := rows.Scan(&file, &pos, &kind, &server, &end, &info); err != nil {
			t.Fatal(err)
		}
		if string(kind) == "Update_rows_partial" {
			n++
		}
	}
	return n
}

// documents makes random documents and changes of them, as SQL.
type documents struct{ *rand.Rand }

func (g documents) pick(all ...string) string { return all[g.IntN(len(all))] }

func (g documents) nullable() string {
	if g.IntN(3) == 0 {
		return "NULL"
	}
	return g.document()
}

// document has all keys that paths name, so that most paths lead somewhere, and ballast, so that parts are smaller.
func (g documents) document() string {
	return fmt.Sprintf(`JSON_OBJECT('a', %s, 'b', JSON_ARRAY(%s, %s, JSON_ARRAY(%s, %s)), 'list', JSON_ARRAY(1, 2, 3, 4), 'o', JSON_OBJECT('x', %s, '', %s, 'a b', JSON_OBJECT('q"\\', %s)), 'é🦊', %s, 'n', %d, 'ballast', REPEAT('b', %s))`,
		g.value(2), g.value(2), g.value(1), g.value(1), g.value(0), g.value(2), g.value(1), g.value(1), g.value(1), g.IntN(100), g.pick("100", "2000", "66000"))
}

func (g documents) value(depth int) string {
	switch n := g.IntN(16); {
	case n == 0 && depth > 0:
		return fmt.Sprintf("JSON_ARRAY(%s, %s)", g.value(depth-1), g.value(depth-1))
	case n == 1 && depth > 0:
		return fmt.Sprintf("JSON_OBJECT('x', %s, 'longer key', %s, '', %s)", g.value(depth-1), g.value(depth-1), g.value(depth-1))
	case n == 2 && depth > 0:
		return "JSON_ARRAY()"
	case n == 3 && depth > 0:
		return "JSON_OBJECT()"
	}
	return g.pick("NULL", "true", "CAST('false' AS JSON)", "1", "-40000", "65535", "2147483648", "-9223372036854775808", "18446744073709551615", "1.5e0", "1e20", "2.0e0",
		"CAST(12.340 AS DECIMAL(10,3))", "CAST('2015-01-15 23:24:25.12' AS DATETIME(2))", "CAST('838:59:59' AS TIME)", "'text'", `'é🦊 "\\\\" \n'`, "''",
		"REPEAT('x', 126)", "REPEAT('y', 300)", "REPEAT('z', 70000)", "x'cafe'")
}

func (g documents) path() string {
	return g.pick("$.a", "$.b", "$.b[0]", "$.b[1]", "$.b[2]", "$.b[2][0]", "$.b[2][1]", "$.b[7]", "$.b[last]", "$.b[last-1]", "$.b[2][last]", "$.list[0]", "$.list[3]", "$.list[9]",
		"$.list[last]", "$.list[last-2]", "$.a[1]", "$.a[0]", "$.o", "$.o.x", `$.o.""`, `$.o."a b"`, `$.o."a b"."q\\"\\\\"`, `$.o."new key"`, "$.o.y", "$.o.$dollar", `$."é🦊"`, "$.é", "$.n", "$.fresh", "$.ballast", "$.o.x.x", "$.o.x[1]")
}

// change is an expression that changes a column's document.
func (g documents) change(column string) string {
	text := column
	for range 1 + g.IntN(3) {
		f := g.pick("JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE")
		text = f + "(" + text
		for range 1 + g.IntN(3) {
			text += ", '" + g.path() + "'"
			if f != "JSON_REMOVE" {
				text += ", " + g.value(2)
			}
		}
		text += ")"
	}
	return text
}

// assignments change one of the columns, both, or neither.
func (g documents) assignments() string {
	j, k := "j = "+g.change("j"), "k = "+g.change("k")
	return g.pick(j, k, j+", "+k, "t = '"+g.pick("p", "q")+"'", j+", k = '[]'", j+", t = NULL")
}
