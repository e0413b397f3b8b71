package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

const (
	// flights is how many blocks are on their way to staging tables at once.
	flights = 2
	// memoryBlocks is how many full blocks may wait in memory, of all tables together.
	memoryBlocks = 4
	// dropTimeout is how long the end of a transaction waits for a staging table to be dropped.
	dropTimeout = 30 * time.Second
)

// A load is the rows of one table in one transaction.
type load struct {
	txn    *Txn
	target *target
	bytes  atomic.Int64 // of the block that is being filled

	mu     sync.Mutex // guards the fields below
	rows   *encoder
	stage  schema.Name   // the staging table, once there is one
	blocks int           // sent so far
	flight chan struct{} // closed when the last block sent has arrived; nil: none was sent

	emu sync.Mutex // guards err
	err error      // the first
}

func newLoad(x *Txn, t *target) *load { return &load{txn: x, target: t, rows: t.encoder()} }

// fail notes an error, unless there is one already.
func (l *load) fail(err error) {
	l.emu.Lock()
	defer l.emu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// failure is the first error.
func (l *load) failure() error {
	l.emu.Lock()
	defer l.emu.Unlock()
	return l.err
}

// add encodes rows. A block that is full goes on its way.
func (l *load) add(ctx context.Context, b *row.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failure(); err != nil {
		return err
	}
	if err := l.rows.add(b); err != nil {
		l.fail(err)
		return err
	}
	now := l.rows.bytes()
	grown := now - l.bytes.Swap(now)
	l.txn.staged.Add(grown)
	l.txn.sink.pending.Add(grown)
	if cfg := &l.txn.sink.cfg; now >= int64(cfg.BlockSize) || l.rows.rows() >= cfg.BlockRows {
		return l.ship(ctx)
	}
	return nil
}

// ship sends the block to the staging table while the next one fills. Blocks arrive in order: of two rows with equal versions
// the later one counts. The caller holds the lock.
func (l *load) ship(ctx context.Context) error {
	if err := l.failure(); err != nil || l.rows == nil || l.rows.rows() == 0 {
		return err
	}
	if err := l.arrived(ctx); err != nil {
		return err
	}
	if err := l.openStage(ctx); err != nil {
		l.fail(err)
		return err
	}
	select {
	case l.txn.sink.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	rows, in, done := l.rows, l.insertion(l.stage), make(chan struct{})
	size := l.bytes.Swap(0)
	l.rows, l.flight = l.target.encoder(), done
	go func() { // ends with the request, which ends with the transaction
		defer close(done)
		fault.Point("clickhouse.before-stage")
		if err := l.txn.sink.send(l.txn.life, "stage rows of "+l.target.name.String(), in); err != nil {
			l.fail(ofTableError(l.target.name, "stage rows", err))
		}
		l.release(rows, size)
		<-l.txn.sink.slots
	}()
	return nil
}

// release gives a block's memory back.
func (l *load) release(rows *encoder, size int64) {
	l.txn.sink.pending.Add(-size)
	l.target.spare(rows)
}

// arrived waits for the block that is on its way.
func (l *load) arrived(ctx context.Context) error {
	if l.flight == nil {
		return nil
	}
	select {
	case <-l.flight:
		return l.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// insertion is the INSERT of the block as it is now.
func (l *load) insertion(at schema.Name) *insertion {
	s := l.txn.sink
	l.rows.setCommit(l.txn.commit)
	l.blocks++
	into := l.target.into
	if at != l.target.at {
		into = fmt.Sprintf("INSERT INTO %s (%s)", quoteTable(at), l.rows.columnList())
	}
	token := fmt.Sprintf("%s/%s/%d/%d", s.pipeline, l.target.uuid, l.txn.commit, l.blocks)
	return &insertion{into: into, token: token, exact: l.target.exact, block: l.rows}
}

// openStage makes the staging table, of the structure that the table has in ClickHouse, whoever changed it.
func (l *load) openStage(ctx context.Context) error {
	if l.stage != (schema.Name{}) {
		return nil
	}
	s, stage := l.txn.sink, l.txn.sink.stageName(l.target.at)
	like := "CREATE TABLE IF NOT EXISTS " + quoteTable(stage) + s.cfg.onCluster() + " AS " + quoteTable(l.target.at)
	if l.target.layout.opts.engine.args != "" { // a path in ZooKeeper that cannot be had twice
		like = l.target.layout.stagingSQL(stage, &s.cfg, "")
	}
	if err := s.exec(ctx, "make a staging table", like); err != nil {
		return ofTableError(l.target.name, "make a staging table", err)
	}
	l.stage = stage
	fault.Point("clickhouse.after-stage")
	return nil
}

// commit makes the rows visible, all at once unless the table is partitioned.
func (l *load) commit(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failure()
	if err == nil && !l.target.exact { // the server converts types, whichever it finds
		err = l.txn.sink.verify(ctx, l.target.at, l.target.layout)
	}
	if err == nil {
		err = l.publish(ctx)
	}
	if te := (*schema.TableError)(nil); errors.As(err, &te) && l.target.layout.mode == appendOnly {
		err = errors.Join(err, l.undo(ctx))
	}
	return err
}

func (l *load) publish(ctx context.Context) error {
	if l.stage == (schema.Name{}) {
		return l.insertBlock(ctx, l.target.at)
	}
	if err := l.arrived(ctx); err != nil {
		return err
	}
	if err := l.insertBlock(ctx, l.stage); err != nil {
		return err
	}
	return l.move(ctx)
}

// insertBlock inserts the block that is in memory.
func (l *load) insertBlock(ctx context.Context, at schema.Name) error {
	if l.rows.rows() == 0 {
		return nil
	}
	if err := fault.Error("clickhouse.before-insert"); err != nil {
		return fmt.Errorf("%w: %w", sink.ErrTransient, err)
	}
	if err := l.txn.sink.send(ctx, "insert into "+l.target.name.String(), l.insertion(at)); err != nil {
		return ofTableError(l.target.name, "insert", err)
	}
	fault.Point("clickhouse.after-insert")
	if err := fault.Error("clickhouse.reply"); err != nil {
		return fmt.Errorf("%w: %w", sink.ErrTransient, err)
	}
	return nil
}

// move moves what is staged into the table. A partition that an attempt has moved is not found by the next one.
func (l *load) move(ctx context.Context) error {
	s := l.txn.sink
	err := s.patiently(ctx, "move rows into "+l.target.name.String(), func(ctx context.Context) error {
		rows, err := s.control.texts(ctx, s.queryID(), fmt.Sprintf("SELECT DISTINCT partition_id FROM system.parts WHERE database = %s AND table = %s AND active ORDER BY 1",
			quoteText(l.stage.Namespace), quoteText(l.stage.Table)))
		for _, r := range rows {
			fault.Point("clickhouse.before-move")
			if err = s.control.exec(ctx, s.queryID(), alterSQL(l.stage, &s.cfg, moveClause(r[0], l.target.at))); err != nil {
				break
			}
			fault.Point("clickhouse.after-move")
		}
		return err
	})
	if err != nil {
		return ofTableError(l.target.name, "move staged rows", err)
	}
	return nil
}

// undo takes back what a commit that failed may have written to a table that has every change as a row.
func (l *load) undo(ctx context.Context) error {
	if err := l.txn.sink.rollBack(ctx, l.target.at, l.txn.commit-1); err != nil {
		return tableError(l.target.name, fmt.Errorf("take back rows: %w; rows whose _commit is %d are not to be trusted", translate(err), l.txn.commit))
	}
	return nil
}

// close waits for the block on its way, gives the memory back and drops the staging table.
func (l *load) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight != nil {
		<-l.flight // its context is over
	}
	if l.rows != nil {
		l.release(l.rows, l.bytes.Swap(0))
		l.rows = nil
	}
	if l.stage == (schema.Name{}) {
		return
	}
	s := l.txn.sink
	ctx, done := context.WithTimeout(context.Background(), dropTimeout)
	defer done()
	if err := s.control.exec(ctx, s.queryID(), dropTableSQL(l.stage, &s.cfg)); err != nil {
		s.log.Warn("a staging table stays until the next start", "table", l.stage.String(), "error", err)
	}
}
