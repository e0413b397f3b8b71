package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// numbersSQL is a query of the numbers from 0 to n-1, at most 100,000.
func numbersSQL(n int) string {
	digits := "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
	return fmt.Sprintf("(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n FROM %[1]s a, %[1]s b, %[1]s c, %[1]s e, %[1]s f HAVING n < %[2]d) numbers", digits, n)
}

// TestSplit reads the ranges of a split side by side: together they are the table.
func TestSplit(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		exec := func(sql string) { srv.Exec(t, strings.ReplaceAll(sql, "DB.", database+".")) }
		exec("CREATE TABLE DB.big (a BIGINT, b VARCHAR(10), n INT, PRIMARY KEY (a, b))")
		exec("INSERT INTO DB.big SELECT n * 1000 - 40000000, n % 7, n FROM " + numbersSQL(80000))
		exec("CREATE TABLE DB.extreme (a BIGINT UNSIGNED PRIMARY KEY, n INT)")
		exec("INSERT INTO DB.extreme VALUES (0, 0), (18446744073709551615, 1), (9223372036854775808, 2)")
		exec("CREATE TABLE DB.signed (a BIGINT PRIMARY KEY, n INT)")
		exec("INSERT INTO DB.signed VALUES (-9223372036854775808, 0), (9223372036854775807, 1), (0, 2)")
		exec("CREATE TABLE DB.small (a INT PRIMARY KEY, n INT)")
		exec("INSERT INTO DB.small VALUES (5, 0), (6, 1)")
		exec("CREATE TABLE DB.none (a INT PRIMARY KEY, n INT)")
		exec("CREATE TABLE DB.words (a VARCHAR(20) PRIMARY KEY, n INT)")
		exec("INSERT INTO DB.words VALUES ('x', 0)")
		s := open(t, srv)
		for name, want := range map[string]struct{ ranges, rows int }{
			"big": {4, 80000}, "extreme": {4, 3}, "signed": {4, 3}, "small": {1, 2}, "none": {1, 0}, "words": {1, 1},
		} {
			table := tableOf(t, s, database, name)
			ranges, err := s.Split(t.Context(), table, 4)
			if err != nil {
				t.Fatal(err)
			}
			if len(ranges) != want.ranges || ranges[0].After != "" || ranges[len(ranges)-1].Through != "" {
				t.Errorf("%s: got the ranges %v, want %d", name, ranges, want.ranges)
			}
			seen := map[uint64]int{}
			for _, rg := range ranges {
				readAll(t.Context(), t, s, table, rg, func() int { return 300_000 }, func(b *row.Batch) {
					for _, w := range b.Cols[len(b.Cols)-1].Words {
						seen[w]++
					}
				})
			}
			for n, times := range seen {
				if times != 1 {
					t.Errorf("%s: row %d came %d times", name, n, times)
				}
			}
			if len(seen) != want.rows {
				t.Errorf("%s: got %d rows, want %d", name, len(seen), want.rows)
			}
		}
	})
}

// TestReadChunk_LongRows reads rows that are short at first, and then longer than thought by far.
func TestReadChunk_LongRows(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, b LONGBLOB)",
			"INSERT INTO shop.t SELECT n, IF(n < 10 OR n > 200, 'short', REPEAT(CHAR(97 + n % 26), 100000)) FROM "+numbersSQL(1500),
			"INSERT INTO shop.t VALUES (9999, REPEAT('z', 30000000))")
		s := open(t, srv)
		table := tableOf(t, s, "shop", "t")
		seen := 0
		chunks := readAll(t.Context(), t, s, table, source.Range{}, func() int { return 1 << 20 }, func(b *row.Batch) {
			for i := range b.Len() {
				id, length := b.Cols[0].Words[i], len(b.Cols[1].Value(i))
				want := 5
				if id == 9999 {
					want = 30_000_000
				} else if id >= 10 && id <= 200 {
					want = 100_000
				}
				if length != want {
					t.Errorf("row %d has %d bytes, want %d", id, length, want)
				}
				seen++
			}
		})
		if seen != 1501 {
			t.Errorf("got %d rows, want 1501", seen)
		}
		// 19 MB of long rows: a chunk is given up at about 3 MB, and the next ones are shorter.
		if chunks < 6 {
			t.Errorf("got %d chunks: some must be far too long", chunks)
		}
	}, "--max-allowed-packet=64M", "--loose-innodb-log-file-size=512M")
}

// TestReadChunk_Shape reads tables that are no longer what the caller thinks.
func TestReadChunk_Shape(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		s := open(t, srv)
		for name, change := range map[string]string{
			"dropped": "DROP TABLE %s", "column gone": "ALTER TABLE %s DROP COLUMN v", "renamed": "ALTER TABLE %s CHANGE v w INT",
			"wider": "ALTER TABLE %s MODIFY v BIGINT", "unsigned": "ALTER TABLE %s MODIFY v INT UNSIGNED", "text": "ALTER TABLE %s MODIFY v VARCHAR(10)",
			"key gone": "ALTER TABLE %s DROP PRIMARY KEY", "scale": "ALTER TABLE %s MODIFY d DECIMAL(10,3)",
		} {
			t.Run(name, func(t *testing.T) {
				table := schema.Name{Namespace: database, Table: "t " + name}
				srv.Exec(t, fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY, v INT, d DECIMAL(10,2))", quoteTable(table)), fmt.Sprintf("INSERT INTO %s VALUES (1, 2, 3)", quoteTable(table)))
				shape := tableOf(t, s, database, table.Table)
				for _, when := range []string{"with a prepared statement", "anew"} {
					if when == "with a prepared statement" {
						readAll(t.Context(), t, s, shape, source.Range{}, func() int { return 1 << 20 }, func(*row.Batch) {})
						srv.Exec(t, fmt.Sprintf(change, quoteTable(table)))
					}
					_, err := s.ReadChunk(t.Context(), source.Chunk{Table: shape, Bytes: 1 << 20}, "")
					if !errors.Is(err, source.ErrShape) {
						t.Errorf("%s: got %v, want another shape", when, err)
					}
				}
			})
		}
		t.Run("changed under an open view", func(t *testing.T) {
			if !s.server.snapshot {
				t.Skip("the server has no consistent snapshots")
			}
			srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.altered (id INT PRIMARY KEY)", database))
			shape := tableOf(t, s, database, "altered")
			err := s.with(t.Context(), func(c *conn) error {
				defer c.close()
				if _, err := s.openSnapshot(t.Context(), c, s.position("", 0)); err != nil {
					return err
				}
				srv.Exec(t, fmt.Sprintf("ALTER TABLE %s.altered ADD COLUMN x INT, ALGORITHM=COPY", database))
				m, err := s.metaOf(t.Context(), c, shape)
				if err != nil {
					return err
				}
				c.broken = true
				return s.selectChunk(t.Context(), c, m, source.Range{}, &reading{table: shape, limit: 10, enough: 1 << 20})
			})
			if !errors.Is(err, source.ErrShape) {
				t.Errorf("got %v, want another shape", err)
			}
		})
	})
}

// TestReadChunk_Errors loses the connection, the patience and the permission.
func TestReadChunk_Errors(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY, v INT)", database), fmt.Sprintf("INSERT INTO %s.t VALUES (1, 2)", database))
		s := open(t, srv)
		table := tableOf(t, s, database, "t")
		chunk := source.Chunk{Table: table, Bytes: 1 << 20}
		t.Run("killed", func(t *testing.T) {
			err := s.with(t.Context(), func(c *conn) error {
				srv.Exec(t, fmt.Sprintf("KILL %d", c.id))
				_, err := c.query(t.Context(), "SELECT 1")
				return err
			})
			if !errors.Is(err, source.ErrTransient) {
				t.Errorf("got %v, want a transient error", err)
			}
			if _, err := s.ReadChunk(t.Context(), chunk, ""); err != nil {
				t.Errorf("with a new connection: %v", err)
			}
		})
		t.Run("cancelled", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.ReadChunk(ctx, chunk, ""); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was cancelled", err)
			}
		})
		t.Run("denied", func(t *testing.T) {
			user := fmt.Sprintf("'blind_%s'@'127.0.0.1'", srv.Flavour)
			srv.Exec(t, "DROP USER IF EXISTS "+user, "CREATE USER "+user+" IDENTIFIED BY 'pw'", fmt.Sprintf("GRANT INSERT ON %s.t TO %s", database, user), "GRANT REPLICATION CLIENT ON *.* TO "+user)
			cfg := configOf(srv)
			cfg.Username, cfg.Password = strings.Split(user, "'")[1], "pw"
			blind := openConfig(t, cfg)
			_, err := blind.ReadChunk(t.Context(), chunk, "")
			var stopped *schema.TableError
			if !errors.As(err, &stopped) || stopped.Table != table.Name {
				t.Fatalf("got %v, want an error of the table", err)
			}
			mustSay(t, err, "GRANT SELECT ON `"+database+"`.`t`")
		})
		t.Run("zero date in the key", func(t *testing.T) {
			srv.Exec(t, fmt.Sprintf("SET SESSION sql_mode = ''; CREATE TABLE %[1]s.z (d DATE PRIMARY KEY); INSERT INTO %[1]s.z VALUES ('0000-00-00')", database))
			_, err := s.ReadChunk(t.Context(), source.Chunk{Table: tableOf(t, s, database, "z"), Bytes: 1 << 20}, "")
			if _, ok := errors.AsType[*schema.TableError](err); !ok {
				t.Fatalf("got %v, want an error of the table", err)
			}
			mustSay(t, err, "column d", "zero or partial date")
		})
	})
}

// TestReadWhole reads a table without a key in one view.
func TestReadWhole(t *testing.T) {
	srv := servers.SharedMariaDB(t, "10.11")
	database := srv.Database(t)
	srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (a INT, b VARCHAR(100))", database),
		fmt.Sprintf("INSERT INTO %s.t SELECT n, REPEAT('x', n %% 90) FROM %s", database, numbersSQL(50000)))
	s := open(t, srv)
	table := tableOf(t, s, database, "t")
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.ReadWhole(t.Context(), table, head)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if got := seqOf(t, head); w.Seq() < got {
		t.Errorf("the view is at %d, before the barrier %d", w.Seq(), got)
	}
	srv.Exec(t, fmt.Sprintf("INSERT INTO %s.t VALUES (-1, 'later')", database))
	rows, batches := 0, 0
	for {
		b, err := w.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range b.Cols[0].Words {
			if int64(v) == -1 {
				t.Error("a later row is in the view")
			}
		}
		rows += b.Len()
		batches++
		b.Free()
	}
	if rows != 50000 || batches < 5 {
		t.Errorf("got %d rows in %d batches, want 50000 in several", rows, batches)
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	early, err := s.ReadWhole(t.Context(), table, "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := early.Next(t.Context()); err != nil {
		t.Error(err)
	} else {
		b.Free()
	}
	if err := early.Close(); err != nil {
		t.Error(err)
	}
}

func seqOf(t *testing.T, p source.Position) uint64 {
	t.Helper()
	at, err := parseBarrier(p)
	if err != nil {
		t.Fatal(err)
	}
	return at.Seq()
}
