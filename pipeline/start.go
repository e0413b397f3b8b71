package pipeline

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

// creators is how many sink tables are created at once.
const creators = 4

// start begins a pipeline that has no checkpoint.
func (a *attempt) start(ctx context.Context) error {
	st, found, err := a.discover(ctx)
	if err != nil {
		return err
	}
	a.at, a.copies, a.bound = st.Position, st.Snapshot, st.Bounded
	if err := a.enlist(found, true); err != nil {
		return err
	}
	if err := a.untouched(ctx); err != nil {
		return err
	}
	if err := a.create(ctx); err != nil {
		return err
	}
	sv := &save{position: a.at, begin: &st, tables: a.records(), selection: a.p.Selection}
	if err := a.p.states.save(ctx, sv); err != nil {
		return fmt.Errorf("save start: %w", err)
	}
	fault.Point("pipeline.after-register")
	a.saved = a.at
	a.enlisted()
	a.p.status.resumed(&checkpoint{pipelineRecord: pipelineRecord{Run: a.number, Position: a.at}}, a.tables)
	a.p.Log.Info("registered", "pipeline", a.p.Name, "tables", len(a.tables), "position", a.at)
	return nil
}

// discover finds the start and the tables in their shapes there: a schema change between the two questions would leave
// tables of another shape than the log's, so the tables are asked for on both sides.
func (a *attempt) discover(ctx context.Context) (st source.Start, found source.Discovered, err error) {
	for {
		before, err := a.p.Source.Tables(ctx, a.p.Match)
		if err != nil {
			return st, found, fmt.Errorf("find tables: %w", err)
		}
		if st, err = a.p.Source.Start(ctx); err != nil {
			return st, found, fmt.Errorf("find start: %w", err)
		}
		if found, err = a.p.Source.Tables(ctx, a.p.Match); err != nil {
			return st, found, fmt.Errorf("find tables: %w", err)
		}
		if slices.EqualFunc(before.Tables, found.Tables, sameShape) {
			return st, found, nil
		}
	}
}

func sameShape(a, b *schema.Table) bool {
	return a.Name == b.Name && slices.Equal(a.Key, b.Key) && slices.EqualFunc(a.Columns, b.Columns, func(x, y schema.Column) bool {
		return x.Name == y.Name && x.Type == y.Type && x.Nullable == y.Nullable && x.Native == y.Native && x.Charset == y.Charset
	})
}

// enlist makes found tables ours. Two of them in one sink table are an error of the configuration: strict ends the
// pipeline before anything is written, otherwise it is the second table that does not take part.
func (a *attempt) enlist(found source.Discovered, strict bool) error {
	for _, shape := range found.Tables {
		to, err := a.route(shape.Name, a.tables[shape.Name])
		if err != nil {
			err = &schema.TableError{Table: shape.Name, Err: err}
			if strict {
				return err
			}
			found.Refused = append(found.Refused, err.(*schema.TableError)) //nolint:errorlint // made above
			continue
		}
		t := a.add(tableRecord{Name: shape.Name, Sink: to, Renewing: a.remade[to], shape: shape})
		t.progress(nil)
		if !a.copies {
			t.progress(snapshot.Followed())
		}
		t.fresh = true
		t.tally.set(&t.tableRecord)
	}
	for _, e := range found.Refused {
		if err := a.refuse(e); err != nil {
			return err
		}
	}
	a.count()
	return nil
}

// untouched makes sure that no sink table of a new pipeline has rows of a former one.
func (a *attempt) untouched(ctx context.Context) error {
	marks, err := a.freshMarks(ctx)
	if err != nil {
		return err
	}
	for _, t := range a.sorted() {
		if m, ok := marks[t.Sink]; ok {
			return fmt.Errorf("the sink table %s has rows of this pipeline, up to %s, but the state knows nothing of it: put the state "+
				"file back, or drop the sink's tables to have all copied anew", t.Sink, m.Position)
		}
	}
	return nil
}

func (a *attempt) freshMarks(ctx context.Context) (map[schema.Name]sink.Mark, error) {
	var ask []schema.Name
	for _, t := range a.sorted() {
		if t.fresh {
			ask = append(ask, t.Sink)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	marks, err := a.p.Sink.Marks(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	return marks, nil
}

// create has the sink make the tables that are new to it.
func (a *attempt) create(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(creators)
	errs := make(map[*table]*error)
	for _, t := range a.tables {
		if !t.fresh || !t.follows() {
			continue
		}
		err := new(error)
		errs[t] = err
		g.Go(func() error {
			fault.Point("pipeline.before-evolve")
			c := &schema.Change{After: renamed(t.shape, t.Sink)}
			if t.Renewing {
				c = copyAnew(c.After)
			}
			*err = a.p.Sink.Evolve(ctx, c)
			fault.Point("pipeline.after-evolve")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for t, err := range errs {
		stops, rest := tableErrors(*err)
		if rest != nil {
			return fmt.Errorf("create %s in the sink: %w", t.Sink, *err)
		}
		if len(stops) > 0 {
			a.stopTable(t, a.at, stops[0].Err)
		}
	}
	return nil
}

// enlisted ends the novelty of the tables.
func (a *attempt) enlisted() {
	for _, t := range a.tables {
		if t.fresh && t.Renewing {
			a.tellAnew(t)
		}
		t.fresh, t.dirty, t.known = false, false, t.Name
	}
}
