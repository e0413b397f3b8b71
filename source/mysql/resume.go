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

// checkResume makes sure that the server still has the log after a position, and that it is the log that the position
// was taken from. The error wraps ErrPositionLost and says what is missing.
func (s *Source) checkResume(ctx context.Context, c *conn, p binlog.Position) error {
	if p.Flavor != s.flavor() {
		return fmt.Errorf("%w: %s was taken from %s, this server is %s", source.ErrPositionLost, p, p.Flavor, s.server.String())
	}
	hasGTIDs := p.GTIDs != nil && !p.GTIDs.Empty()
	switch {
	case hasGTIDs && s.server.gtids():
		return s.checkGTIDs(ctx, c, p)
	case p.File != "" && p.Server == s.identity():
		if err := s.checkFile(ctx, c, p); err != nil {
			return err
		}
		return s.checkHistory(ctx, c, p)
	case hasGTIDs && s.server.mariadb():
		return nil // the server itself finds the place, or says that it cannot
	case p.File == "":
		return fmt.Errorf("%w: %s names GTIDs only, and the server has gtid_mode=%s", source.ErrPositionLost, p, s.server.vars["gtid_mode"])
	}
	return fmt.Errorf("%w: %s is a place in the files of server %s, this is server %s: without GTIDs a log cannot be followed from one server to another: copy the tables again", source.ErrPositionLost, p, p.Server, s.identity())
}

// checkGTIDs compares the position with what a MySQL server has executed and purged.
func (s *Source) checkGTIDs(ctx context.Context, c *conn, p binlog.Position) error {
	text, err := c.value(ctx, "SELECT @@GLOBAL.gtid_purged")
	if err != nil {
		return fmt.Errorf("ask for purged GTIDs: %w", err)
	}
	purged, err := binlog.ParseGTIDSet(binlog.MySQL, compact(text))
	if err != nil {
		return err
	}
	if !p.GTIDs.Contains(purged) {
		return fmt.Errorf("%w: the server has deleted the log of transactions %s, which were not read: copy the tables again, and keep the log longer (binlog_expire_logs_seconds is %s)",
			source.ErrPositionLost, purged.Subtract(p.GTIDs), s.server.vars["binlog_expire_logs_seconds"])
	}
	return s.checkExecuted(ctx, c, p)
}

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
	if here == nil || !here.Contains(p.GTIDs) {
		return fmt.Errorf("%w: at %s:%d this server's log has the GTIDs %v, but %s was read: it is another server, or its log was reset: copy the tables again",
			source.ErrPositionLost, p.File, p.Offset, here, p.GTIDs)
	}
	return nil
}
