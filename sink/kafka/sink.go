package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// A Sink writes the tables of one pipeline to one Kafka.
type Sink struct {
	cfg            Config
	pipeline       string
	log            *slog.Logger
	positionsTopic string
	schemaTopic    string // empty: none
	transactionID  string
	instance       string // of this process
	names          naming
	values, keys   format.Format
	describe       func(c *schema.Change, now int64) (key, value []byte, err error) // makes schema change records
	claims         claims
	extra          []kgo.Opt // for tests

	admin    *kgo.Client // asks, and writes what needs no transaction
	delivery time.Duration
	timeout  time.Duration // of Kafka transactions
	slabs    *pool
	fixed    []kgo.RecordHeader // of each record of each table

	run    atomic.Uint64 // 0: none has begun
	number atomic.Uint64 // of the newest schema change

	evolving sync.Mutex // held while a schema change is written
	noting   sync.Mutex // held while positions are written without a transaction; guards noted
	noted    int64      // the end of the positions topic as this run left it

	mu      sync.Mutex // guards the fields below
	rows    *producer  // of Txns
	changes *producer  // of schema changes, which come while a Txn is open
	state   *positions
	skips   map[schema.Name]*skip // that the next rows of a table meet
	topics  map[string]*topic
	layouts map[schema.Name]*layout
	broken  map[string]error // topics that refuse records, and why
	beat    time.Time        // of the last heartbeat
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Heart   = (*Sink)(nil)
	_ sink.Ordered = (*Sink)(nil)
)

// Open makes the sink. pipeline is the name under which the tables' Marks are kept; it must stay the same. It does not
// connect yet: a broker that is away is found by Start.
func Open(_ context.Context, pipeline string, cfg Config, log *slog.Logger) (*Sink, error) {
	return open(pipeline, &cfg, log)
}

func open(pipeline string, cfg *Config, log *slog.Logger, extra ...kgo.Opt) (*Sink, error) {
	if ps := cfg.Check(); len(ps) > 0 {
		var errs []error
		for _, p := range ps {
			errs = append(errs, fmt.Errorf("%s: %s", p.Key, p.Text))
		}
		return nil, errors.Join(errs...)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Sink{
		cfg: *cfg, pipeline: pipeline, log: log, extra: extra, instance: instance(), transactionID: "cdcsync." + pipeline,
		positionsTopic: cmp.Or(cfg.PositionsTopic, legalTopic("cdcsync."+pipeline+".positions")),
		schemaTopic:    cmp.Or(cfg.SchemaTopic, legalTopic(cmp.Or(cfg.TopicPrefix, pipeline))),
		names:          newNaming(cfg), delivery: cfg.millis("delivery.timeout.ms", 2*time.Minute),
		timeout: cfg.millis("transaction.timeout.ms", cfg.Timeout),
		topics:  map[string]*topic{}, layouts: map[schema.Name]*layout{}, broken: map[string]error{},
	}
	if id := cfg.property("transactional.id"); id != "" {
		s.transactionID = id
	}
	if s.schemaTopic == None {
		s.schemaTopic = ""
	}
	if err := s.chooseFormats(); err != nil {
		return nil, err
	}
	var err error
	if s.claims, err = openClaims(cfg); err != nil {
		return nil, err
	}
	s.fixed = s.fixedHeaders()
	headers := len(s.fixed) + rowHeaders
	if cfg.TableIDHeader {
		headers += tableIDHeaders
	}
	s.slabs = newPool(int(cfg.Buffer/slabBytes), headers)
	s.admin, err = s.newClient(append(s.producing(), kgo.RecordDeliveryTimeout(s.delivery))...)
	if err != nil {
		return nil, fmt.Errorf("open Kafka client: %w", err)
	}
	return s, nil
}

func instance() string {
	var p [8]byte
	_, _ = rand.Read(p[:]) // never fails
	return hex.EncodeToString(p[:])
}

// Start implements sink.Sink: it fences, then reads, then tells the older runs.
func (s *Sink) Start(ctx context.Context, run uint64) error {
	fault.Point("kafka.before-start")
	s.end()
	ctx, cancel := context.WithTimeout(ctx, s.delivery)
	defer cancel()
	if err := s.createPositions(ctx); err != nil {
		return err
	}
	if err := s.fence(ctx); err != nil {
		return transient("begin run in Kafka", err)
	}
	fault.Point("kafka.after-fence")
	if safe, err := s.safeTransactions(ctx); err == nil && !safe && s.cfg.Guarantee == ExactlyOnce {
		s.log.Warn("began a run that is at-least-once", "pipeline", s.pipeline, "reason", oldBroker)
	}
	state, err := s.readPositions(ctx)
	if err != nil {
		return err
	}
	if err := s.fenced(state.run, run); err != nil {
		return err
	}
	s.adopt(state, run)
	if err := s.createOwn(ctx); err != nil {
		return err
	}
	err = s.write(ctx, []kgo.Record{s.record(runRecord{Run: run, Instance: s.instance}, runKind)})
	if err != nil {
		return fmt.Errorf("note run %d: %w", run, err)
	}
	fault.Point("kafka.after-start")
	return nil
}

// end drops the producers of the run before.
func (s *Sink) end() {
	s.mu.Lock()
	rows, changes := s.rows, s.changes
	s.rows, s.changes = nil, nil
	s.mu.Unlock()
	rows.close()
	changes.close()
}

// fence makes the producers of this run. What older ones have left open has no effect from here on.
func (s *Sink) fence(ctx context.Context) error {
	rows, err := s.openProducer(ctx, s.transactionID)
	if errors.Is(err, kerr.InvalidTransactionTimeout) {
		if s.timeout, err = s.longestTransaction(ctx); err != nil {
			return err
		}
		s.log.Info("shortened the transaction timeout to the broker's limit", "pipeline", s.pipeline, "timeout", s.timeout)
		rows, err = s.openProducer(ctx, s.transactionID)
	}
	if err != nil {
		return err
	}
	changes, err := s.openProducer(ctx, s.transactionID+".schema")
	if err != nil {
		rows.close()
		return err
	}
	s.mu.Lock()
	s.rows, s.changes = rows, changes
	s.mu.Unlock()
	return nil
}

// fenced refuses to go on beside a later run, or beside the same run of another process.
func (s *Sink) fenced(newest runRecord, run uint64) error {
	if newest.Run < run || newest.Run == run && newest.Instance == s.instance {
		return nil
	}
	return fmt.Errorf("run %d: run %d of pipeline %s has begun, says topic %s; if no other daemon runs it and its state file was lost, "+
		"delete that topic and the tables' topics to start anew: %w", run, newest.Run, s.pipeline, s.positionsTopic, sink.ErrFenced)
}

// adopt begins with what was read.
func (s *Sink) adopt(state *positions, run uint64) {
	s.run.Store(run)
	s.number.Store(state.number)
	s.noting.Lock()
	s.noted = state.end
	s.noting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	state.run = runRecord{Run: run, Instance: s.instance}
	s.state, s.skips = state, map[schema.Name]*skip{}
	for n, t := range state.tables {
		if t.Skip != nil {
			left := *t.Skip
			s.skips[n] = &left
		}
	}
	clear(s.topics)
	clear(s.layouts)
}

// Marks implements sink.Sink.
func (s *Sink) Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	if state == nil {
		var err error
		if state, err = s.readPositions(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := map[schema.Name]sink.Mark{}
	for _, n := range tables {
		if t, ok := state.tables[n]; ok && t.Epoch > 0 {
			marks[n] = t.mark()
		}
	}
	return marks, nil
}

// lost classifies an error after which it is not known what has come to effect: another daemon has taken over, or a new
// run will find out.
func (s *Sink) lost(ctx context.Context, p *producer, doing string, err error) error {
	topic, cause := p.failure()
	p.close()
	if topic != "" && aboutTopic(cause) {
		s.mu.Lock()
		s.broken[topic] = cause
		s.mu.Unlock()
	}
	if errors.Is(err, sink.ErrFenced) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if fencing(err) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if state, rerr := s.readPositions(ctx); rerr == nil {
			if ferr := s.fenced(state.run, s.run.Load()); ferr != nil {
				return fmt.Errorf("%s: %w", doing, ferr)
			}
		}
	}
	return transient(doing, err)
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	s.admin.Close()
	return nil
}

func tableError(n schema.Name, err error) error { return &schema.TableError{Table: n, Err: err} }
