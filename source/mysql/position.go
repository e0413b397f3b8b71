package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

func (s *Source) flavor() binlog.Flavor {
	if s.server.mariadb() {
		return binlog.MariaDB
	}
	return binlog.MySQL
}

// identity names the server whose files positions speak of.
func (s *Source) identity() string { return s.server.identity() }

func (s *server) identity() string {
	if s.mariadb() {
		return s.vars["server_id"]
	}
	return s.vars["server_uuid"]
}

// position is a place in this server's log, without GTIDs.
func (s *Source) position(file string, offset uint64) binlog.Position {
	return binlog.Position{Flavor: s.flavor(), Server: s.identity(), File: file, Offset: offset}
}

// compact takes the line breaks out of a GTID set.
func compact(gtids string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == ' ' {
			return -1
		}
		return r
	}, gtids)
}

// Head returns the end of the log now, with the GTIDs where there are any.
func (s *Source) Head(ctx context.Context) (source.Position, error) {
	var p binlog.Position
	err := s.with(ctx, func(c *conn) (err error) {
		p, err = s.headPosition(ctx, c)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("find the end of the log: %w", err)
	}
	return p.Text(), nil
}

// headPosition is the end of the log as of what is visible now.
//
// MySQL's is the executed GTIDs alone: a file position is ahead of them, by transactions that are logged and not yet
// visible. Followed from there, these would never come, and a chunk could miss them.
func (s *Source) headPosition(ctx context.Context, c *conn) (binlog.Position, error) {
	switch {
	case s.server.mariadb():
		return s.mariadbHead(ctx, c)
	case s.server.gtids():
		executed, err := s.executed(ctx, c)
		if err != nil || executed.Empty() {
			return s.firstPosition(ctx, c, err)
		}
		p := s.position("", 0)
		p.GTIDs = executed
		return p, nil
	}
	end, err := s.head(ctx, c)
	return s.position(end.file, end.pos), err
}

// firstPosition is the beginning of the log that the server has, unless err is set.
func (s *Source) firstPosition(ctx context.Context, c *conn, err error) (binlog.Position, error) {
	if err != nil {
		return binlog.Position{}, err
	}
	files, err := s.logFiles(ctx, c)
	if err != nil {
		return binlog.Position{}, err
	}
	return s.fileStart(ctx, c, files[0].name)
}

// mariadbHead takes the end of what is visible from a consistent snapshot.
func (s *Source) mariadbHead(ctx context.Context, c *conn) (binlog.Position, error) {
	p, err := s.openSnapshot(ctx, c, binlog.Position{})
	if err != nil {
		return p, err
	}
	if p.GTIDs, err = s.gtidsAt(ctx, c, p); err != nil {
		c.broken = true
		return p, err
	}
	return p, c.exec(ctx, "COMMIT")
}

// gtidsAt asks MariaDB for the GTIDs of a place in its log; nil when it has none there.
func (s *Source) gtidsAt(ctx context.Context, c *conn, p binlog.Position) (binlog.GTIDSet, error) {
	if !s.server.mariadb() {
		return nil, nil
	}
	text, err := c.value(ctx, "SELECT BINLOG_GTID_POS("+literal(p.File)+", "+strconv.FormatUint(p.Offset, 10)+")")
	if err != nil || text == "" {
		return nil, err
	}
	return binlog.ParseGTIDSet(binlog.MariaDB, text)
}

// End returns the end of the log now, once all up to at is visible. Without GTIDs MySQL cannot be waited for.
func (s *Source) End(ctx context.Context, at source.Position) (end uint64, err error) {
	p, err := parseBarrier(at)
	if err != nil {
		return 0, err
	}
	err = s.with(ctx, func(c *conn) error {
		if err := c.reads(p); err != nil {
			return err
		}
		if err := s.awaitVisible(ctx, c, p); err != nil {
			return err
		}
		end, err = s.high(ctx, c, p.Shift)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find the end of the log: %w", err)
	}
	return end, nil
}

// awaitVisible waits for what is logged up to at. It does not wait for XA transactions: they change no shapes, and one that
// was prepared past at would be waited for in vain.
func (s *Source) awaitVisible(ctx context.Context, c *conn, at binlog.Position) error {
	switch {
	case s.server.mariadb():
		_, err := s.awaitCommitted(ctx, c, at)
		return err
	case s.server.gtids() && at.GTIDs != nil && !at.GTIDs.Empty():
		return s.awaitExecuted(ctx, c, at)
	}
	return nil
}

// Join returns the position at which all up to p and all up to at is read: at itself if that is past p.
func (s *Source) Join(p, at source.Position) (source.Position, error) {
	x, err := binlog.ParsePosition(p)
	if err != nil {
		return "", err
	}
	y, err := binlog.ParsePosition(at)
	if err != nil {
		return "", err
	}
	return binlog.Join(x, y).Text(), nil
}

// Reached returns the view of a position: the transactions at or before it, of a stream that began at from.
func (s *Source) Reached(p, from source.Position) (source.View, error) {
	at, err := binlog.ParsePosition(p)
	if err != nil {
		return nil, err
	}
	stream, err := binlog.ParsePosition(from)
	if err != nil {
		return nil, err
	}
	return binlog.Reached(at, stream), nil
}
