package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/source"
)

// TestStream_OtherHistory has a server begin its log anew, and come past the numbers and the places that were read before:
// what it wrote under them must not be passed over in silence.
func TestStream_OtherHistory(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		s := open(t, srv)
		write := func(rows int, text string) {
			for i := range rows {
				srv.Exec(t, fmt.Sprintf("REPLACE INTO shop.t VALUES (%d, '%s')", i, text))
			}
		}
		reset := "RESET MASTER"
		if !s.server.mariadb() && s.server.number >= 80200 {
			reset = "RESET BINARY LOGS AND GTIDS"
		}
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)")
		write(20, "before the reset")
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		read, err := binlog.ParsePosition(head)
		if err != nil {
			t.Fatal(err)
		}
		var end status // a position that was read names its file, too
		if err := s.with(t.Context(), func(c *conn) (err error) { end, err = s.head(t.Context(), c); return err }); err != nil {
			t.Fatal(err)
		}
		read.File, read.Offset = end.file, end.pos
		for _, text := range []string{"x", "no longer", strings.Repeat("longer than it was ", 5)} {
			srv.Exec(t, reset)
			write(80, text)
			stream, err := s.Stream(t.Context(), read.Text(), nil, nil)
			if err == nil {
				_ = stream.Close()
			}
			mustSay(t, err, "copy the tables again")
			if !errors.Is(err, source.ErrPositionLost) {
				t.Errorf("%v does not say that the position is lost", err)
			}
		}
	})
}
