package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

const (
	// Rows of parked tables may take one part in so many of the budget; then the reader waits.
	parkedShare = 2
	// What a batch takes beside its values while it is parked: there may be very many of one row.
	batchBytes  = 256
	columnBytes = 128
)

// errCrowded ends an attempt that can go neither on nor back: a transaction is too large to be kept, and the changes that
// it waits for wait for its end. The next attempt makes all changes in turn.
var errCrowded = errors.New("a large transaction waits for more than one schema change of a table")

// A point is a commit boundary that was read.
type point struct {
	position source.Position
	seq      uint64
	time     int64
	step     uint64 // how many boundaries of the attempt came before
}

// A change is one that is to be made in the sink.
type change struct {
	*schema.Change
	to   schema.Name // the sink's name of the table afterwards
	txn  source.TxnID
	from point         // the boundary before it
	note *changeRecord // nil: the end of a new copy, of which the log knows nothing
}

// A parked table is one that the sink changes while all others go on. What comes of it meanwhile waits here, in order.
// Its commits, and the checkpoint with them, stay at the boundary before the change.
type parked struct {
	table *table
	now   *change
	later []arrival
	began bool        // the change is being made, or waits for a commit that was cut
	ended atomic.Bool // the change is made, or err says why not
	err   error
}

// An arrival is one event of a parked table.
type arrival struct {
	rows   *row.Batch
	txn    source.TxnID // of rows; zero: of a chunk
	bytes  int64        // of rows, taken from the budget
	change *change
	copied *source.Copied
	stop   *schema.TableError
	at     source.Position // of stop
}

// here is the newest boundary.
func (a *attempt) here() point { return point{a.at, a.seq, a.time, a.step} }

// safe is the boundary up to which no event waits with a parked table: as far as the checkpoint may go (invariant I1).
func (a *attempt) safe() point {
	at := a.here()
	for _, p := range a.parked {
		if p.now.from.step < at.step {
			at = p.now.from
		}
	}
	return at
}

// reached is the boundary up to which the rows of t are in the transactions so far.
func (a *attempt) reached(t *table) source.Position {
	if t.parked != nil {
		return t.parked.now.from.position
	}
	return a.at
}

// beside says that a change can be made while the other tables go on: it leaves the names as they are, and nothing of its
// transaction came before it.
func (a *attempt) beside(t *table, c *schema.Change) bool {
	switch {
	case a.inTurn, !a.clean(), c.After == nil:
		return false
	case c.Before == nil:
		return t == nil
	default:
		return t != nil && c.Before.Name == c.After.Name
	}
}

// park has a change made beside the reader, after those of the same table that are under way.
func (a *attempt) park(t *table, c *change) {
	if t.parked != nil {
		t.parked.later = append(t.parked.later, arrival{change: c})
		return
	}
	t.parked = &parked{table: t, now: c}
	a.parked = append(a.parked, t.parked)
	a.startChange(t.parked)
}

// startChange has the change of a parked table made when the commit of its older rows is saved (invariant I5). When that
// is not cut yet, cut calls again.
func (a *attempt) startChange(p *parked) {
	t := p.table
	if a.open != nil && t.open == a.open || p.now.note == nil && t.dirty {
		a.due = true
		a.poke()
		return
	}
	older := t.open
	if p.now.note == nil { // the commit that made the copy whole need not have rows of it
		older = a.running
	}
	p.began = true
	a.changing.Go(func() {
		p.err = a.makeBeside(older, t, p.now)
		p.ended.Store(true)
		select {
		case a.changed <- struct{}{}:
		default:
		}
		a.poke()
	})
}

// startChanges starts the changes that have waited for a cut.
func (a *attempt) startChanges() {
	for _, p := range a.parked {
		if !p.began {
			a.startChange(p)
		}
	}
}

// makeBeside makes a change after a commit. The reader does not touch t meanwhile but for what a cut does.
func (a *attempt) makeBeside(older *txn, t *table, c *change) error {
	if older != nil {
		select {
		case <-older.done: // if it failed, so has the attempt
		case <-a.reading.Done():
		}
	}
	if err := a.makers.Acquire(a.reading, 1); err != nil {
		return err
	}
	defer a.makers.Release(1)
	if err := a.reading.Err(); err != nil {
		return err
	}
	return a.makeChange(a.reading, t, c)
}

// unpark goes on with the tables whose change has ended.
func (a *attempt) unpark(ctx context.Context) error {
	if !slices.ContainsFunc(a.parked, func(p *parked) bool { return p.ended.Load() }) {
		return nil
	}
	for _, p := range slices.Clone(a.parked) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !p.ended.Load() {
			continue
		}
		if err := a.endChange(p.table, p.now, p.err); err != nil {
			return err
		}
		if err := a.deliver(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// deliver hands on what waits with a parked table, up to its next change.
func (a *attempt) deliver(ctx context.Context, p *parked) error {
	t := p.table
	for i, e := range p.later {
		p.later[i] = arrival{}
		if e.change != nil && t.State != Stopped {
			p.later = p.later[i+1:]
			p.now, p.began, p.err = e.change, false, nil
			p.ended.Store(false)
			a.startChange(p)
			return nil
		}
		if err := a.arrive(ctx, t, &e); err != nil {
			p.later = p.later[i+1:]
			return err
		}
	}
	t.parked, a.due = nil, true
	a.parked = slices.DeleteFunc(a.parked, func(o *parked) bool { return o == p })
	return nil
}

// arrive does what was put off. Its rows are those of transactions of which the sink may have some: that of a table that
// was created is known since.
func (a *attempt) arrive(ctx context.Context, t *table, e *arrival) error {
	switch {
	case e.rows != nil:
		a.waiting -= e.bytes
		n := int64(e.rows.Len())
		switch {
		case t.State == Stopped:
			t.tally.dropped.Add(n)
		case e.txn != (source.TxnID{}) && t.has(e.txn):
			t.tally.superseded.Add(n)
		default:
			return a.stage(ctx, t, e.rows, e.bytes)
		}
		e.rows.Free()
		a.release(e.bytes)
	case e.copied != nil:
		a.copiedMore(t, e.copied)
	case e.stop != nil && t.follows():
		a.stopTable(t, e.at, e.stop.Err)
	}
	return nil
}

// rowsLater takes rows of a parked table.
func (a *attempt) rowsLater(ctx context.Context, t *table, b *row.Batch, id source.TxnID) error {
	size := int64(b.Bytes() + batchBytes + columnBytes*len(b.Cols))
	bytes, err := a.take(ctx, size, a.p.Limits.Bytes/parkedShare)
	if err != nil {
		b.Free()
		return err
	}
	e := arrival{rows: b, txn: id, bytes: bytes}
	a.waiting += bytes
	if t.parked == nil { // it has gone on meanwhile
		return a.arrive(ctx, t, &e)
	}
	t.parked.later = append(t.parked.later, e)
	return nil
}

// dropParked drops what waits with a table.
func (a *attempt) dropParked(p *parked) {
	for _, e := range p.later {
		if e.rows != nil {
			e.rows.Free()
			a.release(e.bytes)
		}
	}
}

// room waits until the rows of parked tables, with so many bytes more, are within a limit: what waits with them is given
// back by nobody but the reader (invariant I8).
func (a *attempt) room(ctx context.Context, bytes, limit int64) error {
	for a.waiting > 0 && a.waiting+bytes > limit {
		if err := a.awaitChange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until no table is parked.
func (a *attempt) drain(ctx context.Context) error {
	for len(a.parked) > 0 {
		if err := a.awaitChange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitChange waits until the change of a parked table has ended, and goes on with that table.
func (a *attempt) awaitChange(ctx context.Context) error {
	if a.open != nil && a.clean() && !a.busy() {
		a.cut() // what was read need not wait
	}
	for !slices.ContainsFunc(a.parked, func(p *parked) bool { return p.ended.Load() }) {
		if !slices.ContainsFunc(a.parked, func(p *parked) bool { return p.began }) {
			if !a.clean() {
				return errCrowded
			}
			if err := a.settle(ctx); err != nil {
				return err
			}
			a.cut()
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return errors.Join(a.failed(), ctx.Err())
		}
	}
	return a.unpark(ctx)
}

// endChange makes a change ours that the sink has made or refused.
func (a *attempt) endChange(t *table, c *change, err error) error {
	stops, rest := tableErrors(err)
	switch {
	case rest != nil:
		return fmt.Errorf("change %s in the sink: %w", c.to, err)
	case c.note == nil:
		a.giveUpCopy(t)
		t.dirty = true
		if len(stops) > 0 {
			a.stopTable(t, c.from.position, stops[0].Err)
		}
		return nil
	case len(stops) > 0:
		return a.nowhere(t, c.Change, c.from.position, stops[0].Err)
	}
	t.past = append(t.past, form{step: c.from.step, none: c.Before == nil, id: t.Shape, shape: t.shape, view: t.View})
	return a.adopt(t, c)
}

// A form is what a change has made another of. The checkpoint has it until its position is past the change.
type form struct {
	step  uint64 // of the boundary before the change
	none  bool   // there was no table
	id    int64  // of the shape
	shape *schema.Table
	view  *view
}

// stateAt is t as a checkpoint at a boundary has it: in the shape in force there, and with its rows in the sink as ahead of
// it. known says that there is such a table there.
func (a *attempt) stateAt(t *table, at point) (r *tableRecord, known bool) {
	r = new(tableRecord)
	*r = t.tableRecord
	if t.had == nil && t.follows() {
		if r.Ahead = a.reached(t); r.Ahead == at.position {
			r.Ahead = ""
		}
	}
	for len(t.past) > 0 && t.past[0].step < at.step {
		t.past = t.past[1:]
	}
	if len(t.past) > 0 {
		f := &t.past[0]
		r.Shape, r.shape, r.View = f.id, f.shape, f.view
		return r, !f.none
	}
	return r, true
}
