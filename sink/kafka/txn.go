package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A phase is how far a Txn is.
type phase uint8

const (
	holding   phase = iota // the Txn before has the producer: records wait in slabs
	streaming              // records go to the producer as they are made
	over
)

// A Txn is one commit: one Kafka transaction, or several if a source transaction is too large for one.
type Txn struct {
	s     *Sink
	p     *producer
	place *place       // in the producer's line
	bytes atomic.Int64 // of keys and values

	// turn is held shared while records are made and handed on, alone when that has to stand still: to stop holding, and to
	// end a Kafka transaction.
	turn  sync.RWMutex
	phase phase

	mu     sync.Mutex // guards the fields below
	held   []run
	filled int     // slabs that held refers to
	slabs  []*slab // that are being filled, and that nobody uses at present
	parts  map[schema.Name]*part
	events map[uint64]*events // by the transaction's Seq; nil: nobody asks

	writing atomic.Int64 // batches of which a part may be on its way
	spoiled atomic.Bool  // of a batch only a part is

	copied atomic.Bool  // there are rows of a snapshot
	passed atomic.Bool  // it met rows that a split has left in the topics
	parted atomic.Int64 // bytes when a Kafka transaction was last ended
}

// A run of records in a slab, of one table.
type run struct {
	slab     *slab
	from, to int
}

// A part is what a Txn holds of one table.
type part struct {
	rows uint64 // of the log, also those that are in the topic already
	last lastRow
	left *skip // what the rows after the Txn meet
	err  error // why the table cannot be committed
	sent bool  // records of it were made
}

// A lastRow is the newest row of the log that a Txn has of a table.
type lastRow struct {
	seq    uint64
	origin schema.Origin
}

// Begin implements sink.Sink.
func (s *Sink) Begin(context.Context) (sink.Txn, error) {
	s.mu.Lock()
	p := s.rows
	s.mu.Unlock()
	if p == nil {
		return nil, errors.New("begin: no run was started")
	}
	if topic, err := p.failure(); err != nil && !fencing(err) {
		return nil, transient("begin: the run has failed"+parenthesis(topic), err)
	}
	x := &Txn{s: s, p: p, parts: map[schema.Name]*part{}}
	if s.cfg.Transactions {
		x.events = map[uint64]*events{}
	}
	if x.place = p.line.join(); x.place.isFirst() {
		x.phase = streaming
	}
	return x, nil
}

// Write implements sink.Txn.
func (x *Txn) Write(ctx context.Context, b *row.Batch) error {
	defer b.Free()
	pt := x.part(b.Table.Name)
	if pt.err != nil {
		return pt.err
	}
	err := x.write(ctx, b, pt)
	if err != nil {
		pt.err = err
		return err
	}
	return x.splitIfLarge(ctx)
}

func (x *Txn) part(n schema.Name) *part {
	x.mu.Lock()
	defer x.mu.Unlock()
	pt := x.parts[n]
	if pt == nil {
		pt = &part{}
		x.parts[n] = pt
	}
	return pt
}

func (x *Txn) write(ctx context.Context, b *row.Batch, pt *part) (err error) {
	l, err := x.s.layout(ctx, b.Table)
	if err != nil {
		return err
	}
	if err := l.check(b); err != nil {
		return tableError(b.Table.Name, err)
	}
	if err := x.stream(ctx); err != nil {
		return err
	}
	x.turn.RLock()
	defer x.turn.RUnlock()
	x.writing.Add(1)
	defer func() { // before the turn is given up
		if err != nil {
			x.spoiled.Store(true)
		}
		x.writing.Add(-1)
	}()
	first, err := x.skip(b, pt)
	if err != nil {
		return tableError(b.Table.Name, err)
	}
	l.batch = x.s.batchHeaders(l.batch, l, b)
	w := writer{x: x, l: l, b: b, headers: l.batch}
	w.spare = headerBytes(w.headers)
	l.change.Batch, l.change.Now = b, time.Now().UnixMicro()
	x.count(l, b, first)
	err = w.write(ctx, first)
	l.change.Batch = nil
	if err == nil {
		err = x.put(ctx, &w)
	}
	pt.sent = pt.sent || first < b.Len()
	if errors.Is(err, sink.ErrTransient) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		return tableError(b.Table.Name, err)
	}
	return x.failure(ctx)
}

// failure is why the producer has failed, if it has: then nothing can come of the Txn.
func (x *Txn) failure(ctx context.Context) error {
	if topic, err := x.p.failure(); err != nil && topic != "" && !fencing(err) {
		return x.s.lost(ctx, x.p, "write to topic "+topic, err)
	}
	return nil
}

// stream makes the Txn one that streams if it can be, or has to be because it holds too much.
func (x *Txn) stream(ctx context.Context) error {
	x.turn.RLock()
	is := x.phase
	x.turn.RUnlock()
	switch is {
	case over:
		return errors.New("write to a transaction that is over")
	case streaming:
		return nil
	default:
	}
	if !x.holdsMuch() && !x.place.isFirst() {
		return nil
	}
	return x.takeTurn(ctx)
}

// holdsMuch says that the Txn has its part of the slabs: the other half is for the one before, which must get on.
func (x *Txn) holdsMuch() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.filled >= cap(x.s.slabs.free)/2
}

// takeTurn waits for the Txns before to end. Several goroutines may do so.
func (x *Txn) takeTurn(ctx context.Context) error {
	select {
	case <-x.place.first:
		return x.unhold(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unhold sends what was held, and lets the rest stream, unless another goroutine has done so. The Txn is the first.
func (x *Txn) unhold(ctx context.Context) error {
	x.turn.Lock()
	defer x.turn.Unlock()
	if x.phase != holding {
		return nil
	}
	x.phase = streaming
	x.mu.Lock()
	held := x.held
	x.held, x.filled = nil, 0
	x.mu.Unlock()
	if len(held) == 0 {
		return nil
	}
	if err := x.p.begin(); err != nil {
		return x.s.lost(ctx, x.p, "begin", err)
	}
	for _, r := range held {
		x.p.send(r.slab.records[r.from:r.to])
	}
	return nil
}

// put hands on the records that w has made: to the producer, or to those that are held. The slab goes back.
func (x *Txn) put(_ context.Context, w *writer) error {
	s := w.slab
	if s == nil {
		return nil
	}
	w.slab = nil
	n := len(s.records) - w.from
	s.pending.Add(int64(n))
	x.mu.Lock()
	if x.phase == holding && n > 0 {
		x.held = append(x.held, run{s, w.from, len(s.records)})
	}
	err := x.beginLocked(n)
	x.mu.Unlock()
	if err == nil && x.phase == streaming {
		x.p.send(s.records[w.from:])
	}
	x.giveSlab(s, w)
	return err
}

// beginLocked begins the Kafka transaction with the first records.
func (x *Txn) beginLocked(n int) error {
	if x.phase != streaming || n == 0 || x.p.open {
		return nil
	}
	return x.p.begin()
}

// takeSlab returns a slab that has room. The caller holds the turn shared, and gives it up for a moment where it must wait
// for the Txn before.
func (x *Txn) takeSlab(ctx context.Context) (*slab, error) {
	if x.phase == holding && x.holdsMuch() {
		x.turn.RUnlock()
		err := x.takeTurn(ctx)
		x.turn.RLock()
		if err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	if n := len(x.slabs); n > 0 {
		s := x.slabs[n-1]
		x.slabs = x.slabs[:n-1]
		x.mu.Unlock()
		return s, nil
	}
	x.filled++
	x.mu.Unlock()
	return x.s.slabs.take(ctx, x.s.delivery)
}

// giveSlab keeps a slab for the next batch if there is room in it.
func (x *Txn) giveSlab(s *slab, w *writer) {
	if s.full(max(2*w.l.widest, slabData/16), len(w.headers)+ownHeaders) {
		s.drop(1)
		return
	}
	x.mu.Lock()
	x.slabs = append(x.slabs, s)
	x.mu.Unlock()
}

// seal gives back the slabs that are not full.
func (x *Txn) seal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.slabs {
		s.drop(1)
	}
	x.slabs = nil
}

// Bytes implements sink.Txn.
func (x *Txn) Bytes() int64 { return x.bytes.Load() }

// Commit implements sink.Txn.
func (x *Txn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if err := x.takeTurn(ctx); err != nil {
		return err
	}
	x.turn.Lock()
	defer x.turn.Unlock()
	if x.phase == over {
		return errors.New("commit a transaction that is over")
	}
	defer x.leave()
	stops, err := x.stopped(marks)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, x.s.delivery)
	defer cancel()
	fault.Point("kafka.before-commit")
	written, err := x.commit(ctx, marks)
	fault.Point("kafka.after-commit")
	if err != nil {
		return x.s.lost(ctx, x.p, "commit", err)
	}
	x.s.committed(written)
	return stops
}

// stopped are the errors of tables that Write has refused; they get no Mark. Records of them that were made already would
// be committed with the others: then nothing can be.
func (x *Txn) stopped(marks map[schema.Name]sink.Mark) (stops, err error) {
	for n, pt := range x.parts {
		if pt.err == nil {
			continue
		}
		if pt.sent {
			return nil, errors.Join(x.giveUp(), fmt.Errorf("%w: commit: rows of table %s are on their way and cannot be committed", sink.ErrTransient, n))
		}
		delete(marks, n)
		stops = errors.Join(stops, pt.err)
	}
	return stops, nil
}

// commit sends the Marks after the rows, and ends the Kafka transaction. Without transactions the rows have to be there
// before the Marks.
func (x *Txn) commit(ctx context.Context, marks map[schema.Name]sink.Mark) (map[schema.Name]tableRecord, error) {
	written := make(map[schema.Name]tableRecord, len(marks))
	records, err := x.metadata()
	if err != nil {
		return nil, err
	}
	for n, m := range marks {
		t := tableRecord{Run: m.Run, Epoch: m.Epoch, Position: m.Position, State: m.State, By: x.s.run.Load()}
		if pt := x.parts[n]; pt != nil {
			t.Skip = pt.left
		}
		written[n] = t
		records = append(records, x.s.record(t, tableKind, n.Namespace, n.Table))
	}
	return written, x.end(ctx, records)
}

// end ends the Kafka transaction with some more records.
func (x *Txn) end(ctx context.Context, records []kgo.Record) error {
	if err := x.p.begin(); err != nil {
		return err
	}
	if !x.p.transactional {
		if err := x.p.flush(ctx); err != nil {
			return err
		}
		x.p.open = false
		return x.s.note(ctx, x.p, records)
	}
	x.p.send(records)
	fault.Point("kafka.before-flush")
	if err := x.p.flush(ctx); err != nil {
		return err
	}
	fault.Point("kafka.before-end")
	return x.p.commit(ctx)
}

// committed takes over the Marks.
func (s *Sink) committed(written map[schema.Name]tableRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.state.tables, written)
}

// leave ends the Txn and lets the next one have the producer. The lock is held.
func (x *Txn) leave() {
	x.p.line.leave(x.place)
	x.phase = over
	x.seal()
}

// Abort implements sink.Txn.
func (x *Txn) Abort() error {
	x.turn.Lock()
	defer x.turn.Unlock()
	switch x.phase {
	case over:
		return nil
	case holding:
		for _, r := range x.held {
			r.slab.drop(r.to - r.from)
		}
		x.held = nil
		if x.passed.Load() {
			x.p.close() // what it has passed over counts again, which only a new run gets right
		}
		x.leave()
		return nil
	default:
		defer x.leave()
		return x.giveUp()
	}
}

// giveUp takes back what the Kafka transaction holds.
func (x *Txn) giveUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), x.s.delivery)
	defer cancel()
	if x.passed.Load() {
		x.p.close()
		return nil
	}
	if err := x.p.abort(ctx); err != nil {
		x.p.close()
		if topic, cause := x.p.failure(); topic != "" || errors.Is(cause, kgo.ErrClientClosed) {
			return nil // the failure was told already
		}
		return transient("abort", err)
	}
	return nil
}
