package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// maxPrepared is how many XA transactions may wait for their outcome: their locks are in the way of others.
const maxPrepared = 4

// twoPhaseServer says that XA transactions in two phases can be copied from the server.
func twoPhaseServer(s *servers.Server) bool {
	return s.Flavour == servers.FlavourMariaDB || s.Version == "8.0" || s.Version == "9.7"
}

// xid makes a name whose last letter says what becomes of the transaction, whoever ends it: c, or r for rollback. A
// commit that was cut off by a crash is thus repeated, never turned into a rollback.
func (w *writer) xid() string {
	return fmt.Sprintf("%s.%d.%d.%s", w.load.database, os.Getpid(), w.load.wild.made.Add(1), []string{"c", "c", "r"}[w.r.IntN(3)])
}

// branch is the XA transaction up to its end, not prepared yet.
func (w *writer) branch(ctx context.Context, on *sql.Conn, xid string) error {
	if err := w.all(ctx, on, "XA START '"+xid+"'"); err != nil {
		return err
	}
	for range 1 + w.r.IntN(4) {
		if err := w.all(ctx, on, w.sql(w.lasting())...); err != nil {
			return err
		}
	}
	return w.all(ctx, on, "XA END '"+xid+"'")
}

func (w *writer) onePhase(ctx context.Context, on *sql.Conn) error {
	xid := w.xid()
	if err := w.branch(ctx, on, xid); err != nil {
		return err
	}
	return w.all(ctx, on, "XA COMMIT '"+xid+"' ONE PHASE")
}

// twoPhases prepares an XA transaction, and ends it or leaves that to others. Before it, one of those that were left is
// ended, so that they do not become many.
func (w *writer) twoPhases(ctx context.Context, on *sql.Conn) error {
	left, err := w.load.recover(ctx, on)
	if err != nil {
		return err
	}
	if len(left) > 0 && (len(left) >= maxPrepared || w.r.IntN(2) == 0) {
		return w.load.end(ctx, on, left[w.r.IntN(len(left))])
	}
	xid := w.xid()
	if err := w.branch(ctx, on, xid); err != nil {
		return err
	}
	if err := w.load.xa(ctx, on, "XA PREPARE '"+xid+"'"); err != nil || w.r.IntN(3) == 0 {
		return err
	}
	return w.load.end(ctx, on, xid)
}

func (l *Load) end(ctx context.Context, on *sql.Conn, xid string) error {
	if strings.HasSuffix(xid, "r") {
		return l.xa(ctx, on, "XA ROLLBACK '"+xid+"'")
	}
	return l.xa(ctx, on, "XA COMMIT '"+xid+"'")
}

func (l *Load) xa(ctx context.Context, on *sql.Conn, statement string) error {
	l.config.Gates.XA.RLock()
	defer l.config.Gates.XA.RUnlock()
	_, err := on.ExecContext(ctx, statement)
	return err
}

// recover asks the server which of the load's XA transactions are prepared.
func (l *Load) recover(ctx context.Context, on *sql.Conn) ([]string, error) {
	rows, err := on.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var xids []string
	for rows.Next() {
		var format, global, branch int
		var xid string
		if err := rows.Scan(&format, &global, &branch, &xid); err != nil {
			return nil, err
		}
		if strings.HasPrefix(xid, l.database+".") {
			xids = append(xids, xid)
		}
	}
	slices.Sort(xids)
	return xids, rows.Err()
}

// EndXA ends all XA transactions that are prepared. The load must have stopped.
func (l *Load) EndXA(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; pause(t.Context(), 50*time.Millisecond) {
		left, err := l.endXA(t.Context())
		if err != nil {
			t.Fatalf("end XA transactions: %v", err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("XA transactions %q do not end", left)
		}
	}
}

// endXA tries to end the XA transactions that it returns. The server refuses those whose session it still has.
func (l *Load) endXA(ctx context.Context) ([]string, error) {
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	left, err := l.recover(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, xid := range left {
		var refused *mysql.MySQLError
		if err := l.end(ctx, conn, xid); err != nil && !errors.As(err, &refused) {
			return nil, fmt.Errorf("end %s: %w", xid, err)
		}
	}
	return left, nil
}
