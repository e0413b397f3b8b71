package pipeline

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// Resync notes that the next start is to drop what the sink has of some tables, named as at the source, and to copy them
// anew. It is for a time when no daemon runs. All of the tables are noted, or none.
func (s *Store) Resync(ctx context.Context, names []schema.Name) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		c, err := load(ctx, tx)
		if err != nil {
			return err
		}
		changes, err := records[changeRecord](ctx, tx, "SELECT id, doc, sum FROM changes", func(r *changeRecord, id int64) { r.id = id })
		if err != nil {
			return fmt.Errorf("load changes: %w", err)
		}
		for _, n := range names {
			if err := c.resync(ctx, tx, n, changes); err != nil {
				return fmt.Errorf("table %s: %w", n, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what to copy anew: %w", err)
	}
	return nil
}

func (c *checkpoint) resync(ctx context.Context, tx *sql.Tx, n schema.Name, changes []changeRecord) error {
	i := slices.IndexFunc(c.tables, func(r tableRecord) bool { return r.Name == n })
	switch {
	case i < 0:
		return fmt.Errorf("it is not one of the pipeline's; cdcsync state FILE shows them")
	case c.tables[i].State == Dropped:
		return fmt.Errorf("the source has dropped it: there is nothing to copy")
	case !c.Copy:
		return fmt.Errorf("it is %s, and the pipeline was started without copying the rows that were there: they would not come "+
			"back; set scan.startup.mode: initial and resync all", c.tables[i].State)
	}
	if err := settled(n, c.changes); err != nil {
		return err
	}
	if err := forgetChanges(ctx, tx, n, c.changes, changes); err != nil {
		return err
	}
	r := &c.tables[i]
	r.Resync = true
	if r.State != Stopped { // the shape is the one at the position: the log leads on from there
		r.State, r.Progress, r.Epoch, r.Ahead, r.Rows, r.Chunks = Copying, nil, 0, "", 0, 0
	}
	if err := forget(ctx, tx, n); err != nil {
		return err
	}
	return putTable(ctx, tx, r)
}

// settled refuses a table that has changed its name past the checkpoint: which rows the sink has under which name is
// known after the next start only.
func settled(n schema.Name, open []changeRecord) error {
	for _, ch := range open {
		if ch.Before != ch.After && (ch.Before == n || ch.After == n) {
			return fmt.Errorf("its newest change (%s) is not saved yet: run the pipeline once, stop it and try again", ch.Statement)
		}
	}
	return nil
}

// forgetChanges deletes the changes of a table that the new copy has from the start, or has to make again: those that are
// past the position, and those that the sink has never made.
func forgetChanges(ctx context.Context, tx *sql.Tx, n schema.Name, open, all []changeRecord) error {
	for _, ch := range all {
		past := slices.ContainsFunc(open, func(o changeRecord) bool { return o.id == ch.id })
		if ch.Before != n && ch.After != n || ch.Applied && !past {
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM changes WHERE id = ?", ch.id); err != nil {
			return fmt.Errorf("forget change %d: %w", ch.id, err)
		}
	}
	return nil
}

// anew tells the sink which tables are to be copied anew, in the shape that is in force at the position. It is told again
// after a crash, until the store knows that it was: no row has come yet. Tables that have stopped have no such shape. They
// are found again by newcomers.
func (a *attempt) anew(ctx context.Context, c *checkpoint) error {
	var ts []*table
	var ask []schema.Name
	for _, t := range a.sorted() {
		if t.Resync && t.Sink != (schema.Name{}) {
			ts, ask = append(ts, t), append(ask, t.Sink)
		}
	}
	if len(ts) == 0 {
		return nil
	}
	marks, err := a.p.Sink.Marks(ctx, ask)
	if err != nil {
		return fmt.Errorf("read marks: %w", err)
	}
	for _, t := range ts {
		if m := marks[t.Sink]; m.Run >= c.Run {
			return fencedBy(t.Sink, m, c)
		}
		if err := a.remake(ctx, t); err != nil {
			return err
		}
	}
	sv := &save{}
	for _, t := range ts {
		sv.tables, t.dirty = append(sv.tables, &t.tableRecord), false
	}
	if err := a.p.states.save(ctx, sv); err != nil {
		return fmt.Errorf("save tables: %w", err)
	}
	fault.Point("pipeline.after-resync")
	return nil
}

// remake begins the new copy of one table, if its shape is known.
func (a *attempt) remake(ctx context.Context, t *table) error {
	fault.Point("pipeline.before-resync")
	var err error
	if t.follows() {
		t.View = nil
		err = a.p.Sink.Evolve(ctx, copyAnew(renamed(t.shape, t.Sink)))
		fault.Point("pipeline.amid-resync")
	}
	stops, rest := tableErrors(err)
	switch {
	case rest != nil:
		return fmt.Errorf("make %s anew: %w", t.Sink, err)
	case len(stops) > 0:
		t.Resync = false
		t.stop(a.at, stops[0].Err)
		return nil
	case t.follows():
		t.Resync, t.Renewing, t.dirty = false, true, true
		t.tally.set(&t.tableRecord)
		a.tellAnew(t)
	}
	a.remade[t.Sink] = true
	return nil
}

// tellAnew says that a new copy of a table begins: that of a stopped one when it takes part, not while it is awaited.
func (a *attempt) tellAnew(t *table) {
	a.p.Log.Info("to be copied anew", "pipeline", a.p.Name, "table", t.Name, "sink", t.Sink)
}

// copyAnew is the change that begins a new copy of a table.
func copyAnew(t *schema.Table) *schema.Change {
	return &schema.Change{Before: t, After: t, Edits: []schema.Edit{{Kind: schema.BeginCopy}}}
}

// renewed ends the new copies that have become whole: what the sink still has of the old rows goes. The commit that made
// them whole is saved; a crash before the end of the copy is saved ends it again.
func (a *attempt) renewed(ctx context.Context) error {
	for _, t := range a.sorted() {
		if !t.Renewing || t.State != Following || t.parked != nil {
			continue
		}
		s := t.inSink(t.shape, t.Sink)
		c := &change{Change: &schema.Change{Before: s, After: s, Edits: []schema.Edit{{Kind: schema.EndCopy}}}, to: t.Sink, from: a.here()}
		if !a.inTurn {
			a.park(t, c)
			continue
		}
		if err := a.flush(ctx); err != nil {
			return err
		}
		if err := a.endChange(t, c, a.makeChange(ctx, t, c)); err != nil {
			return err
		}
	}
	return nil
}

// endCopy tells the sink that the new copy of a table is whole.
func (a *attempt) endCopy(ctx context.Context, c *schema.Change) error {
	fault.Point("pipeline.before-renewed")
	err := a.p.Sink.Evolve(ctx, c)
	fault.Point("pipeline.after-renewed")
	return err
}

// revives says that tables that have stopped wait to be copied anew.
func (a *attempt) revives() bool {
	for _, t := range a.tables {
		if t.Resync {
			return true
		}
	}
	return false
}

// fencedBy is the error of a mark that a later start has made.
func fencedBy(n schema.Name, m sink.Mark, c *checkpoint) error {
	return fmt.Errorf("table %s in the sink was written by run %d, and this state is at run %d: another daemon writes the same "+
		"tables, or the state is an old copy: %w", n, m.Run, c.Run, sink.ErrFenced)
}
