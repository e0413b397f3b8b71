package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/snapshot"
)

func runCommand() *command {
	return &command{
		name: "run", args: "FILE [--metrics ADDR]", summary: "copy the tables and keep them equal, until told to stop",
		detail: "SIGINT or SIGTERM finishes or drops the commit that is under way, and exits with 0. A second one ends the process at\n" +
			"once. Either way the next start goes on where the last commit was. A terminal shows a live table, anything else\n" +
			"gets log lines. After scan.startup.mode: snapshot it ends by itself.",
		flags: func(c *call) {
			c.flags.StringVar(&c.metrics, "metrics", "", "serve Prometheus metrics, /healthz and /readyz at `ADDR`: a port, or host:port")
			c.flags.StringVar(&c.cpuProfile, "cpuprofile", "", "")
			c.flags.BoolVar(&c.verbose, "v", false, "log more")
		},
		run: runPipeline,
	}
}

func runPipeline(ctx context.Context, a *app, c *call) (err error) {
	path, _, err := c.file(0, 0)
	if err != nil {
		return err
	}
	j, err := a.load(path)
	if err != nil {
		return err
	}
	stop, err := profile(c.cpuProfile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	limitMemory(int64(j.pipeline.MemoryBudget)+j.sink.memory, a.env)

	screen := newScreen(a.out, a.env)
	log := a.runLog(screen, c.verbose)
	store, err := pipeline.OpenStore(ctx, j.stateDir, j.name)
	if err != nil {
		return unlessTold(ctx, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	src, err := j.connect(ctx, log)
	if err != nil {
		return unlessTold(ctx, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	snk, err := j.sink.open(ctx, j.name, log)
	if err != nil {
		return unlessTold(ctx, fmt.Errorf("open the sink: %w", err))
	}
	defer func() { err = errors.Join(err, snk.Close()) }()

	p := &pipeline.Pipeline{
		Name: j.name, Source: src, Sink: snk, Match: j.match, Selection: j.selection, Routes: j.routes, Policy: j.policy, Store: store, Log: log,
		Limits: j.limits(), Snapshot: j.snapshot(),
	}
	log.Info("started", "pipeline", j.name, "source", src.Describe(), "state", j.stateDir, "version", version)
	return a.watch(ctx, p, c.metrics, &show{
		status: p.Status, estimate: src.EstimateRows, screen: screen, log: log, meter: newMeter(time.Now()),
	})
}

// unlessTold is the error of an opening, or nil if the program was told to end meanwhile: that is no failure.
func unlessTold(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watch runs the pipeline, with the progress and the metrics beside it, and waits for all of them.
func (a *app) watch(ctx context.Context, p *pipeline.Pipeline, metrics string, s *show) error {
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	if metrics != "" {
		server, err := listen(metrics, p)
		if err != nil {
			return err
		}
		s.log.Info("metrics served", "address", server.address())
		all.Go(func() { server.run(beside, s.log) })
	}
	all.Go(func() { s.run(beside) })
	err := p.Run(ctx)
	cancel()
	all.Wait() // for the last look at the progress
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		s.log.Info("stopped", "pipeline", p.Name)
		return nil
	}
	return ended(p.Status())
}

// ended says how a pipeline came out that ended by itself: tables that stopped are not what was asked for.
func ended(status pipeline.Status) error {
	stopped := 0
	for _, t := range status.Tables {
		if t.State == pipeline.Stopped {
			stopped++
		}
	}
	if stopped > 0 {
		return fmt.Errorf("%d of %d tables stopped; cdcsync state FILE has the reasons", stopped, len(status.Tables))
	}
	return nil
}

// runLog is the log of a running pipeline: above the block on a terminal, else plain lines on the output.
func (a *app) runLog(s *screen, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	if s != nil {
		return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime}))
	}
	return slog.New(slog.NewTextHandler(a.out, &slog.HandlerOptions{Level: level}))
}

// shortTime leaves the date out: who sits at the terminal knows it.
func shortTime(groups []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey && len(groups) == 0 {
		attr.Value = slog.StringValue(attr.Value.Time().Format(time.TimeOnly))
	}
	return attr
}

// limits divides the memory budget: half is for rows on their way to the sink, a quarter for chunks that wait to be
// placed; the sink's write.buffer and the encoders take the rest.
func (j *job) limits() pipeline.Limits {
	l := pipeline.Limits{
		Interval: j.pipeline.CommitInterval, CommitBytes: j.sink.commitBytes,
		Bytes: int64(j.pipeline.MemoryBudget) / 2, Lanes: j.pipeline.Parallelism,
	}
	if l.Interval == 0 {
		l.Interval = j.sink.interval
	}
	return l
}

func (j *job) snapshot() snapshot.Config {
	bytes := int64(j.pipeline.MemoryBudget) / 4
	readers := j.pipeline.Parallelism
	return snapshot.Config{Readers: readers, Bytes: bytes, ChunkBytes: int(min(chunkBytes, bytes/int64(2*readers)))}
}

// chunkBytes is the size of a chunk where the budget allows it.
const chunkBytes = 4 << 20

// runtimeBytes is what the process needs beside rows: code, buffers of connections, the metadata of a few thousand tables.
const runtimeBytes = 96 << 20

// limitMemory makes the garbage collector work harder rather than let the heap grow past the budget. GOMEMLIMIT in the
// environment outweighs it.
func limitMemory(budget int64, env func(string) (string, bool)) {
	if _, set := env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(budget + runtimeBytes)
	}
}

// profile writes a CPU profile until the returned function is called.
func profile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write profile: %w", err), f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}
