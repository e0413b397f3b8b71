package ddl

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// modeOfServer reads the mode of a server's sessions.
func modeOfServer(t *testing.T, s *servers.Server) Mode {
	version, _, _ := strings.Cut(s.Value(t, "SELECT version()"), "-")
	var parts [3]int
	for i, p := range strings.Split(version, ".") {
		parts[i], _ = strconv.Atoi(p)
	}
	return Mode{
		MariaDB: s.Flavour == servers.FlavourMariaDB, Version: parts[0]*10000 + parts[1]*100 + parts[2],
		ImplicitTimestamps: s.Value(t, "SELECT @@explicit_defaults_for_timestamp") == "0",
	}
}

// A witness runs statements on a real server and through Apply, and compares the shapes.
type witness struct {
	*testing.T
	conn     *sql.Conn
	mode     Mode
	table    *schema.Table
	accepted int // statements that the server took
}

func newWitness(t *testing.T, s *servers.Server) *witness {
	if testing.Short() {
		t.Skip("needs a real server")
	}
	mode := modeOfServer(t, s)
	mode.Database = s.Database(t)
	conn, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &witness{T: t, conn: conn, mode: mode}
	w.mustExec("USE " + mode.Database)
	w.mustExec("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'")
	return w
}

func (w *witness) mustExec(q string) {
	w.Helper()
	if _, err := w.conn.ExecContext(context.Background(), q); err != nil {
		w.Fatalf("%s: %v", q, err)
	}
}

// run executes a statement about table t. When the server takes it, the shape must be as Apply says.
func (w *witness) run(q string) (ok bool) {
	w.Helper()
	charset := w.charset()
	hadPrimary := w.table == nil || w.hasPrimary()
	if _, err := w.conn.ExecContext(context.Background(), q); err != nil {
		return false
	}
	w.accepted++
	for _, st := range Parse(q, w.mode) {
		if st.Kind == NotUnderstood {
			w.Fatalf("%s: %s", q, st.Reason)
		}
		after, edits, err := Apply(w.table, &st, charset)
		if err != nil && strings.Contains(err.Error(), "changed twice") {
			w.adopt() // MariaDB allows DROP and MODIFY of one column
			return true
		}
		if err != nil {
			w.Fatalf("%s: %v", q, err)
		}
		if w.table != nil && after != nil {
			checkEdits(w.T, q, w.table, after, edits)
		}
		w.table = after
	}
	w.compare(q, hadPrimary)
	return true
}

// charset is the default of the table, or of its database when there is none.
func (w *witness) charset() string {
	var collation string
	err := w.conn.QueryRowContext(context.Background(), `SELECT TABLE_COLLATION FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 't'`, w.mode.Database).Scan(&collation)
	if err != nil {
		return "utf8mb4"
	}
	return CollationCharset(collation)
}

func (w *witness) hasPrimary() bool {
	primary, _ := w.keys(w.table)
	return primary != nil
}

// compare fails when the shape is not the server's. A shape does not tell whether its key is the primary key: Apply takes
// it for one, and a MODIFY that says neither leaves it not null. Where it is another key, that is forgiven; so is a MODIFY that says
// NULL, which MariaDB allows and ignores for a primary key.
func (w *witness) compare(q string, hadPrimary bool) {
	w.Helper()
	got, want := w.table, w.observe()
	for i := range min(len(got.Columns), len(want.Columns)) {
		notNull := !got.Columns[i].Nullable
		if notNull == want.Columns[i].Nullable && notNull != hadPrimary && (notNull || w.mode.MariaDB) {
			w.adopt()
			return
		}
	}
	if shapeLines(got) != shapeLines(want) {
		w.Fatalf("after %s\ngot  %s\nwant %s", q, shapeLines(got), shapeLines(want))
	}
	primary, unique := w.keys(want)
	if primary != nil && !slices.Equal(primary, got.Key) {
		w.Fatalf("after %s\ngot key %v, want %v of %s", q, got.Key, primary, shapeLines(want))
	}
	usable := slices.ContainsFunc(unique, func(u []int) bool { return slices.Equal(u, got.Key) })
	if primary == nil && len(got.Key) > 0 && !usable {
		w.Fatalf("after %s\ngot key %v, want one of %v of %s", q, got.Key, unique, shapeLines(want))
	}
}

func shapeLines(t *schema.Table) string {
	var b strings.Builder
	for i := range t.Columns {
		b.WriteString("\n  " + columnText(&t.Columns[i]))
	}
	return b.String()
}

// adopt takes the server's shape.
func (w *witness) adopt() {
	version := w.table.Version
	w.table = w.observe()
	w.table.Version = version
	primary, unique := w.keys(w.table)
	if w.table.Key = primary; primary == nil && len(unique) > 0 {
		w.table.Key = unique[0]
	}
}

// observe reads the shape of table t from the server.
func (w *witness) observe() *schema.Table {
	w.Helper()
	rows, err := w.conn.QueryContext(context.Background(), `SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'YES',
		COALESCE(CHARACTER_SET_NAME, ''), EXTRA FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 't' ORDER BY ORDINAL_POSITION`, w.mode.Database)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	t := &schema.Table{}
	for rows.Next() {
		var c schema.Column
		var extra string
		if err := rows.Scan(&c.Name, &c.Native, &c.Nullable, &c.Charset, &extra); err != nil {
			w.Fatal(err)
		}
		if c.Type, c.Labels, err = ParseType(c.Native, c.Charset); err != nil {
			w.Fatal(err)
		}
		c.Charset = Charset(c.Charset)
		c.Flags = TypeFlags(c.Native)
		if strings.Contains(extra, "VIRTUAL") || strings.Contains(extra, "STORED") || strings.Contains(extra, "PERSISTENT") {
			c.Flags |= schema.Generated
		}
		if strings.Contains(extra, "INVISIBLE") {
			c.Flags |= schema.Invisible
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

// keys reads the primary key, and the unique keys that could be one.
func (w *witness) keys(t *schema.Table) (primary []int, unique [][]int) {
	rows, err := w.conn.QueryContext(context.Background(), `SELECT INDEX_NAME, COALESCE(COLUMN_NAME, ''), SUB_PART IS NOT NULL
		FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 't' AND NON_UNIQUE = 0
		ORDER BY INDEX_NAME, SEQ_IN_INDEX`, w.mode.Database)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	keys, void := map[string][]int{}, map[string]bool{}
	for rows.Next() {
		var name, field string
		var prefix bool
		if err := rows.Scan(&name, &field, &prefix); err != nil {
			w.Fatal(err)
		}
		i := t.Column(field)
		column := t.Columns[max(i, 0)]
		prefix = prefix && column.Type.Kind != schema.Geometry // all 25 bytes of a point are a "prefix"
		void[name] = void[name] || prefix || i < 0 || column.Nullable
		keys[name] = append(keys[name], i)
	}
	for name, k := range keys {
		switch {
		case void[name]:
		case name == "PRIMARY":
			primary = k
		default:
			unique = append(unique, k)
		}
	}
	return primary, unique
}

// checkEdits takes the edits one by one, and fails when they do not lead from one shape to the other.
func checkEdits(t *testing.T, q string, before, after *schema.Table, edits []schema.Edit) {
	t.Helper()
	at := map[string]bool{}
	for _, c := range before.Columns {
		at[strings.ToLower(c.Name)] = true
	}
	for _, e := range edits {
		name, to := strings.ToLower(e.Column), strings.ToLower(e.To)
		adds := e.Kind == schema.AddColumn
		if e.Column != "" && at[name] == adds {
			t.Fatalf("%s: edit %v is not possible among %v", q, e, at)
		}
		switch e.Kind {
		case schema.AddColumn:
			at[name] = true
		case schema.DropColumn:
			delete(at, name)
		case schema.RenameColumn:
			delete(at, name)
			if at[to] {
				t.Fatalf("%s: edit %v takes a name that is taken", q, e)
			}
			at[to] = true
		}
	}
	for _, c := range after.Columns {
		if !at[strings.ToLower(c.Name)] {
			t.Fatalf("%s: edits %v do not make column %s", q, edits, c.Name)
		}
	}
	if len(at) != len(after.Columns) {
		t.Fatalf("%s: edits %v leave %v, want %s", q, edits, at, after)
	}
}

// TestApply_Server runs the statements of testdata/server.sql, one a line, on real servers. A line refused by one flavour
// must be taken by the other, but for those of versions to come.
func TestApply_Server(t *testing.T) {
	lines, err := os.ReadFile("testdata/server.sql")
	if err != nil {
		t.Fatal(err)
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		w := newWitness(t, s)
		for q := range strings.Lines(string(lines)) {
			q = strings.TrimSpace(q)
			switch {
			case q == "" || strings.HasPrefix(q, "-- "):
			case strings.HasPrefix(q, "CREATE TABLE"), strings.HasPrefix(q, "CREATE OR"):
				w.mustExec("DROP TABLE IF EXISTS t")
				w.table = nil
				w.run(q)
			case w.table != nil:
				w.run(q)
			}
		}
		t.Logf("the server took %d statements", w.accepted)
		if w.accepted < 70 { // the newer the server, the more it takes
			t.Errorf("the server took only %d statements", w.accepted)
		}
	})
}

// TestApply_ServerRandom alters tables at random on real servers.
func TestApply_ServerRandom(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("CDCSYNC_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("CDCSYNC_SEED=%d", seed)
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		w := newWitness(t, s)
		g := generator{rand.New(rand.NewPCG(seed, 0))}
		for range 5 {
			w.mustExec("DROP TABLE IF EXISTS t")
			w.table = nil
			for !w.run(g.createTable()) {
			}
			for range 30 {
				w.run(g.alterTable(w.table))
			}
		}
		if w.accepted < 30 {
			t.Errorf("the server took only %d statements", w.accepted)
		}
	})
}

// A generator makes statements that a server takes more often than not.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) name() string {
	return g.pick("a", "b", "c", "D", "`e``e`", "`select`", "`ü.ö`", "`f f`", "g1", "comment")
}

func (g generator) column() string {
	return g.pick("int", "bigint(20) unsigned", "int(5) zerofill", "tinyint(1)", "bool", "varchar(20)", "char(3) character set latin1",
		"varchar(30) collate utf8mb4_bin", "text", "text(20)", "tinytext", "decimal", "decimal(12,2)", "float(30)", "double precision",
		"datetime(3)", "timestamp(6) null", "time", "year", "bit", "bit(9)", "binary(4)", "varbinary(9)", "blob", "blob(300)",
		"enum('x','it''s')", "set('p','q')", "json", "point", "national varchar(5)", "long varchar", "character varying(7)",
		"char(4) byte", "mediumint", "real", "numeric(5)") + g.pick("", "", "", " not null", " null", " default null", " comment 'a, b'",
		" not null default '1'", " unique", " invisible", " /* c */ not null")
}

func (g generator) createTable() string {
	n := 2 + g.IntN(4)
	var defs []string
	for i := range n {
		defs = append(defs, fmt.Sprintf("c%d %s", i, g.column()))
	}
	defs = append(defs, g.pick("primary key (id)", "unique key u (id)", "constraint x primary key (id, k)", "unique (k, id)", "primary key (k)"))
	return "create table t (id bigint not null, k int not null, " + strings.Join(defs, ", ") + ") " +
		g.pick("", "charset latin1", "default character set = utf8mb3 engine innodb", "collate utf8mb4_bin, comment 'x'")
}

func (g generator) alterTable(t *schema.Table) string {
	if g.IntN(15) == 0 {
		return "alter table t convert to character set " + g.pick("latin1", "utf8mb4", "utf8mb3")
	}
	var clauses []string
	for range 1 + g.IntN(4) {
		clauses = append(clauses, g.clause(t))
	}
	return "alter table t " + strings.Join(clauses, ", ")
}

func (g generator) old(t *schema.Table) string {
	return "`" + strings.ReplaceAll(t.Columns[g.IntN(len(t.Columns))].Name, "`", "``") + "`"
}

func (g generator) place(t *schema.Table) string {
	return g.pick("", "", " first", " after "+g.old(t), " after "+g.name())
}

func (g generator) clause(t *schema.Table) string {
	switch g.IntN(14) {
	case 0, 1, 2:
		return "add " + g.pick("", "column ") + g.name() + " " + g.column() + g.place(t)
	case 3:
		return "add (" + g.name() + " " + g.column() + ", " + g.name() + " " + g.column() + ")"
	case 4, 5:
		return "drop " + g.pick("", "column ") + g.old(t)
	case 6, 7:
		return "modify " + g.old(t) + " " + g.column() + g.place(t)
	case 8:
		return "change column " + g.old(t) + " " + g.pick(g.name(), g.old(t)) + " " + g.column() + g.place(t)
	case 9, 10:
		return "rename column " + g.old(t) + " to " + g.pick(g.name(), g.old(t))
	case 11:
		return g.pick("drop primary key", "add primary key ("+g.old(t)+")", "add unique ("+g.old(t)+")", "drop primary key, add primary key ("+g.old(t)+", "+g.old(t)+")")
	case 12:
		return g.pick("default charset latin1", "charset utf8mb4 row_format=dynamic")
	}
	return g.pick("comment 'x'", "engine=InnoDB", "add index ("+g.old(t)+")", "auto_increment 5", "alter "+g.old(t)+" drop default")
}
