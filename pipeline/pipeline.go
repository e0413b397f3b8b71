// Package pipeline moves changes from one source to one sink, and can always say where to resume.
//
//	       one goroutine           lanes: a table always in the same lane          one goroutine
//	Stream.Next -----------> lane: route -> Txn.Write ----------------> Txn.Commit(Mark) -> Store.save -> Stream.Ack
//	     ^                                      |                               |
//	     +------- byte budget: taken before ----+ freed when Write returns      +- the next Txn fills meanwhile
//
// It knows no database, no sink and no configuration file. Rows are never looked at: batches pass through whole.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

// Limits tune a pipeline. The zero value of each field means its default.
type Limits struct {
	Interval    time.Duration // between commits; default 10 s
	Bytes       int64         // of rows read and not yet written (invariant I8); default 256 MiB
	Lanes       int           // tables written at once; default 2
	CommitBytes int64         // a transaction that holds so much is cut before the interval is over; default 512 MiB
	Grace       time.Duration // for a commit that runs when the pipeline is told to stop; default 20 s
	RetryMin    time.Duration // pause before the first restart after a transient error; default 500 ms
	RetryMax    time.Duration // the longest pause; default 30 s
}

func (l Limits) withDefaults() Limits {
	set(&l.Interval, 10*time.Second)
	set(&l.Bytes, 256<<20)
	set(&l.Lanes, 2)
	set(&l.CommitBytes, 512<<20)
	set(&l.Grace, 20*time.Second)
	set(&l.RetryMin, 500*time.Millisecond)
	set(&l.RetryMax, 30*time.Second)
	return l
}

func set[T ~int | ~int64](v *T, missing T) {
	if *v <= 0 {
		*v = missing
	}
}

// An Opener opens the stream of a pipeline, as snapshot.Open does.
type Opener func(ctx context.Context, src source.Source, from source.Position, tables []snapshot.Table,
	match func(schema.Name) bool, cfg snapshot.Config) (source.Stream, error)

// A Pipeline copies the tables of one source that match into one sink, and keeps them equal. Its fields are set before
// Run and not changed after; Source, Sink and Store stay the caller's to close.
type Pipeline struct {
	Name   string
	Source source.Source
	Sink   sink.Sink
	Match  func(schema.Name) bool // which tables of the source; nil: all
	// Selection is the text that Match was made of. A restart looks for tables that match now and did not before only when
	// it has changed, or is empty: others come with the log.
	Selection string
	Routes    *Routes // how they are called in the sink; nil: as in the source
	Policy    Policy  // which schema changes reach the sink
	Store     *Store
	Limits    Limits
	Snapshot  snapshot.Config
	Open      Opener       // nil: snapshot.Open
	Log       *slog.Logger // nil: none

	status  board
	states  states   // what Store is, unless a test says otherwise
	awaited awaiting // by the attempt under way
}

// states is what a pipeline asks of its Store.
type states interface {
	remember(context.Context, []touchedRecord) error
	announce(ctx context.Context, at source.Position, seq uint64) error
	begin(ctx context.Context) (*checkpoint, error)
	save(ctx context.Context, sv *save) error
	applying(ctx context.Context, c *changeRecord, shape *schema.Table) error
	applied(ctx context.Context, c *changeRecord) error
}

var _ states = (*Store)(nil)

// What ends an attempt in good order.
var (
	errEnd  = errors.New("all is copied")                // the pipeline is bounded
	errLook = errors.New("there are tables to look for") // by the next attempt
)

// Run moves changes until ctx is cancelled, which is no error, or until a bounded start is through, or until something
// happens that a restart from the checkpoint does not mend: the error then says what. A transient error is no end: Run
// starts again at the checkpoint, for ever, and Status tells. When Run returns, all that it started has ended. When ctx
// is cancelled a commit that is under way has Limits.Grace to finish. Run is called once.
func (p *Pipeline) Run(ctx context.Context) error {
	p.prepare()
	retry := p.Limits.RetryMin
	var err error
	for first := true; ; first = false {
		a := newAttempt(p, first)
		a.inTurn = p.ordered() || errors.Is(err, errCrowded)
		p.status.begin()
		err = a.run(ctx)
		var stop *stopError
		switch {
		case err == nil || errors.Is(err, errEnd):
			p.status.end(Ended, nil)
			return nil
		case errors.Is(err, errLook), errors.Is(err, errCrowded):
			continue
		case errors.As(err, &stop):
			err = a.persistStops(ctx, stop)
			if err == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			p.status.end(Ended, nil)
			return nil
		}
		if !transient(err) {
			p.status.end(endState(err), err)
			return fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		if a.progressed() {
			retry = p.Limits.RetryMin
		}
		p.status.end(Retrying, err)
		p.Log.Warn("restarted from the checkpoint", "pipeline", p.Name, "err", err, "pause", retry)
		if !pause(ctx, retry) {
			p.status.end(Ended, nil)
			return nil
		}
		retry = min(2*retry, p.Limits.RetryMax)
	}
}

func (p *Pipeline) prepare() {
	p.Limits = p.Limits.withDefaults()
	if p.Match == nil {
		p.Match = func(schema.Name) bool { return true }
	}
	if p.Open == nil {
		p.Open = snapshot.Open
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.states == nil {
		p.states = p.Store
	}
	p.Snapshot.Log = p.Log
}

// ordered says that the sink wants the rows of all tables in the order of the log.
func (p *Pipeline) ordered() bool {
	o, ok := p.Sink.(sink.Ordered)
	return ok && o.Ordered()
}

// transient says that starting again may help. A lost position or a fence outweighs it.
func transient(err error) bool {
	return endState(err) == Failed && (errors.Is(err, source.ErrTransient) || errors.Is(err, sink.ErrTransient))
}

func endState(err error) State {
	switch {
	case errors.Is(err, source.ErrPositionLost):
		return NeedsResync
	case errors.Is(err, sink.ErrFenced):
		return Fenced
	default:
		return Failed
	}
}

// pause waits for d, give or take a half, so that many pipelines do not come back at the same instant. It says whether
// the time is over, rather than ctx.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
