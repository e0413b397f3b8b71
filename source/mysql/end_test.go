package mysql

import (
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestEnd asks for the end of the log at a position past which an XA transaction is prepared, whose outcome is not known.
func TestEnd(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id int PRIMARY KEY)")
		s := open(t, srv)
		before, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := srv.DB(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		for _, q := range []string{"XA START 'x'", "INSERT INTO shop.t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"} {
			if _, err := c.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		end, err := s.End(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		p, err := binlog.ParsePosition(before)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 || end < p.Seq() {
			t.Errorf("got %d, want what is past %s", end, p)
		}
	})
}
