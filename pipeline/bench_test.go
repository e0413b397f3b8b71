package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	rows "github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

// A flood is a source whose log is n transactions of perTxn rows of one table, and a sink that takes them for nothing.
type flood struct {
	source.Source // panics where it should not be called
	shape         *schema.Table
	n, perTxn     int
	done          func()

	i       int
	pending bool
}

func (f *flood) Tables(context.Context, func(schema.Name) bool) (source.Discovered, error) {
	return source.Discovered{Tables: []*schema.Table{f.shape}}, nil
}

func (f *flood) Resume(_ context.Context, at source.Position, _ []source.Position) (source.Position, error) {
	return at, nil
}

func (f *flood) Start(context.Context) (source.Start, error) {
	return source.Start{Position: "0"}, nil
}

func (f *flood) Stream(context.Context, source.Position, []*schema.Table, func(schema.Name) bool) (source.Stream, error) {
	return f, nil
}

func (f *flood) Ack(source.Position) {}
func (f *flood) Close() error        { return nil }

func (f *flood) Next(ctx context.Context) (source.Event, error) {
	if f.pending {
		f.pending = false
		f.i++
		return source.Event{Commit: "1", Seq: uint64(f.i), Time: int64(f.i)}, nil
	}
	if f.i == f.n {
		f.done()
		<-ctx.Done()
		return source.Event{}, ctx.Err()
	}
	f.pending = true
	b := rows.New(f.shape)
	for r := range f.perTxn {
		b.Append(rows.Insert, uint64(f.i), 0)
		b.Cols[0].AppendWord(uint64(r))
		b.Cols[1].AppendBytes([]byte("note"))
	}
	return source.Event{Rows: b, Txn: source.TxnID{Seq: uint64(f.i + 1)}}, nil
}

type nullSink struct{}

func (nullSink) Marks(context.Context, []schema.Name) (map[schema.Name]sink.Mark, error) {
	return nil, nil
}
func (nullSink) Start(context.Context, uint64) error                     { return nil }
func (nullSink) Evolve(context.Context, *schema.Change) error            { return nil }
func (nullSink) Begin(context.Context) (sink.Txn, error)                 { return nullSink{}, nil }
func (nullSink) Close() error                                            { return nil }
func (nullSink) Write(_ context.Context, b *rows.Batch) error            { b.Free(); return nil }
func (nullSink) Bytes() int64                                            { return 0 }
func (nullSink) Commit(context.Context, map[schema.Name]sink.Mark) error { return nil }
func (nullSink) Abort() error                                            { return nil }

func runFlood(tb testing.TB, n, perTxn int) {
	store, err := OpenStore(tb.Context(), tb.TempDir(), "flood")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	f := &flood{shape: simple("a"), n: n, perTxn: perTxn, done: cancel}
	p := &Pipeline{Name: "flood", Source: f, Sink: nullSink{}, Store: store, Limits: Limits{Interval: 100 * time.Millisecond, Bytes: 64 << 10}}
	p.Open = func(ctx context.Context, src source.Source, from source.Position, _ []snapshot.Table, match func(schema.Name) bool, _ snapshot.Config) (source.Stream, error) {
		return src.Stream(ctx, from, nil, match)
	}
	if err := p.Run(ctx); err != nil {
		tb.Fatal(err)
	}
	if err := store.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkRun_SmallTransactions is what the engine itself costs per transaction of ten rows.
func BenchmarkRun_SmallTransactions(b *testing.B) {
	b.ReportAllocs()
	runFlood(b, b.N, 10)
}

// TestRun_AllocatesNothingPerTransaction holds the line: what is allocated is per commit and per run.
func TestRun_AllocatesNothingPerTransaction(t *testing.T) {
	if racing {
		t.Skip("the race detector makes pools forget")
	}
	allocs := func(n int) float64 { return testing.AllocsPerRun(1, func() { runFlood(t, n, 10) }) }
	few, many := allocs(1000), allocs(101_000)
	if per := (many - few) / 100_000; per > 0.2 {
		t.Errorf("got %.2f allocations per transaction, want less than 0.2", per)
	}
}
