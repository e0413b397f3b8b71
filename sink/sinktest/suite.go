package sinktest

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A Store is where a sink under test keeps its tables. It outlives the sinks that are opened on it.
type Store interface {
	// Open opens a sink, as a process does that starts. The suite closes it, or leaves it as a crash would.
	Open(t testing.TB) sink.Sink
	// Rows reads a table's present rows back, in any order, not through the sink's own code if there is another way.
	// Values are spelled as Text does.
	Rows(t testing.TB, n schema.Name) (columns []string, rows [][]string)
}

// An Unsure store can make the commits of tables fail.
type Unsure interface {
	// FailCommits makes the next n commits of tables fail, without effect or after it.
	FailCommits(n int, when When)
}

// Run runs the suite. newStore returns an empty store.
func Run(t *testing.T, newStore func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"types", testTypes}, {"keys", testKeys}, {"ops", testOps}, {"collapse", testCollapse}, {"large_commit", testLargeCommit},
		{"marks", testMarks}, {"abort", testAbort}, {"crash_before_commit", testCrash}, {"evolve", testEvolve},
		{"rename_table", testRenameTable}, {"unknown_outcome", testUnknownOutcome}, {"one_table_fails", testOneTableFails},
		{"fenced", testFenced}, {"keyless", testKeyless}, {"bad_rows", testBadRows}, {"copy_anew", testCopyAnew},
		{"evolve_beside", testEvolveBeside},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{store: newStore(t)}
			s.reopen(t)
			c.run(t, s)
		})
	}
}

// A suite is one test's state: the sink that is open, and the numbers of its run and of its last commit.
type suite struct {
	store Store
	sink  sink.Sink
	run   uint64
	epoch uint64
	last  sink.Mark // of the last commit
}

// reopen leaves the open sink as a crash would, opens another, and begins a run of it.
func (s *suite) reopen(t *testing.T) {
	t.Helper()
	s.sink = s.store.Open(t)
	s.run++
	if err := s.sink.Start(t.Context(), s.run); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) evolve(t *testing.T, c schema.Change) {
	t.Helper()
	if err := s.sink.Evolve(t.Context(), &c); err != nil {
		t.Fatalf("evolve %s: %v", c.Name(), err)
	}
}

func (s *suite) begin(t *testing.T) sink.Txn {
	t.Helper()
	x, err := s.sink.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (s *suite) mark() sink.Mark {
	return sink.Mark{Run: s.run, Epoch: s.epoch, Position: "position " + strings.Repeat("x", int(s.epoch)), State: []byte{0, 1, byte(s.epoch), 255}}
}

// commit writes the batches in one transaction.
func (s *suite) commit(t *testing.T, batches ...*row.Batch) {
	t.Helper()
	if err := s.try(t, batches...); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) try(t *testing.T, batches ...*row.Batch) error {
	t.Helper()
	s.epoch++
	s.last = s.mark()
	x, marks := s.begin(t), map[schema.Name]sink.Mark{}
	for _, b := range batches {
		marks[b.Table.Name] = s.last
		if err := x.Write(t.Context(), b); err != nil {
			return errors.Join(err, x.Abort())
		}
	}
	return x.Commit(t.Context(), marks)
}

// expect compares the rows of a table, each "value value ...", in any order.
func (s *suite) expect(t *testing.T, n schema.Name, want ...string) {
	t.Helper()
	_, rows := s.store.Rows(t, n)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join(r, " "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", n, got, want)
	}
}

// A value is a uint64 word, bytes, a string, an int, nil for NULL, or absent.
type value any

type absent struct{}

// log is where the next row is in the log. Rows are made in the order in which they are written.
var log atomic.Uint64

// committed is when all rows were committed.
var committed = time.Date(2026, 2, 3, 4, 5, 6, 789_012_000, time.UTC).UnixMicro()

// appendRow appends a row to a batch. A batch with an Upsert is of a snapshot, any other is of a transaction.
func appendRow(b *row.Batch, op row.Op, values ...value) {
	seq := 1<<40 + log.Add(100)
	if b.Len() == 0 {
		b.Origin = schema.Origin{Seq: seq, File: "log.000001", ServerID: 7, Number: seq}
	}
	if op == row.Upsert {
		b.Origin, b.Orders = schema.Origin{}, nil
	}
	if op == row.After {
		seq = b.Seqs[b.Len()-1]
	}
	b.Append(op, seq, committed)
	if b.Origin.Seq != 0 {
		b.Number(uint32(b.Len()), 1)
	}
	for i, x := range values {
		v := &b.Cols[i]
		switch x := x.(type) {
		case nil:
			v.AppendNull()
		case absent:
			v.AppendAbsent()
		case uint64:
			v.AppendWord(x)
		case int:
			v.AppendWord(uint64(int64(x)))
		case []byte:
			v.AppendBytes(x)
		case string:
			v.AppendBytes([]byte(x))
		default:
			panic("sinktest: value of an unknown type")
		}
	}
}

// batch makes a batch of rows, each an op followed by its values.
func batch(t *schema.Table, rows ...[]value) *row.Batch {
	b := row.New(t)
	for _, r := range rows {
		appendRow(b, r[0].(row.Op), r[1:]...)
	}
	return b
}

func rowOf(op row.Op, values ...value) []value { return append([]value{op}, values...) }

// column is a nullable column.
func column(name string, t schema.Type) schema.Column {
	return schema.Column{Name: name, Type: t, Nullable: true, Native: t.String()}
}

// shape is a table shop.NAME with key column id and a text.
func shape(name string) *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: name}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}, column("note", schema.Type{Kind: schema.String}),
	}}
}

// next returns the next version of a table, as change makes it.
func next(t *schema.Table, change func(*schema.Table)) *schema.Table {
	n := *t
	n.Version++
	n.Columns, n.Key = slices.Clone(t.Columns), slices.Clone(t.Key)
	change(&n)
	return &n
}
