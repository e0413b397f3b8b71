package binlog_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// eachXA runs f on servers whose XA transactions are followed.
func eachXA(t *testing.T, f func(t *testing.T, s *servers.Server)) {
	t.Helper()
	orderly := func(t *testing.T, s *servers.Server) {
		if old(s) {
			t.Skip("the server does not say when XA transactions are visible")
		}
		f(t, s)
	}
	servers.Each(t, orderly)
	t.Run("mysql 8.0", func(t *testing.T) { orderly(t, servers.SharedMySQL(t, "8.0")) })
}

// old are the versions of MySQL before 8.0.30 that the tests may run on.
func old(s *servers.Server) bool {
	return s.Flavour == servers.FlavourMySQL && (strings.HasPrefix(s.Version, "5.") || s.Version == "8.0.15")
}

// xa is an XA transaction up to its PREPARE. Its statements must be sent on one connection.
func xa(xid, statements string) string {
	return fmt.Sprintf("XA START %s; %s; XA END %[1]s; XA PREPARE %[1]s", xid, statements)
}

// xid is a name that no other test gives a transaction of the server.
func xid(database, name string) string { return "'" + database + "','" + name + "',7" }

// xaScript prepares transactions, ends them later, and writes other rows meanwhile.
func xaScript(db string) []string {
	x, y, z := xid(db, "x"), xid(db, "y'\"z"), xid(db, "z")
	y = strings.ReplaceAll(y, "y'", "y''")
	return []string{
		"CREATE TABLE a (id int PRIMARY KEY, v varchar(20)); CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1,'one'),(2,'two')",
		xa(x, "INSERT INTO a VALUES (3,'x'); UPDATE a SET v='xx' WHERE id=1; INSERT INTO b VALUES (1),(2); DELETE FROM b WHERE id=2"),
		"INSERT INTO a VALUES (4,'between')", xa(y, "INSERT INTO b VALUES (7)"), "FLUSH BINARY LOGS", "INSERT INTO a VALUES (5,'between')",
		"XA COMMIT " + x, "UPDATE a SET v='later' WHERE id=1", xa(z, "DELETE FROM a WHERE id=2"), "XA ROLLBACK " + z, "XA COMMIT " + y, "UPDATE a SET v='end' WHERE id=2",
	}
}

var xaWant = []string{
	"schema none -> a v1 (id v)", "commit", "schema none -> b v1 (id)", "commit", "rows a v1: insert(1, one) insert(2, two)", "commit",
	"rows a v1: insert(4, between)", "commit", "rows a v1: insert(5, between)", "commit",
	"rows a v1: insert(3, x) before(1, one) after(1, xx)", "rows b v1: insert(1) insert(2) delete(2)", "commit",
	"rows a v1: before(1, xx) after(1, later)", "commit", "rows b v1: insert(7)", "commit", "rows a v1: before(2, two) after(2, end)", "commit",
}

// TestXA_Old holds that MySQL's versions that do not say when XA transactions are visible have their tables stopped.
func TestXA_Old(t *testing.T) {
	s := servers.SharedMySQL(t, "8.0")
	if !old(s) {
		t.Skip("the server is not that old: make test-matrix has one")
	}
	got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY)", "XA START 'old'; INSERT INTO a VALUES (1); XA END 'old'; XA PREPARE 'old'; XA COMMIT 'old'")
	expect(t, got, "schema none -> a v1 (id)", "commit", "stopped a", "commit")
}

func TestXA_Outcomes(t *testing.T) {
	eachXA(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		scriptApart(t, s, db, xaScript(db)...)
		events := until(t, open(t, s, db, from), head(t, s))
		expect(t, describe(events), xaWant...)
		checkSeqs(t, events)
		seen := map[uint64]bool{}
		for _, ev := range events {
			for i := 0; ev.Rows != nil && i < ev.Rows.Len(); i++ {
				if seq := ev.Rows.Seqs[i]; seen[seq] || ev.Rows.Origin.Seq != ev.Txn.Seq || ev.Rows.Times[i] == 0 {
					t.Errorf("row %v has seq %d, origin %+v, transaction %+v", texts(ev.Rows, i), seq, ev.Rows.Origin, ev.Txn)
				}
				seen[ev.Rows.Seqs[i]] = true
			}
			if p, err := binlog.ParsePosition(ev.Commit); ev.Commit != "" && (err != nil || p.Text() != ev.Commit) {
				t.Errorf("position %q is read as %v, %v", ev.Commit, p, err)
			}
		}
		freeAll(events)
	})
}

// TestXA_Resume holds that from each boundary on the log says the same, with the same Seqs, whatever is prepared there.
func TestXA_Resume(t *testing.T) {
	eachXA(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		scriptApart(t, s, db, xaScript(db)...)
		end := head(t, s)
		all := until(t, open(t, s, db, from), end)
		shapes, prepared := map[schema.Name]*schema.Table{}, 0
		for i, ev := range all {
			if ev.Schema != nil {
				shapes[ev.Schema.Name()] = ev.Schema.After
			}
			if ev.Commit == "" || len(shapes) < 2 {
				continue
			}
			if strings.Contains(string(ev.Commit), "#") {
				prepared++
			}
			known := []*schema.Table{}
			for _, shape := range shapes {
				known = append(known, shape)
			}
			rest := until(t, open(t, s, db, ev.Commit, known...), end)
			if got, want := numbered(rest), numbered(all[i+1:]); got != want {
				t.Errorf("after %s: got\n%s\nwant\n%s", ev.Commit, got, want)
			}
			freeAll(rest)
		}
		if prepared < 4 {
			t.Errorf("%d boundaries had prepared transactions", prepared)
		}
	})
}

// TestXA_Restarts ends the server and the reader between PREPARE and COMMIT.
func TestXA_Restarts(t *testing.T) {
	run := func(t *testing.T, s *servers.Server) {
		if old(s) {
			t.Skip("the server does not say when XA transactions are visible")
		}
		for _, crash := range []bool{false, true} {
			db := s.Database(t)
			from := head(t, s)
			x, y := xid(db, "x"), xid(db, "y")
			scriptApart(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v int)", "INSERT INTO a VALUES (1,1),(2,2)", xa(x, "UPDATE a SET v=10 WHERE id=1; INSERT INTO a VALUES (3,3)"), xa(y, "DELETE FROM a WHERE id=2"))
			middle := head(t, s)
			stream := open(t, s, db, from)
			first := until(t, stream, middle)
			if got := describe(first); strings.Contains(got, "before") || strings.Contains(got, "delete") {
				t.Fatalf("rows came before their transaction's outcome:\n%s", got)
			}
			if crash {
				s.Kill9(t)
			} else {
				s.Stop(t)
			}
			s.Restart(t)
			scriptApart(t, s, db, "INSERT INTO a VALUES (5,5)", "XA COMMIT "+x, "XA ROLLBACK "+y, "UPDATE a SET v=20 WHERE id=2")
			end := head(t, s)
			want := []string{"rows a v1: insert(5, 5)", "commit", "rows a v1: before(1, 1) after(1, 10) insert(3, 3)", "commit", "rows a v1: before(2, 2) after(2, 20)", "commit"}
			again := until(t, open(t, s, db, first[len(first)-1].Commit, first[0].Schema.After), end)
			expect(t, describe(again), want...)
			lived, ok := survives(t, stream, end)
			if ok && numbered(again) != numbered(lived) {
				t.Errorf("crash %t: after a restart of the reader: got\n%s\nwant\n%s", crash, numbered(again), numbered(lived))
			}
			t.Logf("crash %t: the stream outlived the server: %t", crash, ok)
		}
	}
	t.Run("mariadb", func(t *testing.T) { run(t, servers.MariaDB(t, "10.11")) })
	t.Run("mysql 8.0", func(t *testing.T) { run(t, servers.MySQL(t, "8.0")) })
	t.Run("mysql", func(t *testing.T) { run(t, servers.MySQL(t, "9.7")) })
}

// survives is until for a stream whose server was away: it gives up when that took too long.
func survives(t *testing.T, stream source.Stream, end source.Position) (events []source.Event, ok bool) {
	t.Helper()
	p, err := binlog.ParsePosition(end)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := stream.Next(t.Context())
		if errors.Is(err, source.ErrTransient) {
			return events, false
		}
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, ev); ev.Commit != "" && ev.Seq >= p.Seq() {
			return events, true
		}
	}
}

// TestXA_ManyRows has more rows in a transaction than its XA COMMIT has bytes in the log: of each row it can still be told
// which change is the newest, and that it is of this transaction.
func TestXA_ManyRows(t *testing.T) {
	eachXA(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		x := xid(db, "x")
		insert := "INSERT INTO a VALUES (1,0)"
		for id := 2; id <= 2000; id++ {
			insert += fmt.Sprintf(",(%d,0)", id)
		}
		scriptApart(t, s, db, "CREATE TABLE a (id int PRIMARY KEY, v int)", xa(x, insert+"; UPDATE a SET v=1; UPDATE a SET v=2 WHERE id<1000; DELETE FROM a WHERE id>1500; UPDATE a SET id=1501 WHERE id=1; UPDATE a SET v=3"), "XA COMMIT "+x)
		events := until(t, open(t, s, db, from), head(t, s))
		checkSeqs(t, events)
		last, images := map[uint64]uint64{}, 0
		for _, ev := range events {
			for i := 0; ev.Rows != nil && i < ev.Rows.Len(); i++ {
				images++
				id, seq := ev.Rows.Cols[0].Words[i], ev.Rows.Seqs[i]
				if before, known := last[id]; known && (seq < before || seq == before && (ev.Rows.Ops[i] != row.After || ev.Rows.Cols[0].Words[i-1] != id)) {
					t.Fatalf("row %d has an image with Seq %d after one with %d", id, seq, before)
				}
				last[id] = seq
			}
		}
		if images != 2000+4000+1998+500+2+3000 {
			t.Errorf("got %d images", images)
		}
		freeAll(events)
	})
}

// TestXA_Lost holds that a prepared transaction whose changes are not in the server's log any more stops what it may have
// touched, once it is committed.
func TestXA_Lost(t *testing.T) {
	eachXA(t, func(t *testing.T, s *servers.Server) {
		for name, place := range map[string]binlog.Prepared{"purged": {File: "binlog.999999", Offset: 4}, "other history": {File: "binlog.000001", Offset: 4}} {
			db := s.Database(t)
			from := head(t, s)
			x := xid(db, "x")
			scriptApart(t, s, db, "CREATE TABLE a (id int PRIMARY KEY)", xa(x, "INSERT INTO a VALUES (1)"), "INSERT INTO a VALUES (2)")
			first := until(t, open(t, s, db, from), head(t, s))
			p, err := binlog.ParsePosition(first[len(first)-1].Commit)
			if err != nil || len(p.Prepared) != 1 {
				t.Fatalf("got position %v, %v", p, err)
			}
			p.Prepared[0].File, p.Prepared[0].Offset = place.File, place.Offset
			scriptApart(t, s, db, "INSERT INTO a VALUES (3)", "XA COMMIT "+x, "INSERT INTO a VALUES (4)")
			rest := until(t, open(t, s, db, p.Text(), first[0].Schema.After), head(t, s))
			if got := describe(rest); got != "rows a v1: insert(3)\ncommit\nstopped a\ncommit\n" {
				t.Errorf("%s: got\n%s", name, got)
			}
		}
	})
}

// TestXA_Large holds that transactions whose changes are too many to be held stop their tables, and leave others alone.
func TestXA_Large(t *testing.T) {
	eachXA(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		insert := "INSERT INTO a (v) VALUES (repeat('x', 9000000))"
		for n := 1; n < 8; n++ {
			insert += "; INSERT INTO a (v) VALUES (repeat('x', 9000000))"
		}
		x, y := xid(db, "x"), xid(db, "y")
		scriptApart(t, s, db, "CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, v longblob); CREATE TABLE b (id int PRIMARY KEY)",
			xa(x, insert+"; INSERT INTO b VALUES (1)"), "INSERT INTO b VALUES (2)", xa(y, "INSERT INTO a (v) VALUES ('y'); INSERT INTO b VALUES (3)"), "XA COMMIT "+x, "XA COMMIT "+y)
		events := until(t, open(t, s, db, from), head(t, s))
		got := describe(events)
		want := "stopped a\ncommit\nrows b v1: insert(2)\ncommit\nrows b v1: insert(1)\ncommit\nrows b v1: insert(3)\ncommit\n"
		if !strings.HasSuffix(got, want) {
			t.Errorf("got\n%.2000s", got)
		}
		freeAll(events)
	})
}

// scriptApart runs each of the statements on a connection of its own, which ends with it: what it has prepared stays.
func scriptApart(t *testing.T, s *servers.Server, database string, statements ...string) {
	t.Helper()
	for _, q := range statements {
		c, err := s.DB(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"USE `" + database + "`", q} {
			if _, err := c.ExecContext(t.Context(), part); err != nil {
				t.Fatalf("exec %.300q: %v", part, err)
			}
		}
		if err := c.Raw(func(any) error { return driver.ErrBadConn }); err == nil {
			t.Fatal("the connection stays")
		}
		_ = c.Close()
	}
}
