package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

// resume finds where to begin: at the checkpoint, or at the start that the source is configured for.
func (a *attempt) resume(ctx context.Context) error {
	c, err := a.p.states.begin(ctx)
	if err != nil {
		return fmt.Errorf("load checkpoint: %w", err)
	}
	a.number, a.next = c.Run, c.Next
	if err := a.p.Sink.Start(ctx, a.number); err != nil {
		return fmt.Errorf("begin run %d in the sink: %w", a.number, err)
	}
	if c.Position == "" {
		if _, err := a.p.Source.Resume(ctx, "", nil); err != nil {
			return fmt.Errorf("ask for the source: %w", err)
		}
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
	if err := a.anew(ctx, c); err != nil {
		return err
	}
	if a.first || a.revives() || c.Selection != a.p.Selection || a.p.awaited.pending() {
		if err := a.newcomers(ctx, c); err != nil {
			return err
		}
	}
	a.count()
	a.p.status.resumed(c, a.tables)
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
	}
	return nil
}

// ahead notes that the sink has all rows of t up to p.
func (a *attempt) ahead(t *table, p source.Position) error {
	view, err := a.p.Source.Reached(p, a.at)
	if err != nil {
		return fmt.Errorf("resume %s at %s: %w", t.Name, p, err)
	}
	t.had, t.Ahead, t.dirty = view, p, true
	return nil
}

// count counts the tables that are being copied.
func (a *attempt) count() {
	a.copying, a.renewing = 0, 0
	for _, t := range a.tables {
		if t.Renewing && t.follows() {
			a.renewing++
		}
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
		if t.follows() && !t.Resync {
			h := a.home(t, c.changes)
			homes[t] = h
			ask = append(ask, h.names...)
		}
	}
	created := a.created(c.changes)
	for _, to := range created {
		ask = append(ask, to)
	}
	var marks map[schema.Name]sink.Mark
	if len(ask) > 0 {
		var err error
		if marks, err = a.p.Sink.Marks(ctx, ask); err != nil {
			return fmt.Errorf("read marks: %w", err)
		}
	}
	if err := a.locate(ctx, c, marks); err != nil {
		return err
	}
	for _, t := range a.sorted() {
		if t.Ahead != "" && t.follows() {
			if err := a.ahead(t, t.Ahead); err != nil {
				return err
			}
		}
		if h, ok := homes[t]; ok {
			if err := a.check(t, h, marks, c); err != nil {
				return err
			}
		}
	}
	a.late = map[schema.Name]sink.Mark{}
	for n, to := range created {
		// Not only marks past the checkpoint's commit: later starts may have made commits that do not reach as far as this.
		if m, ok := marks[to]; ok && m.Epoch < c.Next {
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
		return fencedBy(h.names[0], m, c)
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
	t.tally.set(&t.tableRecord) // no commit need come that would
	a.p.Log.Info("resumed at the sink's mark", "pipeline", a.p.Name, "table", t.Name, "epoch", m.Epoch, "position", r.Position)
	return a.ahead(t, r.Position)
}

// adoptLate resumes a table that was created past the checkpoint, by the transaction id, where the sink is, if the sink's
// mark is of this table and not of one of that name that was dropped before.
func (a *attempt) adoptLate(t *table, id source.TxnID) error {
	m, ok := a.late[t.Name]
	if !ok {
		return nil
	}
	delete(a.late, t.Name)
	var r resumption
	if err := json.Unmarshal(m.State, &r); err != nil || r.Position == "" {
		return fmt.Errorf("mark of table %s in the sink, epoch %d, cannot be read: %q", t.Sink, m.Epoch, m.State)
	}
	view, err := a.p.Source.Reached(r.Position, a.at)
	if err != nil {
		return fmt.Errorf("resume %s at %s: %w", t.Name, r.Position, err)
	}
	if view.Sees(id) != source.Yes {
		return nil
	}
	return a.adoptMark(t, m)
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
		if t.State == Stopped && !t.left() {
			stopped[t.Name] = true
		}
	}
	match := func(n schema.Name) bool { return a.p.Match(n) && (!stopped[n] || a.awaits(n)) }
	var err error
	if a.stream, err = a.p.Open(ctx, a.p.Source, a.at, tables, match, a.p.Snapshot); err != nil {
		return fmt.Errorf("open stream at %s: %w", a.at, err)
	}
	return nil
}
