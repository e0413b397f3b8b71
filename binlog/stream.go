package binlog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

const (
	// handoverBytes is how much a hand-over to the caller holds at most: a few of them are in memory at once.
	handoverBytes = 1 << 20
	// idlePeriod is how long Next waits before it repeats the last position.
	idlePeriod = 900 * time.Millisecond
	// quietEvents is how many events may pass without rows before their end is told while more of them wait.
	quietEvents = 512
	// attempts is how often a lost connection is opened again before the caller hears of it.
	attempts     = 5
	firstBackoff = 100 * time.Millisecond
)

// A Config says what to read.
type Config struct {
	Addr     string // host:port
	User     string
	Password Secret
	TLS      *tls.Config // nil: no TLS
	ServerID uint32      // as which the stream registers: no other reader of the server may have it
	// HeartbeatPeriod is how often an idle server sends a sign of life; 500 ms when zero.
	HeartbeatPeriod time.Duration
	// ReadTimeout is how long the server may be silent, heartbeats included; 30 s when zero.
	ReadTimeout time.Duration
	Shapes      []*schema.Table        // the captured tables, in the shapes in force at the position
	Match       func(schema.Name) bool // captures tables that are created later; nil: none
	// Migrations has the swap that ends a migration by gh-ost or pt-online-schema-change taken for an ALTER of the table,
	// where the log shows that it is as good as one. Otherwise the table has stopped, with ErrAppeared.
	Migrations bool
	// References has an ALTER TABLE that leaves a captured table's shape as it is, and may give it a foreign key, told as a
	// change whose Before and After are one.
	References bool
	Log        *slog.Logger // nil: silent
}

func (c *Config) setDefaults() {
	if c.HeartbeatPeriod == 0 {
		c.HeartbeatPeriod = 500 * time.Millisecond
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = 30 * time.Second
	}
	if c.Match == nil {
		c.Match = func(schema.Name) bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// A Stream follows the log of one server. A goroutine of its own decodes ahead of Next, by a few megabytes.
type Stream struct {
	cfg    Config
	cancel context.CancelFunc
	done   chan struct{}       // closed when the goroutine has ended
	full   chan []source.Event // decoded events; closed at the end, err says why
	empty  chan []source.Event // their memory, on its way back
	err    error               // read after full is closed

	events []source.Event // being delivered by Next
	next   int
	timer  *time.Timer
	last   source.Event // the last commit that was delivered, zero if rows came after it
}

var _ source.Stream = (*Stream)(nil)

// Open connects and asks for the log after from.
func Open(ctx context.Context, cfg Config, from source.Position) (*Stream, error) {
	cfg.setDefaults()
	pos, err := ParsePosition(from)
	if err != nil {
		return nil, err
	}
	again, err := cfg.regain(ctx, &pos)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", cfg.Addr, err)
	}
	c, facts, err := cfg.open(ctx, &pos)
	if err != nil {
		again.free()
		return nil, fmt.Errorf("open the log of %s: %w", cfg.Addr, cfg.explain(err))
	}
	pos.Server = facts.id
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Stream{
		cfg: cfg, cancel: cancel, done: make(chan struct{}), timer: time.NewTimer(idlePeriod),
		full: make(chan []source.Event, 1), empty: make(chan []source.Event, 2),
	}
	r := &reader{cfg: &s.cfg, conn: c, full: s.full, empty: s.empty, as: newAssembler(&cfg, facts, pos)}
	r.as.resume(again)
	go func() { // ends when cancelled by Close, or with an error
		defer close(s.done)
		defer close(s.full)
		s.err = r.run(running)
	}()
	return s, nil
}

func newAssembler(cfg *Config, facts *serverFacts, pos Position) *assembler {
	a := &assembler{
		facts: facts, match: cfg.Match, references: cfg.References, pos: pos, ids: map[uint64]*mapped{}, log: cfg.Log,
		tables: make(map[schema.Name]*table, len(cfg.Shapes)),
	}
	for _, t := range cfg.Shapes {
		a.tables[t.Name] = &table{shape: t}
	}
	a.pos.Migrations = nil
	if cfg.Migrations {
		a.resumeMigrations(pos.Migrations)
	}
	return a
}

// Next returns the next event.
func (s *Stream) Next(ctx context.Context) (source.Event, error) {
	for s.next == len(s.events) {
		ev, err := s.receive(ctx)
		if err != nil || ev.Commit != "" {
			return ev, err
		}
	}
	ev := s.events[s.next]
	s.events[s.next] = source.Event{}
	s.next++
	s.last = source.Event{Commit: ev.Commit, Seq: ev.Seq}
	return ev, nil
}

// receive waits for the next hand-over. When none comes for a while, it returns the last position again.
func (s *Stream) receive(ctx context.Context) (source.Event, error) {
	if s.events != nil {
		select {
		case s.empty <- s.events[:0]:
		default:
		}
		s.events, s.next = nil, 0
	}
	for {
		s.timer.Reset(idlePeriod)
		select {
		case events, ok := <-s.full:
			if !ok {
				return source.Event{}, s.err
			}
			s.events = events
			return source.Event{}, nil
		case <-ctx.Done():
			return source.Event{}, ctx.Err()
		case <-s.timer.C:
			if s.last.Commit != "" {
				return s.last, nil
			}
		}
	}
}

// Ack does nothing: the server keeps its log by age, not by what is read.
func (s *Stream) Ack(source.Position) {}

// Close ends the stream and waits for its goroutine.
func (s *Stream) Close() error {
	s.cancel()
	for events := range s.full { // what nobody takes any more
		release(events)
	}
	<-s.done
	release(s.events[s.next:])
	s.events, s.next = nil, 0
	s.timer.Stop()
	return nil
}

func release(events []source.Event) {
	for i := range events {
		events[i].Rows.Free()
	}
}

// A reader is the goroutine's part of a stream.
type reader struct {
	cfg   *Config
	conn  *conn
	frame framer
	as    *assembler
	full  chan<- []source.Event
	empty <-chan []source.Event
	quiet int // events since the last offer
}

// run reads until an error that the caller must know of. A lost connection is opened again at the last boundary.
func (r *reader) run(ctx context.Context) error {
	furthest := r.as.pos.Seq()
	for failures := 0; ; {
		err := r.session(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read the log of %s: %w", r.cfg.Addr, context.Cause(ctx))
		}
		if at := r.as.pos.Seq(); at > furthest { // of all sessions: one that GTIDs begin has no place at first
			furthest, failures = at, 0
		}
		at := r.as.pos.Text()
		err = fmt.Errorf("read the log of %s at %s: %w", r.cfg.Addr, at.LogValue(), r.cfg.explain(err))
		// Rows that are delivered cannot be taken back, and a shape that has changed does not change back.
		if !errors.Is(err, source.ErrTransient) || !r.as.discard() {
			return r.deliverLast(ctx, err)
		}
		if failures++; failures > attempts || errors.As(err, new(*goneError)) {
			return r.deliverLast(ctx, err)
		}
		if err := r.deliverLast(ctx, nil); err != nil {
			return err
		}
		r.cfg.Log.Warn("lost the log connection", "position", at, "err", err)
		if err := pause(ctx, firstBackoff<<(failures-1)); err != nil {
			return err
		}
	}
}

// deliverLast hands over what is finished before an error.
func (r *reader) deliverLast(ctx context.Context, err error) error {
	if r.as.txn.phase == idle {
		r.as.flush()
	}
	if len(r.as.out) > 0 {
		return errors.Join(err, r.handOver(ctx))
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// session reads one connection until it fails.
func (r *reader) session(ctx context.Context) (err error) {
	if r.conn == nil {
		c, facts, err := r.cfg.open(ctx, &r.as.pos)
		if err != nil {
			return r.reopened(err)
		}
		r.conn, r.as.facts = c, facts
	}
	c := r.conn
	stop := context.AfterFunc(ctx, func() { _ = c.close() })
	defer func() { // what is received after an error is of no use
		stop()
		_ = c.close()
		r.conn = nil
	}()
	if r.as.pos.byGTID() { // the server finds the place, and says where that is
		r.as.unplace()
	}
	r.as.drain = func() error { return r.handOver(ctx) }
	r.frame = framer{file: r.as.pos.File, offset: r.as.pos.Offset}
	clear(r.as.ids)
	for {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
}

// reopened sorts out why a lost connection could not be opened again. A server that cannot go on from the last boundary, or
// is another one, is no end: what was read may be more than what is durable, and the caller's checkpoint may be found there.
func (r *reader) reopened(err error) error {
	explained := r.cfg.explain(err)
	if errors.Is(explained, source.ErrPositionLost) || errors.Is(explained, errMoved) {
		return &goneError{fmt.Errorf("%w: the log cannot be followed from what was read last: %v", source.ErrTransient, explained)} //nolint:errorlint // its class must not show
	}
	return err
}

// A goneError ends the stream: the caller is to open it at its checkpoint.
type goneError struct{ error }

func (e *goneError) Unwrap() error { return e.error }

// step takes one event, and hands over what is finished when the caller waits for it, when the server pauses, or when it
// is enough.
func (r *reader) step(ctx context.Context) error {
	p, err := r.conn.next()
	if err != nil {
		return err
	}
	e, err := r.frame.next(p)
	if err != nil {
		if errors.Is(err, errChecksum) || errors.Is(err, errSize) || errors.Is(err, errShort) || errors.Is(err, errPlace) {
			err = fmt.Errorf("%w: %w", source.ErrTransient, err)
		}
		return &finalError{err}
	}
	if err := r.as.event(&e); err != nil {
		return &finalError{err}
	}
	if e.kind == replication.ROTATE_EVENT {
		r.frame.file, r.frame.offset = r.as.pos.File, r.as.pos.Offset
	}
	return r.offer(ctx)
}

func (r *reader) offer(ctx context.Context) error {
	a := r.as
	if len(a.out) == 0 && !a.moved {
		return nil
	}
	if r.quiet++; len(a.out) == 0 && r.quiet < quietEvents && !r.conn.waits() {
		return nil // transactions of tables that are not captured: their ends are told now and then
	}
	r.quiet = 0
	if a.outBytes < handoverBytes && !r.conn.waits() && len(r.full) == cap(r.full) {
		return nil
	}
	if a.txn.phase == idle {
		a.flush()
	}
	if len(a.out) == 0 {
		return nil
	}
	return r.handOver(ctx)
}

// handOver gives out to the caller, and takes memory for the next.
func (r *reader) handOver(ctx context.Context) error {
	select {
	case r.full <- r.as.out:
	case <-ctx.Done():
		release(r.as.out)
		r.as.out = nil
		return ctx.Err()
	}
	r.as.outBytes = 0
	select {
	case r.as.out = <-r.empty:
	default:
		r.as.out = nil
	}
	return nil
}

// A finalError is not of the connection: only its own class counts.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }
