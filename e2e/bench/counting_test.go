package bench

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// counting counts what is committed to another sink.
type counting struct {
	inner           sink.Sink
	began           time.Time
	want            int64
	enough          func()
	changes, images atomic.Int64
	written         atomic.Int64
	hurried         atomic.Bool
	first, last     time.Duration // commits never overlap
}

func (c *counting) Start(ctx context.Context, run uint64) error { return c.inner.Start(ctx, run) }

func (c *counting) Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	return c.inner.Marks(ctx, tables)
}
func (c *counting) Evolve(ctx context.Context, ch *schema.Change) error {
	return c.inner.Evolve(ctx, ch)
}
func (c *counting) Close() error { return c.inner.Close() }

func (c *counting) Begin(ctx context.Context) (sink.Txn, error) {
	x, err := c.inner.Begin(ctx)
	return &countingTxn{Txn: x, c: c}, err
}

type countingTxn struct {
	sink.Txn
	c               *counting
	changes, images atomic.Int64
}

func (x *countingTxn) Write(ctx context.Context, b *row.Batch) error {
	n := 0
	for _, op := range b.Ops {
		if op != row.Before {
			n++
		}
	}
	x.changes.Add(int64(n))
	x.images.Add(int64(len(b.Ops)))
	if x.c.written.Add(int64(n)) >= x.c.want && x.c.want > 0 {
		x.c.hurried.Store(true)
	}
	return x.Txn.Write(ctx, b)
}

// Bytes are so many that the engine commits at once, when all that was wanted is there: a figure of rows per second
// must not have the rest of an interval in it.
func (x *countingTxn) Bytes() int64 {
	if x.c.hurried.Load() {
		return 1 << 50
	}
	return x.Txn.Bytes()
}

func (x *countingTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if err := x.Txn.Commit(ctx, marks); err != nil {
		return err
	}
	c := x.c
	c.images.Add(x.images.Load())
	n := c.changes.Add(x.changes.Load())
	if x.changes.Load() > 0 {
		c.last = time.Since(c.began)
		if c.first == 0 {
			c.first = c.last
		}
	}
	if c.want > 0 && n >= c.want {
		c.enough()
	}
	return nil
}
