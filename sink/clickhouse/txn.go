package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A phase is how far a transaction is.
type phase uint8

const (
	filling phase = iota
	committing
	over
)

// A Txn implements sink.Txn. Its rows are in one block per table until the commit inserts that; rows beyond one block wait
// in a staging table, from which the commit moves them.
type Txn struct {
	sink   *Sink
	commit uint64       // of the column _commit
	staged atomic.Int64 // bytes of rows taken in all
	life   context.Context
	end    context.CancelFunc

	mu    sync.Mutex // guards the fields below
	loads map[schema.Name]*load
	phase phase
}

var _ sink.Txn = (*Txn)(nil)

// Begin implements sink.Sink.
func (s *Sink) Begin(context.Context) (sink.Txn, error) {
	x := &Txn{sink: s, commit: s.next(), loads: map[schema.Name]*load{}}
	x.life, x.end = context.WithCancel(context.Background()) // blocks are sent behind the back of Write
	return x, nil
}

// Bytes implements sink.Txn: all rows taken so far, in memory or staged.
func (x *Txn) Bytes() int64 { return x.staged.Load() }

// Write implements sink.Txn.
func (x *Txn) Write(ctx context.Context, b *row.Batch) error {
	defer b.Free()
	l, err := x.load(ctx, b.Table)
	if err != nil {
		return err
	}
	if err := l.add(ctx, b); err != nil {
		return err
	}
	if x.sink.pending.Load() > memoryBlocks*int64(x.sink.cfg.BlockSize) {
		return x.shipLargest(ctx)
	}
	return nil
}

func (x *Txn) load(ctx context.Context, t *schema.Table) (*load, error) {
	x.mu.Lock()
	l, phase := x.loads[t.Name], x.phase
	x.mu.Unlock()
	if phase != filling {
		return nil, errors.New("write to a transaction that is committed or aborted")
	}
	if l != nil {
		return l, nil
	}
	target, err := x.sink.target(ctx, t)
	if err != nil {
		return nil, err
	}
	l = newLoad(x, target)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.loads[t.Name] = l // rows of one table come from one goroutine: nobody else has made it
	return l, nil
}

// shipLargest sends the largest block away, when many tables share the memory.
func (x *Txn) shipLargest(ctx context.Context) error {
	var largest *load
	for _, l := range x.all() {
		if largest == nil || l.bytes.Load() > largest.bytes.Load() {
			largest = l
		}
	}
	if largest == nil {
		return nil
	}
	largest.mu.Lock()
	defer largest.mu.Unlock()
	return largest.ship(ctx)
}

func (x *Txn) all() []*load {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make([]*load, 0, len(x.loads))
	for _, l := range x.loads {
		all = append(all, l)
	}
	return all
}

// leave ends the phase before and returns what was filled; ok is false when somebody else did.
func (x *Txn) leave(to phase) (ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	ok = x.phase == filling
	if ok {
		x.phase = to
	}
	return ok
}

// Commit implements sink.Txn: rows first, then the marks of the tables whose rows are in.
func (x *Txn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if !x.leave(committing) {
		return errors.New("commit of a transaction that is committed or aborted")
	}
	defer x.close()
	loads, errs := x.due(marks)
	if len(loads) == 0 {
		return errors.Join(errs...)
	}
	fault.Point("clickhouse.before-commit")
	gone, err := x.sink.confirm(ctx, loads, runOf(marks))
	if err != nil {
		return failed("commit", err)
	}
	for _, l := range loads {
		if err := gone[l]; err != nil {
			l.fail(err)
		}
	}
	errs = append(errs, x.insertAll(ctx, loads))
	fault.Point("clickhouse.before-marks")
	return errors.Join(append(errs, x.mark(ctx, loads, marks))...)
}

// due returns the tables to commit. One that the engine has given up is left out.
func (x *Txn) due(marks map[schema.Name]sink.Mark) (loads []*load, errs []error) {
	for _, l := range x.all() {
		if _, ok := marks[l.target.name]; ok {
			loads = append(loads, l)
		} else if l.failure() == nil {
			errs = append(errs, fmt.Errorf("commit table %s: no mark was given", l.target.name))
		}
	}
	return loads, errs
}

// runOf is the run that a commit belongs to.
func runOf(marks map[schema.Name]sink.Mark) uint64 {
	var run uint64
	for _, m := range marks {
		run = max(run, m.Run)
	}
	return run
}

// insertAll makes the rows of the tables visible, and notes for each whether that failed.
func (x *Txn) insertAll(ctx context.Context, loads []*load) error {
	errs := make([]error, len(loads))
	var g errgroup.Group
	g.SetLimit(committers)
	for i, l := range loads {
		g.Go(func() error {
			if errs[i] = l.commit(ctx); errs[i] != nil {
				l.fail(errs[i])
			}
			fault.Point("clickhouse.between-tables")
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// mark writes the marks of the tables whose rows are in.
func (x *Txn) mark(ctx context.Context, loads []*load, marks map[schema.Name]sink.Mark) error {
	var b markBlock
	for _, l := range loads {
		if l.failure() == nil {
			b.add(x.sink.pipeline, x.sink.next(), l.target, x.commit, marks[l.target.name])
		}
	}
	if b.rows() == 0 {
		return nil
	}
	if err := x.sink.writeMarks(ctx, &b); err != nil {
		return failed("write marks", err)
	}
	fault.Point("clickhouse.after-marks")
	return nil
}

// Abort implements sink.Txn.
func (x *Txn) Abort() error {
	if x.leave(over) {
		x.close()
	}
	return nil
}

// close ends what is under way, gives the memory back and drops staging tables. A staging table that cannot be dropped is by
// the next run.
func (x *Txn) close() {
	x.end()
	loads := x.all()
	x.mu.Lock()
	x.phase, x.loads = over, nil
	x.mu.Unlock()
	for _, l := range loads {
		l.close()
	}
}
