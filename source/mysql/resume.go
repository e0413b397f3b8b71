package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

// executedPatience is how long a position may be ahead of what the server says it has executed: the log is delivered
// before that is recorded.
const executedPatience = 10 * time.Second

// Resume asks which server answers now, and finds the place in its log from which to go on.
func (s *Source) Resume(ctx context.Context, at source.Position, seen []source.Position) (source.Position, error) {
	c, err := s.greet(ctx)
	if err == nil {
		err = s.meet(ctx, c)
	}
	if err != nil || at == "" {
		return "", err
	}
	r := resumption{s: s}
	if r.at, err = binlog.ParsePosition(at); err != nil {
		return "", err
	}
	for _, p := range seen {
		q, err := binlog.ParsePosition(p)
		if err != nil {
			return "", err
		}
		r.seen = append(r.seen, q)
	}
	err = s.with(ctx, func(c *conn) error {
		r.c = c
		return r.resume(ctx)
	})
	if err != nil {
		return "", fmt.Errorf("go on after %s: %w", at, err)
	}
	return r.at.Text(), nil
}

// A resumption is the search for the place to go on from.
type resumption struct {
	s    *Source
	c    *conn
	at   binlog.Position
	seen []binlog.Position
}

func (r *resumption) resume(ctx context.Context) error {
	if r.at.Flavor != r.s.flavor() {
		return r.s.otherFlavor(r.at)
	}
	if r.at.Server != "" && r.at.Server != r.s.identity() {
		return r.failOver(ctx)
	}
	if err := r.s.checkResume(ctx, r.c, r.at); err != nil {
		return err
	}
	for _, q := range r.seen {
		if err := r.checkSeen(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// checkSeen makes sure that the server did not lose what the sink may have.
func (r *resumption) checkSeen(ctx context.Context, q binlog.Position) error {
	if q.Server == r.at.Server && q.Shift == r.at.Shift {
		return r.s.checkHad(ctx, r.c, q)
	}
	if !named(q) {
		return nil // of a server that is gone: it could not have been left
	}
	lacks, err := r.lack(ctx, q.GTIDs)
	if err == nil && !lacks.missing.Empty() {
		err = r.behind(lacks.missing)
	}
	return err
}

func (s *Source) otherFlavor(p binlog.Position) error {
	return fmt.Errorf("%w: %s was taken from %s, this server is %s: copy the tables again", source.ErrPositionLost, p, p.Flavor, s.server.String())
}

// checkResume makes sure that the server still has the log after a position, and that it is the log that the position
// was taken from. The error wraps ErrPositionLost and says what is missing.
func (s *Source) checkResume(ctx context.Context, c *conn, p binlog.Position) error {
	if p.Flavor != s.flavor() {
		return s.otherFlavor(p)
	}
	if named(p) && s.server.gtids() {
		if err := s.checkPurged(ctx, c, p); err != nil {
			return err
		}
	}
	return s.checkHad(ctx, c, p)
}

// named says that GTIDs name the place.
func named(p binlog.Position) bool { return p.GTIDs != nil && !p.GTIDs.Empty() }

// checkHad makes sure that the server has, or had, the log before a position.
func (s *Source) checkHad(ctx context.Context, c *conn, p binlog.Position) error {
	switch {
	case named(p) && s.server.gtids():
		if err := s.checkExecuted(ctx, c, p); err != nil {
			return err
		}
		return s.checkPlace(ctx, c, p)
	case named(p) && s.server.mariadb() && (p.File == "" || p.Ragged):
		return s.checkState(ctx, c, p)
	case p.File != "" && (p.Server == s.identity() || p.Server == ""):
		if err := s.checkFile(ctx, c, p); err != nil {
			return err
		}
		return s.checkHistory(ctx, c, p)
	case p.File == "":
		return fmt.Errorf("%w: %s names GTIDs only, and the server has gtid_mode=%s", source.ErrPositionLost, p, s.server.vars["gtid_mode"])
	}
	return s.noGTIDs(p)
}

func (s *Source) noGTIDs(p binlog.Position) error {
	return fmt.Errorf("%w: %s is a place in the files of server %s, this is server %s: without GTIDs a log cannot be followed from one "+
		"server to another: copy the tables again", source.ErrPositionLost, p, p.Server, s.identity())
}

// checkPurged compares the position with what a MySQL server no longer has in its log.
func (s *Source) checkPurged(ctx context.Context, c *conn, p binlog.Position) error {
	text, err := c.value(ctx, "SELECT @@GLOBAL.gtid_purged")
	if err != nil {
		return fmt.Errorf("ask for purged GTIDs: %w", err)
	}
	purged, err := binlog.ParseGTIDSet(binlog.MySQL, compact(text))
	if err != nil {
		return err
	}
	if !p.GTIDs.Contains(purged) {
		return fmt.Errorf("%w: the server has deleted the log of transactions %s, or never had them in it, and they were not read: copy the tables again, and keep the log longer (binlog_expire_logs_seconds is %s, log_replica_updates is %s)",
			source.ErrPositionLost, purged.Subtract(p.GTIDs), s.server.vars["binlog_expire_logs_seconds"], s.server.logsUpdates())
	}
	return nil
}

// checkExecuted compares the position with what a MySQL server has executed.
func (s *Source) checkExecuted(ctx context.Context, c *conn, p binlog.Position) error {
	for deadline := time.Now().Add(executedPatience); ; {
		executed, err := s.executed(ctx, c)
		if err != nil || executed.Contains(p.GTIDs) {
			return err
		}
		if p.Server != s.identity() || time.Now().After(deadline) {
			return fmt.Errorf("%w: transactions %s were read, but this server (%s) never had them: it is another server, was restored from a backup, or lost them in a failover: copy the tables again",
				source.ErrPositionLost, p.GTIDs.Subtract(executed), s.identity())
		}
		if _, err := c.query(ctx, "DO SLEEP(0.1)"); err != nil {
			return err
		}
	}
}

// checkState compares the position with what a MariaDB server has logged, when GTIDs alone say where it is.
func (s *Source) checkState(ctx context.Context, c *conn, p binlog.Position) error {
	lacks, err := s.mariadbLacks(ctx, c, p.GTIDs)
	if err == nil && !lacks.missing.Empty() {
		err = fmt.Errorf("%w: %s was read, but this server (%s) never had that: it is another server, was restored from a backup, or lost it in a failover: copy the tables again",
			source.ErrPositionLost, lacks.missing, s.identity())
	}
	return err
}

// checkFile makes sure that a place is in the files that the server has.
func (s *Source) checkFile(ctx context.Context, c *conn, p binlog.Position) error {
	files, err := s.logFiles(ctx, c)
	var refused *sqlError
	if errors.As(err, &refused) && (refused.code == 1227 || refused.code == 1045) {
		return nil // the account may not look; the server checks when the log is read
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.name != p.File {
			continue
		}
		if p.Offset > f.size {
			return fmt.Errorf("%w: %s is past the end of %s, which has %d bytes: the server lost the end of its log, or is another one: copy the tables again", source.ErrPositionLost, p, f.name, f.size)
		}
		return nil
	}
	first, last := files[0].name, files[len(files)-1].name
	number, err := binlog.FileNumber(p.File)
	if err != nil {
		return err
	}
	if oldest, err := binlog.FileNumber(first); err == nil && number < oldest {
		return fmt.Errorf("%w: the server has deleted %s, its oldest log file is %s: copy the tables again, and keep the log longer", source.ErrPositionLost, p.File, first)
	}
	return fmt.Errorf("%w: the server has no log file %s (it has %s to %s): it is another server, or its log was reset: copy the tables again", source.ErrPositionLost, p.File, first, last)
}

// checkHistory compares the GTIDs that MariaDB has at a place with those of the position: servers may share a server_id
// and names of files.
func (s *Source) checkHistory(ctx context.Context, c *conn, p binlog.Position) error {
	if p.GTIDs == nil || p.GTIDs.Empty() || !s.server.mariadb() {
		return nil
	}
	here, err := s.gtidsAt(ctx, c, p)
	if err != nil {
		return err
	}
	_, applied, err := s.mariadbState(ctx, c) // a domain may be quiet since the server was set up as a replica
	if err != nil {
		return err
	}
	if here == nil || !applied.Covers(p.GTIDs.Subtract(here)) {
		return fmt.Errorf("%w: at %s:%d this server's log has the GTIDs %v, but %s was read: it is another server, or its log was reset: copy the tables again",
			source.ErrPositionLost, p.File, p.Offset, here, p.GTIDs)
	}
	return checkDomains(p, here)
}
