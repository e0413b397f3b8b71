package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
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
	Sink     string // a name of those in sinks; empty: rows are counted and dropped
	Addr     string // of the sink's server
	Baseline string // no pipeline: what the client library of this sink does alone
	Snapshot bool   // copy and end; else follow from File, Pos
	File     string
	Pos      int64
	Want     int64         // end when so many changes are committed
	Idle     time.Duration // follow for so long and end
	Budget   int64         // memory budget in bytes
	Interval time.Duration // between commits
	Profile  string        // file for a CPU profile
}

// A tally is what a task found.
type tally struct {
	Changes int64         // inserts, deletes and updates
	Images  int64         // rows of batches: an update has two
	Elapsed time.Duration // from the start to the last commit
	First   time.Duration // from the start to the first commit that has rows
	Ended   time.Time     // the last commit
	CPU     time.Duration // in Elapsed; 0: all of the process counts
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
		err = t.do()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// do does the task and prints what it found.
func (t task) do() error {
	if t.Profile != "" {
		f, err := os.Create(t.Profile)
		if err != nil {
			return fmt.Errorf("create profile: %w", err)
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("start profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	work := t.pipe
	switch t.Baseline {
	case ClickHouse:
		work = t.sendPrepared
	case Kafka, idempotent:
		work = t.produceAgain
	}
	got, err := work(context.Background())
	if err != nil {
		return err
	}
	if got.RSS, err = peak(); err != nil {
		return err
	}
	out, err := json.Marshal(got)
	fmt.Printf("%s\n", out)
	return err
}

// pipe runs a pipeline.
func (t task) pipe(ctx context.Context) (tally, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if t.Idle > 0 {
		time.AfterFunc(t.Idle, cancel)
	}
	src, err := mysql.Open(ctx, t.source(), nil)
	if err != nil {
		return tally{}, err
	}
	defer func() { _ = src.Close() }()
	store, err := pipeline.OpenStore(ctx, t.Dir+"/state", t.pipeline())
	if err != nil {
		return tally{}, err
	}
	defer func() { _ = store.Close() }()
	c := &counting{began: time.Now(), want: t.Want, enough: cancel}
	if c.inner, err = sinks[t.Sink](ctx, t); err != nil {
		return tally{}, err
	}
	defer func() { _ = c.Close() }()
	p := &pipeline.Pipeline{
		Name: t.pipeline(), Source: src, Sink: c, Store: store,
		Match:    func(n schema.Name) bool { return n.Namespace == t.Database },
		Limits:   pipeline.Limits{Interval: t.Interval, Bytes: t.Budget / 2, Lanes: 2, CommitBytes: commitBytes[t.Sink]},
		Snapshot: snapshot.Config{Readers: 2, Bytes: t.Budget / 4, ChunkBytes: int(min(4<<20, t.Budget/16))},
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if err := p.Run(ctx); err != nil {
		return tally{}, err
	}
	for _, s := range p.Status().Tables {
		if s.State == pipeline.Stopped {
			return tally{}, errors.New("a table stopped: " + s.Reason)
		}
	}
	return tally{Changes: c.changes.Load(), Images: c.images.Load(), Elapsed: c.last, First: c.first, Ended: c.began.Add(c.last)}, nil
}

// pipeline is the name of a pipeline: sinks that several write to know them apart by it.
func (t task) pipeline() string { return "bench_" + t.Database }

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

// timed adds what work needs.
func (got *tally) timed(work func() error) error {
	cpu, began := used(), time.Now()
	err := work()
	got.Elapsed += time.Since(began)
	got.CPU += used() - cpu
	return err
}

// used is the CPU time of this process so far.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for a bad address only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
