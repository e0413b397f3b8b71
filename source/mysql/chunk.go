package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

const (
	firstRows  = 1000                   // of a table's first chunk: its rows are there at once, and tell how long rows are
	mostRows   = 1 << 20                // of any chunk
	growth     = 8                      // a chunk has at most so many times the rows of the one before
	chunkTime  = 500 * time.Millisecond // aimed at for a chunk, so that the work is shared out evenly
	batchBytes = 1 << 20                // of the packets whose rows make one batch
	batchRows  = 8192
)

// A pace is how many rows to ask for in the next chunk of a table.
type pace struct{ rows int }

// next sizes the chunk after one of so many rows: aiming at the bytes wanted and at chunkTime.
func (p pace) next(rows, bytes, wanted int, took time.Duration) pace {
	if rows == 0 || bytes == 0 {
		return p
	}
	byBytes := float64(rows) * float64(wanted) / float64(bytes)
	byTime := float64(rows) * float64(chunkTime) / float64(max(took, time.Millisecond))
	n := min(byBytes, byTime, float64(growth*max(p.rows, 1)), mostRows)
	return pace{max(1, int(n))}
}

func (s *Source) limit(name schema.Name) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := firstRows
	if p := s.paces[name]; p != nil {
		n = p.rows
	}
	if s.cfg.ChunkRows > 0 {
		n = min(n, s.cfg.ChunkRows)
	}
	return n
}

func (s *Source) learn(name schema.Name, r *reading, wanted int) {
	if !r.full && !r.cut {
		return // a chunk that ended early says little
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.paces[name]
	if p == nil {
		p = &pace{firstRows}
		s.paces[name] = p
	}
	*p = p.next(r.count, r.bytes, wanted, r.took)
}

// ReadChunk reads the first rows of a range in a view of its own. Errors of one table are *schema.TableError.
func (s *Source) ReadChunk(ctx context.Context, c source.Chunk, barrier source.Position) (*source.ChunkRows, error) {
	if len(c.Table.Key) == 0 {
		return nil, fmt.Errorf("read a chunk of %s: it has no key", c.Table.Name)
	}
	at, err := parseBarrier(barrier)
	if err != nil {
		return nil, err
	}
	if s.oracle == nil {
		return nil, &schema.TableError{Table: c.Table.Name, Err: s.noOracle()}
	}
	var rows *source.ChunkRows
	err = s.with(ctx, func(cn *conn) (err error) {
		if err = cn.reads(at); err == nil {
			rows, err = s.readChunk(ctx, cn, c, at)
		}
		return err
	})
	if err != nil {
		return nil, s.tableError(c.Table, "read a chunk", err)
	}
	return rows, nil
}

func parseBarrier(p source.Position) (binlog.Position, error) {
	if p == "" {
		return binlog.Position{}, nil
	}
	return binlog.ParsePosition(p)
}

// reads makes sure that a connection is to the server whose log has brought the barrier: another one's rows may be older.
func (c *conn) reads(barrier binlog.Position) error {
	if barrier.Server != "" && barrier.Server != c.server {
		return fmt.Errorf("%w: the log was read from server %s, this is server %s", source.ErrTransient, barrier.Server, c.server)
	}
	return nil
}

// tableError makes an error that concerns one table only a TableError. What the caller handles itself stays as it is.
func (s *Source) tableError(t *schema.Table, doing string, err error) error {
	var refused *sqlError
	var value *decodeError
	switch {
	case errors.Is(err, source.ErrShape), errors.Is(err, source.ErrTransient), errors.Is(err, source.ErrPositionLost):
	case errors.As(err, &refused) && (refused.code == 1142 || refused.code == 1143):
		err = &schema.TableError{Table: t.Name, Err: fmt.Errorf("%s: %w: run GRANT SELECT ON %s TO %s", doing, err, quoteTable(t.Name), literal(s.cfg.Username))}
	case errors.As(err, &value):
		err = &schema.TableError{Table: t.Name, Err: fmt.Errorf("%s: column %s: %w", doing, t.Columns[value.column].Name, value.err)}
	case errors.As(err, &refused):
		err = &schema.TableError{Table: t.Name, Err: fmt.Errorf("%s: %w", doing, err)}
	}
	return fmt.Errorf("%s of %s: %w", doing, t.Name, err)
}

func (s *Source) readChunk(ctx context.Context, cn *conn, c source.Chunk, barrier binlog.Position) (*source.ChunkRows, error) {
	m, err := s.metaOf(ctx, cn, c.Table)
	if err != nil {
		return nil, err
	}
	v, err := s.oracle.open(ctx, s, cn, barrier)
	if err != nil {
		return nil, err
	}
	r := &reading{table: c.Table, limit: s.limit(c.Table.Name), enough: 2*c.Bytes + batchBytes}
	err = s.selectChunk(ctx, cn, m, c.Range, r)
	if err != nil {
		cn.broken = true // a transaction may be open
		r.free()
		return nil, err
	}
	known, high, err := v.close(ctx, s, cn)
	if err != nil {
		cn.broken = true
		r.free()
		return nil, err
	}
	s.learn(c.Table.Name, r, c.Bytes)
	out := &source.ChunkRows{Rows: r.batches, View: known, High: high, Done: !r.full && !r.cut}
	if !out.Done {
		out.Rest = source.Range{After: r.last, Through: c.Range.Through}
	}
	return out, nil
}

// selectChunk runs the chunk's statement.
func (s *Source) selectChunk(ctx context.Context, cn *conn, m *meta, rg source.Range, r *reading) error {
	after, err := keyParams(rg.After)
	if err != nil {
		return err
	}
	through, err := keyParams(rg.Through)
	if err != nil {
		return err
	}
	if n := len(r.table.Key); len(after) > n || len(through) > n {
		return fmt.Errorf("%w: the key has %d columns, the range has more", source.ErrShape, n)
	}
	sql, order := chunkSQL(r.table, m, bounds{len(after), len(through)})
	st, err := cn.prepare(ctx, sql)
	if err != nil {
		return err
	}
	started := time.Now()
	err = cn.guard(ctx, func() error {
		if err := cn.execute(st, arguments(after, through, order, r.limit)); err != nil {
			return err
		}
		d, err := newDecoder(r.table, st.columns)
		if err != nil {
			return err
		}
		return r.rows(cn, d)
	})
	r.took = time.Since(started)
	return err
}

// A reading is the reading of one result.
type reading struct {
	table  *schema.Table
	limit  int // rows asked for; 0: all
	enough int // bytes at which the rest is given up, since rows turned out to be much longer than thought

	batches []*row.Batch
	last    source.Key // of the last row, when there may be more
	count   int
	bytes   int // of batches
	full    bool
	cut     bool // given up: the connection is of no more use
	took    time.Duration
}

func (r *reading) free() {
	for _, b := range r.batches {
		b.Free()
	}
	r.batches = nil
}

// rows reads all rows of the result.
func (r *reading) rows(cn *conn, d *decoder) error {
	for {
		b, last, err := r.batch(cn, d)
		if b != nil {
			r.batches = append(r.batches, b)
			r.count += b.Len()
			r.bytes += b.Bytes()
		}
		if err != nil || last {
			return err
		}
		if r.enough > 0 && r.bytes > r.enough && !r.full {
			r.cut, cn.broken = true, true
			return nil
		}
	}
}

// batch reads rows into one batch until it is full, or the result is at its end. The key of its last row is kept, since
// the chunk may end there.
func (r *reading) batch(cn *conn, d *decoder) (b *row.Batch, end bool, err error) {
	for bytes := 0; ; {
		p, err := cn.next()
		switch {
		case err != nil:
			return b, true, err
		case isEOF(p):
			return b, true, nil
		case len(p) > 0 && p[0] == headerErr:
			return b, true, parseError(p)
		}
		if b == nil {
			b = row.New(r.table)
		}
		if err := d.row(b, p); err != nil {
			return b, true, err
		}
		bytes += len(p)
		r.full = r.limit > 0 && r.count+b.Len() == r.limit
		if r.full || b.Len() == batchRows || bytes >= batchBytes {
			if len(r.table.Key) > 0 {
				r.last, err = d.rowKey(r.table, p)
			}
			return b, false, err
		}
	}
}
