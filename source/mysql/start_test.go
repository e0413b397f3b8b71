package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

func mustSay(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %q, want it to say %q", err, p)
		}
	}
}

// idsFrom follows the log from where the configuration says, until a row with the last id comes.
func idsFrom(t *testing.T, cfg Config, table *schema.Table, last uint64) []uint64 {
	t.Helper()
	s := openConfig(t, cfg)
	start, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if start.Snapshot || start.Bounded {
		t.Errorf("mode %s copies", cfg.StartupMode)
	}
	return idsAfter(t, s, start.Position, table, last)
}

func idsAfter(t *testing.T, s *Source, from source.Position, table *schema.Table, last uint64) []uint64 {
	t.Helper()
	stream, err := s.Stream(t.Context(), from, []*schema.Table{table}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var ids []uint64
	for deadline := time.Now().Add(20 * time.Second); !slices.Contains(ids, last); {
		ev, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ev.Stopped != nil {
			t.Fatal(ev.Stopped)
		}
		if ev.Rows != nil {
			for i, op := range ev.Rows.Ops {
				if op == row.Insert {
					ids = append(ids, ev.Rows.Cols[0].Words[i])
				}
			}
			ev.Rows.Free()
		}
		if time.Now().After(deadline) {
			t.Fatalf("row %d does not come: got %v", last, ids)
		}
	}
	return ids
}

// nextSecond waits until the server's clock shows another second.
func nextSecond(t *testing.T, srv *servers.Server) {
	t.Helper()
	for now := srv.Value(t, "SELECT UNIX_TIMESTAMP()"); srv.Value(t, "SELECT UNIX_TIMESTAMP()") == now; {
	}
}

func TestStart_Modes(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		insert := func(id int) { srv.Exec(t, fmt.Sprintf("INSERT INTO %s.t VALUES (%d)", database, id)) }
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY)", database))
		cfg := configOf(srv)
		s := openConfig(t, cfg)
		table := tableOf(t, s, database, "t")
		insert(1)
		srv.Exec(t, "FLUSH BINARY LOGS")
		insert(2)
		var end status
		if err := s.with(t.Context(), func(c *conn) (err error) { end, err = s.head(t.Context(), c); return err }); err != nil {
			t.Fatal(err)
		}
		executed := "gtid_executed"
		if s.server.mariadb() {
			executed = "gtid_binlog_pos"
		}
		gtids := srv.Value(t, "SELECT @@GLOBAL."+executed)
		nextSecond(t, srv)
		since := srv.Value(t, "SELECT UNIX_TIMESTAMP()")
		insert(3)
		nextSecond(t, srv)
		srv.Exec(t, "FLUSH BINARY LOGS")
		insert(4)
		t.Run("specific file", func(t *testing.T) {
			cfg := cfg
			cfg.StartupMode, cfg.OffsetFile, cfg.OffsetPos = SpecificOffset, end.file, int64(end.pos)
			wantIDs(t, idsFrom(t, cfg, table, 4), 3, 4)
		})
		t.Run("specific gtids", func(t *testing.T) {
			cfg := cfg
			cfg.StartupMode, cfg.OffsetGTIDs = SpecificOffset, gtids
			wantIDs(t, idsFrom(t, cfg, table, 4), 3, 4)
		})
		t.Run("timestamp", func(t *testing.T) {
			cfg := cfg
			cfg.StartupMode = FromTimestamp
			if _, err := fmt.Sscan(since, &cfg.TimestampMillis); err != nil {
				t.Fatal(err)
			}
			cfg.TimestampMillis *= 1000
			wantIDs(t, idsFrom(t, cfg, table, 4), 3, 4)
		})
		t.Run("timestamp to come", func(t *testing.T) {
			cfg := cfg
			cfg.StartupMode, cfg.TimestampMillis = FromTimestamp, time.Now().Add(time.Hour).UnixMilli()
			s := openConfig(t, cfg)
			start, err := s.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			insert(5)
			wantIDs(t, idsAfter(t, s, start.Position, table, 5), 5)
		})
		t.Run("latest", func(t *testing.T) {
			cfg := cfg
			cfg.StartupMode = LatestOffset
			s := openConfig(t, cfg)
			start, err := s.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			insert(6)
			wantIDs(t, idsAfter(t, s, start.Position, table, 6), 6)
		})
		t.Run("copying", func(t *testing.T) {
			for _, mode := range []StartupMode{Initial, SnapshotOnly} {
				cfg := cfg
				cfg.StartupMode = mode
				start, err := openConfig(t, cfg).Start(t.Context())
				if err != nil || !start.Snapshot || start.Bounded != (mode == SnapshotOnly) {
					t.Errorf("mode %s: got %+v, %v", mode, start, err)
				}
			}
		})
	})
}

func wantIDs(t *testing.T, got []uint64, want ...uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got the rows %v, want %v", got, want)
	}
}

// TestStart_Earliest reads the whole log of a server of its own, table definitions included.
func TestStart_Earliest(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO shop.t VALUES (2)")
		cfg := configOf(srv)
		cfg.StartupMode = EarliestOffset
		s := openConfig(t, cfg)
		wantIDs(t, idsFrom(t, cfg, tableOf(t, s, "shop", "t"), 2), 1, 2)
	})
}

// TestStream_PositionLost offers positions that the server cannot serve.
func TestStream_PositionLost(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)")
		s := open(t, srv)
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var file status
		if err := s.with(t.Context(), func(c *conn) (err error) { file, err = s.head(t.Context(), c); return err }); err != nil {
			t.Fatal(err)
		}
		lost := func(p source.Position, parts ...string) {
			t.Helper()
			stream, err := s.Stream(t.Context(), p, nil, nil)
			if err == nil {
				_ = stream.Close()
			}
			mustSay(t, err, parts...)
			if !errors.Is(err, source.ErrPositionLost) {
				t.Errorf("%v does not say that the position is lost", err)
			}
		}
		at := func(file string, offset uint64) binlog.Position { return s.position(file, offset) }
		lost(at(file.file, file.pos+1000).Text(), "past the end of "+file.file)
		lost(at("binlog.000999", 4).Text(), "no log file binlog.000999")
		foreign := at(file.file, file.pos)
		foreign.Server = "99999999"
		lost(foreign.Text(), "server 99999999", s.identity())
		other := at(file.file, file.pos)
		other.Flavor = binlog.MySQL + binlog.MariaDB - other.Flavor
		lost(other.Text(), "this server is")
		ahead, err := binlog.ParsePosition(head)
		if err != nil {
			t.Fatal(err)
		}
		never := "99999999-aaaa-bbbb-cccc-dddddddddddd:1-7"
		if s.server.mariadb() {
			never = "0-" + s.identity() + "-999999"
		}
		if ahead.GTIDs, err = binlog.ParseGTIDSet(s.flavor(), never); err != nil {
			t.Fatal(err)
		}
		ahead.Server = ""
		if s.server.mariadb() {
			ahead.Server = s.identity()
		}
		lost(ahead.Text(), never, "another server")
		srv.Exec(t, "INSERT INTO shop.t VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO shop.t VALUES (3)", "FLUSH BINARY LOGS")
		for start := time.Now(); srv.Value(t, "SHOW BINARY LOGS") == file.file && time.Since(start) < 20*time.Second; {
			var now status
			if err := s.with(t.Context(), func(c *conn) (err error) { now, err = s.head(t.Context(), c); return err }); err != nil {
				t.Fatal(err)
			}
			srv.Exec(t, "PURGE BINARY LOGS TO '"+now.file+"'") // MariaDB keeps a file until its checkpoint is past it
		}
		lost(head, "the server has deleted")
	})
}

// TestStart_XA does not start while the outcome of an XA transaction is open.
func TestStart_XA(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
		db, err := srv.DB(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		for _, q := range []string{"XA START 'x'", "INSERT INTO shop.t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"} {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, srv)
		finds(t, s, nil, schema.Warning, "1 XA transactions are prepared")
		started := make(chan error, 1)
		go func() { // ends when the transaction does
			_, err := s.Start(t.Context())
			started <- err
		}()
		for srv.Value(t, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'DO SLEEP(0.05)'") == "0" {
			select {
			case err := <-started:
				t.Fatalf("the start does not wait: %v", err)
			default:
			}
		}
		if _, err := db.ExecContext(t.Context(), "XA COMMIT 'x'"); err != nil {
			t.Fatal(err)
		}
		if err := <-started; err != nil {
			t.Errorf("after the outcome: %v", err)
		}
	})
}

func TestRotateTarget(t *testing.T) {
	for _, c := range []struct{ file, named, want string }{
		{"binlog.000002", "binlog.000002", "binlog.000002"},
		{"binlog.000002", "binlog.000002\xbf.\xc73", "binlog.000002"},
		{"binlog.000002", "binlog.000003\x334.5", "binlog.000003"},
		{"my.log.999999", "my.log.1000000", "my.log.1000000"},
	} {
		if got := rotateTarget(c.file, []byte(c.named)); got != c.want {
			t.Errorf("after %s: %q names %s, want %s", c.file, c.named, got, c.want)
		}
	}
}
