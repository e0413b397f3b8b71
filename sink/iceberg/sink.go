package iceberg

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// A Sink writes the tables of one pipeline to one catalog.
type Sink struct {
	cfg        Config
	pipeline   string
	log        *slog.Logger
	cat        catalog.Catalog
	root       string // file: URL of a local warehouse, or empty
	done       func() error
	partitions map[string][]partitionField
	seed       maphash.Seed
	run        atomic.Uint64 // 0: none has begun

	mu      sync.Mutex // guards layouts
	layouts map[schema.Name]*layout
}

var _ sink.Sink = (*Sink)(nil)

// Open opens the catalog. pipeline is the id under which the tables' commits are marked; it must stay the same.
func Open(ctx context.Context, pipeline string, cfg Config, log *slog.Logger) (*Sink, error) {
	partitions, err := parsePartitionKey(cfg.PartitionKey)
	if err != nil {
		return nil, fmt.Errorf("partition.key: %w", err)
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = DefaultConfig().Buffer
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	useDurableFiles()
	cat, root, done, err := openCatalog(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open Iceberg catalog: %w", err)
	}
	return &Sink{
		cfg: cfg, pipeline: pipeline, log: log, cat: cat, root: root, done: done, partitions: partitions,
		seed: maphash.MakeSeed(), layouts: map[schema.Name]*layout{},
	}, nil
}

// Start implements sink.Sink. An older run is fenced by the marks of this one's commits: nothing is open in a catalog.
func (s *Sink) Start(_ context.Context, run uint64) error {
	s.run.Store(run)
	return nil
}

// Close implements sink.Sink.
func (s *Sink) Close() error { return s.done() }

// load loads a table. A missing table or namespace is a nil table.
func (s *Sink) load(ctx context.Context, n schema.Name) (*table.Table, error) {
	tbl, err := s.cat.LoadTable(ctx, identifier(n))
	switch {
	case errors.Is(err, catalog.ErrNoSuchTable), errors.Is(err, catalog.ErrNoSuchNamespace):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: load table %s: %w", sink.ErrTransient, n, err)
	}
	return tbl, nil
}

// layout returns how rows of t are written, from the last look at the table or a new one.
func (s *Sink) layout(ctx context.Context, t *schema.Table) (*layout, error) {
	s.mu.Lock()
	l := s.layouts[t.Name]
	s.mu.Unlock()
	if l != nil && l.table.Version == t.Version {
		return l, nil
	}
	tbl, err := s.load(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	if tbl == nil {
		return nil, tableError(t.Name, errors.New("the Iceberg table is gone: somebody dropped it; copy the table again"))
	}
	if l, err = newLayout(ctx, t, tbl); err != nil {
		return nil, tableError(t.Name, err)
	}
	s.mu.Lock()
	s.layouts[t.Name] = l
	s.mu.Unlock()
	return l, nil
}

// forget drops what is known of a table, because it may have changed.
func (s *Sink) forget(n schema.Name) {
	s.mu.Lock()
	delete(s.layouts, n)
	s.mu.Unlock()
}

func tableError(n schema.Name, err error) error { return &schema.TableError{Table: n, Err: err} }

// shortID returns a few random characters for names.
func shortID() string {
	var p [4]byte
	_, _ = rand.Read(p[:]) // never fails
	return hex.EncodeToString(p[:])
}
