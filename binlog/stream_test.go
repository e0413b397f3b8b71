package binlog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// follow runs statements on one connection, and returns what the log says of them.
func follow(t *testing.T, s *servers.Server, statements ...string) string {
	t.Helper()
	db := s.Database(t)
	from := head(t, s)
	stream := open(t, s, db, from)
	script(t, s, db, statements...)
	events := until(t, stream, head(t, s))
	text := describe(events)
	checkSeqs(t, events)
	freeAll(events)
	return text
}

// checkSeqs holds invariant I10's order: a commit is past the rows before it, and not past those behind it.
func checkSeqs(t *testing.T, events []source.Event) {
	t.Helper()
	var last uint64
	for _, ev := range events {
		if ev.Rows != nil {
			for i, seq := range ev.Rows.Seqs {
				if seq < ev.Txn.Seq || seq < last {
					t.Errorf("row %d has seq %d, its transaction %d, the commit before %d", i, seq, ev.Txn.Seq, last)
				}
			}
		}
		if ev.Commit != "" {
			if ev.Seq < last {
				t.Errorf("commit at %d after %d", ev.Seq, last)
			}
			last = ev.Seq
		}
	}
}

func expect(t *testing.T, got string, lines ...string) {
	t.Helper()
	want := strings.Join(lines, "\n") + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStream_Transactions(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (id int PRIMARY KEY, v varchar(10)); CREATE TABLE b (id int PRIMARY KEY)",
			"INSERT INTO a VALUES (1,'x'),(2,NULL)",
			"BEGIN; INSERT INTO a VALUES (3,'y'); INSERT INTO b VALUES (1); UPDATE a SET v='z' WHERE id=1; UPDATE a SET id=9 WHERE id=2; DELETE FROM a WHERE id=3; COMMIT",
			"BEGIN; INSERT INTO a VALUES (4,'never'); ROLLBACK",
			"BEGIN; INSERT INTO a VALUES (5,'kept'); SAVEPOINT s1; INSERT INTO a VALUES (6,'undone'); ROLLBACK TO s1; INSERT INTO a VALUES (7,'kept'); COMMIT",
			"REPLACE INTO a VALUES (5,'replaced')",
			"INSERT INTO a VALUES (5,'u') ON DUPLICATE KEY UPDATE v='dup'",
		)
		expect(t, got,
			"schema none -> a v1 (id v)", "commit",
			"schema none -> b v1 (id)", "commit",
			"rows a v1: insert(1, x) insert(2, NULL)", "commit",
			"rows a v1: insert(3, y) before(1, x) after(1, z) before(2, NULL) after(9, NULL) delete(3, y)",
			"rows b v1: insert(1)", "commit",
			"rows a v1: insert(5, kept) insert(7, kept)", "commit",
			"rows a v1: before(5, kept) after(5, replaced)", "commit",
			"rows a v1: before(5, replaced) after(5, dup)", "commit",
		)
	})
}

// TestStream_Savepoint has a transaction whose savepoint the log may keep, because a part of it cannot be rolled back.
func TestStream_Savepoint(t *testing.T) {
	got := follow(t, servers.SharedMariaDB(t, "10.11"),
		"CREATE TABLE a (id int PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE m (id int PRIMARY KEY) ENGINE=MyISAM",
		"BEGIN; INSERT INTO a VALUES (1); SAVEPOINT `s 1`; INSERT INTO a VALUES (2); INSERT INTO m VALUES (1); ROLLBACK TO `s 1`; INSERT INTO a VALUES (3); COMMIT",
	)
	if strings.Contains(got, "insert(2)") || !strings.Contains(got, "rows a v1: insert(1) insert(3)") || !strings.Contains(got, "rows m v1: insert(1)") {
		t.Errorf("got\n%s", got)
	}
}

// TestStream_Images has row images that lack columns. What the image before an update has is taken from there; a row as it
// is now that still lacks something stops its table.
func TestStream_Images(t *testing.T) {
	tests := []struct{ name, image, sql, want string }{
		{"delete", "MINIMAL", "DELETE FROM a WHERE id=1", "rows a v1: delete(1, absent, absent)"},
		{"update of all but the key", "MINIMAL", "UPDATE a SET v=2, w='u' WHERE id=1", "rows a v1: before(1, absent, absent) after(1, 2, u)"},
		{"update of one column", "MINIMAL", "UPDATE a SET v=2 WHERE id=1", "stopped a"},
		{"update of the key", "MINIMAL", "UPDATE a SET id=9 WHERE id=1", "stopped a"},
		{"insert of all columns", "MINIMAL", "INSERT INTO a VALUES (3,3,NULL)", "rows a v1: insert(3, 3, NULL)"},
		{"insert of some columns", "MINIMAL", "INSERT INTO a (id) VALUES (3)", "stopped a"},
		{"insert and delete", "NOBLOB", "INSERT INTO a VALUES (3,NULL,NULL); DELETE FROM a WHERE id=1", "rows a v1: insert(3, NULL, NULL)\ncommit\nrows a v1: delete(1, 1, absent)"},
		{"update of a blob", "NOBLOB", "UPDATE a SET w='u' WHERE id=1", "rows a v1: before(1, 1, absent) after(1, 1, u)"},
		{"update beside a blob", "NOBLOB", "UPDATE a SET v=NULL WHERE id=1", "stopped a"},
		{"update without duplicates", "FULL_NODUP", "UPDATE a SET v=NULL WHERE id=1; UPDATE a SET id=9 WHERE id=2", "rows a v1: before(1, 1, t) after(1, NULL, t)\ncommit\nrows a v1: before(2, 2, NULL) after(9, 2, NULL)"},
		{"no key", "MINIMAL", "UPDATE k SET v=2; DELETE FROM k", "rows k v1: before(1, 1, t) after(1, 2, t)\ncommit\nrows k v1: delete(1, 2, t)"},
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if _, err := s.DB(t).ExecContext(t.Context(), "SET SESSION binlog_row_image="+tt.image+"; SET SESSION binlog_row_image=FULL"); err != nil {
					t.Skipf("the server has no such images: %v", err)
				}
				db := s.Database(t)
				script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v int DEFAULT 7, w text); CREATE TABLE k (id int, v int, w text)",
					"INSERT INTO a VALUES (1,1,'t'),(2,2,NULL); INSERT INTO k VALUES (1,1,'t')")
				from := head(t, s)
				script(t, s, db, "SET SESSION binlog_row_image="+tt.image, tt.sql, "SET SESSION binlog_row_image=FULL")
				events := until(t, open(t, s, db, from, imageShapes(db)...), head(t, s))
				if got := describe(events); got != tt.want+"\ncommit\n" {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
				for _, ev := range events {
					if ev.Stopped != nil && !strings.Contains(ev.Stopped.Error(), "SET GLOBAL binlog_row_image = FULL") {
						t.Errorf("stopped: %v", ev.Stopped)
					}
				}
				freeAll(events)
			})
		}
	})
}

// imageShapes are a table with a key and one without.
func imageShapes(db string) []*schema.Table {
	columns := []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}}, {Name: "v", Type: schema.Type{Kind: schema.Int, Bits: 32}, Nullable: true},
		{Name: "w", Type: schema.Type{Kind: schema.String}, Charset: "utf8mb4", Nullable: true},
	}
	return []*schema.Table{
		{Name: schema.Name{Namespace: db, Table: "a"}, Version: 1, Key: []int{0}, Columns: columns},
		{Name: schema.Name{Namespace: db, Table: "k"}, Version: 1, Columns: columns},
	}
}

func TestStream_DDL(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (id int PRIMARY KEY, v int)", "INSERT INTO a VALUES (1,1)",
			"ALTER TABLE a ADD COLUMN w varchar(5) AFTER id, DROP COLUMN v", "INSERT INTO a VALUES (2,'7')",
			"ALTER TABLE a CHANGE w x varchar(60)", "INSERT INTO a VALUES (3,4)",
			"RENAME TABLE a TO b", "INSERT INTO b VALUES (5,6)",
			"TRUNCATE TABLE b", "CREATE TABLE c LIKE b", "INSERT INTO c VALUES (1,'y')", "DROP TABLE b, c",
			"CREATE TABLE b (k int)", "INSERT INTO b VALUES (1)",
		)
		expect(t, got,
			"schema none -> a v1 (id v)", "commit",
			"rows a v1: insert(1, 1)", "commit",
			"schema a v1 (id v) -> a v2 (id w); drop column v; add column w", "commit",
			"rows a v2: insert(2, 7)", "commit",
			"schema a v2 (id w) -> a v3 (id x); rename column wx; modify column x", "commit",
			"rows a v3: insert(3, 4)", "commit",
			"schema a v3 (id x) -> b v4 (id x); rename table ", "commit",
			"rows b v4: insert(5, 6)", "commit",
			"schema b v4 (id x) -> b v5 (id x); truncate table ", "commit",
			"schema none -> c v1 (id x)", "commit",
			"rows c v1: insert(1, y)", "commit",
			"schema b v5 (id x) -> none", "schema c v1 (id x) -> none", "commit",
			"schema none -> b v1 (k)", "commit",
			"rows b v1: insert(1)", "commit",
		)
	})
}

// TestStream_CreateSelect has the rows of a new table in the transaction that creates it.
func TestStream_CreateSelect(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		if s.Flavour == servers.FlavourMySQL && (strings.HasPrefix(s.Version, "5.") || s.Version == "8.0.15") {
			t.Skip("the server refuses the statement")
		}
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1),(2)", "CREATE TABLE b (PRIMARY KEY (id)) SELECT id FROM a")
		want := "schema none -> b v1 (id)\nrows b v1: insert(1) insert(2)\ncommit\n"
		if s.Flavour == servers.FlavourMariaDB && strings.Contains(got, "stopped b") {
			return // the log does not always have the columns: the table needs a snapshot, and says so
		}
		if !strings.HasSuffix(got, want) {
			t.Errorf("got\n%s\nwant at the end\n%s", got, want)
		}
	})
}

// TestStream_Renamed has tables that come to a captured name, or leave it.
func TestStream_Renamed(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		other := s.Database(t)
		got := follow(t, s, "CREATE TABLE "+other+".a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)",
			"RENAME TABLE "+other+".a TO a, b TO "+other+".b", "INSERT INTO a VALUES (1)", "INSERT INTO "+other+".b VALUES (1)")
		expect(t, got, "schema none -> b v1 (id)", "commit", "stopped a", "stopped b", "commit")
	})
}

func TestStream_Rotate(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)", "FLUSH BINARY LOGS",
			"INSERT INTO a VALUES (2)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (3)")
		expect(t, got, "schema none -> a v1 (id)", "commit", "rows a v1: insert(1)", "commit",
			"rows a v1: insert(2)", "commit", "rows a v1: insert(3)", "commit")
	})
}

// TestStream_Idle holds that an idle server is no silent one, also for who knows only GTIDs.
func TestStream_Idle(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		end := head(t, s)
		p, err := binlog.ParsePosition(end)
		if err != nil {
			t.Fatal(err)
		}
		byGTID := p
		byGTID.File, byGTID.Offset = "", 0
		for _, from := range []source.Position{end, byGTID.Text()} {
			stream, err := binlog.Open(t.Context(), config(s, "none"), from)
			if err != nil {
				t.Fatal(err)
			}
			var last source.Event
			for n := 0; n < 3 || last.Time == 0 && n < 8; n++ { // the first ones may tell of the log's beginning only
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				ev, err := stream.Next(ctx)
				cancel()
				if err != nil || ev.Commit == "" || ev.Seq == 0 {
					t.Fatalf("got %+v, %v, want a heartbeat within a second", ev, err)
				}
				for back, err := binlog.ParsePosition(ev.Commit); err != nil || back.Seq() != ev.Seq; {
					t.Fatalf("position %s: %v, seq %d", ev.Commit, err, ev.Seq)
				}
				last = ev
			}
			if age := time.Since(time.UnixMicro(last.Time)); age < 0 || age > 5*time.Second {
				t.Errorf("a heartbeat is %v old: the reader would seem to lag", age)
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestStream_Resume holds that from each boundary on the log says the same, with the same Seqs (invariant I10).
func TestStream_Resume(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v varchar(20))", "INSERT INTO a VALUES (1,'x')",
			"BEGIN; INSERT INTO a VALUES (2,'y'); DELETE FROM a WHERE id=1; COMMIT", "FLUSH BINARY LOGS",
			"ALTER TABLE a ADD w int", "UPDATE a SET w=7", "BEGIN; INSERT INTO a VALUES (8,NULL,NULL),(9,NULL,NULL); COMMIT")
		end := head(t, s)
		all := until(t, open(t, s, db, from), end)
		shapes := map[schema.Name]*schema.Table{}
		for i, ev := range all {
			if ev.Schema != nil {
				shapes[ev.Schema.Name()] = ev.Schema.After
			}
			if ev.Commit == "" {
				continue
			}
			var known []*schema.Table
			for _, shape := range shapes {
				known = append(known, shape)
			}
			p, err := binlog.ParsePosition(ev.Commit)
			if err != nil {
				t.Fatal(err)
			}
			p.File, p.Offset = "", 0 // GTIDs alone say it too
			for _, from := range []source.Position{ev.Commit, p.Text()} {
				rest := until(t, open(t, s, db, from, known...), end)
				if got, want := numbered(rest), numbered(all[i+1:]); got != want {
					t.Errorf("after %s: got\n%s\nwant\n%s", from, got, want)
				}
				if got, want := rest[len(rest)-1].Commit, all[len(all)-1].Commit; got != want {
					t.Errorf("after %s: ended at %s, want %s", from, got, want)
				}
			}
		}
	})
}

// numbered prints rows with their places in the log.
func numbered(events []source.Event) string {
	var b strings.Builder
	for _, ev := range events {
		if ev.Rows != nil {
			fmt.Fprintf(&b, "%v %v\n", ev.Rows.Seqs, ev.Txn)
		}
	}
	return describe(events) + b.String()
}

// TestStream_Killed ends the server's thread inside a transaction that is being sent, again and again: nothing comes twice,
// and nothing is lost.
func TestStream_Killed(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, v varchar(200))", "INSERT INTO a (v) VALUES (repeat('x', 200))")
		from := head(t, s)
		for range 13 { // 4096 rows, 1 MB, in the last one
			script(t, s, db, "INSERT INTO a (v) SELECT v FROM a")
		}
		end := head(t, s)
		shape := &schema.Table{Name: schema.Name{Namespace: db, Table: "a"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
			{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}}, {Name: "v", Type: schema.Type{Kind: schema.String}, Charset: "utf8mb4", Nullable: true},
		}}
		stream := open(t, s, db, from, shape)
		p, err := binlog.ParsePosition(end)
		if err != nil {
			t.Fatal(err)
		}
		seen, n := map[uint64]bool{}, 0
		for done := false; !done; n++ {
			ev, err := stream.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ev.Rows != nil {
				for _, id := range ev.Rows.Cols[0].Words {
					if seen[id] {
						t.Fatalf("row %d comes twice", id)
					}
					seen[id] = true
				}
				ev.Rows.Free()
			}
			done = ev.Commit != "" && ev.Seq >= p.Seq()
			if n%8 == 3 {
				killDumps(t, s)
			}
		}
		if len(seen) != 8191 {
			t.Errorf("got %d rows, want 8191", len(seen))
		}
	})
}

// killDumps ends the connections of all streams.
func killDumps(t *testing.T, s *servers.Server) {
	t.Helper()
	rows, err := s.DB(t).QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		_, _ = s.DB(t).ExecContext(t.Context(), fmt.Sprintf("KILL %d", id)) // it may be gone already
	}
}

// TestStream_Ahead holds that a transaction larger than the limit is delivered before its end, in order and whole.
func TestStream_Ahead(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		statements := []string{"CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, v longblob)", "BEGIN"}
		for range 20 {
			statements = append(statements, "INSERT INTO a (v) VALUES (repeat('x', 1000000))")
		}
		want := 20
		if s.Flavour == servers.FlavourMySQL { // its packets may be large enough for a row in two of them
			statements = append(statements, "INSERT INTO a (v) VALUES (repeat('x', 20000000))")
			want++
		}
		script(t, s, db, append(statements, "COMMIT")...)
		events := until(t, open(t, s, db, from), head(t, s))
		ids := 0
		for _, ev := range events {
			if ev.Rows == nil {
				continue
			}
			for _, id := range ev.Rows.Cols[0].Words {
				if ids++; int(id) != ids {
					t.Fatalf("got id %d, want %d", id, ids)
				}
			}
		}
		if ids != want {
			t.Errorf("got %d rows, want %d", ids, want)
		}
		checkSeqs(t, events)
		freeAll(events)
	})
}
