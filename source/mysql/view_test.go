package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// naiveOracle places chunks by the end of the log before and after the SELECT, as other tools do. Such views are wrong,
// since a transaction is in the log before it is visible: the tests must see that.
type naiveOracle struct{}

type naiveView struct{ low uint64 }

func (naiveOracle) open(ctx context.Context, s *Source, c *conn, _ binlog.Position) (view, error) {
	low, err := s.high(ctx, c, 0)
	return naiveView{low}, err
}

func (v naiveView) close(ctx context.Context, s *Source, c *conn) (source.View, uint64, error) {
	high, err := s.high(ctx, c, 0)
	return binlog.LogView{Low: v.low, High: high}, high, err
}

const hotKeys = 50

// A hot is a small table whose rows are counted up by several writers, while it is read in chunks and its log is followed.
type hot struct {
	s     *Source
	table *schema.Table
	write func(ctx context.Context, db *sql.DB, writer int) error

	mu      sync.Mutex // guards the fields below
	txns    [hotKeys][]source.TxnID
	barrier source.Position
	seq     uint64
	err     error
}

// A hotChunk is what a chunk said of each row's counter.
type hotChunk struct {
	view     source.View
	high     uint64
	counters [hotKeys]int
	had      [hotKeys]int // what the log had delivered when the chunk was registered
}

func newHot(t *testing.T, srv *servers.Server, s *Source) *hot {
	t.Helper()
	database := srv.Database(t)
	srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.hot (id INT PRIMARY KEY, c INT NOT NULL)", database))
	for id := range hotKeys {
		srv.Exec(t, fmt.Sprintf("INSERT INTO %s.hot VALUES (%d, 0)", database, id))
	}
	h := &hot{s: s, table: tableOf(t, s, database, "hot")}
	h.write = h.plain
	return h
}

// follow collects the transactions of the log: the n-th of a key makes its counter n.
func (h *hot) follow(ctx context.Context, stream source.Stream) {
	for {
		ev, err := stream.Next(ctx)
		h.mu.Lock()
		if err != nil || ev.Stopped != nil {
			if ctx.Err() == nil {
				h.err = fmt.Errorf("follow: %w, stopped: %t", err, ev.Stopped != nil)
			}
			h.mu.Unlock()
			return
		}
		if b := ev.Rows; b != nil {
			for i, op := range b.Ops {
				if op == row.After {
					id := b.Cols[0].Words[i]
					h.txns[id] = append(h.txns[id], ev.Txn)
				}
			}
			b.Free()
		}
		if ev.Commit != "" {
			h.barrier, h.seq = ev.Commit, ev.Seq
		}
		h.mu.Unlock()
	}
}

func (h *hot) chunk(t *testing.T) hotChunk {
	t.Helper()
	var c hotChunk
	h.mu.Lock()
	barrier := h.barrier
	for id := range h.txns {
		c.had[id] = len(h.txns[id])
	}
	h.mu.Unlock()
	rows, err := h.s.ReadChunk(t.Context(), source.Chunk{Table: h.table, Bytes: 1 << 20}, barrier)
	if err != nil {
		t.Fatal(err)
	}
	c.view, c.high = rows.View, rows.High
	for _, b := range rows.Rows {
		for i := range b.Len() {
			c.counters[b.Cols[0].Words[i]] = int(b.Cols[1].Words[i])
		}
		b.Free()
	}
	return c
}

// run reads chunks for a while and counts those that are not what their view says, or older than what was delivered.
func (h *hot) run(t *testing.T, srv *servers.Server, chunks int) (wrong int) {
	t.Helper()
	start, err := h.s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := h.s.Stream(t.Context(), start.Position, []*schema.Table{h.table}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group, followers errgroup.Group
	for w := range 6 {
		group.Go(func() error { return h.write(ctx, srv.DB(t), w) })
	}
	following, quit := context.WithCancel(t.Context())
	defer quit()
	followers.Go(func() error { h.follow(following, stream); return nil })
	var read []hotChunk
	for range chunks {
		read = append(read, h.chunk(t))
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	h.await(t, srv)
	quit()
	_ = followers.Wait() // errors are in h
	for i := range read {
		if h.wrong(&read[i]) {
			wrong++
		}
	}
	return wrong
}

func (h *hot) plain(ctx context.Context, db *sql.DB, writer int) error {
	rnd := rand.New(rand.NewPCG(uint64(writer), 7))
	for ctx.Err() == nil {
		_, err := db.Exec(fmt.Sprintf("UPDATE %s SET c = c + 1 WHERE id = %d", quoteTable(h.table.Name), rnd.IntN(hotKeys)))
		if err != nil {
			return err
		}
	}
	return nil
}

// distributed writes by XA transactions. Every other one is committed on another connection than it was prepared on.
func (h *hot) distributed(ctx context.Context, db *sql.DB, writer int) error {
	rnd := rand.New(rand.NewPCG(uint64(writer), 9))
	for n := 0; ctx.Err() == nil; n++ {
		xid := fmt.Sprintf("'%s','%d-%d'", h.table.Name.Namespace, writer, n)
		c, err := db.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		_, err = c.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("XA START %[1]s; UPDATE %[2]s SET c = c + 1 WHERE id = %[3]d; XA END %[1]s; XA PREPARE %[1]s",
			xid, quoteTable(h.table.Name), rnd.IntN(hotKeys)))
		apart := n%2 == 0 && survivesConnection(h.s.server)
		if err == nil && !apart {
			_, err = c.ExecContext(context.WithoutCancel(ctx), "XA COMMIT "+xid)
		}
		var id int
		if apart && err == nil {
			err = c.QueryRowContext(context.WithoutCancel(ctx), "SELECT CONNECTION_ID()").Scan(&id)
		}
		if apart {
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // ends the connection
		}
		if err := errors.Join(err, closed(c)); err != nil {
			return err
		}
		// The server needs a while to see that the connection has ended. MariaDB, asked meanwhile, was seen to log XA COMMIT and to
		// roll the rows back.
		for left := id; left != 0; {
			if err := db.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ?", id).Scan(&left); err != nil {
				return err
			}
		}
		for apart {
			_, err := db.Exec("XA COMMIT " + xid)
			if apart = err != nil; apart && !strings.Contains(err.Error(), "XAER_NOTA") {
				return err
			}
		}
	}
	return nil
}

// survivesConnection says that a prepared transaction can be ended once its connection is off the server's list. MariaDB
// 10.5 detaches it later: an XA COMMIT in between is logged, but the transaction stays prepared, and its rows locked, until
// the server restarts.
func survivesConnection(s server) bool { return !s.mariadb() || s.number >= 100600 }

// closed returns a connection to its pool, if it is not ended.
func closed(c *sql.Conn) error {
	if err := c.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// await waits until the log has delivered each change.
func (h *hot) await(t *testing.T, srv *servers.Server) {
	t.Helper()
	var total int
	if _, err := fmt.Sscan(srv.Value(t, "SELECT SUM(c) FROM "+quoteTable(h.table.Name)), &total); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		h.mu.Lock()
		n, err := 0, h.err
		for id := range h.txns {
			n += len(h.txns[id])
		}
		h.mu.Unlock()
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the log delivered %d changes of %d: %v", n, total, err)
		}
		if n == total {
			return
		}
	}
}

// wrong says that a chunk holds a change that its view denies, lacks one that it affirms, or lacks one that was delivered
// before it was registered.
func (h *hot) wrong(c *hotChunk) bool {
	for id, txns := range h.txns {
		if c.had[id] > c.counters[id] {
			return true
		}
		for i, txn := range txns {
			held := i+1 <= c.counters[id]
			switch vis := c.view.Sees(txn); {
			case vis == source.Yes && !held, vis == source.No && held, txn.Seq >= c.high && held:
				return true
			}
		}
	}
	return false
}

// slowCommit lengthens the time between a transaction's way into the log and its visibility.
var slowCommit = []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"}

// TestView_Sound reads hot rows with each oracle, and with naive views to see that the test can fail.
func TestView_Sound(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(t *testing.T) *servers.Server
		want oracle
	}{
		{"committed", func(t *testing.T) *servers.Server { return servers.MariaDB(t, "10.11", slowCommit...) }, committedOracle{}},
		{"gtid", func(t *testing.T) *servers.Server { return servers.MySQL(t, "9.7", slowCommit...) }, gtidOracle{}},
		{"signal", func(t *testing.T) *servers.Server {
			return servers.MySQL(t, "8.0", append(slowCommit, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")...)
		}, signalOracle{schema.Name{Namespace: "cdc", Table: "signal"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := c.open(t)
			srv.Exec(t, "CREATE DATABASE cdc", "CREATE TABLE cdc.`signal` (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048))")
			cfg := configOf(srv)
			cfg.SignalTable = "cdc.signal"
			s := openConfig(t, cfg)
			if s.oracle != c.want {
				t.Skipf("this server has the oracle %T", s.oracle)
			}
			if wrong := newHot(t, srv, s).run(t, srv, 1500); wrong != 0 {
				t.Errorf("%d chunks of 1500 are not what their views say", wrong)
			}
			s.oracle = naiveOracle{}
			wrong := newHot(t, srv, s).run(t, srv, 1500)
			t.Logf("naive views: %d of 1500 chunks are wrong", wrong)
			if wrong == 0 {
				t.Error("naive views are found to be right: the test sees nothing")
			}
		})
	}
}

// TestView_XA reads rows that XA transactions change.
func TestView_XA(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(t *testing.T) *servers.Server
	}{
		{"mariadb", func(t *testing.T) *servers.Server { return servers.MariaDB(t, "10.11", slowCommit...) }},
		{"mysql 8.0", func(t *testing.T) *servers.Server { return servers.MySQL(t, "8.0", slowCommit...) }},
		{"mysql", func(t *testing.T) *servers.Server { return servers.MySQL(t, "9.7", slowCommit...) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := c.open(t)
			s := open(t, srv)
			if !s.server.mariadb() && s.server.number < 80030 {
				t.Skip("XA transactions stop their tables")
			}
			h := newHot(t, srv, s)
			h.write = h.distributed
			if wrong := h.run(t, srv, 1500); wrong != 0 {
				t.Errorf("%d chunks of 1500 are not what their views say", wrong)
			}
		})
	}
}

// TestView_Refused cannot copy from a MySQL without GTIDs and signal table, and says so; it can follow.
func TestView_Refused(t *testing.T) {
	srv := servers.MySQL(t, "8.0", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
	database := srv.Database(t)
	srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY)", database))
	s := open(t, srv)
	if s.server.flavour != mysqlFlavour {
		t.Skip("not MySQL")
	}
	d, err := s.Tables(t.Context(), inDatabase(database))
	if err != nil || len(d.Tables) != 0 || len(d.Refused) != 1 {
		t.Fatalf("got %v, %v, want the table refused", d, err)
	}
	mustSay(t, d.Refused[0], "gtid_mode is OFF", "signal.table", "latest-offset")
	_, err = s.Start(t.Context())
	mustSay(t, err, "gtid_mode is OFF")
	cfg := configOf(srv)
	cfg.StartupMode = LatestOffset
	follower := openConfig(t, cfg)
	start, err := follower.Start(t.Context())
	if err != nil || start.Snapshot {
		t.Fatalf("got %v, %v", start, err)
	}
	tableOf(t, follower, database, "t")
}
