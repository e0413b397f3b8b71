package mysql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

// A server whose log was reset, or that was restored from a backup, gives its new transactions the numbers and the places
// of those that are gone. What follows tells them apart from what was read, as far as a log can.

// errWrongOffset is what MySQL answers when no event begins at a place: ER_ERROR_WHEN_EXECUTING_COMMAND.
const errWrongOffset = 1220

// nextGTID finds the name of a transaction in what MySQL shows of its first event.
var nextGTID = regexp.MustCompile(`(?i)GTID_NEXT= *'([^']+:\d+)'`)

// checkPlace makes sure that the place in the files of a MySQL server is the one that was read: an event begins there, and
// the next transaction is none that was read.
func (s *Source) checkPlace(ctx context.Context, c *conn, p binlog.Position) error {
	if p.File == "" || p.Ragged || p.Server != s.identity() || p.Offset > math.MaxUint32 {
		return nil // GTIDs alone say where it is
	}
	if err := s.checkFile(ctx, c, p); err != nil {
		return err
	}
	rows, err := c.query(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN %s FROM %d LIMIT 2", literal(p.File), p.Offset))
	var refused *sqlError
	switch {
	case errors.As(err, &refused) && refused.code == errWrongOffset:
		return otherHistory(p, "no event begins there")
	case isServerError(err):
		return nil // the account may not look
	case err != nil:
		return fmt.Errorf("look at the log after %s: %w", p, err)
	}
	for _, r := range rows {
		m := nextGTID.FindStringSubmatch(r[len(r)-1])
		if m == nil {
			continue
		}
		next, err := binlog.ParseGTIDSet(binlog.MySQL, m[1])
		if err == nil && p.GTIDs.Contains(next) {
			return otherHistory(p, "transaction "+m[1]+" follows there, which was read before")
		}
	}
	return nil
}

func otherHistory(p binlog.Position, why string) error {
	return fmt.Errorf("%w: %s is no place in this server's log (%s): its log was reset, or it was restored from a backup, and has written "+
		"other transactions since: copy the tables again", source.ErrPositionLost, p, why)
}

// checkDomains compares the GTIDs at a place of MariaDB's log with those that were read up to it: a domain that was read
// has come exactly as far there.
func checkDomains(p binlog.Position, here binlog.GTIDSet) error {
	read, ok := p.GTIDs.(*binlog.MariaDBSet)
	ahead, also := here.Subtract(p.GTIDs).(*binlog.MariaDBSet)
	if !ok || !also || p.Ragged {
		return nil
	}
	for _, was := range read.All() {
		for _, is := range ahead.All() {
			if is.Domain == was.Domain {
				return otherHistory(p, fmt.Sprintf("it has %s there", here))
			}
		}
	}
	return nil
}
