package mysql

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/source"
)

// lostAt resumes at a position, which must be lost for a reason.
func lostAt(t *testing.T, s *Source, p binlog.Position, seen []source.Position, parts ...string) {
	t.Helper()
	got, err := s.Resume(t.Context(), p.Text(), seen)
	if !errors.Is(err, source.ErrPositionLost) || errors.Is(err, source.ErrTransient) {
		t.Fatalf("at %s: got %s, %v, want ErrPositionLost", p, got, err)
	}
	mustSay(t, err, parts...)
}

// elsewhere is a position that another server had when it had all that this one has now.
func elsewhere(t *testing.T, s *Source) binlog.Position {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := binlog.ParsePosition(head)
	if err != nil {
		t.Fatal(err)
	}
	p.Server, p.File, p.Offset = "77777777-0000-0000-0000-000000000001", "old.000041", 1234
	return p
}

// TestResume_Elsewhere resumes at positions of another server, on a server that is private for its errant transactions.
func TestResume_Elsewhere(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)")
		s := open(t, srv)
		table := tableOf(t, s, "shop", "t")
		was := elsewhere(t, s)
		ahead := was
		ahead.File = "old.000050"
		text, err := s.Resume(t.Context(), was.Text(), []source.Position{ahead.Text()})
		if err != nil {
			t.Fatal(err)
		}
		now, err := binlog.ParsePosition(text)
		if err != nil || now.Server != s.identity() || now.File != "" || now.Shift != 51 || !now.GTIDs.Equal(was.GTIDs) {
			t.Fatalf("got %s, %v, want the place of %s on %s, with shift 51", text, err, was, s.identity())
		}
		if again, err := s.Resume(t.Context(), text, []source.Position{was.Text()}); again != text || err != nil {
			t.Errorf("again: got %s, %v, want %s", again, err, text)
		}
		srv.Exec(t, "INSERT INTO shop.t VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO shop.t VALUES (3)")
		wantIDs(t, idsAfter(t, s, text, table, 3), 2, 3)

		nameless := was
		nameless.GTIDs = nil
		lostAt(t, s, nameless, nil, "without GTIDs a log cannot be followed")
		lostAt(t, s, was, []source.Position{nameless.Text()}, "without GTIDs a log cannot be followed")
		far := was
		far.File = "old.16777214"
		lostAt(t, s, far, nil, "changes can be put in order up to 16777215")
		other := was
		other.Flavor, other.GTIDs = binlog.MySQL+binlog.MariaDB-other.Flavor, nil
		lostAt(t, s, other, nil, "this server is")
		stranger, behind := was, was
		stranger.GTIDs, behind.GTIDs = strange(t, s), was.GTIDs.Clone()
		lostAt(t, s, stranger, nil, "has another history", s.identity())
		missing := binlog.GTID{Domain: 9, ServerID: 9, Number: 9}
		if !s.server.mariadb() {
			missing = binlog.GTID{Server: [16]byte{15: 9}, Number: 9}
		}
		behind.GTIDs.Add(missing)
		lostAt(t, s, was, []source.Position{behind.Text()}, "is behind what was read", missing9[s.server.mariadb()])
	})
}

var missing9 = map[bool]string{true: "9-9-9", false: "00000000-0000-0000-0000-000000000009:9"}

// strange is what another history would have: in MariaDB lower numbers of the same domain, of a server that never was.
func strange(t *testing.T, s *Source) binlog.GTIDSet {
	t.Helper()
	text := "12345678-0000-0000-0000-000000000000:1-3"
	if s.server.mariadb() {
		text = "0-4711-1"
	}
	set, err := binlog.ParseGTIDSet(s.flavor(), text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestResume_Holes resumes on a server whose GTIDs have holes, which are filled later.
func TestResume_Holes(t *testing.T) {
	srv := servers.MySQL(t, "9.7")
	reset := "RESET MASTER"
	if open(t, srv).server.number >= 80200 {
		reset = "RESET BINARY LOGS AND GTIDS"
	}
	const old = "77777777-0000-0000-0000-000000000001"
	srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", reset, "SET GLOBAL gtid_purged = '"+old+":1-5:7-9'")
	s := open(t, srv)
	table := tableOf(t, s, "shop", "t")
	at := func(gtids string) binlog.Position {
		set, err := binlog.ParseMySQLSet(gtids)
		if err != nil {
			t.Fatal(err)
		}
		return binlog.Position{Flavor: binlog.MySQL, Server: old, File: "old.000001", Offset: 4, GTIDs: set}
	}
	lostAt(t, s, at(old+":1-5"), nil, "has deleted the log of transactions "+old+":7-9")
	text, err := s.Resume(t.Context(), at(old+":1-5:7-9").Text(), nil)
	if err != nil {
		t.Fatal(err)
	}
	db, err := srv.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for i, gtid := range []string{old + ":6", "AUTOMATIC"} {
		for _, q := range []string{"SET gtid_next = '" + gtid + "'", fmt.Sprintf("INSERT INTO shop.t VALUES (%d)", i+1)} {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantIDs(t, idsAfter(t, s, text, table, 2), 1, 2)
	text, err = s.Resume(t.Context(), at(old+":1-9").Text(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, idsAfter(t, s, text, table, 2), 2)
}
