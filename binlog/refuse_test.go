package binlog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// TestStream_Stopped holds that what cannot be followed stops its table, and only that.
func TestStream_Stopped(t *testing.T) {
	tests := []struct{ name, sql, want string }{
		{"statement format", "SET SESSION binlog_format=STATEMENT; UPDATE a SET v=v+1; SET SESSION binlog_format=ROW", "binlog_format"},
		{"data change, mariadb", "ALTER TABLE a ADD u varchar(40) DEFAULT (uuid())", "without a trace"},
		{"other type", "ALTER TABLE a MODIFY v varchar(20)", "converted"},
		{"an index that may be the key", "DROP TABLE a; CREATE TABLE a (id int NOT NULL UNIQUE, v int, KEY (v)); ALTER TABLE a DROP KEY v", "perhaps that one"},
		{"smaller type", "SET SESSION sql_mode=''; ALTER TABLE a MODIFY v tinyint", "cut to fit"},
		{"default by the session's zone", "ALTER TABLE a ADD u timestamp NULL DEFAULT '2026-01-01 00:00:00'", "not certain"},
		{"no key and xa in two phases", "ALTER TABLE a DROP PRIMARY KEY; XA START 'x'; INSERT INTO a VALUES (7,7); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'", "XA"},
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

// TestStream_CompressedColumns has values packed with and without zlib's header, in tables that are altered meanwhile.
func TestStream_CompressedColumns(t *testing.T) {
	for _, s := range []*servers.Server{servers.SharedMariaDB(t, "10.11"), servers.MariaDB(t, "10.11", "--log-bin-compress=1", "--log-bin-compress-min-len=10", "--binlog-row-metadata=MINIMAL")} {
		long := strings.Repeat("ab", 150)
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY, v varchar(400) COMPRESSED, w text CHARACTER SET latin1, e enum('x','y'))",
			"INSERT INTO a VALUES (1,'"+long+"','é','x'),(2,'short','',NULL),(3,'',NULL,'y'),(4,NULL,NULL,'y')",
			"SET SESSION column_compression_zlib_wrap=1; UPDATE a SET v=CONCAT(v,'é') WHERE id<3",
			"SET SESSION column_compression_threshold=0; INSERT INTO a VALUES (5,'é','x','x')",
			"ALTER TABLE a MODIFY v varchar(400), MODIFY w text COMPRESSED CHARACTER SET latin1", "DELETE FROM a WHERE id<>3")
		expect(t, got, "schema none -> a v1 (id v w e)", "commit",
			"rows a v1: insert(1, "+long+", é, x) insert(2, short, , NULL) insert(3, , NULL, y) insert(4, NULL, NULL, y)", "commit",
			"rows a v1: before(1, "+long+", é, x) after(1, "+long+"é, é, x) before(2, short, , NULL) after(2, shorté, , NULL)", "commit",
			"rows a v1: insert(5, é, x, x)", "commit",
			"schema a v1 (id v w e) -> a v2 (id v w e); modify column v; modify column w", "commit",
			"rows a v2: delete(1, "+long+"é, é, x) delete(2, shorté, , NULL) delete(4, NULL, NULL, y) delete(5, é, x, x)", "commit")
	}
}

// TestStream_LoadData has a LOAD DATA that is logged as a statement.
func TestStream_LoadData(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		file := filepath.Join(t.TempDir(), "rows")
		if err := os.WriteFile(file, []byte("1\n2\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got := follow(t, s, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)",
			"LOAD DATA INFILE '"+file+"' INTO TABLE b",
			"SET SESSION binlog_format=STATEMENT; LOAD DATA INFILE '"+file+"' INTO TABLE a; SET SESSION binlog_format=ROW", "INSERT INTO b VALUES (3)")
		expect(t, got, "schema none -> a v1 (id)", "commit", "schema none -> b v1 (id)", "commit", "rows b v1: insert(1) insert(2)", "commit",
			"stopped a", "commit", "rows b v1: insert(3)", "commit")
	})
}

func TestOpen_PositionLost(t *testing.T) {
	mariadb := func(t *testing.T) *servers.Server { return servers.SharedMariaDB(t, "10.11") }
	mysql := func(t *testing.T) *servers.Server { return servers.SharedMySQL(t, "9.7") }
	tests := []struct {
		name string
		open func(t *testing.T) *servers.Server
		from func(binlog.Position) binlog.Position
	}{
		{"ahead of the file", mariadb, func(p binlog.Position) binlog.Position { p.Offset += 1 << 20; return p }},
		{"ahead of the file, mysql", mysql, func(p binlog.Position) binlog.Position { p.Offset += 1 << 20; return p }},
		{"no such file", mariadb, func(p binlog.Position) binlog.Position { p.File = "binlog.000999"; return p }},
		{"no such file, mysql", mysql, func(p binlog.Position) binlog.Position { p.File = "binlog.000999"; return p }},
		{"other flavor", mysql, func(p binlog.Position) binlog.Position { p.Flavor = binlog.MariaDB; p.GTIDs = nil; return p }},
		{"ahead by gtid", mariadb, func(p binlog.Position) binlog.Position {
			p.GTIDs.Add(binlog.GTID{Domain: 0, ServerID: 1, Number: 1 << 40})
			return p
		}},
		{"unknown gtid, mysql", mysql, func(p binlog.Position) binlog.Position { p.GTIDs.Add(binlog.GTID{Number: 1 << 40}); return p }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.open(t)
			p, err := binlog.ParsePosition(head(t, s))
			if err != nil {
				t.Fatal(err)
			}
			stream, err := binlog.Open(t.Context(), config(s, "none"), tt.from(p).Text())
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

// TestOpen_OtherServer holds that the caller is to find the place in another server's log, and that it is not the end.
func TestOpen_OtherServer(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		p, err := binlog.ParsePosition(head(t, s))
		if err != nil {
			t.Fatal(err)
		}
		p.Server = "1"
		_, err = binlog.Open(t.Context(), config(s, "none"), p.Text())
		if !errors.Is(err, source.ErrTransient) || errors.Is(err, source.ErrPositionLost) || !strings.Contains(err.Error(), "another server answers") {
			t.Errorf("got %v, want ErrTransient", err)
		}
	})
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
