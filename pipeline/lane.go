package pipeline

import (
	"context"
	"fmt"
	"sync"

	"github.com/cdcsync/cdcsync/schema/row"
)

// A lane writes the batches of its tables in order (invariant I6). What waits in it is bounded by the byte budget alone:
// a lane takes all that has come meanwhile at once, so that many small batches cost few hand-overs.
type lane struct {
	wake chan struct{} // cap 1: set when the queue stops being empty

	mu     sync.Mutex // guards the fields below
	queue  []item
	closed bool // nobody takes from the queue any more
}

type item struct {
	batch *row.Batch
	bytes int64 // taken from the budget
	table *table
	txn   *txn
	fit   *fitting // nil: the batch is of the sink's shape
}

func newLane() *lane { return &lane{wake: make(chan struct{}, 1)} }

// put says whether the lane has taken the item.
func (l *lane) put(it item) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.queue = append(l.queue, it)
	first := len(l.queue) == 1
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// close returns what waits; no more is taken.
func (l *lane) close() []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.queue
}

// take returns all that waits, and keeps spare for what comes next.
func (l *lane) take(spare []item) []item {
	clear(spare)
	l.mu.Lock()
	defer l.mu.Unlock()
	items := l.queue
	l.queue = spare[:0]
	return items
}

// workLane writes until ctx ends. What it did not write it frees, so that nobody waits for it.
func (a *attempt) workLane(ctx context.Context, l *lane) {
	var items []item
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			a.dropAll(l.close())
			return
		}
		for items = l.take(items); len(items) > 0; items = l.take(items) {
			for i := range items {
				if !a.write(ctx, &items[i]) {
					a.dropAll(items[i+1:])
					break
				}
			}
		}
	}
}

// write hands one batch to the sink, and says whether the lane goes on.
func (a *attempt) write(ctx context.Context, it *item) bool {
	defer it.txn.writes.Done()
	defer a.release(it.bytes)
	if ctx.Err() != nil {
		it.batch.Free()
		return false
	}
	rows := int64(it.batch.Len())
	if it.fit != nil {
		var err error
		if it.batch, err = it.fit.fit(it.batch); err != nil {
			a.fail(stopOne(it.table.Name, err))
			return false
		}
	}
	if err := it.txn.sink.Write(ctx, it.batch); err != nil {
		stops, rest := tableErrors(err)
		if rest == nil {
			a.fail(stopOne(it.table.Name, stops[0].Err))
		} else {
			a.fail(fmt.Errorf("write %s: %w", it.table.Sink, err))
		}
		return false
	}
	it.table.tally.written.Add(rows)
	return true
}

func (a *attempt) dropAll(items []item) {
	for _, it := range items {
		it.batch.Free()
		a.release(it.bytes)
		it.txn.writes.Done()
	}
}

// release gives bytes back to the budget (invariant I8).
func (a *attempt) release(bytes int64) {
	a.p.status.inFlight.Add(-bytes)
	a.budget.Release(bytes)
}
