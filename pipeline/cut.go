package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source"
)

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
	return a.open != nil || a.safe().position != a.saved || a.dirty()
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
// ends there and no commit is under way (invariants I2, I4). The checkpoint stays where rows of a parked table wait.
func (a *attempt) cut() {
	t := a.open
	if t == nil {
		t = &txn{}
	} else {
		a.due = false
	}
	a.open, a.running = nil, t
	at := a.safe()
	t.from, t.reach, t.done = a.saved, a.here(), make(chan struct{})
	t.save = save{position: at.position, seq: at.seq, time: at.time, gone: a.gone}
	a.gone = nil
	if err := a.overtake(); err != nil {
		a.fail(err)
	}
	a.mark(t)
	for _, tb := range a.tables {
		behind := len(tb.past) > 0 || tb.told && len(a.parked) == 0 && tb.had == nil // the store's record, perhaps
		if tb.dirty || behind {
			a.record(t, tb, at)
		}
	}
	covered, err := a.passed(at)
	if err != nil {
		a.fail(err)
	}
	t.save.covered = covered
	a.saved, a.lastCut = at.position, time.Now()
	go a.commit(t) // finish waits for it
	a.startChanges()
	a.poke()
}

// record has a cut save the record of a table, unless the table is created past the checkpoint.
func (a *attempt) record(t *txn, tb *table, at point) {
	r, known := a.stateAt(tb, at)
	if tb.Epoch == t.save.epoch && t.sink != nil {
		t.states = append(t.states, r)
	}
	if !known {
		return
	}
	tb.dirty, tb.known, tb.told = false, tb.Name, r.Ahead != ""
	t.save.tables = append(t.save.tables, r)
	if len(tb.news) > 0 {
		t.save.touched = append(t.save.touched, touchedRecord{tb.Name, tb.news})
		tb.news = nil
	}
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
	for _, r := range t.states {
		at := r.Ahead
		if at == "" {
			at = t.save.position
		}
		state, err := json.Marshal(resumption{at, r.Progress, r.Rows, r.Chunks})
		if err != nil {
			panic("pipeline: resumption does not marshal: " + err.Error())
		}
		marks[r.Sink] = sink.Mark{Run: a.number, Epoch: t.save.epoch, Position: string(at), State: state}
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
		timer.Reset(a.tick(ctx))
	}
}

// tick cuts if it is time, and returns when to look again.
func (a *attempt) tick(ctx context.Context) time.Duration {
	a.turn.take()
	defer a.turn.give()
	interval := a.p.Limits.Interval
	if err := a.unpark(ctx); err != nil {
		if ctx.Err() == nil {
			a.fail(err)
		}
		return interval
	}
	over := time.Since(a.lastCut) >= interval
	a.due = a.due || over
	if a.clean() && !a.busy() && (a.due && a.wanted() || over && a.pending()) {
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
