package binlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// regained is what was read again of the XA transactions that are prepared at a position.
type regained struct {
	held  held
	stops []*schema.TableError
}

// regain reads again what the XA transactions changed that are prepared at from, each from its own place in the log. It
// comes before the log itself is read: the server serves a reader's id once. What the log no longer has is taken off from:
// the outcome of such a transaction stops all tables.
func (c *Config) regain(ctx context.Context, from *Position) (*regained, error) {
	r := new(regained)
	for _, x := range slices.Clone(from.Prepared) {
		if x.File == "" {
			continue
		}
		t, err := c.readPrepared(ctx, from, x, r)
		switch err = explained(c, err); {
		case errors.Is(err, source.ErrPositionLost) || err == nil && t == nil:
			c.Log.Warn("lost the changes of a prepared XA transaction: its outcome will stop all tables", "xid", x.XID, "file", x.File, "offset", x.Offset, "err", err)
			from.Prepared = slices.DeleteFunc(slices.Clone(from.Prepared), func(p Prepared) bool { return p.XID == x.XID })
		case err != nil:
			r.free()
			return nil, fmt.Errorf("read the changes of prepared XA transaction %s at %s:%d: %w", x.XID, x.File, x.Offset, err)
		case r.held.bytes+t.bytes > maxHeld:
			r.tooMany(t)
			r.held.put(x.XID, &heldTxn{})
		default:
			r.held.put(x.XID, t)
		}
	}
	return r, nil
}

func explained(c *Config, err error) error {
	if err == nil {
		return nil
	}
	return c.explain(err)
}

// readPrepared reads one transaction; nil if it is not there.
func (c *Config) readPrepared(ctx context.Context, from *Position, x Prepared, r *regained) (*heldTxn, error) {
	begin := Position{Flavor: from.Flavor, Server: from.Server, Shift: from.Shift, File: x.File, Offset: x.Offset}
	conn, facts, err := c.open(ctx, &begin)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.close() })
	defer func() { // nothing more is wanted of it
		stop()
		_ = conn.close()
	}()
	a := newAssembler(c, facts, begin)
	a.match = func(schema.Name) bool { return false }
	a.drain = func() error { return nil }
	defer func() { release(a.out) }()
	frame := framer{file: begin.File, offset: begin.Offset}
	for a.pos.File == begin.File && a.pos.Offset <= begin.Offset {
		p, err := conn.next()
		if err != nil {
			return nil, err
		}
		e, err := frame.next(p)
		if err == nil {
			err = a.event(&e)
		}
		if err != nil {
			return nil, &finalError{err}
		}
		if e.kind == replication.HEARTBEAT_EVENT || e.kind == replication.HEARTBEAT_LOG_EVENT_V2 {
			break // the log ends here
		}
	}
	for _, ev := range a.out {
		if ev.Stopped != nil {
			r.stops = append(r.stops, ev.Stopped)
		}
	}
	return a.held.take(x.XID), nil
}

// tooMany stops the tables of a transaction that cannot be held.
func (r *regained) tooMany(t *heldTxn) {
	for _, ev := range t.items {
		r.stops = append(r.stops, &schema.TableError{Table: ev.Rows.Table.Name, Err: errHeldBytes})
	}
	release(t.items)
}

func (r *regained) free() {
	for xid := range r.held.txns {
		r.held.release(xid)
	}
}

// resume makes what was read again the assembler's.
func (a *assembler) resume(r *regained) {
	a.held = r.held
	for _, s := range r.stops {
		if t := a.find(s.Table); t != nil {
			t.stopped = true
			a.held.drop(s.Table)
			a.out = append(a.out, source.Event{Stopped: s})
		}
	}
}
