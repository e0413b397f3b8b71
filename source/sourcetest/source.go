// Package sourcetest has a source in memory for tests of what reads sources: a small database with a log, honest about
// positions, views and shapes, that fails when it is told to.
//
// The log is a list of transactions. Position "7" is behind the seventh; transaction i (from 0) begins at Seq i<<10. Values
// are texts: a column of words holds decimal digits, Null stands for NULL.
package sourcetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// Null is the value NULL.
const Null = "NULL"

// seqBits is the room that a transaction has in the order of the log.
const seqBits = 10

// A Row is the values of one row.
type Row []string

// A Source is a database in memory. Its methods may be called concurrently.
type Source struct {
	mu       sync.Mutex // guards all below
	tables   map[schema.Name]*table
	log      []txn
	steps    []func(*Source)
	stepping int           // steps that are running
	grown    chan struct{} // closed and replaced when the log grows
	start    source.Start
	refused  []*schema.TableError

	operations, left int
	failure          error
	acked            source.Position
	streams          int // open
}

type table struct {
	shape *schema.Table
	rows  map[string]Row // by key
}

// A txn is one transaction of the log: rows, or schema changes, or the news that a table cannot be followed.
type txn struct {
	rows  []change
	ddl   []ddl
	stops []stop
}

type change struct {
	table         schema.Name
	before, after Row
}

type stop struct {
	at  int // before the row of this index
	err *schema.TableError
}

var _ source.Source = (*Source)(nil)

// New returns a database without tables, whose pipelines begin at its present, with a snapshot.
func New() *Source {
	return &Source{tables: map[schema.Name]*table{}, grown: make(chan struct{}), start: source.Start{Snapshot: true}}
}

// Bounded makes pipelines that begin from now on end when all is copied.
func (s *Source) Bounded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start.Bounded = true
}

// Latest makes pipelines that begin from now on copy nothing.
func (s *Source) Latest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start.Snapshot = false
}

// Refuse has Tables refuse a table.
func (s *Source) Refuse(e *schema.TableError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, e)
}

// Script gives what happens to the database while it is read: each time a reader stands at the end of the log, the next
// step is done. So a test is the same every time.
func (s *Source) Script(steps ...func(*Source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, steps...)
}

// Done says that the script is through.
func (s *Source) Done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.steps) == 0 && s.stepping == 0
}

// Fail makes the n-th operation from now (1: the next) fail once with err. Operations are the calls of Tables, Start,
// Stream, Next, Reached, Split and ReadChunk.
func (s *Source) Fail(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.failure = n, err
}

// Operations is how many operations there were.
func (s *Source) Operations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.operations
}

// Acked is the newest position that a stream was told to be durable.
func (s *Source) Acked() source.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// Open is how many streams are open.
func (s *Source) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams
}

// Head is the position behind all transactions.
func (s *Source) Head() source.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return position(len(s.log))
}

// Names are the tables that there are.
func (s *Source) Names() []schema.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.tables), schema.Name.Compare)
}

// Rows returns the rows of a table in the order of their keys' texts.
func (s *Source) Rows(n schema.Name) [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[n]
	var rows [][]string
	for _, k := range slices.Sorted(maps.Keys(t.rows)) {
		rows = append(rows, slices.Clone(t.rows[k]))
	}
	return rows
}

// operate counts one operation, and says whether it fails. The caller holds mu.
func (s *Source) operate() error {
	s.operations++
	if s.left > 0 {
		if s.left--; s.left == 0 {
			return s.failure
		}
	}
	return nil
}

func position(n int) source.Position { return source.Position(strconv.Itoa(n)) }

func index(p source.Position) (int, error) {
	n, err := strconv.Atoi(string(p))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %q is no position", source.ErrPositionLost, p)
	}
	return n, nil
}

// Tables implements source.Source.
func (s *Source) Tables(_ context.Context, match func(schema.Name) bool) (source.Discovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.operate(); err != nil {
		return source.Discovered{}, err
	}
	var d source.Discovered
	for _, n := range slices.SortedFunc(maps.Keys(s.tables), schema.Name.Compare) {
		i := slices.IndexFunc(s.refused, func(e *schema.TableError) bool { return e.Table == n })
		switch {
		case !match(n):
		case i >= 0:
			d.Refused = append(d.Refused, s.refused[i])
		default:
			d.Tables = append(d.Tables, s.tables[n].shape)
		}
	}
	return d, nil
}

// Start implements source.Source.
func (s *Source) Start(context.Context) (source.Start, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.start
	st.Position = position(len(s.log))
	return st, s.operate()
}

// Resume implements source.Source. A database in memory is always the same.
func (s *Source) Resume(_ context.Context, at source.Position, _ []source.Position) (source.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return at, s.operate()
}

// Reached implements source.Source.
func (s *Source) Reached(p, _ source.Position) (source.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := index(p)
	if err != nil {
		return nil, err
	}
	return view(n), s.operate()
}

// End implements source.Source.
func (s *Source) End(context.Context, source.Position) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.log)) << seqBits, s.operate()
}

// Join implements source.Source.
func (s *Source) Join(p, at source.Position) (source.Position, error) {
	n, err := index(p)
	if err != nil {
		return "", err
	}
	m, err := index(at)
	return position(max(n, m)), err
}

// A view sees the first so many transactions.
type view int

// Sees implements source.View.
func (v view) Sees(id source.TxnID) source.Visibility {
	if id.Seq>>seqBits < uint64(v) {
		return source.Yes
	}
	return source.No
}

// Close implements source.Source.
func (s *Source) Close() error { return nil }
