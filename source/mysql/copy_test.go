package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

const copiedRows = 1500

// A habit is a way of writing that the log shows in another form than whole rows.
type habit struct {
	name    string
	flavour servers.Flavour
	since   int // MySQL's version
	session string
	change  func(rnd *rand.Rand, xid string) string
	outcome func(rnd *rand.Rand, xid string) string // says what becomes of the change; nil: it has happened
}

func habits() []habit {
	id := func(rnd *rand.Rand) int { return rnd.IntN(copiedRows * 11 / 10) }
	full := func(rnd *rand.Rand) string {
		return fmt.Sprintf(`v = %d, j = '{"a": %d}', w = REPEAT('w', %d)`, rnd.IntN(1000), rnd.IntN(100), rnd.IntN(50))
	}
	pick := func(rnd *rand.Rand, all ...string) string { return all[rnd.IntN(len(all))] }
	return []habit{
		{name: "minimal images", session: "SET SESSION binlog_row_image = MINIMAL", change: func(rnd *rand.Rand, _ string) string {
			n := id(rnd)
			return pick(rnd, fmt.Sprintf("DELETE FROM t WHERE id = %d", n), fmt.Sprintf(`INSERT INTO t VALUES (%d, %d, '[1]', 'new') ON DUPLICATE KEY UPDATE %s`, n, -1-n, full(rnd)),
				fmt.Sprintf(`DELETE FROM t WHERE id = %d; INSERT IGNORE INTO t VALUES (%[1]d, %d, '{}', 'again')`, n, 5000+rnd.IntN(100)))
		}},
		{name: "images without blobs", session: "SET SESSION binlog_row_image = NOBLOB", change: func(rnd *rand.Rand, _ string) string {
			n := id(rnd)
			return pick(rnd, fmt.Sprintf("DELETE FROM t WHERE id = %d", n), fmt.Sprintf(`REPLACE INTO t VALUES (%d, %d, '[1]', 'new')`, n, rnd.IntN(100)),
				fmt.Sprintf(`UPDATE t SET v = %d, j = CONCAT('[', id, ', %[1]d]'), w = CONCAT(w, 'w') WHERE id = %d`, rnd.IntN(100), n))
		}},
		{name: "changes of documents", flavour: servers.FlavourMySQL, since: 80003, session: "SET SESSION binlog_row_value_options = PARTIAL_JSON", change: func(rnd *rand.Rand, _ string) string {
			n := id(rnd)
			return pick(rnd, fmt.Sprintf("UPDATE t SET j = JSON_SET(j, '$.a', %d, '$.b', 1) WHERE id = %d", rnd.IntN(1000), n), fmt.Sprintf("UPDATE t SET j = JSON_REMOVE(j, '$.b'), v = v + 1 WHERE id = %d", n),
				fmt.Sprintf("DELETE FROM t WHERE id = %d", n))
		}},
		{name: "xa", since: 80030, session: "DO 0", change: func(rnd *rand.Rand, xid string) string {
			n := id(rnd)
			return fmt.Sprintf("XA START %[1]s; UPDATE t SET %[2]s WHERE id = %[3]d; DELETE FROM t WHERE id = %[4]d; INSERT IGNORE INTO t VALUES (%[5]d, 1, '1', 'x'); XA END %[1]s; XA PREPARE %[1]s",
				xid, full(rnd), n, n+1, n+2)
		}, outcome: func(rnd *rand.Rand, xid string) string {
			return pick(rnd, "XA COMMIT ", "XA COMMIT ", "XA ROLLBACK ") + xid
		}},
	}
}

// TestCopy copies a table while it is written to in each of these ways, and holds that what came of it is the table.
func TestCopy(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		for _, h := range habits() {
			if h.flavour != "" && h.flavour != srv.Flavour {
				continue
			}
			t.Run(h.name, func(t *testing.T) { copyUnder(t, srv, h, seed) })
		}
	})
}

func copyUnder(t *testing.T, srv *servers.Server, h habit, seed uint64) {
	t.Helper()
	s := open(t, srv)
	if !s.server.mariadb() && s.server.number < h.since {
		t.Skip("the server does not write so, or its tables stop")
	}
	database := srv.Database(t)
	srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY, v INT, j JSON, w TEXT)", database))
	insert := fmt.Sprintf("INSERT INTO %s.t VALUES ", database)
	for id := range copiedRows {
		insert += fmt.Sprintf(`(%d, %[1]d, '{"a": %[1]d, "ballast": "%060d"}', 'text'),`, id, id)
	}
	srv.Exec(t, insert[:len(insert)-1])
	table := tableOf(t, s, database, "t")
	start, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := snapshot.Open(t.Context(), s, start.Position, []snapshot.Table{{Shape: table}}, nil, snapshot.Config{ChunkBytes: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var writers errgroup.Group
	for w := range 3 {
		writers.Go(func() error { return h.write(t.Context(), srv.DB(t), database, w, seed) })
	}
	written := make(chan error, 1)
	go func() { written <- writers.Wait() }() // ends with the writers
	got := apply(t, s, stream, written)
	want := map[uint64]string{}
	readAll(t.Context(), t, s, table, source.Range{}, func() int { return 1 << 20 }, func(b *row.Batch) { render(b, want) })
	if len(want) < copiedRows/2 || len(got) != len(want) {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
	for id := range want {
		if got[id] != want[id] {
			t.Fatalf("row %d: got\n%s\nwant\n%s", id, got[id], want[id])
		}
	}
}

// write makes changes on a connection of its own.
func (h *habit) write(ctx context.Context, db *sql.DB, database string, writer int, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, uint64(writer)))
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "USE "+database+"; "+h.session)
	for n := 0; err == nil && n < 150; n++ {
		xid := fmt.Sprintf("'%s','%d-%d'", database, writer, n)
		if _, err = c.ExecContext(ctx, h.change(rnd, xid)); err == nil && h.outcome != nil {
			_, err = c.ExecContext(ctx, h.outcome(rnd, xid))
		}
		if err != nil && strings.Contains(err.Error(), "Deadlock found") { // the server has taken the transaction back
			err = nil
			if h.outcome != nil {
				_, _ = c.ExecContext(ctx, "XA END "+xid) // says so once more
				_, err = c.ExecContext(ctx, "XA ROLLBACK "+xid)
			}
		}
	}
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // its session must not be used again
	return errors.Join(err, closed(c))
}

// apply keeps rows as the stream says, until all that was written has come and the table is copied.
func apply(t *testing.T, s *Source, stream source.Stream, written <-chan error) map[uint64]string {
	t.Helper()
	rows := map[uint64]string{}
	var end binlog.Position
	copied := false
	for deadline := time.Now().Add(time.Minute); ; {
		ev, err := stream.Next(t.Context())
		if err != nil || ev.Stopped != nil || time.Now().After(deadline) {
			t.Fatalf("next: %v, stopped: %v, copied: %t, waiting for %s", err, ev.Stopped, copied, end)
		}
		keep(ev.Rows, rows)
		copied = copied || ev.Copied != nil && ev.Copied.Done
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			end = parsed(t, headOf(t, s))
		default:
		}
		if ev.Commit != "" && copied && end.GTIDs != nil && parsed(t, ev.Commit).GTIDs.Contains(end.GTIDs) {
			return rows
		}
	}
}

func keep(b *row.Batch, rows map[uint64]string) {
	if b == nil {
		return
	}
	one := row.New(b.Table)
	for i := range b.Len() {
		if delete(rows, b.Cols[0].Words[i]); b.Ops[i] != row.Delete && b.Ops[i] != row.Before {
			one.Truncate(0)
			one.AppendRow(b, i)
			render(one, rows)
		}
	}
	one.Free()
	b.Free()
}

func headOf(t *testing.T, s *Source) source.Position {
	t.Helper()
	p, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parsed(t *testing.T, text source.Position) binlog.Position {
	t.Helper()
	p, err := binlog.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
