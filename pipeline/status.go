package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A State says what a pipeline does.
type State uint8

// The states of a pipeline.
const (
	Starting    State = iota // it finds where to begin
	Running                  // changes flow
	Retrying                 // it waits to start again after a transient error, which the reason names
	Ended                    // it was told to stop, or a bounded start is through
	NeedsResync              // the source no longer has the log after the checkpoint
	Fenced                   // another daemon has taken over
	Failed                   // it ended with the error that the reason names
)

var stateNames = [...]string{"starting", "running", "retrying", "ended", "needs-resync", "fenced", "failed"}

// String returns the state in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText returns String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Status is what a pipeline is doing. Counters start at zero with the process; rows of a transaction that is read again
// after a restart are counted again.
type Status struct {
	Name     string
	State    State
	Reason   string          // of Retrying, NeedsResync, Fenced and Failed
	Run      uint64          // number of the present start
	Epoch    uint64          // of the newest commit
	Position source.Position // up to which all is durable
	Lag      time.Duration   // age of the newest durable boundary; 0: unknown
	Commits  int64           // of transactions with rows
	Restarts int64           // after transient errors
	InFlight int64           // bytes read and not yet written
	Tables   []TableStatus   // in the order of their names
}

// TableStatus is what one table is doing.
type TableStatus struct {
	Name   schema.Name // at the source
	Sink   schema.Name // in the sink; zero: it never got there
	State  TableState
	Reason string // of Stopped

	// Every row read was written, or dropped because its table has stopped, or superseded (invariant I14).
	Read, Written, Dropped int64
	// Superseded rows were in the sink already, or were overtaken by the log while their chunk was read; the latter do not
	// count as read.
	Superseded     int64
	Copied, Chunks int64 // rows and chunks that the snapshot has placed, over all starts
}

// A tally counts for one table. The record's part is a copy for readers.
type tally struct {
	read, written, dropped, superseded atomic.Int64

	mu     sync.Mutex // guards status
	status TableStatus
}

// set shows what the record says.
func (t *tally) set(r *tableRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.status
	s.Name, s.Sink, s.State, s.Reason, s.Copied, s.Chunks = r.Name, r.Sink, r.State, r.Reason, r.Rows, r.Chunks
}

// count shows how many rows are copied. That the copy is whole shows when it is durable (invariant I11).
func (t *tally) count(r *tableRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Copied, t.status.Chunks = r.Rows, r.Chunks
}

func (t *tally) get() TableStatus {
	t.mu.Lock()
	s := t.status
	t.mu.Unlock()
	s.Written, s.Dropped, s.Superseded = t.written.Load(), t.dropped.Load(), t.superseded.Load()
	s.Read = t.read.Load() // last, so that it is never below its parts
	return s
}

// A board shows a pipeline's status to other goroutines.
type board struct {
	inFlight atomic.Int64
	readTime atomic.Int64 // source commit time of the newest boundary read, microseconds
	durable  atomic.Int64 // the same of the newest durable one

	mu       sync.Mutex // guards all below
	state    State
	reason   error
	run      uint64
	epoch    uint64
	position source.Position
	commits  int64
	restarts int64
	tallies  map[schema.Name]*tally
}

// Status returns what the pipeline is doing. It may be called at any time, by any goroutine.
func (p *Pipeline) Status() Status { return p.status.get(p.Name) }

func (b *board) get(name string) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Name: name, State: b.state, Run: b.run, Epoch: b.epoch, Position: b.position, Commits: b.commits,
		Restarts: b.restarts, InFlight: b.inFlight.Load(),
	}
	if b.reason != nil {
		s.Reason = b.reason.Error()
	}
	if at := b.durable.Load(); at != 0 {
		s.Lag = max(0, time.Since(time.UnixMicro(at)))
	}
	for _, t := range b.tallies {
		s.Tables = append(s.Tables, t.get())
	}
	slices.SortFunc(s.Tables, func(x, y TableStatus) int {
		return cmp.Or(x.Name.Compare(y.Name), x.Sink.Compare(y.Sink))
	})
	return s
}

func (b *board) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.reason = Starting, nil
}

// resumed shows where an attempt begins, and forgets tables that no longer take part.
func (b *board) resumed(c *checkpoint, tables map[schema.Name]*table) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.tallies, func(n schema.Name, _ *tally) bool { return tables[n] == nil })
	b.state, b.run, b.epoch, b.position = Running, c.Run, max(b.epoch, c.Epoch), c.Position
	b.durable.Store(c.Time)
}

func (b *board) end(s State, reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.reason = s, reason
	if s == Retrying {
		b.restarts++
	}
}

// tally returns the counters of a table, which outlive the attempts.
func (b *board) tally(r *tableRecord) *tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tallies == nil {
		b.tallies = map[schema.Name]*tally{}
	}
	t := b.tallies[r.Name]
	if t == nil {
		t = &tally{}
		b.tallies[r.Name] = t
	}
	t.set(r)
	return t
}

// rename moves the counters of a table to its new name.
func (b *board) rename(t *tally, r *tableRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, other := range b.tallies {
		if other == t {
			delete(b.tallies, n)
		}
	}
	b.tallies[r.Name] = t
	t.set(r)
}

// read notes a boundary; idle says that nothing waits to be committed, so that it is durable as it stands.
func (b *board) read(micros int64, idle bool) {
	b.readTime.Store(micros)
	if idle {
		b.durable.Store(micros)
	}
}

func (b *board) committed(sv *save) {
	b.durable.Store(sv.time)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.position = sv.position
	for _, r := range sv.tables {
		if t := b.tallies[r.Name]; t != nil {
			t.set(r)
		}
	}
	if sv.epoch != 0 {
		b.epoch = sv.epoch
		b.commits++
	}
}
