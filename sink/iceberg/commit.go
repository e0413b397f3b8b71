package iceberg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/sink"
)

// Attempts to commit a table, and the pauses between them: about 6 s in all. The engine starts again after that.
const (
	attempts   = 6
	firstPause = 200 * time.Millisecond
	lookAfter  = 10 * time.Second // time for the last look at the table when the caller gives up
)

// A commit makes the files of one table a snapshot. It may be tried many times with the same files.
type commit struct {
	sink          *Sink
	l             *layout
	mark          sink.Mark
	data, deletes []iceberg.DataFile
	base          *table.Table // as last loaded
}

// errDecided marks errors after which trying again cannot help.
var errDecided = errors.New("decided")

// run commits. Invariant: before each attempt the table is loaded and searched for the commit, since the answer of an
// attempt that took effect may be lost.
func (c *commit) run(ctx context.Context) error {
	fault.Point("iceberg.before-commit")
	var last error
	for n := range attempts {
		done, err := c.attempt(ctx)
		switch {
		case done:
			fault.Point("iceberg.between-tables")
			c.tidy(ctx)
			return nil
		case errors.Is(err, errDecided):
			return err
		case ctx.Err() != nil:
			return c.lastLook(ctx, err)
		}
		last = err
		c.sink.log.Warn("commit attempt did not succeed", "table", c.l.table.Name.String(), "epoch", c.mark.Epoch, "attempt", n+1, "err", err)
		if err := pause(ctx, firstPause<<n); err != nil {
			break
		}
	}
	return c.lastLook(ctx, last)
}

// tidy removes expired snapshots after the commit, when there are enough.
func (c *commit) tidy(ctx context.Context) {
	if c.base == nil || !expired(c.base, time.Now()) {
		return
	}
	tbl, err := c.sink.load(ctx, c.l.table.Name)
	if err == nil && tbl != nil {
		err = c.sink.expire(ctx, tbl)
	}
	if err != nil {
		c.sink.log.Warn("expired snapshots were not removed", "table", c.l.table.Name.String(), "err", err)
	}
}

// pause waits, with the caller's patience.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// lastLook asks once more whether the commit took effect after all.
func (c *commit) lastLook(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAfter)
	defer cancel()
	if tbl, lerr := c.sink.load(ctx, c.l.table.Name); lerr == nil && tbl != nil && c.landed(tbl) {
		return nil
	}
	return fmt.Errorf("%w: commit table %s: the outcome is not known: %w", sink.ErrTransient, c.l.table.Name, err)
}

// landed says that the table has the commit.
func (c *commit) landed(tbl *table.Table) bool {
	id := c.sink.commitID(c.mark)
	if tbl.Properties()[c.sink.own("commit-id")] == id {
		return true
	}
	cur := tbl.CurrentSnapshot()
	if cur == nil {
		return false
	}
	for _, sn := range table.AncestorsOf(cur.SnapshotID, tbl.Metadata().SnapshotByID) {
		if sn.Summary != nil && sn.Summary.Properties[propCommitID] == id {
			return true
		}
	}
	return false
}

// attempt loads the table and commits once. An error that wraps errDecided is final, after another the outcome is open.
func (c *commit) attempt(ctx context.Context) (done bool, err error) {
	name := c.l.table.Name
	tbl, err := c.sink.load(ctx, name)
	switch {
	case err != nil:
		return false, err
	case tbl == nil:
		return false, decided(tableError(name, errors.New("the Iceberg table is gone: somebody dropped it; copy the table again")))
	case c.landed(tbl):
		return true, nil
	}
	c.base = tbl
	if err := c.check(tbl); err != nil {
		return false, decided(err)
	}
	updates, reqs, err := c.build(ctx, tbl)
	if err != nil {
		return false, fmt.Errorf("stage snapshot of %s: %w", name, err)
	}
	if err := fault.Error("iceberg.commit"); err != nil {
		return false, err
	}
	if err := commitUpdates(ctx, c.sink.cat, tbl, reqs, updates); err != nil {
		return false, fmt.Errorf("commit table %s: %w", name, err)
	}
	fault.Point("iceberg.after-commit")
	if err := fault.Error("iceberg.reply"); err != nil {
		return false, err // the answer is lost, and the next attempt finds the commit
	}
	return true, nil
}

// A final error is one that wraps errDecided beside its own.
type final struct{ error }

func (f final) Unwrap() []error { return []error{f.error, errDecided} }

func decided(err error) error { return final{err} }

// check refuses to commit to a table that has gone to another daemon, or that was altered since the files were begun.
func (c *commit) check(tbl *table.Table) error {
	name := c.l.table.Name
	if owner := tbl.Properties()[propPipeline]; owner != c.sink.pipeline {
		return tableError(name, fmt.Errorf("it belongs to pipeline %q now", owner))
	}
	m, err := c.sink.newest(tbl)
	if err != nil {
		return tableError(name, err)
	}
	if m.Run > c.mark.Run || m.Run == c.mark.Run && m.Epoch >= c.mark.Epoch {
		return fmt.Errorf("commit table %s as run %d, epoch %d: the table has run %d, epoch %d (invariant I12): %w",
			name, c.mark.Run, c.mark.Epoch, m.Run, m.Epoch, sink.ErrFenced)
	}
	for _, col := range c.l.cols {
		f, ok := tbl.Schema().FindFieldByID(col.field.ID)
		if !ok || !f.Type.Equals(col.field.Type) {
			return tableError(name, fmt.Errorf("somebody altered the Iceberg table: field %s (id %d) is no longer %s", col.field.Name, col.field.ID, col.field.Type))
		}
	}
	if spec := tbl.Spec(); spec.ID() != c.l.spec.ID() {
		return tableError(name, errors.New("somebody changed the Iceberg table's partition spec"))
	}
	return nil
}

// build makes the snapshot. A commit of which no row is left makes one too: two daemons that commit at once must both
// move the branch, so that one of them fails (invariant I12).
func (c *commit) build(ctx context.Context, tbl *table.Table) ([]table.Update, []table.Requirement, error) {
	sn := snapshot{base: tbl, data: c.data, deletes: c.deletes, summary: c.sink.summary(c.mark)}
	updates, reqs, err := sn.build(ctx)
	return append(updates, table.NewSetPropertiesUpdate(c.sink.properties(c.mark))), reqs, err
}
