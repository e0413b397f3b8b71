package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

// MariaDB has the status variables Binlog_snapshot_file and Binlog_snapshot_position: the end of the last transaction
// that is committed in the engines, or, in a consistent snapshot, the place of that snapshot. Unlike the end of the log they
// follow what is visible. But they are no variables of the session: the server computes them into two variables of its
// own and prints those, under a lock that sessions share. With four readers at once, one snapshot in some hundred is given
// the place of another, and a chunk placed by it is stale.
//
// What another session can put there is the place of an older snapshot, or of a commit that has happened. So read outside
// of a snapshot the variables never run ahead of what is committed: that is enough for the view of a chunk.

// committedOracle is MariaDB's: what is committed before the view opens is seen, what is logged after its last read is not.
type committedOracle struct{}

type committedView struct{ low, shift uint64 }

func (committedOracle) open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error) {
	at, err := s.awaitCommitted(ctx, c, barrier)
	if err == nil {
		err = s.awaitOutcomes(ctx, c, barrier)
	}
	return committedView{at.Seq(), barrier.Shift}, err
}

func (v committedView) close(ctx context.Context, s *Source, c *conn) (source.View, uint64, error) {
	high, err := s.high(ctx, c, v.shift)
	return binlog.LogView{Low: v.low, High: high}, high, err
}

// awaitCommitted waits until all transactions up to barrier are committed, and returns up to where that is so.
func (s *Source) awaitCommitted(ctx context.Context, c *conn, barrier binlog.Position) (binlog.Position, error) {
	var at binlog.Position
	err := poll(ctx, "waited in vain for delivered transactions to become visible", func() (bool, error) {
		var err error
		if at, err = s.snapshotPosition(ctx, c); err != nil {
			return false, err
		}
		at.Shift = barrier.Shift
		covered, err := s.covers(ctx, c, at, barrier)
		return covered && s.settled(at), err
	})
	return at, err
}

// awaitOutcomes waits until the XA transactions whose outcome was delivered up to barrier have had it in the engines as well:
// the server logs XA COMMIT first, and its committed position does not wait for them. Until then XA RECOVER lists them, and
// barrier does not. One that is prepared behind barrier is waited for in vain: then a later barrier helps, which names it.
func (s *Source) awaitOutcomes(ctx context.Context, c *conn, barrier binlog.Position) error {
	late, err := s.recoverable(ctx, c)
	if err != nil {
		return err
	}
	for _, p := range barrier.Prepared {
		delete(late, p.XID)
	}
	if len(late) == 0 {
		return nil
	}
	return poll(ctx, "waited in vain for XA transactions to become visible", func() (bool, error) {
		now, err := s.recoverable(ctx, c)
		maps.DeleteFunc(late, func(xid string, _ bool) bool { return !now[xid] })
		return len(late) == 0, err
	})
}

// recoverable lists the XA transactions that are prepared, as positions spell them.
func (s *Source) recoverable(ctx context.Context, c *conn) (map[string]bool, error) {
	rows, err := c.query(ctx, "XA RECOVER")
	if err != nil {
		return nil, fmt.Errorf("list prepared XA transactions: %w", err)
	}
	all := make(map[string]bool, len(rows))
	for _, r := range rows {
		var n [3]int // format, lengths of the two parts
		for i := range n {
			if n[i], err = strconv.Atoi(r[i]); err != nil {
				return nil, fmt.Errorf("list prepared XA transactions: %w", err)
			}
		}
		data := []byte(r[3])
		if n[1] < 0 || n[2] < 0 || n[1]+n[2] != len(data) {
			return nil, fmt.Errorf("list prepared XA transactions: a name of %d bytes has parts of %d and %d", len(data), n[1], n[2])
		}
		all[binlog.SpellXID(n[0], data[:n[1]], data[n[1]:])] = true
	}
	return all, nil
}

// A freshFile is where the newest log file was when it was first seen, and when that was.
type freshFile struct {
	file   string
	offset uint64
	seen   time.Time
}

// settleTime is how long a group commit may take from the log's rotation to the engines' commits.
const settleTime = 100 * time.Millisecond

// settled says that a place can be taken at its word. When the log rotates, the server says that it is committed up to the
// new file's start, a moment before it commits the group that filled the old file; with semi-synchronous replication the
// moment lasts until a replica has acknowledged. So the start of a file counts only when more is committed in that file,
// or after that time.
func (s *Source) settled(at binlog.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh.file != at.File {
		s.fresh = freshFile{at.File, at.Offset, time.Now()}
	}
	if at.Offset > s.fresh.offset {
		return true
	}
	wait := settleTime
	if s.server.on("rpl_semi_sync_master_enabled") {
		millis, err := strconv.Atoi(s.server.vars["rpl_semi_sync_master_timeout"])
		if err == nil {
			wait += time.Duration(millis) * time.Millisecond
		}
	}
	return time.Since(s.fresh.seen) >= wait
}

// snapshotReads is how often a snapshot's position is read: it is believed when all agree.
const snapshotReads = 3

// openSnapshot opens a consistent snapshot that has all transactions up to barrier, and returns exactly where it is.
func (s *Source) openSnapshot(ctx context.Context, c *conn, barrier binlog.Position) (binlog.Position, error) {
	if s.server.mariadb() {
		if _, err := s.awaitCommitted(ctx, c, barrier); err != nil {
			return binlog.Position{}, err
		}
	} else if barrier.Ragged {
		if err := s.awaitExecuted(ctx, c, barrier); err != nil {
			return binlog.Position{}, err
		}
	}
	s.snapshots.Lock()
	defer s.snapshots.Unlock()
	var at binlog.Position
	err := poll(ctx, "waited in vain for a snapshot that has all delivered transactions", func() (bool, error) {
		if err := c.exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
			return false, err
		}
		var err error
		if at, err = s.agreedPosition(ctx, c); err == nil {
			at.Shift = barrier.Shift
			var covered bool
			if covered, err = s.covers(ctx, c, at, barrier); covered && err == nil {
				return true, nil
			}
		}
		if err != nil && !errors.Is(err, errDisagree) {
			return false, err
		}
		return false, c.exec(ctx, "COMMIT")
	})
	if err != nil {
		c.broken = true // a transaction may be open
	}
	return at, err
}

var errDisagree = errors.New("the server gives different positions for one snapshot")

// agreedPosition reads the position of the open snapshot several times: a read into which another session has got its
// position differs from the others.
func (s *Source) agreedPosition(ctx context.Context, c *conn) (binlog.Position, error) {
	first, err := s.snapshotPosition(ctx, c)
	for range snapshotReads - 1 {
		if err != nil {
			return first, err
		}
		var next binlog.Position
		if next, err = s.snapshotPosition(ctx, c); err == nil && next.Seq() != first.Seq() {
			return first, errDisagree
		}
	}
	return first, err
}

// snapshotPosition asks for the snapshot variables.
func (s *Source) snapshotPosition(ctx context.Context, c *conn) (binlog.Position, error) {
	at := s.position("", 0)
	rows, err := c.query(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return at, err
	}
	for _, r := range rows {
		switch r[0] {
		case "Binlog_snapshot_file":
			at.File = r[1]
		case "Binlog_snapshot_position":
			if at.Offset, err = strconv.ParseUint(r[1], 10, 64); err != nil {
				return at, fmt.Errorf("read the snapshot's position %q: %w", r[1], err)
			}
		}
	}
	if at.File == "" {
		return at, fmt.Errorf("%w: the server writes no binary log: set log_bin and restart it", source.ErrPositionLost)
	}
	return at, nil
}

// covers says that a place in the log has all transactions up to barrier before it.
func (s *Source) covers(ctx context.Context, c *conn, at, barrier binlog.Position) (bool, error) {
	switch {
	case barrier.File != "" && at.Seq() < barrier.Seq():
		return false, nil
	case barrier.File != "" && !(barrier.Ragged && s.server.mariadb()):
		return true, nil
	case barrier.GTIDs == nil || barrier.GTIDs.Empty():
		return true, nil
	}
	gtids, err := s.gtidsAt(ctx, c, at)
	if err != nil || gtids == nil {
		return false, err
	}
	return gtids.Contains(barrier.GTIDs), nil
}
