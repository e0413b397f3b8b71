package pipeline

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// newcomers adds tables that the configuration did not ask for when the checkpoint was saved, and such as have stopped and
// can begin anew because the sink has nothing of them. They are copied while the others flow on.
func (a *attempt) newcomers(ctx context.Context, c *checkpoint) error {
	revived, err := a.revivable(ctx)
	if err != nil {
		return err
	}
	widened := c.Selection != a.p.Selection || a.p.Selection == ""
	if !widened && len(revived) == 0 {
		a.p.awaited = awaiting{}
		return a.saveRoster(ctx, c)
	}
	if _, err := a.p.Source.End(ctx, a.at); err != nil { // a change of shape that is delivered must be seen
		return fmt.Errorf("find tables: %w", err)
	}
	found, err := a.p.Source.Tables(ctx, func(n schema.Name) bool {
		t := a.tables[n]
		return a.p.Match(n) && (revived[n] || t == nil && widened)
	})
	if err != nil {
		return fmt.Errorf("find tables: %w", err)
	}
	a.forget(revived, found)
	if err := a.await(ctx, &found); err != nil {
		return err
	}
	if err := a.enlist(found, false); err != nil {
		return err
	}
	marks, err := a.freshMarks(ctx)
	if err != nil {
		return err
	}
	for _, t := range a.sorted() {
		if m, ok := marks[t.Sink]; ok && t.fresh && !a.remade[t.Sink] {
			t.Epoch = m.Epoch
			a.stopTable(t, a.at, fmt.Errorf("the sink table %s has rows of it from before, up to %s, and what came after is not known: "+
				"drop the sink table and start again to have the table copied anew", t.Sink, m.Position))
		}
	}
	if err := a.create(ctx); err != nil {
		return err
	}
	return a.saveRoster(ctx, c)
}

// forget takes names out that no table has, and the sink has nothing of: one that has appeared, and was dropped since, or was
// a view.
func (a *attempt) forget(revived map[schema.Name]bool, found source.Discovered) {
	for _, t := range found.Tables {
		delete(revived, t.Name)
	}
	for _, e := range found.Refused {
		delete(revived, e.Table)
	}
	for n := range revived {
		if t := a.tables[n]; t.Sink == (schema.Name{}) {
			delete(a.tables, n)
			a.gone = append(a.gone, n)
		}
	}
}

// revivable are the tables that stopped before this start and of which the sink has nothing.
func (a *attempt) revivable(ctx context.Context) (map[schema.Name]bool, error) {
	var ask []schema.Name
	for _, t := range a.sorted() {
		if t.State == Stopped && !t.dirty && t.Sink != (schema.Name{}) {
			ask = append(ask, t.Sink)
		}
	}
	revived := map[schema.Name]bool{}
	if len(ask) == 0 {
		return a.refusedBefore(revived), nil
	}
	marks, err := a.p.Sink.Marks(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	for _, n := range ask {
		if _, ok := marks[n]; !ok {
			revived[a.sinks[n].Name] = true
		}
	}
	return a.refusedBefore(revived), nil
}

// refusedBefore adds the tables that never got as far as a sink table, and those that are to be copied anew.
func (a *attempt) refusedBefore(revived map[schema.Name]bool) map[schema.Name]bool {
	for n, t := range a.tables {
		if t.State == Stopped && (t.Sink == (schema.Name{}) || t.Resync) {
			revived[n] = true
		}
	}
	return revived
}

// saveRoster saves which tables take part before the first row of a new one is read. While some are awaited, a restart is
// to look for them again.
func (a *attempt) saveRoster(ctx context.Context, c *checkpoint) error {
	sv := &save{position: a.at, seq: a.seq, time: a.time, gone: a.gone, tables: a.records(), selection: a.p.Selection}
	if a.p.awaited.pending() {
		sv.selection = c.Selection
	}
	a.gone = nil
	if err := a.p.states.save(ctx, sv); err != nil {
		return fmt.Errorf("save tables: %w", err)
	}
	fault.Point("pipeline.after-register")
	a.enlisted()
	return nil
}
