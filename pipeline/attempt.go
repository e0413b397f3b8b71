package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source"
)

// An attempt is one go from the checkpoint until the end or an error. All that an attempt knows comes from the store, the
// sink's marks and the source, so a restart after an error and after a crash are the same thing.
type attempt struct {
	p      *Pipeline
	first  bool   // of the process: the configuration may have changed since the checkpoint was saved
	number uint64 // of the run
	next   uint64 // epoch of the next commit
	copies bool
	bound  bool

	stream source.Stream
	lanes  []*lane
	budget *semaphore.Weighted

	reading context.Context         // of the reader, and of the changes beside it
	cancel  context.CancelCauseFunc // of reading
	kill    context.CancelFunc      // of lanes and commits
	work    context.Context         // of lanes and commits: it outlives the reader's

	inTurn   bool                // a schema change waits for all tables, and they for it
	changing sync.WaitGroup      // changes beside the reader
	makers   *semaphore.Weighted // of such changes that the sink is asked for at once
	changed  chan struct{}       // cap 1: one of them has ended

	began  time.Time
	landed atomic.Bool // a commit with rows was saved

	failure struct {
		sync.Mutex
		err error
	}

	turn latch // guards all below: the reader holds it while it handles an event, and that may take its time

	tables map[schema.Name]*table
	sinks  map[schema.Name]*table // by the sink's name
	shapes map[*schema.Table]*table

	// The newest boundary read, and what has come after it.
	at       source.Position
	seq      uint64
	time     int64
	step     uint64    // how many boundaries came before it
	inTxn    bool      // log rows or a schema change: the transaction is not whole yet
	inChunk  bool      // snapshot rows whose progress is not known yet
	open     *txn      // being filled; nil: nothing since the last cut
	running  *txn      // handed to commit most recently
	due      bool      // the interval is over, or a change waits for a commit: rows are cut at the next boundary
	parked   []*parked // tables whose change is being made beside the reader
	waiting  int64     // bytes of rows that wait with them
	lastCut  time.Time
	saved    source.Position           // by the newest cut
	look     bool                      // a table has appeared that is to be copied
	changes  []*changeRecord           // delivered again or made, and not covered by a cut yet
	earlier  map[string]*changeRecord  // in the store, past the checkpoint, by key
	late     map[schema.Name]sink.Mark // of tables created past the checkpoint, by the source's name
	remade   map[schema.Name]bool      // dropped from the sink by this attempt, to be copied anew; by the sink's name
	gone     []schema.Name             // records to delete with the next cut
	moved    bool                      // a table has another name since the last boundary
	copying  int                       // tables
	renewing int                       // tables whose new copy is under way, or is whole and not known to be so in the sink
	wake     chan struct{}             // cap 1: for the pacer
}

// A txn is a transaction of the sink, and what its commit will save.
type txn struct {
	sink   sink.Txn       // nil: no rows
	tables []*table       // with rows in it
	states []*tableRecord // of those, as of the commit
	writes sync.WaitGroup
	bytes  int64 // handed to lanes
	probed int64 // bytes when the sink was last asked

	from  source.Position // of the cut before
	reach point           // up to which it has rows
	save  save
	done  chan struct{} // closed when the commit is over
}

// A latch is a lock that may be held while its holder waits for others.
type latch chan struct{}

func (l latch) take() { l <- struct{}{} }
func (l latch) give() { <-l }

func newAttempt(p *Pipeline, first bool) *attempt {
	a := &attempt{
		p: p, first: first, due: true, began: time.Now(), turn: make(latch, 1), wake: make(chan struct{}, 1),
		budget: semaphore.NewWeighted(p.Limits.Bytes), makers: semaphore.NewWeighted(creators), changed: make(chan struct{}, 1),
		tables: map[schema.Name]*table{}, sinks: map[schema.Name]*table{}, shapes: map[*schema.Table]*table{},
		earlier: map[string]*changeRecord{}, remade: map[schema.Name]bool{},
	}
	for range p.Limits.Lanes {
		a.lanes = append(a.lanes, newLane())
	}
	return a
}

// run resumes, follows the stream until it ends, and gives back all it took.
func (a *attempt) run(ctx context.Context) error {
	ctx, a.cancel = context.WithCancelCause(ctx)
	a.reading = ctx
	a.work, a.kill = context.WithCancel(context.WithoutCancel(ctx))
	defer a.kill()
	defer a.cancel(nil)
	if err := a.resume(ctx); err != nil {
		return err
	}
	if a.ended() {
		return errEnd
	}
	a.inTurn = a.inTurn || a.bound // that all is copied is saved with the position at which the end is
	if err := a.openStream(ctx); err != nil {
		return err
	}
	var lanes, pacer sync.WaitGroup
	for _, l := range a.lanes {
		lanes.Go(func() { a.workLane(a.work, l) })
	}
	pacer.Go(func() { a.pace(ctx) })

	err := a.follow(ctx)
	a.cancel(err)
	pacer.Wait()
	err = a.finish(err)
	a.changing.Wait()
	return errors.Join(err, a.stop(&lanes))
}

// follow handles events until one says to stop.
func (a *attempt) follow(ctx context.Context) error {
	for {
		ev, err := a.stream.Next(ctx)
		if err != nil {
			return fmt.Errorf("read next event after %s: %w", a.at, err)
		}
		a.turn.take()
		err = a.handle(ctx, &ev)
		a.turn.give()
		if err != nil {
			return err
		}
	}
}

// finish lets the commit that is under way come to its end, for at most the grace period, unless something that it needs
// has failed. It returns why the attempt ends: the first failure, not what came of it.
func (a *attempt) finish(err error) error {
	a.turn.take()
	t := a.running
	a.turn.give()
	if t != nil {
		grace := time.NewTimer(a.p.Limits.Grace)
		defer grace.Stop()
		select {
		case <-t.done:
		case <-a.work.Done():
		case <-grace.C:
			a.p.Log.Warn("gave up a commit", "pipeline", a.p.Name, "waited", a.p.Limits.Grace)
		}
	}
	if first := a.failed(); first != nil {
		err = first
	}
	a.kill() // what fails from here on fails because of it
	if t != nil {
		<-t.done
	}
	return err
}

// stop ends the lanes and drops what is not committed.
func (a *attempt) stop(lanes *sync.WaitGroup) error {
	lanes.Wait()
	for _, p := range a.parked {
		a.dropParked(p)
	}
	var err error
	if a.open != nil {
		err = a.open.sink.Abort()
	}
	if err := errors.Join(err, a.stream.Close()); err != nil {
		a.p.Log.Warn("closed with an error", "pipeline", a.p.Name, "err", err)
	}
	return nil
}

// fail notes why the attempt ends, and ends it. The first call counts.
func (a *attempt) fail(err error) {
	a.failure.Lock()
	if a.failure.err == nil {
		a.failure.err = err
	}
	a.failure.Unlock()
	a.kill()
	a.cancel(err)
}

func (a *attempt) failed() error {
	a.failure.Lock()
	defer a.failure.Unlock()
	return a.failure.err
}

// progressed says that the attempt was worth it: rows have been committed, or it has lasted.
func (a *attempt) progressed() bool {
	return a.landed.Load() || time.Since(a.began) > a.p.Limits.RetryMax
}

// commit makes a cut transaction durable: first in the sink, then in the store, then at the source (invariants I1, I3).
func (a *attempt) commit(t *txn) {
	defer close(t.done)
	t.writes.Wait()
	if a.work.Err() != nil {
		a.abort(t)
		return
	}
	err := a.p.states.remember(a.work, t.save.touched)
	if err == nil {
		err = a.announce(a.work, t)
	}
	if err == nil {
		err = a.commitSink(t)
	}
	if err != nil {
		a.fail(err)
		a.abort(t)
		return
	}
	if err := a.commitStore(t); err != nil {
		a.fail(err)
		return
	}
	a.stream.Ack(t.save.position)
	a.p.status.committed(&t.save)
	if err := a.beat(t); err != nil {
		a.fail(err)
		return
	}
	a.poke()
}

// beat tells a sink that wants to know how far all is durable.
func (a *attempt) beat(t *txn) error {
	h, ok := a.p.Sink.(sink.Heart)
	if !ok {
		return nil
	}
	if err := h.Beat(a.work, string(t.save.position), t.save.time); err != nil {
		return fmt.Errorf("tell the sink of %s: %w", t.save.position, err)
	}
	return nil
}

func (a *attempt) abort(t *txn) {
	if t.sink == nil {
		return
	}
	if err := t.sink.Abort(); err != nil {
		a.p.Log.Warn("aborted with an error", "pipeline", a.p.Name, "err", err)
	}
}

func (a *attempt) commitSink(t *txn) error {
	if t.sink == nil {
		return nil
	}
	began := time.Now()
	fault.Point("pipeline.before-commit")
	err := t.sink.Commit(a.work, a.marks(t))
	fault.Point("pipeline.after-commit")
	stops, rest := tableErrors(err)
	if rest != nil {
		return fmt.Errorf("commit epoch %d: %w", t.save.epoch, err)
	}
	if len(stops) > 0 {
		return a.commitRest(t, stops)
	}
	a.p.Log.Debug("committed", "pipeline", a.p.Name, "epoch", t.save.epoch, "position", t.save.position, "tables", len(t.tables), "took", time.Since(began))
	return nil
}

// commitRest saves a commit of which some tables failed: those stop where they were. Then the attempt ends, for the open
// transaction may hold more rows of them.
func (a *attempt) commitRest(t *txn, stops []*schema.TableError) error {
	e := &stopError{}
	for _, s := range stops {
		i := slices.IndexFunc(t.states, func(r *tableRecord) bool { return r.Sink == s.Table })
		if i < 0 {
			return fmt.Errorf("commit epoch %d: %w", t.save.epoch, s)
		}
		r := t.states[i]
		r.stopped(t.from, s.Err)
		e.stops = append(e.stops, &schema.TableError{Table: r.Name, Err: s.Err})
	}
	if err := a.commitStore(t); err != nil {
		return err
	}
	return e
}

func (a *attempt) commitStore(t *txn) error {
	fault.Point("pipeline.before-save")
	if err := a.p.states.save(a.work, &t.save); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	fault.Point("pipeline.after-save")
	if t.sink != nil {
		a.landed.Store(true)
	}
	return nil
}
