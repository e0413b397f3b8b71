package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cdcsync/cdcsync/source"
)

const (
	maxIdle       = 8                // connections kept for the next chunk
	maxStatements = 32               // prepared statements kept by a connection
	pingAfter     = 20 * time.Second // a connection idle for longer is tried before it is used
)

// A conn is a logged-in connection, used by one goroutine at a time.
type conn struct {
	wire
	id     uint32 // the server's number for it
	server string // whose it is, as positions name servers
	used   time.Time
	broken bool // an answer was not read to its end: of no more use
	stmts  map[string]*stmt
	order  []string // the statements' texts, oldest first
}

func newConn(nc net.Conn, id uint32) *conn {
	return &conn{wire: newWire(nc), id: id, used: time.Now(), stmts: map[string]*stmt{}}
}

// close ends the connection; whatever it says, it is gone.
func (c *conn) close() { _ = c.nc.Close() }

// quit says goodbye and closes, so that the server counts no aborted client.
func (c *conn) quit() {
	if c.nc.SetDeadline(time.Now().Add(time.Second)) == nil {
		c.begin(comQuit)
		_ = c.send() // the connection goes away whether or not this arrives
	}
	c.close()
}

// guard runs a step of the protocol, which ends early when ctx does. The connection is broken by any error but the
// server's own.
func (c *conn) guard(ctx context.Context, step func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	err := step()
	if !stop() {
		c.broken = true
		if err != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	var refused *sqlError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return classify(refused)
	}
	c.broken = true
	var value *decodeError
	if errors.As(err, &value) || errors.Is(err, source.ErrShape) {
		return err
	}
	return fmt.Errorf("%w: connection lost: %w", source.ErrTransient, err)
}

// classify attaches the decision that a caller makes of an error of the server.
func classify(e *sqlError) error {
	switch e.code {
	case 1412, 1054, 1146, 1049, 1051, 1176: // definition changed, no such column, table, database, index
		return fmt.Errorf("%w: %w", source.ErrShape, e)
	case 1040, 1053, 1077, 1078, 1079, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1317, 1927, 3024, 1969, 4031:
		return fmt.Errorf("%w: %w", source.ErrTransient, e)
	}
	return e
}

// answerTime is how long a query may take that is not a chunk: the catalog of many thousand tables takes a minute at the
// worst. A connection whose other end has gone silent is given up after it.
const answerTime = 2 * time.Minute

// exec runs a statement that has no rows.
func (c *conn) exec(ctx context.Context, sql string) error {
	_, err := c.query(ctx, sql)
	return err
}

// query runs a statement of which few rows are expected, and returns them as text, NULL as "".
func (c *conn) query(ctx context.Context, sql string) (rows [][]string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime,
		fmt.Errorf("%w: the server has not answered for %v", source.ErrTransient, answerTime))
	defer cancel()
	err = c.guard(ctx, func() error {
		c.begin(comQuery)
		c.out = append(c.out, sql...)
		if err := c.send(); err != nil {
			return err
		}
		n, err := c.resultHead()
		if err != nil || n == 0 {
			return err
		}
		if err := c.skipToEOF(n); err != nil {
			return err
		}
		rows, err = c.textRows(n)
		return err
	})
	return rows, err
}

// value runs a statement and returns the first column of its first row, "" if there is none.
func (c *conn) value(ctx context.Context, sql string) (string, error) {
	rows, err := c.query(ctx, sql)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0][0], nil
}

// resultHead reads the first packet of an answer: the number of columns, 0 when there are no rows to come.
func (c *conn) resultHead() (int, error) {
	p, err := c.next()
	if err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, errMalformed
	}
	switch p[0] {
	case headerOK:
		return 0, nil
	case headerErr:
		return 0, parseError(p)
	}
	n, size := lenenc(p)
	if size == 0 || size != len(p) || n > 1<<16 {
		return 0, errMalformed
	}
	return int(n), nil
}

// skipToEOF skips n packets and the EOF after them.
func (c *conn) skipToEOF(n int) error {
	for range n {
		if _, err := c.next(); err != nil {
			return err
		}
	}
	return c.wantEOF()
}

func (c *conn) wantEOF() error {
	p, err := c.next()
	if err != nil {
		return err
	}
	if len(p) > 0 && p[0] == headerErr {
		return parseError(p)
	}
	if !isEOF(p) {
		return fmt.Errorf("%w: no end of columns", errMalformed)
	}
	return nil
}

func (c *conn) textRows(columns int) ([][]string, error) {
	var rows [][]string
	for {
		p, err := c.next()
		if err != nil {
			return nil, err
		}
		if len(p) > 0 && p[0] == headerErr {
			return nil, parseError(p)
		}
		if isEOF(p) {
			return rows, nil
		}
		row := make([]string, columns)
		at := 0
		for i := range row {
			if at < len(p) && p[at] == 0xfb { // NULL
				at++
				continue
			}
			value, end := bytesAt(p, at)
			if end < 0 {
				return nil, errMalformed
			}
			row[i], at = string(value), end
		}
		rows = append(rows, row)
	}
}

// take returns an idle connection, or a new one. Whoever takes one puts it back.
func (s *Source) take(ctx context.Context) (*conn, error) {
	for {
		c := s.pop()
		if c == nil {
			return s.reach(ctx)
		}
		if time.Since(c.used) < pingAfter {
			return c, nil
		}
		if err := c.ping(ctx); err == nil {
			return c, nil
		}
		c.close()
	}
}

func (s *Source) pop() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return c
}

// put gives a connection back, outside of any transaction.
func (s *Source) put(c *conn) {
	c.used = time.Now()
	s.mu.Lock()
	keep := !c.broken && !s.shut && len(s.idle) < maxIdle && c.server == s.identity()
	if keep {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if !keep {
		c.close()
	}
}

func (c *conn) ping(ctx context.Context) error {
	return c.guard(ctx, func() error {
		c.begin(comPing)
		if err := c.send(); err != nil {
			return err
		}
		_, err := c.resultHead()
		return err
	})
}

// with runs f with a connection.
func (s *Source) with(ctx context.Context, f func(*conn) error) error {
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer s.put(c)
	return f(c)
}
