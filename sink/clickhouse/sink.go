package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// committers is how many tables are committed at once.
const committers = 4

// A Sink writes the tables of one pipeline to one ClickHouse server.
type Sink struct {
	cfg      Config
	pipeline string
	log      *slog.Logger
	endpoint endpoint
	control  *control
	blocks   inserter
	slots    chan struct{} // one for each block on its way that no commit waits for

	run     atomic.Uint64 // 0: none has begun
	serial  atomic.Uint64 // of marks, transactions and staging tables within the run
	pending atomic.Int64  // bytes of blocks in memory

	mu      sync.Mutex // guards targets
	targets map[schema.Name]*target
}

var (
	_ sink.Sink     = (*Sink)(nil)
	_ sink.Trailing = (*Sink)(nil)
)

// MarksTrail implements sink.Trailing: ClickHouse has no transaction over two tables.
func (s *Sink) MarksTrail() {}

// Open sets up the clients; it does not connect, so that a server that is down is waited for like any other time.
// pipeline is the id under which the tables' commits are marked; it must stay the same.
func Open(_ context.Context, pipeline string, cfg Config, log *slog.Logger) (*Sink, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e, err := newEndpoint(&cfg)
	if err != nil {
		return nil, err
	}
	c, err := openControl(e, &cfg)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		cfg: cfg, pipeline: pipeline, log: log, endpoint: e, control: c, slots: make(chan struct{}, flights),
		targets: map[schema.Name]*target{},
	}
	if s.blocks = inserter(newHTTPInserter(e, cfg.ConnectTimeout)); cfg.Protocol == Native {
		s.blocks = newNativeInserter(e, cfg.ConnectTimeout)
	}
	return s, nil
}

// Close implements sink.Sink.
func (s *Sink) Close() error { return errors.Join(s.blocks.close(), s.control.close()) }

// tag is short for the pipeline in names of tables and queries.
func (s *Sink) tag() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.pipeline)) // never fails
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// queryPrefix begins the ids of all queries of the pipeline.
func (s *Sink) queryPrefix() string { return "cdcsync-" + s.tag() + "-" }

// queryID names a query of this run.
func (s *Sink) queryID() string {
	return fmt.Sprintf("%s%d-%s", s.queryPrefix(), s.run.Load(), uuid.NewString())
}

// next returns a number that is greater than all before in this run and in earlier ones.
func (s *Sink) next() uint64 { return s.run.Load()<<32 | s.serial.Add(1) }

// exec runs a statement, and tries again for a while what fails for a passing reason.
func (s *Sink) exec(ctx context.Context, what, statement string, settings ...setting) error {
	return s.patiently(ctx, what, func(ctx context.Context) error { return s.control.exec(ctx, s.queryID(), statement, settings...) })
}

// once runs a statement that may not be repeated blindly, because its second run fails or undoes the first.
func (s *Sink) once(ctx context.Context, statement string) error {
	return s.control.exec(ctx, s.queryID(), statement, mutates)
}

// query is exec for what returns rows of texts.
func (s *Sink) query(ctx context.Context, what, query string) (rows [][]string, err error) {
	err = s.patiently(ctx, what, func(ctx context.Context) error {
		rows, err = s.control.texts(ctx, s.queryID(), query)
		return err
	})
	return rows, err
}

// The pauses between attempts.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// patiently does something until it succeeds, fails for a reason that does not pass, or Config.RetryTimeout is over.
func (s *Sink) patiently(ctx context.Context, what string, do func(context.Context) error) error {
	begun, pause := time.Now(), firstPause
	for {
		err := translate(do(ctx))
		if err == nil || ctx.Err() != nil || classify(err) != retry {
			return err
		}
		if time.Since(begun)+pause > s.cfg.RetryTimeout {
			return err
		}
		s.log.Warn("ClickHouse: trying again", "what", what, "in", pause, "error", explain(err))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// names are quoted texts for IN (...).
func quotedList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quoteText(t)
	}
	return strings.Join(quoted, ", ")
}
