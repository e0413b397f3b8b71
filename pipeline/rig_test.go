package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/sinktest"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDead = errors.New("the process is dead")

// A fate is what befalls one operation of a process.
type fate uint8

const (
	lives       fate = iota
	failsBefore      // a transient error, without effect
	failsAfter       // it took effect, and the answer was lost
	diesBefore
	diesAfter
)

// A process stands between a pipeline and the world: it counts the operations, and lets one of them fail or be the last.
type process struct {
	mu    sync.Mutex // guards all below
	ops   int
	at    int
	fate  fate
	dead  bool
	names []string
}

func (p *process) do(name string, transient error, op func() error) error {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	p.ops++
	p.names = append(p.names, name)
	f := lives
	if p.ops == p.at {
		f = p.fate
	}
	p.dead = f == diesBefore || f == diesAfter
	p.mu.Unlock()
	switch f {
	case failsBefore:
		return fmt.Errorf("%w: %s failed", transient, name)
	case diesBefore:
		return errDead
	}
	if err := op(); err != nil {
		return err
	}
	switch f {
	case failsAfter:
		return fmt.Errorf("%w: %s failed after its effect", transient, name)
	case diesAfter:
		return errDead
	}
	return nil
}

// The world as a process sees it.
type (
	mortalSource struct {
		source.Source
		p *process
	}
	mortalStream struct {
		source.Stream
		p *process
	}
	mortalSink struct {
		sink.Sink
		p *process
	}
	mortalTxn struct {
		sink.Txn
		p *process
	}
	mortalStates struct {
		*Store
		p *process
	}
)

func (m mortalSource) op(name string, do func() error) error {
	return m.p.do(name, source.ErrTransient, do)
}

func (m mortalSource) Tables(ctx context.Context, match func(schema.Name) bool) (d source.Discovered, err error) {
	err = m.op("tables", func() (err error) { d, err = m.Source.Tables(ctx, match); return err })
	return d, err
}

func (m mortalSource) Start(ctx context.Context) (s source.Start, err error) {
	err = m.op("start", func() (err error) { s, err = m.Source.Start(ctx); return err })
	return s, err
}

func (m mortalSource) ReadChunk(ctx context.Context, c source.Chunk, b source.Position) (r *source.ChunkRows, err error) {
	err = m.op("chunk", func() (err error) { r, err = m.Source.ReadChunk(ctx, c, b); return err })
	return r, err
}

func (m mortalSource) Stream(ctx context.Context, from source.Position, ts []*schema.Table, match func(schema.Name) bool) (s source.Stream, err error) {
	err = m.op("stream", func() (err error) { s, err = m.Source.Stream(ctx, from, ts, match); return err })
	if err != nil {
		if s != nil {
			_ = s.Close()
		}
		return nil, err
	}
	return mortalStream{s, m.p}, nil
}

func (m mortalStream) Next(ctx context.Context) (ev source.Event, err error) {
	err = m.p.do("next", source.ErrTransient, func() (err error) { ev, err = m.Stream.Next(ctx); return err })
	return ev, err
}

func (m mortalSink) Start(ctx context.Context, run uint64) error {
	return m.p.do("start", sink.ErrTransient, func() error { return m.Sink.Start(ctx, run) })
}

func (m mortalSink) Marks(ctx context.Context, ns []schema.Name) (r map[schema.Name]sink.Mark, err error) {
	err = m.p.do("marks", sink.ErrTransient, func() (err error) { r, err = m.Sink.Marks(ctx, ns); return err })
	return r, err
}

func (m mortalSink) Evolve(ctx context.Context, c *schema.Change) error {
	return m.p.do("evolve", sink.ErrTransient, func() error { return m.Sink.Evolve(ctx, c) })
}

func (m mortalSink) Begin(ctx context.Context) (x sink.Txn, err error) {
	err = m.p.do("begin", sink.ErrTransient, func() (err error) { x, err = m.Sink.Begin(ctx); return err })
	return mortalTxn{x, m.p}, err
}

func (m mortalTxn) Write(ctx context.Context, b *row.Batch) error {
	return m.p.do("write", sink.ErrTransient, func() error { return m.Txn.Write(ctx, b) })
}

func (m mortalTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	return m.p.do("commit", sink.ErrTransient, func() error { return m.Txn.Commit(ctx, marks) })
}

func (m mortalStates) op(name string, do func() error) error {
	return m.p.do(name, sink.ErrTransient, do)
}

func (m mortalStates) begin(ctx context.Context) (c *checkpoint, err error) {
	err = m.op("load", func() (err error) { c, err = m.Store.begin(ctx); return err })
	return c, err
}

func (m mortalStates) save(ctx context.Context, sv *save) error {
	return m.op("save", func() error { return m.Store.save(ctx, sv) })
}

func (m mortalStates) applying(ctx context.Context, c *changeRecord, s *schema.Table) error {
	return m.op("applying", func() error { return m.Store.applying(ctx, c, s) })
}

func (m mortalStates) applied(ctx context.Context, c *changeRecord) error {
	return m.op("applied", func() error { return m.Store.applied(ctx, c) })
}

// A rig is a source, a sink and a state folder, which outlive the processes that work on them.
type rig struct {
	src    *sourcetest.Source
	sink   *sinktest.Memory
	dir    string
	limits Limits
	tune   func(*Pipeline)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "state")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		src: sourcetest.New(), sink: sinktest.NewMemory(), dir: dir,
		limits: Limits{Interval: 50 * time.Millisecond, RetryMin: time.Millisecond, RetryMax: time.Second},
	}
}

// run runs a pipeline in a process until it ends or done says so.
func (r *rig) run(ctx context.Context, proc *process, done func(Status) bool) (Status, error) {
	store, err := OpenStore(ctx, r.dir, "test")
	if err != nil {
		return Status{}, err
	}
	p := &Pipeline{
		Name: "test", Source: mortalSource{r.src, proc}, Sink: mortalSink{r.sink, proc}, Store: store, Limits: r.limits,
		states: mortalStates{store, proc}, Snapshot: snapshot.Config{ChunkBytes: 256}, Selection: "all",
	}
	if os.Getenv("PIPELINE_TEST_LOG") != "" {
		p.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if r.tune != nil {
		r.tune(p)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for deadline := time.Now().Add(5 * time.Minute); ; {
		select {
		case err := <-ended:
			return p.Status(), errors.Join(err, store.Close())
		case <-time.After(10 * time.Millisecond):
		}
		if done != nil && done(p.Status()) {
			cancel()
			done = nil
		}
		if time.Now().After(deadline) {
			cancel()
			return p.Status(), errors.Join(fmt.Errorf("not done: %+v", p.Status()), <-ended, store.Close())
		}
	}
}

// caughtUp says that the script is through and all of it durable.
func (r *rig) caughtUp(s Status) bool {
	if !r.src.Done() || s.Position != r.src.Head() {
		return false
	}
	return !slices.ContainsFunc(s.Tables, func(t TableStatus) bool {
		return t.State == Copying || t.State == Stopped && strings.Contains(t.Reason, source.ErrAppeared.Error())
	})
}

// equal says in what the sink differs from the source; except are tables to pass over.
func (r *rig) equal(except ...schema.Name) error {
	for _, n := range r.src.Names() {
		if slices.Contains(except, n) {
			continue
		}
		if err := r.same(n); err != nil {
			return err
		}
	}
	return nil
}

// same says that a table's rows in the sink are those of the source.
func (r *rig) same(n schema.Name) error {
	got, ok := r.sink.Rows(n)
	want := r.src.Rows(n)
	if !ok {
		return fmt.Errorf("table %s is not in the sink", n)
	}
	slices.SortFunc(got, slices.Compare[[]string])
	slices.SortFunc(want, slices.Compare[[]string])
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		return fmt.Errorf("table %s: got %q, want %q", n, got, want)
	}
	return nil
}

// accounted says that every row that was read is accounted for (invariant I14).
func accounted(s Status) error {
	for _, t := range s.Tables {
		if t.Read < t.Written+t.Dropped {
			return fmt.Errorf("table %s: read %d rows, wrote %d and dropped %d", t.Name, t.Read, t.Written, t.Dropped)
		}
	}
	return nil
}

func named(t string) schema.Name { return schema.Name{Namespace: "shop", Table: t} }

func column(name string, k schema.Kind) schema.Column {
	c := schema.Column{Name: name, Type: schema.Type{Kind: k}, Nullable: k == schema.String}
	if k == schema.Int {
		c.Type.Bits = 64
	}
	return c
}

func simple(name string) *schema.Table {
	return &schema.Table{Name: named(name), Version: 1, Key: []int{0}, Columns: []schema.Column{column("id", schema.Int), column("note", schema.String)}}
}

func composite(name string) *schema.Table {
	return &schema.Table{Name: named(name), Version: 1, Key: []int{0, 1}, Columns: []schema.Column{column("k", schema.Int), column("l", schema.String), column("v", schema.String)}}
}

// stock fills a source with two tables that have rows, and an empty one.
func stock(s *sourcetest.Source) {
	s.Create(simple("a"))
	s.Create(composite("b"))
	s.Create(simple("empty"))
	x := s.Begin()
	for i := range 12 {
		x.Insert(named("a"), fmt.Sprint(i+1), "old")
		x.Insert(named("b"), fmt.Sprint(i/3), fmt.Sprint(i%3), sourcetest.Null)
	}
	x.Commit()
}

// in runs a test in a bubble of its own time.
func in(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
