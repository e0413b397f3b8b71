package mysql

import (
	"context"
	"errors"
	"fmt"
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
	case s.server.mariadb():
		return committedOracle{}
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

// gtidOracle is MySQL's with gtid_mode=ON: what is executed before the view opens is seen, what is logged after its last
// read is not.
type gtidOracle struct{}

type gtidView struct {
	executed binlog.GTIDSet
	shift    uint64 // of the stream's positions
}

func (gtidOracle) open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error) {
	if err := s.awaitExecuted(ctx, c, barrier); err != nil {
		return nil, err
	}
	executed, err := s.executed(ctx, c)
	return gtidView{executed, barrier.Shift}, err
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
	high, err := s.high(ctx, c, v.shift)
	return binlog.NewGTIDView(v.executed, high), high, err
}

// high is the end of the log now, in the order of a stream whose positions have that shift.
func (s *Source) high(ctx context.Context, c *conn, shift uint64) (uint64, error) {
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
	p := s.position(end.file, end.pos)
	p.Shift = shift
	return p.Seq(), err
}
