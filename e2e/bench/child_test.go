package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/iceberg"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source/mysql"
)

// A task is what one process of its own does, so that its CPU time and memory are of nothing else.
type task struct {
	Port     int
	User     string
	Password string
	Database string
	Dir      string // for the state and the warehouse
	Iceberg  bool   // else rows are counted and dropped
	Snapshot bool   // copy and end; else follow from File, Pos
	File     string
	Pos      int64
	Want     int64         // end when so many changes are committed
	Idle     time.Duration // follow for so long and end
	Budget   int64         // memory budget in bytes
	Interval time.Duration // between commits
	Profile  string
}

// A tally is what a task found.
type tally struct {
	Changes int64         // inserts, deletes and updates
	Images  int64         // rows of batches: an update has two
	Elapsed time.Duration // from the start to the last commit
	First   time.Duration // from the start to the first commit that has rows
	RSS     int64         // the largest resident memory, in bytes; that of os.ProcessState counts the parent's in
	Dir     string        // of the task
}

const childVariable = "CDCSYNC_BENCH_TASK"

// TestMain makes the process do a task when it is told one.
func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var t task
	err := json.Unmarshal([]byte(text), &t)
	if err == nil {
		err = do(t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func do(t task) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if t.Idle > 0 {
		time.AfterFunc(t.Idle, cancel)
	}
	src, err := mysql.Open(ctx, t.source(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	store, err := pipeline.OpenStore(ctx, t.Dir+"/state", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	c := &counting{inner: dropping{}, began: time.Now(), want: t.Want, enough: cancel}
	if t.Iceberg {
		if c.inner, err = t.lake(ctx); err != nil {
			return err
		}
	}
	defer func() { _ = c.Close() }()
	p := &pipeline.Pipeline{
		Name: "bench", Source: src, Sink: c, Store: store,
		Match:    func(n schema.Name) bool { return n.Namespace == t.Database },
		Limits:   pipeline.Limits{Interval: t.Interval, Bytes: t.Budget / 2, Lanes: 2},
		Snapshot: snapshot.Config{Readers: 2, Bytes: t.Budget / 4, ChunkBytes: int(min(4<<20, t.Budget/16))},
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	for _, s := range p.Status().Tables {
		if s.State == pipeline.Stopped {
			return errors.New("a table stopped")
		}
	}
	rss, err := peak()
	if err != nil {
		return err
	}
	out, err := json.Marshal(tally{Changes: c.changes.Load(), Images: c.images.Load(), Elapsed: c.last, First: c.first, RSS: rss})
	fmt.Printf("%s\n", out)
	return err
}

// peak is the largest resident memory of this process so far.
func peak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(rest, "kB", 2)[0]), 10, 64)
	return kb << 10, err
}

func (t task) source() mysql.Config {
	cfg := mysql.DefaultConfig()
	cfg.Hostname, cfg.Port = "127.0.0.1", t.Port
	cfg.Username, cfg.Password = t.User, option.Secret(t.Password)
	cfg.TLSMode = mysql.Disable
	cfg.StartupMode = mysql.SnapshotOnly
	if !t.Snapshot {
		cfg.StartupMode, cfg.OffsetFile, cfg.OffsetPos = mysql.SpecificOffset, t.File, t.Pos
	}
	if t.Idle > 0 {
		cfg.StartupMode = mysql.LatestOffset
	}
	return cfg
}

func (t task) lake(ctx context.Context) (sink.Sink, error) {
	cfg := iceberg.DefaultConfig()
	cfg.Catalog = map[string]string{"type": "sql", "warehouse": t.Dir + "/warehouse"}
	return iceberg.Open(ctx, "bench", cfg, nil)
}

// counting counts what is committed to another sink.
type counting struct {
	inner           sink.Sink
	began           time.Time
	want            int64
	enough          func()
	changes, images atomic.Int64
	written         atomic.Int64
	hurried         atomic.Bool
	first, last     time.Duration // commits never overlap
}

func (c *counting) Start(ctx context.Context, run uint64) error { return c.inner.Start(ctx, run) }

func (c *counting) Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	return c.inner.Marks(ctx, tables)
}
func (c *counting) Evolve(ctx context.Context, ch *schema.Change) error {
	return c.inner.Evolve(ctx, ch)
}
func (c *counting) Close() error { return c.inner.Close() }

func (c *counting) Begin(ctx context.Context) (sink.Txn, error) {
	x, err := c.inner.Begin(ctx)
	return &countingTxn{Txn: x, c: c}, err
}

type countingTxn struct {
	sink.Txn
	c               *counting
	changes, images atomic.Int64
}

func (x *countingTxn) Write(ctx context.Context, b *row.Batch) error {
	n := 0
	for _, op := range b.Ops {
		if op != row.Before {
			n++
		}
	}
	x.changes.Add(int64(n))
	x.images.Add(int64(len(b.Ops)))
	if x.c.written.Add(int64(n)) >= x.c.want && x.c.want > 0 {
		x.c.hurried.Store(true)
	}
	return x.Txn.Write(ctx, b)
}

// Bytes are so many that the engine commits at once, when all that was wanted is there: a figure of rows per second
// must not have the rest of an interval in it.
func (x *countingTxn) Bytes() int64 {
	if x.c.hurried.Load() {
		return 1 << 50
	}
	return x.Txn.Bytes()
}

func (x *countingTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if err := x.Txn.Commit(ctx, marks); err != nil {
		return err
	}
	c := x.c
	c.images.Add(x.images.Load())
	n := c.changes.Add(x.changes.Load())
	if x.changes.Load() > 0 {
		c.last = time.Since(c.began)
		if c.first == 0 {
			c.first = c.last
		}
	}
	if c.want > 0 && n >= c.want {
		c.enough()
	}
	return nil
}

// dropping is a sink that keeps nothing.
type dropping struct{}

func (dropping) Marks(context.Context, []schema.Name) (map[schema.Name]sink.Mark, error) {
	return nil, nil
}
func (dropping) Start(context.Context, uint64) error          { return nil }
func (dropping) Evolve(context.Context, *schema.Change) error { return nil }
func (dropping) Begin(context.Context) (sink.Txn, error)      { return new(droppingTxn), nil }
func (dropping) Close() error                                 { return nil }

type droppingTxn struct{ bytes atomic.Int64 }

func (x *droppingTxn) Write(_ context.Context, b *row.Batch) error {
	x.bytes.Add(int64(b.Bytes()))
	b.Free()
	return nil
}
func (x *droppingTxn) Bytes() int64                                            { return x.bytes.Load() }
func (x *droppingTxn) Commit(context.Context, map[schema.Name]sink.Mark) error { return nil }
func (x *droppingTxn) Abort() error                                            { return nil }
