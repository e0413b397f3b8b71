package pipeline

import (
	"context"
	"encoding/json"
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

// resume finds where to begin: at the checkpoint, or at the start that the source is configured for.
func (a *attempt) resume(ctx context.Context) error {
	c, err := a.p.states.begin(ctx)
	if err != nil {
		return fmt.Errorf("load checkpoint: %w", err)
	}
	a.number, a.next = c.Run, c.Next
	if c.Position == "" {
		return a.start(ctx)
	}
	a.at, a.seq, a.time, a.saved = c.Position, c.Seq, c.Time, c.Position
	a.copies, a.bound = c.Copy, c.Bounded
	for i := range c.changes {
		a.earlier[c.changes[i].key()] = &c.changes[i]
	}
	for i := range c.tables {
		if err := a.restore(&c.tables[i]); err != nil {
			return err
		}
	}
	if err := a.reconcile(ctx, c); err != nil {
		return err
	}
	if a.first {
		if err := a.newcomers(ctx, c); err != nil {
			return err
		}
	}
	a.count()
	a.p.status.resumed(c)
	return nil
}

// add makes a record a table that runs.
func (a *attempt) add(r tableRecord) *table {
	t := &table{tableRecord: r, lane: a.lanes[len(a.tables)%len(a.lanes)], tally: a.p.status.tally(&r)}
	a.tables[r.Name] = t
	if r.Sink != (schema.Name{}) {
		a.sinks[r.Sink] = t
	}
	return t
}

// restore takes a table from the checkpoint. What the configuration no longer wants is forgotten.
func (a *attempt) restore(r *tableRecord) error {
	if a.first && !a.p.Match(r.Name) {
		a.gone = append(a.gone, r.Name)
		a.p.Log.Info("no longer captured", "pipeline", a.p.Name, "table", r.Name)
		return nil
	}
	t := a.add(*r)
	t.known = r.Name
	if !t.follows() {
		return nil
	}
	to, err := a.p.Routes.Name(r.Name)
	switch {
	case err != nil:
		t.stop(a.at, err)
	case to != r.Sink:
		t.stop(a.at, fmt.Errorf("it was written to the sink table %s until now, and the routes say %s: the rows so far are in the "+
			"former; put the route back, or drop the sink table and start again to have the table copied anew", r.Sink, to))
	case r.Ahead != "":
		return a.ahead(t, r.Ahead)
	}
	return nil
}

// ahead notes that the sink has all rows of t up to p.
func (a *attempt) ahead(t *table, p source.Position) error {
	view, err := a.p.Source.Reached(p)
	if err != nil {
		return fmt.Errorf("resume %s at %s: %w", t.Name, p, err)
	}
	t.had, t.Ahead, t.dirty = view, p, true
	return nil
}

// count counts the tables that are being copied.
func (a *attempt) count() {
	a.copying = 0
	for _, t := range a.tables {
		if t.State == Copying {
			a.copying++
		}
	}
}

// reconcile compares what the sink has with what the store has saved, table by table.
func (a *attempt) reconcile(ctx context.Context, c *checkpoint) error {
	var ask []schema.Name
	homes := map[*table]home{}
	for _, t := range a.sorted() {
		if t.follows() {
			h := a.home(t, c.changes)
			homes[t] = h
			ask = append(ask, h.names...)
		}
	}
	created := a.created(c.changes)
	for _, to := range created {
		ask = append(ask, to)
	}
	if len(ask) == 0 {
		return nil
	}
	marks, err := a.p.Sink.Marks(ctx, ask)
	if err != nil {
		return fmt.Errorf("read marks: %w", err)
	}
	for _, t := range a.sorted() {
		if h, ok := homes[t]; ok {
			if err := a.check(t, h, marks, c); err != nil {
				return err
			}
		}
	}
	a.late = map[schema.Name]sink.Mark{}
	for n, to := range created {
		if m, ok := marks[to]; ok && m.Epoch > c.Epoch {
			a.late[n] = m
		}
	}
	return nil
}

// A home is where a table may be in the sink now: changes that the checkpoint does not cover may have moved it.
type home struct {
	names   []schema.Name // most likely first
	rebuilt bool          // it was dropped or created again: it need not have a mark
}

func (a *attempt) home(t *table, changes []changeRecord) home {
	h, name := home{names: []schema.Name{t.Sink}}, t.Name
	for _, c := range changes {
		switch {
		case c.Before == name && c.After == (schema.Name{}), c.Before == (schema.Name{}) && c.After == name:
			h.rebuilt = true
		case c.Before == name && c.After != name:
			name = c.After
			to, err := a.p.Routes.Name(name)
			if err != nil {
				continue
			}
			if c.Applied {
				h.names = nil
			}
			h.names = slices.Insert(h.names, 0, to)
		}
	}
	return h
}

// created finds the sink's names of tables that were created after the checkpoint.
func (a *attempt) created(changes []changeRecord) map[schema.Name]schema.Name {
	m := map[schema.Name]schema.Name{}
	for _, c := range changes {
		if c.Before == (schema.Name{}) {
			if to, err := a.p.Routes.Name(c.After); err == nil {
				m[c.After] = to
			}
		}
	}
	return m
}

// check decides what the sink's mark of a live table means.
func (a *attempt) check(t *table, h home, marks map[schema.Name]sink.Mark, c *checkpoint) error {
	var m sink.Mark
	for _, n := range h.names {
		if found, ok := marks[n]; ok {
			m = found
			break
		}
	}
	switch {
	case m.Run >= c.Run:
		return fmt.Errorf("table %s in the sink was written by run %d, and this state is at run %d: another daemon writes the same "+
			"tables, or the state is an old copy: %w", h.names[0], m.Run, c.Run, sink.ErrFenced)
	case m.Epoch == t.Epoch, m.Epoch == 0 && h.rebuilt:
		return nil
	case m.Epoch > c.Epoch && m.Epoch < c.Next:
		return a.adoptMark(t, m)
	case m.Epoch == 0:
		t.stop(a.at, fmt.Errorf("the sink table %s does not carry commit %d of this pipeline any more: it was dropped or replaced "+
			"by someone else; drop it and start again to have the table copied anew", h.names[0], t.Epoch))
	default:
		t.stop(a.at, fmt.Errorf("the sink table %s carries commit %d, and the state has %d as the newest: the table was rolled back, "+
			"or the state is an old copy; drop the sink table and start again to have the table copied anew", h.names[0], m.Epoch, t.Epoch))
	}
	return nil
}

// adoptMark resumes a table where the sink is: the process died between the commit and the save.
func (a *attempt) adoptMark(t *table, m sink.Mark) error {
	var r resumption
	if err := json.Unmarshal(m.State, &r); err != nil || r.Position == "" {
		return fmt.Errorf("mark of table %s in the sink, epoch %d, cannot be read: %q", t.Sink, m.Epoch, m.State)
	}
	t.Epoch, t.Rows, t.Chunks = m.Epoch, r.Rows, r.Chunks
	t.progress(r.Progress)
	a.p.Log.Info("resumed at the sink's mark", "pipeline", a.p.Name, "table", t.Name, "epoch", m.Epoch, "position", r.Position)
	return a.ahead(t, r.Position)
}

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
	a.p.status.resumed(&checkpoint{pipelineRecord: pipelineRecord{Run: a.number, Position: a.at}})
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
		t := a.add(tableRecord{Name: shape.Name, Sink: to, shape: shape})
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
			*err = a.p.Sink.Evolve(ctx, &schema.Change{After: renamed(t.shape, t.Sink)})
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
			a.stopTable(t, stops[0].Err)
		}
	}
	return nil
}

// enlisted ends the novelty of the tables.
func (a *attempt) enlisted() {
	for _, t := range a.tables {
		t.fresh, t.dirty, t.known = false, false, t.Name
	}
}

// newcomers adds tables that the configuration did not ask for when the checkpoint was saved, and such as have stopped and
// can begin anew because the sink has nothing of them. They are copied while the others flow on.
func (a *attempt) newcomers(ctx context.Context, c *checkpoint) error {
	revived, err := a.revivable(ctx)
	if err != nil {
		return err
	}
	widened := c.Selection != a.p.Selection || a.p.Selection == ""
	if !widened && len(revived) == 0 {
		return a.saveRoster(ctx)
	}
	found, err := a.p.Source.Tables(ctx, func(n schema.Name) bool {
		t := a.tables[n]
		return a.p.Match(n) && (revived[n] || t == nil && widened)
	})
	if err != nil {
		return fmt.Errorf("find tables: %w", err)
	}
	if err := a.enlist(found, false); err != nil {
		return err
	}
	marks, err := a.freshMarks(ctx)
	if err != nil {
		return err
	}
	for _, t := range a.sorted() {
		if m, ok := marks[t.Sink]; ok && t.fresh {
			t.Epoch = m.Epoch
			a.stopTable(t, fmt.Errorf("the sink table %s has rows of it from before, up to %s, and what came after is not known: "+
				"drop the sink table and start again to have the table copied anew", t.Sink, m.Position))
		}
	}
	if err := a.create(ctx); err != nil {
		return err
	}
	return a.saveRoster(ctx)
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

// refusedBefore adds the tables that never got as far as a sink table.
func (a *attempt) refusedBefore(revived map[schema.Name]bool) map[schema.Name]bool {
	for n, t := range a.tables {
		if t.State == Stopped && t.Sink == (schema.Name{}) {
			revived[n] = true
		}
	}
	return revived
}

// saveRoster saves which tables take part before the first row of a new one is read.
func (a *attempt) saveRoster(ctx context.Context) error {
	sv := &save{position: a.at, seq: a.seq, time: a.time, gone: a.gone, tables: a.records(), selection: a.p.Selection}
	a.gone = nil
	if err := a.p.states.save(ctx, sv); err != nil {
		return fmt.Errorf("save tables: %w", err)
	}
	fault.Point("pipeline.after-register")
	a.enlisted()
	return nil
}

// records are copies of those that differ from the store's.
func (a *attempt) records() []*tableRecord {
	var rs []*tableRecord
	for _, t := range a.sorted() {
		if t.dirty {
			r := &t.tableRecord
			rs = append(rs, r)
		}
	}
	return rs
}

// sorted are the tables in the order of their names.
func (a *attempt) sorted() []*table {
	ts := make([]*table, 0, len(a.tables))
	for _, t := range a.tables {
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(x, y *table) int { return x.Name.Compare(y.Name) })
	return ts
}

// openStream opens the stream at the checkpoint.
func (a *attempt) openStream(ctx context.Context) error {
	var tables []snapshot.Table
	stopped := map[schema.Name]bool{}
	for _, t := range a.sorted() {
		if t.follows() {
			tables = append(tables, t.snapshotTable())
		}
		if t.State == Stopped {
			stopped[t.Name] = true
		}
	}
	match := func(n schema.Name) bool { return !stopped[n] && a.p.Match(n) }
	var err error
	if a.stream, err = a.p.Open(ctx, a.p.Source, a.at, tables, match, a.p.Snapshot); err != nil {
		return fmt.Errorf("open stream at %s: %w", a.at, err)
	}
	return nil
}
