package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

const (
	defaultReaders    = 2
	defaultChunkBytes = 4 << 20
	defaultBytes      = 32 << 20

	// A table whose server shape is not the log's is tried again this often, in wait for the schema change to arrive ...
	shapeRetry = 500 * time.Millisecond
	// ... and given up after this time, if the log has been read up to its end (caughtUp) meanwhile.
	shapePatience = 30 * time.Second
	caughtUp      = 5 * time.Second
)

// Open follows the log of src after from and copies tables meanwhile. tables are all captured tables in the shapes in
// force at from; match says which tables created later are captured. The stream's rows have all of a table's Rows before
// a Copied event that speaks of them, and both before the Commit that makes them a resume point.
func Open(ctx context.Context, src source.Source, from source.Position, tables []Table, match func(schema.Name) bool, cfg Config) (source.Stream, error) {
	m := newMerge(from)
	shapes := make([]*schema.Table, len(tables))
	for i, t := range tables {
		shapes[i] = t.Shape
		if err := m.capture(src, t, from); err != nil {
			return nil, fmt.Errorf("resume snapshot of %s: %w", t.Shape.Name, err)
		}
	}
	log, err := src.Stream(ctx, from, shapes, match)
	if err != nil {
		return nil, fmt.Errorf("follow log: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &stream{
		src: src, log: log, cfg: cfg.withDefaults(), m: m, run: run, cancel: cancel,
		logged: make(chan logged), results: make(chan result), waits: map[*table]wait{},
	}, nil
}

func (m *merge) capture(src source.Source, t Table, from source.Position) error {
	var had source.View
	if t.From != "" {
		var err error
		if had, err = src.Reached(t.From, from); err != nil {
			return err
		}
	}
	tb, err := newTable(t, had)
	if err != nil {
		return err
	}
	m.add(tb)
	return nil
}

func (c Config) withDefaults() Config {
	if c.Readers <= 0 {
		c.Readers = defaultReaders
	}
	if c.ChunkBytes <= 0 {
		c.ChunkBytes = defaultChunkBytes
	}
	if c.Bytes <= 0 {
		c.Bytes = defaultBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A stream drives a merge: it reads the log and the chunks, and hands both to it on the caller's goroutine.
type stream struct {
	src source.Source
	log source.Stream
	cfg Config
	m   *merge
	pos int // next of m.out

	run    context.Context // of what runs between calls of Next; Close cancels it
	cancel context.CancelFunc
	wg     sync.WaitGroup

	asked   bool // a log event is under way to logged
	logged  chan logged
	running int // jobs under way to results
	results chan result
	waits   map[*table]wait // tables whose shape at the server is not the log's yet
	now     int64           // commit time of the newest transaction, microseconds

	whole *whole // a keyless table being placed, or waiting for its point of the log
}

type logged struct {
	ev  source.Event
	err error
}

// A result is what a job brings: of a split, of a chunk, or the opened rows of a keyless table.
type result struct {
	table  *table
	chunk  *chunk
	ranges []source.Range
	rows   *source.ChunkRows
	whole  source.WholeRows
	err    error
}

// A wait says since when a table is out of shape, and when to look again.
type wait struct{ since, until time.Time }

// A whole is a keyless table whose rows have a point in the log.
type whole struct {
	chunk *chunk
	rows  source.WholeRows
	count int64
}

var _ source.Stream = (*stream)(nil)

// Next implements source.Stream.
func (s *stream) Next(ctx context.Context) (source.Event, error) {
	for {
		if ev, ok := s.pop(); ok {
			return ev, nil
		}
		if s.placing() {
			if err := s.nextWhole(ctx); err != nil {
				return source.Event{}, err
			}
			continue
		}
		s.startJobs()
		if err := s.step(ctx); err != nil {
			return source.Event{}, err
		}
	}
}

// pop takes the next event of the merge. Jobs are started while there are some, too: reading goes on while rows are
// written.
func (s *stream) pop() (source.Event, bool) {
	if s.pos == len(s.m.out) {
		clear(s.m.out)
		s.m.out, s.pos = s.m.out[:0], 0
		return source.Event{}, false
	}
	if s.m.left > 0 {
		s.startJobs()
	}
	ev := s.m.out[s.pos]
	s.m.out[s.pos] = source.Event{}
	s.pos++
	return ev, true
}

// step waits for one event of the log or one result, and gives it to the merge.
func (s *stream) step(ctx context.Context) error {
	if s.m.left == 0 && s.running == 0 && !s.asked {
		ev, err := s.log.Next(ctx)
		return s.took(ev, err)
	}
	s.ask()
	select {
	case l := <-s.logged:
		s.asked = false
		return s.took(l.ev, l.err)
	case r := <-s.results:
		s.running--
		return s.finish(r)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask has the next event of the log read in the background, if that is not under way.
func (s *stream) ask() {
	if s.asked {
		return
	}
	s.asked = true
	s.wg.Go(func() {
		ev, err := s.log.Next(s.run)
		select {
		case s.logged <- logged{ev, err}:
		case <-s.run.Done():
			ev.Rows.Free()
		}
	})
}

func (s *stream) took(ev source.Event, err error) error {
	if err != nil {
		return err
	}
	if ev.Time != 0 {
		s.now = ev.Time
	}
	s.m.deliver(ev)
	return nil
}

// startJobs begins reading as many chunks as the configuration allows. Chunks are registered at commit boundaries only:
// the barrier must cover all rows delivered before.
func (s *stream) startJobs() {
	for !s.m.inside && s.running < s.cfg.Readers && s.fits() {
		if !s.startJob() {
			return
		}
	}
}

// fits says that one chunk more stays within the bytes in flight (invariant I8).
func (s *stream) fits() bool {
	held := int64(s.running) * int64(s.cfg.ChunkBytes)
	for _, c := range s.m.parked {
		held += c.bytes()
	}
	for _, ev := range s.m.out[s.pos:] {
		if ev.Rows != nil {
			held += int64(ev.Rows.Bytes())
		}
	}
	return held == 0 || held+int64(s.cfg.ChunkBytes) <= s.cfg.Bytes
}

// startJob begins one split or chunk of the first table that has any left, and says whether there was one.
func (s *stream) startJob() bool {
	for _, n := range s.m.order {
		t := s.m.tables[n]
		switch {
		case t.stage == following || t.splitting || time.Now().Before(s.waits[t].until):
		case t.stage == unplanned && t.keyless():
			s.m.plan(t, []source.Range{{}})
			return s.startJob()
		case t.stage == unplanned:
			s.startSplit(t)
			return true
		case t.keyless():
			if sp := t.free(); sp != nil && s.whole == nil {
				s.startWhole(s.m.register(t, sp))
				return true
			}
		default:
			if sp := t.free(); sp != nil {
				s.startChunk(s.m.register(t, sp))
				return true
			}
		}
	}
	return false
}

// start runs a job in the background.
func (s *stream) start(job func(context.Context) result) {
	s.running++
	s.wg.Go(func() {
		r := job(s.run)
		select {
		case s.results <- r:
		case <-s.run.Done():
			r.free()
		}
	})
}

// free gives back what a result that nobody wants any more holds.
func (r result) free() {
	if r.rows != nil {
		for _, b := range r.rows.Rows {
			b.Free()
		}
	}
	if r.whole != nil {
		_ = r.whole.Close() // read only, and nobody waits for it
	}
}

func (s *stream) startSplit(t *table) {
	t.splitting = true
	shape := t.shape
	s.start(func(ctx context.Context) result {
		ranges, err := s.src.Split(ctx, shape, s.cfg.Readers)
		return result{table: t, ranges: ranges, err: err}
	})
}

func (s *stream) startChunk(c *chunk) {
	ask := source.Chunk{Table: c.table.shape, Range: c.span.rest, Bytes: s.cfg.ChunkBytes}
	s.start(func(ctx context.Context) result {
		rows, err := s.src.ReadChunk(ctx, ask, c.barrier)
		return result{table: c.table, chunk: c, rows: rows, err: err}
	})
}

func (s *stream) startWhole(c *chunk) {
	s.whole = &whole{chunk: c}
	shape := c.table.shape
	s.start(func(ctx context.Context) result {
		rows, err := s.src.ReadWhole(ctx, shape, c.barrier)
		return result{table: c.table, chunk: c, whole: rows, err: err}
	})
}

// finish takes what a job has brought.
func (s *stream) finish(r result) error {
	if r.err != nil {
		return s.failed(r)
	}
	switch {
	case r.whole != nil:
		s.whole.rows = r.whole
	case r.chunk != nil:
		s.m.load(r.chunk, r.rows)
	default:
		r.table.splitting = false
		if s.m.tables[r.table.shape.Name] == r.table {
			s.m.plan(r.table, r.ranges)
		}
	}
	delete(s.waits, r.table)
	return nil
}

// failed sorts out a job's error: of the table, of a shape that the log will explain, or of everything.
func (s *stream) failed(r result) error {
	r.table.splitting = false
	if r.whole == nil && r.chunk != nil && s.whole != nil && s.whole.chunk == r.chunk {
		s.whole = nil
	}
	if r.chunk != nil && r.chunk.dead {
		return nil
	}
	if r.chunk != nil {
		s.m.discard(r.chunk)
	}
	var te *schema.TableError
	switch {
	case errors.Is(r.err, source.ErrShape):
		return s.outOfShape(r)
	case errors.As(r.err, &te):
		s.m.deliver(source.Event{Stopped: te})
		return nil
	default:
		return fmt.Errorf("copy %s: %w", r.table.shape.Name, r.err)
	}
}

// outOfShape has the table tried again later: a schema change that the server has made is still to come in the log. If
// it does not come although the log is read to its end, the change was not logged.
func (s *stream) outOfShape(r result) error {
	now := time.Now()
	w, ok := s.waits[r.table]
	if !ok {
		w.since = now
	}
	w.until = now.Add(shapeRetry)
	s.waits[r.table] = w
	if now.Sub(w.since) > shapePatience && now.Sub(time.UnixMicro(s.now)) < caughtUp {
		s.m.deliver(source.Event{Stopped: &schema.TableError{Table: r.table.shape.Name, Err: fmt.Errorf(
			"%w, and the log has no statement that says so (a schema change with sql_log_bin=0?): resync the table", r.err)}})
		return nil
	}
	s.cfg.Log.Info("waited for a schema change", "table", r.table.shape.Name, "err", r.err)
	return nil
}

// placing says that the rows of a keyless table come next: the log stands at, or just past, their point. A table that
// changed meanwhile starts over.
func (s *stream) placing() bool {
	w := s.whole
	if w == nil || w.rows == nil {
		return false
	}
	if w.chunk.dead {
		_ = w.rows.Close() // its rows are thrown away
		s.whole = nil
		return false
	}
	return w.count > 0 || !s.m.inside && s.m.seq >= w.rows.Seq()
}

// nextWhole places the next rows of a keyless table. The log waits meanwhile, and no commit boundary comes before all
// rows are placed: either all of them are committed, or none.
func (s *stream) nextWhole(ctx context.Context) error {
	w := s.whole
	b, err := w.rows.Next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		s.whole = nil
		s.m.wholeDone(w.chunk.table, w.count)
		return w.rows.Close()
	case err != nil:
		return fmt.Errorf("copy %s: %w", w.chunk.table.shape.Name, err)
	}
	w.count += int64(b.Len())
	s.m.whole(b)
	return nil
}

// Ack implements source.Stream.
func (s *stream) Ack(p source.Position) { s.log.Ack(p) }

// Close implements source.Stream.
func (s *stream) Close() error {
	s.cancel()
	s.wg.Wait()
	for _, ev := range s.m.out[s.pos:] {
		ev.Rows.Free()
	}
	var err error
	if s.whole != nil && s.whole.rows != nil {
		err = s.whole.rows.Close()
	}
	return errors.Join(err, s.log.Close())
}
