package mysql

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

// firstEvent is where the events of a log file begin, behind its magic number.
const firstEvent = 4

// Start finds where to begin, as scan.startup.mode says.
func (s *Source) Start(ctx context.Context) (source.Start, error) {
	mode := s.cfg.StartupMode
	if mode.copies() && s.oracle == nil {
		return source.Start{}, fmt.Errorf("start with %s: no table can be copied: %w", mode, s.noOracle())
	}
	var p binlog.Position
	err := s.with(ctx, func(c *conn) (err error) {
		p, err = s.startPosition(ctx, c)
		return err
	})
	if err != nil {
		return source.Start{}, fmt.Errorf("find where to start (%s): %w", mode, err)
	}
	return source.Start{Position: p.Text(), Snapshot: mode.copies(), Bounded: mode == SnapshotOnly}, nil
}

func (s *Source) startPosition(ctx context.Context, c *conn) (binlog.Position, error) {
	switch s.cfg.StartupMode {
	case EarliestOffset:
		return s.firstPosition(ctx, c, nil)
	case SpecificOffset:
		return s.specificOffset(ctx, c)
	case FromTimestamp:
		return s.timestampOffset(ctx, c)
	default:
		return s.cleanHead(ctx, c)
	}
}

// xaPatience is how long a start waits for XA transactions to end.
const xaPatience = 10 * time.Second

// cleanHead is the end of the log at a time when no XA transaction waits for its outcome: the rows of one that does are
// before that place, and its outcome after it, so that the rows would never come.
func (s *Source) cleanHead(ctx context.Context, c *conn) (binlog.Position, error) {
	for deadline := time.Now().Add(xaPatience); ; {
		p, err := s.headPosition(ctx, c)
		if err != nil {
			return p, err
		}
		waiting, err := c.query(ctx, "XA RECOVER")
		switch {
		case isServerError(err): // the account may not look; then the log says so when the outcome comes
			return p, nil
		case err != nil || len(waiting) == 0:
			return p, err
		case time.Now().After(deadline):
			return p, fmt.Errorf("%w: %d XA transactions are prepared and wait for their outcome, which would come without their rows: XA RECOVER lists them; XA COMMIT or XA ROLLBACK each, and start again",
				source.ErrTransient, len(waiting))
		}
		if err := c.exec(ctx, "DO SLEEP(0.05)"); err != nil {
			return p, err
		}
	}
}

// fileStart is the position at the beginning of the oldest file, with what was executed before it.
func (s *Source) fileStart(ctx context.Context, c *conn, file string) (binlog.Position, error) {
	p := s.position(file, firstEvent)
	if !s.server.gtids() {
		return p, nil
	}
	text, err := c.value(ctx, "SELECT @@GLOBAL.gtid_purged")
	if err != nil {
		return p, fmt.Errorf("ask for purged GTIDs: %w", err)
	}
	p.GTIDs, err = binlog.ParseGTIDSet(binlog.MySQL, compact(text))
	return p, err
}

// specificOffset is the position that the configuration names.
func (s *Source) specificOffset(ctx context.Context, c *conn) (binlog.Position, error) {
	if s.cfg.OffsetGTIDs != "" {
		set, err := binlog.ParseGTIDSet(s.flavor(), compact(s.cfg.OffsetGTIDs))
		if err != nil {
			return binlog.Position{}, fmt.Errorf("scan.startup.specific-offset.gtid-set: %w", err)
		}
		if !s.server.mariadb() && !s.server.gtids() {
			return binlog.Position{}, fmt.Errorf("scan.startup.specific-offset.gtid-set: the server has gtid_mode=%s: give file and pos", s.server.vars["gtid_mode"])
		}
		p := s.position("", 0)
		p.GTIDs = set
		return p, nil
	}
	p := s.position(s.cfg.OffsetFile, max(firstEvent, uint64(s.cfg.OffsetPos)))
	if _, err := binlog.FileNumber(p.File); err != nil {
		return p, fmt.Errorf("scan.startup.specific-offset.file: %w", err)
	}
	return p, s.checkFile(ctx, c, p)
}

// timestampOffset finds the first transaction that began at a time or later. The files are searched by the time of their
// first event, and the one that is found is scanned.
func (s *Source) timestampOffset(ctx context.Context, c *conn) (binlog.Position, error) {
	files, err := s.logFiles(ctx, c)
	if err != nil {
		return binlog.Position{}, err
	}
	since := s.cfg.TimestampMillis / 1000 // events know seconds only: some of the same second come as well
	later := sort.Search(len(files), func(i int) bool {
		if err != nil {
			return true
		}
		var began int64
		began, err = s.fileTime(ctx, files[i].name)
		return began >= since
	})
	if err != nil {
		return binlog.Position{}, err
	}
	if later == 0 {
		return s.fileStart(ctx, c, files[0].name)
	}
	return s.scanFrom(ctx, files[later-1].name, since)
}

// fileTime is when a log file was begun.
func (s *Source) fileTime(ctx context.Context, file string) (began int64, err error) {
	err = s.scanLog(ctx, file, firstEvent, func(e logEvent) bool {
		began = e.time
		return false
	})
	return began, err
}

// scanFrom finds the first transaction at or after a time, or the end of the log.
func (s *Source) scanFrom(ctx context.Context, file string, since int64) (binlog.Position, error) {
	p := s.position(file, firstEvent)
	err := s.scanLog(ctx, file, firstEvent, func(e logEvent) bool {
		if e.beginsTransaction() && e.time >= since {
			p.File, p.Offset = e.file, e.start
			return false
		}
		p.File, p.Offset = e.file, e.start+e.length
		return true
	})
	return p, err
}
