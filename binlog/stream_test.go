package binlog_test

import (
	"context"
	"errors"
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

func TestStream_MinimalImages(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (id int PRIMARY KEY, v int, w text)", "INSERT INTO a VALUES (1,1,'t')",
			"SET SESSION binlog_row_image=MINIMAL; UPDATE a SET v=2; DELETE FROM a",
			"SET SESSION binlog_row_image=NOBLOB; INSERT INTO a VALUES (2,NULL,NULL); UPDATE a SET v=NULL WHERE id=2; UPDATE a SET v=5 WHERE id=2",
			"SET SESSION binlog_row_image=FULL",
		)
		expect(t, got,
			"schema none -> a v1 (id v w)", "commit",
			"rows a v1: insert(1, 1, t)", "commit",
			"rows a v1: before(1, absent, absent) after(absent, 2, absent)", "commit",
			"rows a v1: delete(1, absent, absent)", "commit",
			"rows a v1: insert(2, NULL, NULL)", "commit",
			"rows a v1: before(2, NULL, absent) after(2, 5, absent)", "commit",
		)
	})
}

func TestStream_DDL(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (id int PRIMARY KEY, v int)", "INSERT INTO a VALUES (1,1)",
			"ALTER TABLE a ADD COLUMN w varchar(5) AFTER id, DROP COLUMN v", "INSERT INTO a VALUES (2,'7')",
			"ALTER TABLE a CHANGE w x bigint unsigned", "INSERT INTO a VALUES (3,4)",
			"RENAME TABLE a TO b", "INSERT INTO b VALUES (5,6)",
			"TRUNCATE TABLE b", "CREATE TABLE c LIKE b", "INSERT INTO c VALUES (1,18446744073709551615)", "DROP TABLE b, c",
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
			"rows c v1: insert(1, 18446744073709551615)", "commit",
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
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				ev, err := stream.Next(ctx)
				cancel()
				if err != nil || ev.Commit == "" || ev.Seq == 0 {
					t.Fatalf("got %+v, %v, want a heartbeat within a second", ev, err)
				}
				for back, err := binlog.ParsePosition(ev.Commit); err != nil || back.Seq() != ev.Seq; {
					t.Fatalf("position %s: %v, seq %d", ev.Commit, err, ev.Seq)
				}
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
			rest := until(t, open(t, s, db, ev.Commit, known...), end)
			if got, want := numbered(rest), numbered(all[i+1:]); got != want {
				t.Errorf("after %s: got\n%s\nwant\n%s", ev.Commit, got, want)
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
		if ids != 20 {
			t.Errorf("got %d rows, want 20", ids)
		}
		checkSeqs(t, events)
		freeAll(events)
	})
}

// TestStream_Stopped holds that what cannot be followed stops its table, and only that.
func TestStream_Stopped(t *testing.T) {
	tests := []struct{ name, sql, want string }{
		{"statement format", "SET SESSION binlog_format=STATEMENT; UPDATE a SET v=v+1; SET SESSION binlog_format=ROW", "binlog_format"},
		{"data change, mariadb", "ALTER TABLE a ADD u varchar(40) DEFAULT (uuid())", "without a trace"},
		{"xa in two phases", "XA START 'x'; INSERT INTO a VALUES (7,7); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'", "XA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, s *servers.Server) {
				if strings.HasSuffix(tt.name, "mariadb") && s.Flavour != servers.FlavourMariaDB {
					return // MySQL with GTIDs refuses the statement
				}
				db := s.Database(t)
				from := head(t, s)
				script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1,1)",
					tt.sql, "INSERT INTO a (id) VALUES (2)", "INSERT INTO b VALUES (1)")
				events := until(t, open(t, s, db, from), head(t, s))
				var stopped *schema.TableError
				for _, ev := range events {
					if ev.Stopped != nil {
						stopped = ev.Stopped
					}
					if ev.Rows != nil && stopped != nil && ev.Rows.Table.Name.Table == "a" {
						t.Errorf("rows of a after it stopped: %v", texts(ev.Rows, 0))
					}
				}
				if stopped == nil || stopped.Table.Table != "a" || !strings.Contains(stopped.Error(), tt.want) {
					t.Errorf("got %v, want a stop of a that says %q", stopped, tt.want)
				}
				if got := describe(events); !strings.Contains(got, "rows b v1: insert(1)") {
					t.Errorf("b must flow on: got\n%s", got)
				}
			})
		})
	}
}

// TestStream_XAKnown holds that a prepared transaction of other tables is followed to its end over a restart, and that
// one that began before the log was read stops what it may have touched.
func TestStream_XAKnown(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db, other := s.Database(t), s.Database(t)
		xid := "'" + db + "','b',7"
		script(t, s, db, "CREATE TABLE "+other+".o (id int PRIMARY KEY)", "CREATE TABLE x (id int)")
		begin := head(t, s)
		script(t, s, db, "XA START "+xid+"; INSERT INTO "+other+".o VALUES (1); XA END "+xid+"; XA PREPARE "+xid)
		middle := head(t, s)
		first := until(t, open(t, s, db, begin), middle)
		resume := first[len(first)-1].Commit
		script(t, s, db, "XA COMMIT "+xid, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
		end := head(t, s)
		if got := describe(until(t, open(t, s, db, resume), end)); got != "schema none -> a v1 (id)\ncommit\nrows a v1: insert(1)\ncommit\n" {
			t.Errorf("resumed at %s: got\n%s", resume, got)
		}
		known := &schema.Table{Name: schema.Name{Namespace: db, Table: "x"}, Version: 1, Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}}}}
		if got := describe(until(t, open(t, s, db, middle, known), end)); !strings.HasPrefix(got, "stopped x\ncommit\n") {
			t.Errorf("begun at %s: got\n%s", middle, got)
		}
	})
}

func TestStream_XAOnePhase(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY)",
			"XA START 'x'; INSERT INTO a VALUES (1); XA END 'x'; XA COMMIT 'x' ONE PHASE", "INSERT INTO a VALUES (2)")
		expect(t, got, "schema none -> a v1 (id)", "commit", "rows a v1: insert(1)", "commit", "rows a v1: insert(2)", "commit")
	})
}

// TestStream_OtherShape holds that rows are never read by a shape that is not theirs.
func TestStream_OtherShape(t *testing.T) {
	col := func(name string, k schema.Kind, bits uint8) schema.Column {
		return schema.Column{Name: name, Type: schema.Type{Kind: k, Bits: bits}}
	}
	tests := []struct {
		name string
		cols []schema.Column
	}{
		{"fewer columns", []schema.Column{col("id", schema.Int, 32)}},
		{"other name", []schema.Column{col("id", schema.Int, 32), col("w", schema.Int, 64)}},
		{"other sign", []schema.Column{col("id", schema.Int, 32), col("v", schema.Uint, 64)}},
		{"other width", []schema.Column{col("id", schema.Int, 64), col("v", schema.Int, 64)}},
		{"other kind", []schema.Column{col("id", schema.Int, 32), col("v", schema.Float, 64)}},
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v bigint)")
		from := head(t, s)
		script(t, s, db, "INSERT INTO a VALUES (1,1)")
		end := head(t, s)
		for _, tt := range tests {
			if strings.HasPrefix(s.Version, "5.") && strings.HasPrefix(tt.name, "other name") || strings.HasPrefix(s.Version, "5.") && strings.HasPrefix(tt.name, "other sign") {
				continue // the server logs neither names nor signs
			}
			events := until(t, open(t, s, db, from, &schema.Table{Name: schema.Name{Namespace: db, Table: "a"}, Version: 1, Columns: tt.cols}), end)
			if got := describe(events); got != "stopped a\ncommit\n" {
				t.Errorf("%s: got %s", tt.name, got)
			}
		}
	})
}

// TestStream_Compressed holds that compressed transactions and events say the same as plain ones.
func TestStream_Compressed(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		if s.Flavour == servers.FlavourMySQL && (strings.HasPrefix(s.Version, "5.") || s.Version == "8.0.15") {
			t.Skip("the server does not compress")
		}
		on := "SET SESSION binlog_transaction_compression = ON"
		if s.Flavour == servers.FlavourMariaDB {
			s, on = servers.MariaDB(t, "10.11", "--log-bin-compress=1", "--log-bin-compress-min-len=10"), "DO 1"
		}
		long := strings.Repeat("x", 500)
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, v text) COMMENT '"+strings.Repeat("c", 300)+"'; CREATE TABLE b (id int PRIMARY KEY, v text)", on,
			"BEGIN; INSERT INTO a VALUES (1,'"+long+"'),(2,'"+long+"'); INSERT INTO b VALUES (1,'"+long+"'); UPDATE a SET v='y' WHERE id=1; DELETE FROM a WHERE id=2; COMMIT",
			"INSERT INTO b VALUES (2,'"+long+"')")
		expect(t, got, "schema none -> a v1 (id v)", "commit", "schema none -> b v1 (id v)", "commit",
			"rows a v1: insert(1, "+long+") insert(2, "+long+") before(1, "+long+") after(1, y) delete(2, "+long+")",
			"rows b v1: insert(1, "+long+")", "commit", "rows b v1: insert(2, "+long+")", "commit")
	})
}

func TestOpen_PositionLost(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	y := servers.SharedMySQL(t, "9.7")
	tests := []struct {
		name string
		s    *servers.Server
		from func(binlog.Position) binlog.Position
	}{
		{"ahead of the file", s, func(p binlog.Position) binlog.Position { p.Offset += 1 << 20; return p }},
		{"ahead of the file, mysql", y, func(p binlog.Position) binlog.Position { p.Offset += 1 << 20; return p }},
		{"no such file", s, func(p binlog.Position) binlog.Position { p.File = "binlog.000999"; return p }},
		{"no such file, mysql", y, func(p binlog.Position) binlog.Position { p.File = "binlog.000999"; return p }},
		{"other server", s, func(p binlog.Position) binlog.Position { p.Server = "1"; return p }},
		{"other flavor", y, func(p binlog.Position) binlog.Position { p.Flavor = binlog.MariaDB; p.GTIDs = nil; return p }},
		{"ahead by gtid", s, func(p binlog.Position) binlog.Position {
			p.GTIDs.Add(binlog.GTID{Domain: 0, ServerID: 1, Number: 1 << 40})
			return p
		}},
		{"unknown gtid, mysql", y, func(p binlog.Position) binlog.Position { p.GTIDs.Add(binlog.GTID{Number: 1 << 40}); return p }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := binlog.ParsePosition(head(t, tt.s))
			if err != nil {
				t.Fatal(err)
			}
			stream, err := binlog.Open(t.Context(), config(tt.s, "none"), tt.from(p).Text())
			if err == nil {
				defer func() { _ = stream.Close() }()
				for err == nil {
					_, err = stream.Next(t.Context())
				}
			}
			if !errors.Is(err, source.ErrPositionLost) {
				t.Errorf("got %v, want ErrPositionLost", err)
			}
		})
	}
}

type secret string

func (s secret) Reveal() string { return string(s) }

func TestOpen_Refused(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		s.Exec(t, "CREATE USER IF NOT EXISTS nobody IDENTIFIED BY 'k9-hidden'")
		cfg := config(s, "none")
		cfg.User, cfg.Password = "nobody", secret("k9-hidden")
		_, err := binlog.Open(t.Context(), cfg, head(t, s))
		if err == nil || errors.Is(err, source.ErrTransient) || !strings.Contains(err.Error(), "GRANT") || strings.Contains(err.Error(), "k9-") {
			t.Errorf("without rights: got %v", err)
		}
		cfg.Password = secret("k9-wrong")
		_, err = binlog.Open(t.Context(), cfg, head(t, s))
		if err == nil || errors.Is(err, source.ErrTransient) || strings.Contains(err.Error(), "k9-") {
			t.Errorf("wrong password: got %v", err)
		}
		cfg = config(s, "none")
		cfg.Addr = "127.0.0.1:1"
		if _, err := binlog.Open(t.Context(), cfg, head(t, s)); !errors.Is(err, source.ErrTransient) {
			t.Errorf("nobody listens: got %v, want ErrTransient", err)
		}
	})
}

// TestStream_SameServerID holds that two readers of one id do not fight: the older one hears why it was ended.
func TestStream_SameServerID(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		cfg := config(s, "none")
		from := head(t, s)
		first, err := binlog.Open(t.Context(), cfg, from)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = first.Close() }()
		second, err := binlog.Open(t.Context(), cfg, from)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = second.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for err == nil {
			_, err = first.Next(ctx)
		}
		if errors.Is(err, source.ErrTransient) || !strings.Contains(err.Error(), "server-id") {
			t.Errorf("got %v, want an error that names the setting", err)
		}
	})
}
