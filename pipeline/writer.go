package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
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
	if t == nil || t.State == Dropped {
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
	bytes := min(int64(b.Bytes()), a.p.Limits.Bytes)
	if err := a.budget.Acquire(ctx, bytes); err != nil {
		b.Free()
		return err
	}
	if err := a.begin(ctx); err != nil {
		b.Free()
		a.budget.Release(bytes)
		return err
	}
	if t.open != a.open {
		t.open = a.open
		a.open.tables = append(a.open.tables, t)
	}
	a.p.status.inFlight.Add(bytes)
	a.open.bytes += bytes
	a.open.writes.Add(1)
	to := t.sinkShape(b.Table)
	if t.fitting == nil {
		b.Table = to
	}
	t.lane.put(item{batch: b, bytes: bytes, table: t, txn: a.open, fit: t.fitting})
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
	if !t.follows() {
		return nil
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
	return nil
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
	if t == nil {
		return a.refuse(e)
	}
	if !t.follows() {
		return nil
	}
	if t.open != nil && t.open == a.open && !a.clean() {
		return stopOne(t.Name, e.Err)
	}
	a.stopTable(t, e.Err)
	return nil
}

// appeared notes that a table is to be copied under a name that it has been given. The next attempt finds it.
func (a *attempt) appeared(e *schema.TableError) error {
	t := a.tables[e.Table]
	if t == nil {
		t = a.add(tableRecord{Name: e.Table, State: Dropped})
	}
	if t.State != Stopped {
		a.stopTable(t, e.Err)
	}
	t.Resync, t.dirty, a.look = true, true, true
	return nil
}

// stopTable stops a table that has no half transaction staged. The next cut saves it.
func (a *attempt) stopTable(t *table, reason error) {
	if t.State == Copying {
		a.copying--
	}
	a.giveUpCopy(t)
	t.stop(a.at, reason)
	a.p.Log.Error("stopped a table", "pipeline", a.p.Name, "table", t.Name, "position", a.at, "err", reason)
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
	a.inTxn, a.inChunk = false, false
	if ev.Time != 0 {
		a.time = ev.Time
	}
	a.p.status.read(a.time, a.open == nil && !a.busy())
	if a.look || a.awaited() {
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
	if a.open == nil {
		return nil
	}
	if a.full(patience) {
		if err := a.settle(ctx); err != nil {
			return err
		}
	}
	if (a.due || a.full(1)) && !a.busy() {
		a.cut()
	}
	return nil
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

// flush makes all up to the boundary durable.
func (a *attempt) flush(ctx context.Context) error {
	if err := a.settle(ctx); err != nil {
		return err
	}
	if !a.pending() {
		return nil
	}
	a.cut()
	return a.settle(ctx)
}

// settle waits for the commit that is under way.
func (a *attempt) settle(ctx context.Context) error {
	if a.running == nil {
		return nil
	}
	select {
	case <-a.running.done:
	case <-ctx.Done():
	}
	return errors.Join(a.failed(), ctx.Err())
}

// pending says that a cut would save something.
func (a *attempt) pending() bool {
	return a.open != nil || a.at != a.saved || a.dirty()
}

func (a *attempt) dirty() bool {
	for _, t := range a.tables {
		if t.dirty {
			return true
		}
	}
	return false
}

// cut ends the open transaction at the boundary and has it committed beside the reader. It is called when what was read
// ends there and no commit is under way (invariants I2, I4).
func (a *attempt) cut() {
	t := a.open
	if t == nil {
		t = &txn{}
	} else {
		a.due = false
	}
	a.open, a.running = nil, t
	t.from, t.done = a.saved, make(chan struct{})
	t.save = save{position: a.at, seq: a.seq, time: a.time, gone: a.gone}
	a.gone = nil
	if err := a.overtake(); err != nil {
		a.fail(err)
	}
	a.mark(t)
	for _, tb := range a.tables {
		if tb.dirty {
			tb.dirty, tb.known = false, tb.Name
			r := tb.tableRecord
			t.save.tables = append(t.save.tables, &r)
			if len(tb.news) > 0 {
				t.save.touched = append(t.save.touched, touchedRecord{tb.Name, tb.news})
				tb.news = nil
			}
		}
	}
	covered, err := a.passed()
	if err != nil {
		a.fail(err)
	}
	t.save.covered = covered
	a.saved, a.lastCut = a.at, time.Now()
	go a.commit(t) // finish waits for it
	a.poke()
}

// mark gives the tables of a transaction their epoch.
func (a *attempt) mark(t *txn) {
	if t.sink == nil {
		return
	}
	t.save.epoch = a.next
	a.next++
	for _, tb := range t.tables {
		tb.Epoch, tb.dirty = t.save.epoch, true
	}
}

// A resumption is what the sink keeps for a restart with the rows of one table.
type resumption struct {
	Position source.Position `json:"position"`
	Progress []byte          `json:"progress,omitempty"`
	Rows     int64           `json:"rows,omitempty"`
	Chunks   int64           `json:"chunks,omitempty"`
}

// marks are what the sink stores with the rows of t.
func (a *attempt) marks(t *txn) map[schema.Name]sink.Mark {
	marks := make(map[schema.Name]sink.Mark, len(t.tables))
	for _, r := range t.save.tables {
		if r.Epoch != t.save.epoch {
			continue
		}
		at := r.Ahead // a chunk of a table may come before its log rows are past what the sink has
		if at == "" {
			at = t.save.position
		}
		state, err := json.Marshal(resumption{at, r.Progress, r.Rows, r.Chunks})
		if err != nil {
			panic("pipeline: resumption does not marshal: " + err.Error())
		}
		marks[r.Sink] = sink.Mark{Run: a.number, Epoch: t.save.epoch, Position: string(t.save.position), State: state}
	}
	return marks
}

// pace cuts when the interval is over and no boundary comes to do it, and when a commit ends that has kept a cut waiting.
func (a *attempt) pace(ctx context.Context) {
	timer := time.NewTimer(a.p.Limits.Interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-a.wake:
		}
		timer.Reset(a.tick())
	}
}

// tick cuts if it is time, and returns when to look again.
func (a *attempt) tick() time.Duration {
	a.turn.take()
	defer a.turn.give()
	interval := a.p.Limits.Interval
	over := time.Since(a.lastCut) >= interval
	a.due = a.due || over
	if a.clean() && !a.busy() && (a.due && a.open != nil || over && a.pending()) {
		a.cut()
	}
	if left := interval - time.Since(a.lastCut); left > 0 {
		return left
	}
	return interval
}

// poke has the pacer look.
func (a *attempt) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
