package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

// An oracle opens views that can say which transactions they hold.
type oracle interface {
	// open opens a view for the next statements of c, when all transactions up to barrier are visible.
	open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error)
}

// A view is an open view.
type view interface {
	// close ends the view after its last statement. It may use another connection when c is broken.
	close(ctx context.Context, s *Source, c *conn) (known source.View, high uint64, err error)
}

// barrierPatience is how long a chunk waits for what the log has delivered to become visible. A server may hold back a
// commit for as long as its replicas take to acknowledge it.
const barrierPatience = time.Minute

// chooseOracle picks the best oracle that the server offers; nil when there is none.
func (s *Source) chooseOracle() oracle {
	switch {
	case s.server.snapshot:
		return snapshotOracle{}
	case s.server.gtids():
		return gtidOracle{}
	case s.cfg.SignalTable != "" && s.server.on("binlog_order_commits"):
		name, err := splitName(s.cfg.SignalTable)
		if err != nil {
			return nil
		}
		return signalOracle{table: name}
	}
	return nil
}

// noOracle says why existing rows cannot be copied.
func (s *Source) noOracle() error {
	if s.cfg.SignalTable != "" {
		return errors.New("its rows cannot be copied exactly: the server runs with binlog_order_commits=OFF, so a written watermark proves nothing: SET GLOBAL binlog_order_commits=ON, or use gtid_mode=ON")
	}
	return fmt.Errorf("its rows cannot be copied exactly: gtid_mode is %s, so the server cannot say which transactions a read has seen: set gtid_mode=ON, or give signal.table (a table that this account may write), or use scan.startup.mode: latest-offset",
		s.server.vars["gtid_mode"])
}

// poll calls try until it says done, with growing pauses, or until patience is at its end.
func poll(ctx context.Context, what string, try func() (done bool, err error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, barrierPatience,
		fmt.Errorf("%w: %s for %v", source.ErrTransient, what, barrierPatience))
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		done, err := try()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// snapshotOracle is MariaDB's and Percona's: the server opens the view and notes the end of the log in one step.
type snapshotOracle struct{}

// A snapshotView is a view that is exactly the log up to a place.
type snapshotView struct{ seq uint64 }

func (snapshotOracle) open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error) {
	p, err := s.openSnapshot(ctx, c, barrier)
	return snapshotView{p.Seq()}, err
}

func (v snapshotView) close(ctx context.Context, _ *Source, c *conn) (source.View, uint64, error) {
	known := binlog.LogView{Low: v.seq, High: v.seq}
	if c.broken {
		return known, v.seq, nil
	}
	return known, v.seq, c.exec(ctx, "COMMIT")
}

// openSnapshot opens a consistent snapshot that has all transactions up to barrier, and returns where it is.
func (s *Source) openSnapshot(ctx context.Context, c *conn, barrier binlog.Position) (binlog.Position, error) {
	var at binlog.Position
	err := poll(ctx, "waited in vain for delivered transactions to become visible", func() (bool, error) {
		if err := c.exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
			return false, err
		}
		var err error
		if at, err = s.snapshotPosition(ctx, c); err != nil {
			return false, err
		}
		done, err := s.covers(ctx, c, at, barrier)
		if done || err != nil {
			return done, err
		}
		return false, c.exec(ctx, "COMMIT")
	})
	if err != nil && !c.broken {
		c.broken = true // a transaction may be open
	}
	return at, err
}

// snapshotPosition asks where the open consistent snapshot is in the log.
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

// covers says that a snapshot at a place has all transactions up to barrier.
func (s *Source) covers(ctx context.Context, c *conn, at, barrier binlog.Position) (bool, error) {
	switch {
	case barrier.File != "" && barrier.Server != at.Server && barrier.Server != "":
		return false, fmt.Errorf("%w: the log was read from server %s, this is server %s", source.ErrTransient, barrier.Server, at.Server)
	case barrier.File != "":
		return at.Seq() >= barrier.Seq(), nil
	case barrier.GTIDs == nil || barrier.GTIDs.Empty():
		return true, nil
	}
	gtids, err := s.gtidsAt(ctx, c, at)
	if err != nil || gtids == nil {
		return false, err
	}
	return gtids.Contains(barrier.GTIDs), nil
}

// gtidOracle is MySQL's with gtid_mode=ON: what is executed before the view opens is seen, what is logged after its last
// read is not.
type gtidOracle struct{}

type gtidView struct{ executed binlog.GTIDSet }

func (gtidOracle) open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error) {
	if err := s.awaitExecuted(ctx, c, barrier); err != nil {
		return nil, err
	}
	executed, err := s.executed(ctx, c)
	return gtidView{executed}, err
}

// awaitExecuted waits until the barrier's transactions are visible. A wait that ends in vain must not be ignored: rows
// would be read as they were before changes that are delivered already.
func (s *Source) awaitExecuted(ctx context.Context, c *conn, barrier binlog.Position) error {
	if barrier.GTIDs == nil || barrier.GTIDs.Empty() {
		if barrier.File == "" {
			return nil
		}
		return fmt.Errorf("wait for the log's position %s: it has no GTIDs to wait for: start from a position that has", barrier)
	}
	sql := "SELECT WAIT_FOR_EXECUTED_GTID_SET(" + literal(barrier.GTIDs.String()) + ", 5)"
	return poll(ctx, "waited in vain for delivered transactions to be executed", func() (bool, error) {
		got, err := c.value(ctx, sql)
		return got == "0", err
	})
}

// executed asks which transactions are executed.
func (s *Source) executed(ctx context.Context, c *conn) (binlog.GTIDSet, error) {
	text, err := c.value(ctx, "SELECT @@GLOBAL.gtid_executed")
	if err != nil {
		return nil, fmt.Errorf("ask for executed GTIDs: %w", err)
	}
	return binlog.ParseGTIDSet(binlog.MySQL, compact(text))
}

func (v gtidView) close(ctx context.Context, s *Source, c *conn) (source.View, uint64, error) {
	high, err := s.high(ctx, c)
	return binlog.NewGTIDView(v.executed, high), high, err
}

// high is the end of the log now.
func (s *Source) high(ctx context.Context, c *conn) (uint64, error) {
	var end status
	ask := func(c *conn) (err error) {
		end, err = s.head(ctx, c)
		return err
	}
	var err error
	if c.broken {
		err = s.with(ctx, ask)
	} else {
		err = ask(c)
	}
	return s.position(end.file, end.pos).Seq(), err
}
