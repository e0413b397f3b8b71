package sourcetest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// rowBytes is what a row counts for in Chunk.Bytes.
const rowBytes = 64

// Split implements source.Source: half by half.
func (s *Source) Split(_ context.Context, t *schema.Table, n int) ([]source.Range, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.operate(); err != nil {
		return nil, err
	}
	tb := s.tables[t.Name]
	if n < 2 || tb == nil || len(tb.rows) < 2 {
		return []source.Range{{}}, nil
	}
	keys := slices.Sorted(maps.Keys(tb.rows))
	mid := source.Key(keys[len(keys)/2])
	return []source.Range{{Through: mid}, {After: mid}}, nil
}

// ReadChunk implements source.Source. Its view is exact: all that is committed.
func (s *Source) ReadChunk(_ context.Context, c source.Chunk, barrier source.Position) (*source.ChunkRows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.operate(); err != nil {
		return nil, err
	}
	tb, err := s.sameShape(c.Table)
	if err != nil {
		return nil, err
	}
	if n, err := index(barrier); err != nil || n > len(s.log) {
		return nil, fmt.Errorf("chunk behind barrier %q of a log of %d: %w", barrier, len(s.log), err)
	}
	out := &source.ChunkRows{View: view(len(s.log)), High: uint64(len(s.log)) << seqBits, Rest: c.Range, Done: true}
	b := row.New(c.Table)
	for _, k := range slices.Sorted(maps.Keys(tb.rows)) {
		key := source.Key(k)
		if c.Range.After != "" && key <= c.Range.After || c.Range.Through != "" && key > c.Range.Through {
			continue
		}
		if b.Len() > 0 && (b.Len()+1)*rowBytes > c.Bytes {
			out.Done = false
			break
		}
		if err := appendRow(b, row.Insert, 0, tb.rows[k]); err != nil {
			return nil, err
		}
		out.Rest.After = key
	}
	if b.Len() > 0 {
		out.Rows = []*row.Batch{b}
	}
	return out, nil
}

// sameShape finds a table, if it is of the shape that the reader expects.
func (s *Source) sameShape(want *schema.Table) (*table, error) {
	tb := s.tables[want.Name]
	if tb == nil || !slices.EqualFunc(tb.shape.Columns, want.Columns, func(a, b schema.Column) bool { return a.Name == b.Name }) {
		return nil, fmt.Errorf("%w: %s", source.ErrShape, want)
	}
	return tb, nil
}

// ReadWhole implements source.Source.
func (s *Source) ReadWhole(_ context.Context, t *schema.Table, _ source.Position) (source.WholeRows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.operate(); err != nil {
		return nil, err
	}
	tb, err := s.sameShape(t)
	if err != nil {
		return nil, err
	}
	w := &whole{seq: uint64(len(s.log)) << seqBits, shape: t}
	for _, k := range slices.Sorted(maps.Keys(tb.rows)) {
		w.rows = append(w.rows, tb.rows[k])
	}
	return w, nil
}

type whole struct {
	seq   uint64
	shape *schema.Table
	rows  []Row
}

// Seq implements source.WholeRows.
func (w *whole) Seq() uint64 { return w.seq }

// Next implements source.WholeRows: a row at a time.
func (w *whole) Next(context.Context) (*row.Batch, error) {
	if len(w.rows) == 0 {
		return nil, io.EOF
	}
	b := row.New(w.shape)
	err := appendRow(b, row.Insert, 0, w.rows[0])
	w.rows = w.rows[1:]
	return b, err
}

// Close implements source.WholeRows.
func (w *whole) Close() error { return nil }
