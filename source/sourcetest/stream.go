package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// heartbeat is how long a stream at the end of the log waits before it says so.
const heartbeat = 5 * time.Millisecond

type stream struct {
	s      *Source
	next   int // transaction to read
	shapes map[schema.Name]*schema.Table
	match  func(schema.Name) bool
	out    []source.Event
}

var _ source.Stream = (*stream)(nil)

// Stream implements source.Source.
func (s *Source) Stream(_ context.Context, from source.Position, tables []*schema.Table, match func(schema.Name) bool) (source.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.operate(); err != nil {
		return nil, err
	}
	n, err := index(from)
	if err != nil {
		return nil, err
	}
	if n > len(s.log) {
		return nil, fmt.Errorf("%w: the log ends at %d, before %s", source.ErrPositionLost, len(s.log), from)
	}
	st := &stream{s: s, next: n, shapes: map[schema.Name]*schema.Table{}, match: match}
	for _, t := range tables {
		st.shapes[t.Name] = t
	}
	s.streams++
	return st, nil
}

// Next implements source.Stream.
func (st *stream) Next(ctx context.Context) (source.Event, error) {
	for len(st.out) == 0 {
		grown, err := st.read()
		if err != nil {
			return source.Event{}, err
		}
		if grown == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return source.Event{}, ctx.Err()
		case <-grown:
		case <-time.After(heartbeat):
			return source.Event{Commit: position(st.next), Seq: uint64(st.next) << seqBits, Time: time.Now().UnixMicro()}, ctx.Err()
		}
	}
	ev := st.out[0]
	st.out = st.out[1:]
	return ev, ctx.Err()
}

// read takes the next transaction. At the end of the log it does the next step of the script, or returns what to wait for.
func (st *stream) read() (grown chan struct{}, err error) {
	s := st.s
	s.mu.Lock()
	if err := s.operate(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if st.next < len(s.log) {
		x := s.log[st.next]
		s.mu.Unlock()
		st.next++
		return nil, st.events(x)
	}
	if len(s.steps) == 0 {
		defer s.mu.Unlock()
		return s.grown, nil
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	s.stepping++
	s.mu.Unlock()
	step(s)
	s.mu.Lock()
	s.stepping--
	s.mu.Unlock()
	return nil, nil
}

// events puts out what a transaction says of the captured tables.
func (st *stream) events(x txn) error {
	id := source.TxnID{Seq: uint64(st.next-1) << seqBits, Number: uint64(st.next)}
	for _, d := range x.ddl {
		if st.appears(d) {
			e := &schema.TableError{Table: d.after, Err: source.ErrAppeared}
			st.out = append(st.out, source.Event{Stopped: e, Txn: id})
		} else if st.leaves(d) {
			delete(st.shapes, d.before)
			st.out = append(st.out, source.Event{Stopped: &schema.TableError{Table: d.before, Err: source.ErrLeft}, Txn: id})
		} else if st.alters(d) {
			e := &schema.TableError{Table: d.after, Err: source.ErrAltered}
			st.out = append(st.out, source.Event{Stopped: e, Txn: id})
		} else if c := st.evolve(d); c != nil {
			c.Origin = schema.Origin{Seq: id.Seq, Number: id.Number}
			st.out = append(st.out, source.Event{Schema: c, Txn: id})
		}
	}
	var b *row.Batch
	flush := func() {
		if b != nil {
			st.out = append(st.out, source.Event{Rows: b, Txn: id})
		}
		b = nil
	}
	for i, c := range x.rows {
		for _, e := range x.stops {
			if e.at == i {
				flush()
				st.stop(e.err)
			}
		}
		t := st.shapes[c.table]
		if t == nil {
			continue
		}
		if b == nil || b.Table != t {
			flush()
			b = row.New(t)
			b.Origin = schema.Origin{Seq: id.Seq, Number: id.Number}
		}
		if err := appendChange(b, c, id.Seq+1+2*uint64(i)); err != nil {
			return err
		}
	}
	flush()
	for _, e := range x.stops {
		if e.at == len(x.rows) {
			st.stop(e.err)
		}
	}
	st.out = append(st.out, source.Event{Commit: position(st.next), Seq: uint64(st.next) << seqBits, Time: time.Now().UnixMicro()})
	return nil
}

func (st *stream) stop(e *schema.TableError) {
	if st.shapes[e.Table] != nil {
		delete(st.shapes, e.Table)
		st.out = append(st.out, source.Event{Stopped: e})
	}
}

// appears says that a table which is not captured takes a name that is.
func (st *stream) appears(d ddl) bool {
	return d.before != (schema.Name{}) && d.after != (schema.Name{}) && d.before != d.after && st.shapes[d.before] == nil && st.match(d.after)
}

// leaves says that a captured table takes a name that is not.
func (st *stream) leaves(d ddl) bool {
	return d.before != d.after && d.after != (schema.Name{}) && st.shapes[d.before] != nil && !st.match(d.after)
}

// alters says that a table which is not captured, and whose name is one that would be, has another shape.
func (st *stream) alters(d ddl) bool {
	return d.before == d.after && st.shapes[d.before] == nil && st.match(d.before)
}

// evolve follows a schema change; nil when it is of no captured table.
func (st *stream) evolve(d ddl) *schema.Change {
	before := st.shapes[d.before]
	switch {
	case d.before == (schema.Name{}) && !st.match(d.after), d.before != (schema.Name{}) && before == nil:
		return nil
	}
	delete(st.shapes, d.before)
	after := d.apply(before)
	if after != nil {
		st.shapes[after.Name] = after
	}
	return &schema.Change{Before: before, After: after, Edits: d.edits, Statement: d.statement}
}

func appendChange(b *row.Batch, c change, seq uint64) error {
	switch {
	case c.before == nil:
		return appendRow(b, row.Insert, seq, c.after)
	case c.after == nil:
		return appendRow(b, row.Delete, seq, c.before)
	}
	if err := appendRow(b, row.Before, seq, c.before); err != nil {
		return err
	}
	return appendRow(b, row.After, seq+1, c.after)
}

// appendRow fails for a row of another shape than the batch's: the reader was given a wrong one (invariant I13).
func appendRow(b *row.Batch, op row.Op, seq uint64, r Row) error {
	if len(r) != len(b.Cols) {
		return fmt.Errorf("row %q is not of shape %s", r, b.Table)
	}
	b.Append(op, seq, 0)
	for i, text := range r {
		v := &b.Cols[i]
		switch {
		case text == Null:
			v.AppendNull()
		case b.Table.Columns[i].Type.Fixed():
			w, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("row %q: %w", r, err)
			}
			v.AppendWord(uint64(w))
		default:
			v.AppendBytes([]byte(text))
		}
	}
	return nil
}

// Ack implements source.Stream.
func (st *stream) Ack(p source.Position) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.s.acked = p
}

// Close implements source.Stream.
func (st *stream) Close() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.s.streams--
	for _, ev := range slices.Clone(st.out) {
		ev.Rows.Free()
	}
	return nil
}
