package iceberg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// committers is how many tables are committed at once.
const committers = 4

// A phase is how far a transaction is.
type phase uint8

const (
	filling phase = iota
	committing
	over
)

// A Txn implements sink.Txn.
type Txn struct {
	sink    *Sink
	pending atomic.Int64 // bytes of rows in memory
	staged  atomic.Int64 // bytes of rows taken in all

	mu     sync.Mutex // guards the fields below
	tables map[schema.Name]*staging
	phase  phase
}

var _ sink.Txn = (*Txn)(nil)

// Begin implements sink.Sink.
func (s *Sink) Begin(context.Context) (sink.Txn, error) {
	return &Txn{sink: s, tables: map[schema.Name]*staging{}}, nil
}

// Bytes implements sink.Txn: all rows taken so far, in memory or in files.
func (x *Txn) Bytes() int64 { return x.staged.Load() }

// Write implements sink.Txn.
func (x *Txn) Write(ctx context.Context, b *row.Batch) error {
	st, err := x.staging(ctx, b.Table)
	if err != nil {
		b.Free()
		return err
	}
	st.mu.Lock()
	err = st.add(b)
	if err == nil && st.bytes > int64(x.sink.cfg.Buffer)/4 {
		err = st.flush(ctx)
	}
	st.mu.Unlock()
	if err == nil && x.pending.Load() > int64(x.sink.cfg.Buffer) {
		err = x.flushLargest(ctx)
	}
	return err
}

func (x *Txn) staging(ctx context.Context, t *schema.Table) (*staging, error) {
	x.mu.Lock()
	st, phase := x.tables[t.Name], x.phase
	x.mu.Unlock()
	if phase != filling {
		return nil, errors.New("write to a transaction that is committed or aborted")
	}
	if st != nil {
		return st, nil
	}
	l, err := x.sink.layout(ctx, t)
	if err != nil {
		return nil, err
	}
	st = newStaging(x, l)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tables[t.Name] = st // rows of one table come from one goroutine: nobody else has made it
	return st, nil
}

// flushLargest writes out the table with the most pending rows, when many tables share the buffer.
func (x *Txn) flushLargest(ctx context.Context) error {
	var largest *staging
	most := int64(0)
	for _, st := range x.all() {
		st.mu.Lock()
		if st.bytes > most && st.err == nil {
			largest, most = st, st.bytes
		}
		st.mu.Unlock()
	}
	if largest == nil {
		return nil
	}
	largest.mu.Lock()
	defer largest.mu.Unlock()
	return largest.flush(ctx)
}

func (x *Txn) all() []*staging {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make([]*staging, 0, len(x.tables))
	for _, st := range x.tables {
		all = append(all, st)
	}
	return all
}

// Commit implements sink.Txn. Files are never removed once a commit was tried: whether it took effect may be unknown.
func (x *Txn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	x.mu.Lock()
	if x.phase != filling {
		x.mu.Unlock()
		return errors.New("commit of a transaction that is committed or aborted")
	}
	x.phase = committing
	x.mu.Unlock()
	all := x.all()
	errs := make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(committers)
	for i, st := range all {
		g.Go(func() error {
			errs[i] = x.commitTable(ctx, st, marks)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	x.mu.Lock()
	x.phase, x.tables = over, nil
	x.mu.Unlock()
	return errors.Join(errs...)
}

func (x *Txn) commitTable(ctx context.Context, st *staging, marks map[schema.Name]sink.Mark) error {
	name := st.l.table.Name
	mark, ok := marks[name]
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case !ok && st.err != nil:
		return nil // the engine has given the table up
	case !ok:
		return fmt.Errorf("commit table %s: no mark was given", name)
	}
	data, deletes, err := st.finish(ctx)
	if te := (*schema.TableError)(nil); errors.As(err, &te) || errors.Is(err, sink.ErrTransient) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: write files of %s: %w", sink.ErrTransient, name, err)
	}
	c := commit{sink: x.sink, l: st.l, mark: mark, data: data, deletes: deletes}
	return c.run(ctx)
}

// Abort implements sink.Txn. Files of a transaction that nobody tried to commit are removed.
func (x *Txn) Abort() error {
	x.mu.Lock()
	tables, phase := x.tables, x.phase
	x.phase, x.tables = over, nil
	x.mu.Unlock()
	if phase == filling {
		for _, st := range tables {
			st.discard()
		}
	}
	return nil
}
