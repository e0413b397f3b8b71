package mysql

import (
	"context"
	"fmt"
	"io"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// whole is the reading of a table in one exact view.
type whole struct {
	s       *Source
	conn    *conn
	decoder *decoder
	reading reading
	seq     uint64
	end     bool
}

var _ source.WholeRows = (*whole)(nil)

// ReadWhole reads a table that has no key in one consistent snapshot. It keeps a connection until it is closed.
func (s *Source) ReadWhole(ctx context.Context, t *schema.Table, barrier source.Position) (source.WholeRows, error) {
	if !s.server.snapshot {
		return nil, &schema.TableError{Table: t.Name, Err: fmt.Errorf("%s has no exact view for a table without a key", s.server.flavour)}
	}
	at, err := parseBarrier(barrier)
	if err != nil {
		return nil, err
	}
	c, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	w := &whole{s: s, conn: c, reading: reading{table: t}}
	var p binlog.Position
	if err = c.reads(at); err == nil {
		p, err = s.openSnapshot(ctx, c, at)
	}
	if err == nil {
		w.seq = p.Seq()
		err = w.start(ctx)
	}
	if err != nil {
		c.close()
		return nil, s.tableError(t, "read", err)
	}
	return w, nil
}

func (w *whole) start(ctx context.Context) error {
	sql, _ := chunkSQL(w.reading.table, &meta{}, bounds{})
	st, err := w.conn.prepare(ctx, sql)
	if err != nil {
		return err
	}
	return w.conn.guard(ctx, func() error {
		if err := w.conn.execute(st, nil); err != nil {
			return err
		}
		w.decoder, err = newDecoder(w.reading.table, st.columns)
		return err
	})
}

// Seq is where the snapshot is in the log.
func (w *whole) Seq() uint64 { return w.seq }

// Next returns the next rows, or io.EOF.
func (w *whole) Next(ctx context.Context) (*row.Batch, error) {
	if w.end {
		return nil, io.EOF
	}
	var b *row.Batch
	err := w.conn.guard(ctx, func() (err error) {
		b, w.end, err = w.reading.batch(w.conn, w.decoder)
		return err
	})
	if err != nil {
		b.Free()
		return nil, w.s.tableError(w.reading.table, "read", err)
	}
	if b == nil {
		return nil, io.EOF
	}
	return b, nil
}

// Close ends the view.
func (w *whole) Close() error {
	if w.conn == nil {
		return nil
	}
	c := w.conn
	w.conn = nil
	if !w.end || c.broken {
		c.close()
		return nil
	}
	if err := c.exec(context.Background(), "COMMIT"); err != nil {
		c.close()
		return nil // the view is gone with the connection
	}
	w.s.put(c)
	return nil
}
