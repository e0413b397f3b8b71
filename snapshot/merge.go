package snapshot

import (
	"cmp"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// A merge turns log events and chunks into one sequence of events. It is a pure state machine: no goroutine, clock or
// I/O; the stream drives it, and so does the model test.
//
// The rules, for a chunk c (proof: research on anchored chunks; DESIGN.md section 4):
//
//   - register: at a commit boundary. From then on the keys of delivered log rows are collected in c.touched. The boundary
//     is the barrier: the view may open only when all delivered before is visible to it.
//   - place: at the first commit boundary at or past c.high. All that the view saw has then been delivered.
//   - a chunk row whose key was touched by a transaction that the view did not surely see is dropped: the log has brought
//     the same row, or a newer one (invariant I7).
//   - a chunk row whose key was touched at all since the snapshot of its table began is an Upsert, for a sink may have it.
//   - a schema change discards the open chunks of its table: their spans are read again.
type merge struct {
	tables map[schema.Name]*table
	order  []schema.Name // in which tables are copied

	at     source.Position // newest commit boundary delivered
	seq    uint64          // where that is
	inside bool            // rows or a schema change after the boundary have been delivered

	parked []*chunk // loaded, and not placed yet
	news   []*table // whose progress is to be told before the next boundary
	left   int      // tables that are not following yet

	out []source.Event // what the caller takes
	key []byte         // scratch
}

// A chunk is a part of a table that is being read, or is read and not placed yet.
type chunk struct {
	table   *table
	span    *span
	barrier source.Position
	touched map[string]source.TxnID // key -> the last transaction delivered since registration that touched it
	rows    *source.ChunkRows       // nil until loaded
	dead    bool                    // discarded; what it still brings is thrown away
}

func newMerge(from source.Position) *merge {
	return &merge{tables: map[schema.Name]*table{}, at: from}
}

// add captures a table.
func (m *merge) add(t *table) {
	m.tables[t.shape.Name] = t
	m.order = append(m.order, t.shape.Name)
	if t.stage != following {
		m.left++
	}
	if t.news {
		m.news = append(m.news, t)
	}
}

// plan sets what is to be copied of t.
func (m *merge) plan(t *table, ranges []source.Range) {
	t.plan(ranges)
	if t.stage == following {
		m.left--
	}
}

// register opens a chunk of span s. It is legal only at a commit boundary (not m.inside).
func (m *merge) register(t *table, s *span) *chunk {
	if m.inside {
		panic("snapshot: chunk registered inside a transaction")
	}
	s.busy = true
	c := &chunk{table: t, span: s, barrier: m.at, touched: map[string]source.TxnID{}}
	t.chunks = append(t.chunks, c)
	return c
}

// discard gives up an open chunk; its span will be read again.
func (m *merge) discard(c *chunk) {
	c.span.busy = false
	c.table.chunks = without(c.table.chunks, c)
	m.parked = without(m.parked, c)
	c.drop()
}

// drop frees what the chunk holds, and what it may still bring.
func (c *chunk) drop() {
	c.dead = true
	if c.rows != nil {
		for _, b := range c.rows.Rows {
			b.Free()
		}
		c.rows = nil
	}
}

// bytes is the memory of the chunk's rows.
func (c *chunk) bytes() (n int64) {
	if c.rows != nil {
		for _, b := range c.rows.Rows {
			n += int64(b.Bytes())
		}
	}
	return n
}

// load hands over what was read of a chunk.
func (m *merge) load(c *chunk, r *source.ChunkRows) {
	c.rows = r
	if c.dead {
		c.drop()
		return
	}
	m.parked = append(m.parked, c)
	if !m.inside && m.place() {
		m.boundary(source.Event{Commit: m.at, Seq: m.seq})
	}
}

// deliver takes one event of the log.
func (m *merge) deliver(ev source.Event) {
	switch {
	case ev.Rows != nil:
		m.rows(ev)
	case ev.Schema != nil:
		m.change(ev)
	case ev.Stopped != nil:
		m.stop(ev)
	}
	if ev.Commit == "" {
		return
	}
	m.tell()
	m.at, m.seq, m.inside = ev.Commit, ev.Seq, false
	m.boundary(source.Event{Commit: ev.Commit, Seq: ev.Seq, Time: ev.Time})
	if m.place() {
		m.boundary(source.Event{Commit: m.at, Seq: m.seq})
	}
}

func (m *merge) boundary(ev source.Event) { m.out = append(m.out, ev) }

// rows passes on log rows, unless the sink has them already or the copy of a keyless table will have them.
func (m *merge) rows(ev source.Event) {
	m.inside = true
	t := m.tables[ev.Rows.Table.Name]
	if t == nil {
		ev.Rows.Free()
		return
	}
	if t.stage != following {
		if t.keyless() {
			ev.Rows.Free()
			return
		}
		said := !t.news
		if m.key = t.touch(ev.Rows, ev.Txn, m.key); said && t.news {
			m.news = append(m.news, t)
		}
	}
	if t.had != nil && t.had.Sees(ev.Txn) == source.Yes {
		ev.Rows.Free()
		return
	}
	m.out = append(m.out, source.Event{Rows: ev.Rows, Txn: ev.Txn})
}

// change passes on a schema change. Chunks of the old shape are of no use any more (invariant I13).
func (m *merge) change(ev source.Event) {
	c := ev.Schema
	m.inside = true // the boundary before it would not cover it, and the next start would make it again
	m.out = append(m.out, source.Event{Schema: c, Txn: ev.Txn})
	if c.Before == nil {
		if m.tables[c.After.Name] != nil {
			m.stopCopy(c.After.Name)
		}
		m.add(&table{shape: c.After, stage: following})
		return
	}
	t := m.tables[c.Before.Name]
	if t == nil {
		return
	}
	if c.After == nil {
		m.stopCopy(c.Before.Name)
		return
	}
	m.discardAll(t)
	t.shape = c.After
	if c.After.Name != c.Before.Name {
		if m.tables[c.After.Name] != nil { // it is gone, or was never there: no two tables have one name
			m.stopCopy(c.After.Name)
		}
		m.tables[c.After.Name] = t
		delete(m.tables, c.Before.Name)
		m.order[slices.Index(m.order, c.Before.Name)] = c.After.Name
	}
}

func (m *merge) stop(ev source.Event) {
	if m.tables[ev.Stopped.Table] != nil {
		m.stopCopy(ev.Stopped.Table)
	}
	m.out = append(m.out, source.Event{Stopped: ev.Stopped})
}

func (m *merge) discardAll(t *table) {
	for len(t.chunks) > 0 {
		m.discard(t.chunks[0])
	}
}

// stopCopy forgets a captured table.
func (m *merge) stopCopy(n schema.Name) {
	m.discardAll(m.tables[n])
	if m.tables[n].stage != following {
		m.left--
	}
	delete(m.tables, n)
	m.order = without(m.order, n)
}

// place puts the rows of all chunks whose time has come into the stream, at the present boundary. It says whether there
// were any.
func (m *merge) place() bool {
	var ready []*chunk
	for _, c := range m.parked {
		if c.rows.High <= m.seq {
			ready = append(ready, c)
		}
	}
	slices.SortStableFunc(ready, func(a, b *chunk) int { return cmp.Compare(a.rows.High, b.rows.High) })
	for _, c := range ready {
		m.placeChunk(c)
	}
	return len(ready) > 0
}

func (m *merge) placeChunk(c *chunk) {
	t, step := c.table, source.Copied{Chunks: 1}
	for _, b := range c.rows.Rows {
		read := int64(b.Len())
		if b = m.surviving(c, b); b != nil {
			step.Rows += int64(b.Len())
			m.out = append(m.out, source.Event{Rows: b})
			read -= int64(b.Len())
		}
		step.Dropped += read
	}
	c.span.rest, c.span.busy = c.rows.Rest, false
	if c.rows.Done {
		t.spans = without(t.spans, c.span)
	}
	t.chunks, m.parked = without(t.chunks, c), without(m.parked, c)
	if step.Done = t.finish(); step.Done {
		m.left--
	}
	m.copied(t, step)
}

// tell has the resume point know which keys the log has touched up to it.
func (m *merge) tell() {
	for _, t := range m.news {
		if t.news && m.tables[t.shape.Name] == t {
			m.copied(t, source.Copied{Touched: t.fresh})
			t.fresh, t.news = nil, false
		}
	}
	m.news = m.news[:0]
}

// copied tells how far the copy of t is now.
func (m *merge) copied(t *table, step source.Copied) {
	step.Table, step.Progress = t.shape.Name, t.progress()
	m.out = append(m.out, source.Event{Copied: &step})
}

// surviving makes b ready for its place: rows that the log has overtaken are left out, rows that a sink may have become
// upserts. It returns nil when no row is left.
func (m *merge) surviving(c *chunk, b *row.Batch) *row.Batch {
	for i := range b.Seqs {
		b.Seqs[i] = m.seq
	}
	if !c.table.dirty {
		return b
	}
	drop := 0
	dropped := make([]bool, b.Len())
	for i := range b.Len() {
		m.key = b.Key(m.key[:0], i)
		if txn, ok := c.touched[string(m.key)]; ok && c.rows.View.Sees(txn) != source.Yes {
			dropped[i] = true
			drop++
		} else if c.table.has(m.key) {
			b.Ops[i] = row.Upsert
		}
	}
	return sieve(b, dropped, drop)
}

// without returns list without x.
func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(list, func(o T) bool { return o == x })
}

// sieve returns b without the n rows that are marked as dropped, nil when none is left.
func sieve(b *row.Batch, dropped []bool, n int) *row.Batch {
	switch n {
	case 0:
		return b
	case b.Len():
		b.Free()
		return nil
	}
	kept := row.New(b.Table)
	for i, d := range dropped {
		if !d {
			kept.AppendRow(b, i)
		}
	}
	b.Free()
	return kept
}

// whole puts the rows of a keyless table into the stream; the caller has stopped the log at their point.
func (m *merge) whole(b *row.Batch) {
	m.inside = true
	for i := range b.Seqs {
		b.Seqs[i] = m.seq
	}
	m.out = append(m.out, source.Event{Rows: b})
}

// wholeDone ends the copy of a keyless table.
func (m *merge) wholeDone(t *table, rows int64) {
	t.chunks = nil
	m.plan(t, nil)
	m.copied(t, source.Copied{Rows: rows, Chunks: 1, Done: true})
	m.inside = false
	m.boundary(source.Event{Commit: m.at, Seq: m.seq})
}
