package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

const (
	// The sink is asked what a transaction holds each time this part of Limits.CommitBytes was handed over.
	probes = 16
	// When a commit takes so long that the next transaction grows to this many times Limits.CommitBytes, the reader waits.
	patience = 4
)

// handle does one event. The reader has the turn.
func (a *attempt) handle(ctx context.Context, ev *source.Event) error {
	if len(a.parked) > 0 {
		if err := a.unpark(ctx); err != nil {
			ev.Rows.Free()
			return err
		}
	}
	if ev.Schema != nil {
		if err := a.evolve(ctx, ev.Schema, ev.Txn); err != nil {
			ev.Rows.Free()
			return err
		}
	}
	if ev.Rows != nil {
		if err := a.rows(ctx, ev.Rows, ev.Txn); err != nil {
			return err
		}
	}
	if ev.Stopped != nil {
		if err := a.stopped(ev.Stopped); err != nil {
			return err
		}
	}
	if ev.Copied != nil {
		if err := a.copied(ev.Copied); err != nil {
			return err
		}
	}
	if ev.Commit != "" {
		return a.boundary(ctx, ev)
	}
	return nil
}

// clean says that what has been read ends at the boundary a.at: a cut is legal (invariant I4).
func (a *attempt) clean() bool { return !a.inTxn && !a.inChunk }

// busy says that a commit is under way.
func (a *attempt) busy() bool {
	if a.running == nil {
		return false
	}
	select {
	case <-a.running.done:
		return false
	default:
		return true
	}
}

// rows hands a batch to the lane of its table.
func (a *attempt) rows(ctx context.Context, b *row.Batch, id source.TxnID) error {
	t := a.tableOf(b.Table)
	if t == nil || t.State == Dropped && t.parked == nil {
		name := b.Table.Name
		b.Free()
		return fmt.Errorf("source sent rows of table %s, which it has not announced", name)
	}
	n := int64(b.Len())
	t.tally.read.Add(n)
	if t.State == Stopped {
		t.tally.dropped.Add(n)
		b.Free()
		return nil
	}
	if id == (source.TxnID{}) {
		a.inChunk = true
	} else {
		a.inTxn = true
		if t.has(id) {
			t.tally.superseded.Add(n)
			b.Free()
			return nil
		}
	}
	if t.parked != nil {
		return a.rowsLater(ctx, t, b, id)
	}
	bytes, err := a.take(ctx, int64(b.Bytes()), a.p.Limits.Bytes)
	if err != nil {
		b.Free()
		return err
	}
	return a.stage(ctx, t, b, bytes)
}

// take takes bytes of rows from the budget, and returns how many it took: rows larger than it have it to themselves.
func (a *attempt) take(ctx context.Context, bytes, limit int64) (int64, error) {
	bytes = min(bytes, a.p.Limits.Bytes)
	if a.waiting > 0 {
		if err := a.room(ctx, bytes, limit); err != nil {
			return 0, err
		}
	}
	if err := a.budget.Acquire(ctx, bytes); err != nil {
		return 0, err
	}
	a.p.status.inFlight.Add(bytes)
	return bytes, nil
}

// stage puts rows into the open transaction.
func (a *attempt) stage(ctx context.Context, t *table, b *row.Batch, bytes int64) error {
	if err := a.begin(ctx); err != nil {
		b.Free()
		a.release(bytes)
		return err
	}
	if t.open != a.open {
		t.open = a.open
		a.open.tables = append(a.open.tables, t)
	}
	a.open.bytes += bytes
	a.open.writes.Add(1)
	to := t.sinkShape(b.Table)
	if t.fitting == nil {
		b.Table = to
	}
	it := item{batch: b, bytes: bytes, table: t, txn: a.open, fit: t.fitting}
	if !t.lane.put(it) {
		a.dropAll([]item{it})
		return a.reading.Err()
	}
	return nil
}

// begin opens a transaction if none is open.
func (a *attempt) begin(ctx context.Context) error {
	if a.open != nil {
		return nil
	}
	tx, err := a.p.Sink.Begin(a.work)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	a.open = &txn{sink: tx}
	return ctx.Err()
}

// tableOf finds the table of a shape: by the pointer, for a batch brings nothing else, and by the name when it is new.
func (a *attempt) tableOf(shape *schema.Table) *table {
	t, ok := a.shapes[shape]
	if !ok {
		if t = a.tables[shape.Name]; t != nil {
			a.shapes[shape] = t
		}
	}
	return t
}

func (a *attempt) copied(c *source.Copied) error {
	t := a.tables[c.Table]
	if t == nil {
		return fmt.Errorf("source copied table %s, which it has not announced", c.Table)
	}
	a.inChunk = false
	t.tally.superseded.Add(c.Dropped)
	if t.parked != nil {
		t.parked.later = append(t.parked.later, arrival{copied: c})
	} else {
		a.copiedMore(t, c)
	}
	return nil
}

// copiedMore notes how far the copy of a table is.
func (a *attempt) copiedMore(t *table, c *source.Copied) {
	if !t.follows() {
		return
	}
	was := t.State
	t.Rows, t.Chunks = t.Rows+c.Rows, t.Chunks+c.Chunks
	t.progress(c.Progress)
	t.news = append(t.news, c.Touched...)
	t.tally.count(&t.tableRecord)
	if was == Copying && t.State == Following {
		a.copying--
		a.p.Log.Info("copied", "pipeline", a.p.Name, "table", t.Name, "rows", t.Rows, "chunks", t.Chunks)
	}
}

// stopped takes a table out at the source's word. Whole transactions of it that are staged stay; a part of one does not.
func (a *attempt) stopped(e *schema.TableError) error {
	switch {
	case errors.Is(e.Err, source.ErrAltered):
		a.disturb(e.Table)
		return nil
	case errors.Is(e.Err, source.ErrAppeared):
		a.disturb(e.Table)
		return a.appeared(e)
	}
	t := a.tables[e.Table]
	switch {
	case t == nil:
		return a.refuse(e)
	case t.parked != nil && a.clean():
		t.parked.later = append(t.parked.later, arrival{stop: e, at: a.at})
	case !t.follows() && t.parked == nil:
	case t.parked != nil, t.open != nil && t.open == a.open && !a.clean():
		return stopOne(t.Name, e.Err)
	default:
		a.stopTable(t, a.at, e.Err)
	}
	return nil
}

// appeared notes that a table is to be copied under a name that it has been given. The next attempt finds it.
func (a *attempt) appeared(e *schema.TableError) error {
	t := a.tables[e.Table]
	if t == nil {
		t = a.add(tableRecord{Name: e.Table, State: Dropped})
	}
	if t.State != Stopped || t.Left {
		a.stopTable(t, a.at, e.Err)
	}
	t.Resync, t.dirty, a.look = true, true, true
	return nil
}

// stopTable stops a table that has no half transaction staged, and has all up to a boundary. The next cut saves it.
func (a *attempt) stopTable(t *table, at source.Position, reason error) {
	if t.State == Copying {
		a.copying--
	}
	a.giveUpCopy(t)
	t.stop(at, reason)
	a.p.Log.Error("stopped a table", "pipeline", a.p.Name, "table", t.Name, "position", at, "err", reason)
}

// giveUpCopy notes that the new copy of a table, if there is one under way, will not be ended.
func (a *attempt) giveUpCopy(t *table) {
	if t.Renewing && t.follows() {
		a.renewing--
	}
	t.Renewing = false
}

// boundary notes that all that has been read is whole, and cuts if it is time.
func (a *attempt) boundary(ctx context.Context, ev *source.Event) error {
	a.at, a.seq = ev.Commit, ev.Seq
	a.step++
	a.inTxn, a.inChunk = false, false
	if ev.Time != 0 {
		a.time = ev.Time
	}
	a.p.status.read(a.time, a.open == nil && !a.busy() && len(a.parked) == 0)
	if (a.look || a.awaited()) && len(a.parked) == 0 {
		if err := a.flush(ctx); err != nil {
			return err
		}
		return errLook
	}
	if a.renewing > 0 {
		if err := a.renewed(ctx); err != nil {
			return err
		}
	}
	if a.ended() {
		return a.end(ctx)
	}
	if a.moved { // so that the store knows tables by the names that they have
		a.moved = false
		return a.flush(ctx)
	}
	if a.open != nil && a.full(patience) {
		if err := a.settle(ctx); err != nil {
			return err
		}
	}
	if (a.due && a.wanted() || a.open != nil && a.full(1)) && !a.busy() {
		a.cut()
	}
	return nil
}

// wanted says that somebody waits for a cut: rows, or a change that comes after a commit.
func (a *attempt) wanted() bool {
	return a.open != nil || slices.ContainsFunc(a.parked, func(p *parked) bool { return !p.began })
}

// full says that the open transaction holds at least so many times the bytes of a commit.
func (a *attempt) full(times int64) bool {
	limit, t := a.p.Limits.CommitBytes, a.open
	if t.bytes-t.probed < limit/probes {
		return false
	}
	if t.sink.Bytes() >= times*limit {
		return true
	}
	if times == 1 {
		t.probed = t.bytes
	}
	return false
}

// ended says that a bounded pipeline has copied all tables.
func (a *attempt) ended() bool { return a.bound && a.copying == 0 && !a.p.awaited.pending() }

// end commits what there is and ends a bounded pipeline.
func (a *attempt) end(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	return errEnd
}
