package iceberg

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// A store is a warehouse folder whose catalog fails on demand.
type store struct {
	dir    string
	change func(*Config)
	buffer option.Bytes

	mu   sync.Mutex // guards the fields below
	left int
	when sinktest.When
}

func (st *store) Open(t testing.TB) sink.Sink {
	s := openTest(t, st.dir, st.change)
	s.cat = &flaky{s.cat, st}
	s.cfg.Buffer = st.buffer
	return s
}

func (st *store) Rows(t testing.TB, n schema.Name) ([]string, [][]string) {
	s := openTest(t, st.dir, nil)
	got, err := s.Peek(t.Context(), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	return got.Columns, got.Rows
}

func (st *store) FailCommits(n int, when sinktest.When) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.left, st.when = n, when
}

// fails says whether this commit does, and on which side of its effect.
func (st *store) fails(when sinktest.When) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.left == 0 || st.when != when {
		return false
	}
	st.left--
	return true
}

// flaky is a catalog whose commits fail when its store says so.
type flaky struct {
	catalog.Catalog
	st *store
}

var errReply = errors.New("connection reset by peer")

// LoadTable returns the table bound to this catalog, so that its commits come here.
func (f *flaky) LoadTable(ctx context.Context, ident table.Identifier) (*table.Table, error) {
	tbl, err := f.Catalog.LoadTable(ctx, ident)
	if err != nil {
		return nil, err
	}
	return table.New(ident, tbl.Metadata(), tbl.MetadataLocation(), tbl.FS, f), nil
}

func (f *flaky) CommitTable(ctx context.Context, ident table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	if f.st.fails(sinktest.BeforeEffect) {
		return nil, "", errReply
	}
	meta, loc, err := f.Catalog.CommitTable(ctx, ident, reqs, updates)
	if err == nil && f.st.fails(sinktest.AfterEffect) {
		return nil, "", errReply
	}
	return meta, loc, err
}

// TestSink_Suite runs the suite with rows that mostly stay pending until the commit, and again with rows that are in files
// before the next batch comes.
func TestSink_Suite(t *testing.T) {
	for name, buffer := range map[string]option.Bytes{"pending": 256 << 10, "written": 1} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Store {
				st := &store{dir: t.TempDir(), buffer: buffer}
				t.Cleanup(func() { lint(t, st.dir) })
				return st
			})
		})
	}
}
