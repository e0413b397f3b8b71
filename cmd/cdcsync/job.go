package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/schema"
)

// errNoFile wraps the error of a pipeline file that cannot be read.
var errNoFile = errors.New("no pipeline")

// A job is a pipeline file that was found to be in order.
type job struct {
	name       string
	path       string
	stateDir   string
	pipeline   config.Pipeline
	match      func(schema.Name) bool
	selection  string // what match was made of
	routes     *pipeline.Routes
	policy     pipeline.Policy
	openSource openSource
	sink       sinkSetup
}

// load reads a pipeline file. Its error has all that is wrong with it; what is only odd goes to the error output.
func (a *app) load(path string) (*job, error) {
	f, err := config.Load(path, a.env)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoFile, err)
	}
	j := &job{name: f.Pipeline.Name, path: path, stateDir: f.Resolve(f.Pipeline.StateDir), pipeline: f.Pipeline}
	if decode, ok := connector(&f.Source, sources); ok {
		j.openSource = decode(f)
	}
	if decode, ok := connector(&f.Sink, sinks); ok {
		j.sink = decode(f)
	}
	j.readTables(f)
	j.readPolicy(f)
	for _, w := range f.Warnings() {
		fmt.Fprintln(a.err, "warning:", w)
	}
	return j, f.Err()
}

// readPolicy reads what schema changes do to the sink's tables.
func (j *job) readPolicy(f *config.File) {
	var b pipeline.Behavior
	if b.UnmarshalText([]byte(f.Pipeline.SchemaChange)) != nil {
		return // reported with the section
	}
	var err error
	if j.policy, err = pipeline.NewPolicy(b, f.IncludeChanges, f.ExcludeChanges); err != nil {
		key, text, _ := strings.Cut(err.Error(), ": ")
		f.Sink.Report(key, text)
	}
}

// discard is the log of the commands whose output is what people read.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// connect opens the source.
func (j *job) connect(ctx context.Context, log *slog.Logger) (sourceConnector, error) {
	src, err := j.openSource(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("connect to the source: %w", err)
	}
	return src, nil
}

// existing opens the sink to read it only: one that is not there yet is an error, and is not made.
func (j *job) existing(ctx context.Context) (sinkConnector, error) {
	if why := j.sink.absent(); why != "" {
		return nil, errors.New(why)
	}
	snk, err := j.sink.open(ctx, j.name, discard())
	if err != nil {
		return nil, fmt.Errorf("open the sink: %w", err)
	}
	return snk, nil
}
