package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeSource has tables of one key column whose rows stand still, and a scripted log. Views see nothing of the log: all
// chunks have High 0 unless the test says otherwise.
type fakeSource struct {
	source.Source // panics where the stream should not call

	mu     sync.Mutex
	rows   map[string][]uint64 // table -> keys, ascending
	log    []source.Event      // then heartbeats
	at     int
	beat   time.Duration
	chunk  func(c source.Chunk) (high uint64, err error)
	gate   chan struct{} // if set, the log starts when it is closed
	whole  uint64        // point of ReadWhole
	active int           // chunks being read
	peak   int
}

func (f *fakeSource) Stream(context.Context, source.Position, []*schema.Table, func(schema.Name) bool) (source.Stream, error) {
	return f, nil
}
func (f *fakeSource) Ack(source.Position) {}
func (f *fakeSource) Close() error        { return nil }

func (f *fakeSource) Next(ctx context.Context) (source.Event, error) {
	if f.gate != nil {
		<-f.gate
	}
	if f.at < len(f.log) {
		f.at++
		return f.log[f.at-1], nil
	}
	select {
	case <-time.After(f.beat):
		return source.Event{Commit: "beat", Seq: 1000, Time: time.Now().UnixMicro()}, nil
	case <-ctx.Done():
		return source.Event{}, ctx.Err()
	}
}

func (f *fakeSource) Split(_ context.Context, t *schema.Table, n int) ([]source.Range, error) {
	keys := f.rows[t.Name.Table]
	if n < 2 || len(keys) < 4 {
		return []source.Range{{}}, nil
	}
	mid := source.Key(strconv.FormatUint(keys[len(keys)/2], 10))
	return []source.Range{{Through: mid}, {After: mid}}, nil
}

func (f *fakeSource) ReadChunk(_ context.Context, c source.Chunk, _ source.Position) (*source.ChunkRows, error) {
	f.mu.Lock()
	f.active++
	f.peak = max(f.peak, f.active)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.active--; f.mu.Unlock() }()
	r := &source.ChunkRows{View: modelView{}, Rest: c.Range, Done: true}
	if f.chunk != nil {
		var err error
		if r.High, err = f.chunk(c); err != nil {
			return nil, err
		}
	}
	b := row.New(c.Table)
	after, through := bound(c.Range.After, 0), bound(c.Range.Through, 1<<63)
	for _, k := range f.rows[c.Table.Name.Table] {
		if k <= after && c.Range.After != "" || k > through {
			continue
		}
		if b.Len() == 3 {
			r.Done = false
			break
		}
		addRow(b, row.Insert, 0, k)
		r.Rest.After = source.Key(strconv.FormatUint(k, 10))
	}
	r.Rows = []*row.Batch{b}
	return r, nil
}

func bound(k source.Key, none uint64) uint64 {
	if n, err := strconv.ParseUint(string(k), 10, 64); err == nil {
		return n
	}
	return none
}

func addRow(b *row.Batch, op row.Op, seq, key uint64) {
	b.Append(op, seq, 0)
	b.Cols[0].AppendWord(key)
	for c := range b.Cols[1:] {
		b.Cols[c+1].AppendWord(7)
	}
}

func (f *fakeSource) ReadWhole(_ context.Context, t *schema.Table, _ source.Position) (source.WholeRows, error) {
	return &fakeWhole{shape: t, keys: f.rows[t.Name.Table], seq: f.whole}, nil
}

type fakeWhole struct {
	shape *schema.Table
	keys  []uint64
	seq   uint64
}

func (w *fakeWhole) Seq() uint64  { return w.seq }
func (w *fakeWhole) Close() error { return nil }
func (w *fakeWhole) Next(context.Context) (*row.Batch, error) {
	if len(w.keys) == 0 {
		return nil, io.EOF
	}
	b := row.New(w.shape)
	addRow(b, row.Insert, 0, w.keys[0])
	w.keys = w.keys[1:]
	return b, nil
}

func fakeTable(name string, keyed bool) *schema.Table {
	t := &schema.Table{Name: schema.Name{Namespace: "f", Table: name}, Version: 1, Columns: []schema.Column{
		{Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 64}},
	}}
	if keyed {
		t.Key = []int{0}
	}
	return t
}

func logRows(t *schema.Table, op row.Op, seq uint64, keys ...uint64) source.Event {
	b := row.New(t)
	for _, k := range keys {
		addRow(b, op, seq, k)
	}
	return source.Event{Rows: b, Txn: source.TxnID{Seq: seq}}
}

func commitAt(seq uint64) source.Event {
	return source.Event{Commit: source.Position(strconv.FormatUint(seq, 10)), Seq: seq}
}

// follow reads the stream into a script, up to the first event for which until is true.
func follow(t *testing.T, s source.Stream, until func(source.Event) bool) string {
	t.Helper()
	var out strings.Builder
	for {
		ev, err := s.Next(t.Context())
		if err != nil {
			fmt.Fprintf(&out, "error %v\n", err)
			return out.String()
		}
		switch {
		case ev.Rows != nil:
			fmt.Fprintf(&out, "rows %s v%d", ev.Rows.Table.Name.Table, ev.Rows.Table.Version)
			for i := range ev.Rows.Len() {
				fmt.Fprintf(&out, " %s:%d", ev.Rows.Ops[i], ev.Rows.Cols[0].Words[i])
			}
			out.WriteByte('\n')
		case ev.Copied != nil:
			fmt.Fprintf(&out, "copied %s rows=%d dropped=%d done=%v\n", ev.Copied.Table.Table, ev.Copied.Rows, ev.Copied.Dropped, ev.Copied.Done)
		case ev.Schema != nil:
			fmt.Fprintf(&out, "schema %v\n", ev.Schema.After)
		case ev.Stopped != nil:
			fmt.Fprintf(&out, "stopped %v\n", ev.Stopped)
		case ev.Commit != "":
			fmt.Fprintf(&out, "commit %d\n", ev.Seq)
		}
		done := until(ev)
		ev.Rows.Free()
		if done {
			return out.String()
		}
	}
}

// open opens a stream of the fake over its tables; it is closed with the test.
func (f *fakeSource) open(t *testing.T, readers int, tables ...Table) source.Stream {
	t.Helper()
	if f.beat == 0 {
		f.beat = 10 * time.Millisecond
	}
	s, err := Open(t.Context(), f, "start", tables, nil, Config{Readers: readers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func allDone(n int) func(source.Event) bool {
	return func(ev source.Event) bool {
		if ev.Copied != nil && ev.Copied.Done {
			n--
		}
		return n == 0 && ev.Commit != ""
	}
}

func TestStream_CopiesAllRowsOnce(t *testing.T) {
	f := &fakeSource{rows: map[string][]uint64{"a": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, "b": {1}, "c": nil}}
	s := f.open(t, 3, Table{Shape: fakeTable("a", true)}, Table{Shape: fakeTable("b", true)}, Table{Shape: fakeTable("c", true)})
	got := follow(t, s, allDone(3))
	if n := strings.Count(got, "insert:"); n != 11 {
		t.Errorf("got %d rows, want 11:\n%s", n, got)
	}
	for k := 1; k <= 10; k++ {
		if n := len(slices.DeleteFunc(strings.Fields(got), func(w string) bool { return w != fmt.Sprintf("insert:%d", k) })); n == 0 {
			t.Errorf("row %d is missing:\n%s", k, got)
		}
	}
	if strings.Contains(got, "upsert") {
		t.Errorf("got upserts for tables that nobody wrote to:\n%s", got)
	}
}

// A chunk whose rows the log touches: what was delivered first is an upsert, what came after registration is left out.
func TestStream_LogOvertakesChunk(t *testing.T) {
	a := fakeTable("a", true)
	ready := make(chan struct{})
	f := &fakeSource{rows: map[string][]uint64{"a": {1, 2}}, gate: make(chan struct{})}
	f.log = []source.Event{commitAt(10), logRows(a, row.Insert, 10, 2), commitAt(20)}
	f.chunk = func(source.Chunk) (uint64, error) { close(f.gate); <-ready; return 20, nil }
	s := f.open(t, 1, Table{Shape: a})
	got := follow(t, s, func(ev source.Event) bool { return ev.Seq == 20 })
	close(ready)
	got += follow(t, s, allDone(1))
	if !strings.Contains(got, "rows a v1 insert:1\ncopied a rows=1 dropped=1 done=true\n") {
		t.Errorf("got:\n%s", got)
	}
}

// After a restart the keys that the log has touched are upserts; all are where some of them were forgotten.
func TestStream_DirtyAfterRestart(t *testing.T) {
	for name, c := range map[string]struct {
		keep int
		want string
	}{
		"kept":   {8, "rows a v1 insert:1 upsert:2 insert:3\n"},
		"lost":   {0, "rows a v1 upsert:1 upsert:2 upsert:3\n"},
		"partly": {7, "rows a v1 upsert:1 upsert:2 upsert:3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a := fakeTable("a", true)
			first := &fakeSource{rows: map[string][]uint64{"a": {1, 2, 3}}, beat: time.Millisecond}
			first.chunk = func(source.Chunk) (uint64, error) { return 0, source.ErrShape } // nothing is copied
			first.log = []source.Event{commitAt(10), logRows(a, row.Insert, 10, 2), commitAt(20)}
			var progress, touched []byte
			follow(t, first.open(t, 1, Table{Shape: a}), func(ev source.Event) bool {
				if ev.Copied != nil {
					progress, touched = ev.Copied.Progress, append(touched, ev.Copied.Touched...)
				}
				return ev.Seq == 20
			})
			f := &fakeSource{rows: map[string][]uint64{"a": {1, 2, 3}}}
			s := f.open(t, 1, Table{Shape: a, Progress: progress, Touched: touched[:c.keep]})
			if got := follow(t, s, allDone(1)); !strings.Contains(got, c.want) {
				t.Errorf("got:\n%s\nwant %s", got, c.want)
			}
		})
	}
}

// A keyless table is placed at its point of the log, whole, with no commit in between; what its log had before is in it.
func TestStream_KeylessWhole(t *testing.T) {
	a := fakeTable("a", false)
	f := &fakeSource{rows: map[string][]uint64{"a": {1, 2, 3}}, whole: 20, beat: time.Millisecond}
	f.log = []source.Event{
		logRows(a, row.Insert, 10, 3), commitAt(20), logRows(a, row.Insert, 20, 4), commitAt(30),
	}
	s := f.open(t, 2, Table{Shape: a})
	got := follow(t, s, func(ev source.Event) bool { return ev.Seq == 1000 })
	want := "commit 20\nrows a v1 insert:1\nrows a v1 insert:2\nrows a v1 insert:3\ncopied a rows=3 dropped=0 done=true\ncommit 20\n" +
		"rows a v1 insert:4\ncommit 30\ncommit 1000\n"
	if got != want && !strings.HasPrefix(got, "commit 20\ncommit 30\n") { // opened only after the log was read: also sound
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A chunk that finds another shape than the log's is read again when the log has brought the change.
func TestStream_ShapeArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fakeTable("a", true)
		a2 := *a
		a2.Version = 2
		a2.Columns = append(slices.Clone(a.Columns), schema.Column{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 64}})
		f := &fakeSource{rows: map[string][]uint64{"a": {1}}, beat: time.Second}
		f.log = []source.Event{commitAt(10), commitAt(20), {Schema: &schema.Change{Before: a, After: &a2}}, commitAt(30)}
		f.chunk = func(c source.Chunk) (uint64, error) {
			if c.Table.Version == 1 {
				return 0, fmt.Errorf("read chunk: %w", source.ErrShape)
			}
			return 30, nil
		}
		s := f.open(t, 1, Table{Shape: a})
		if got := follow(t, s, allDone(1)); !strings.Contains(got, "rows a v2 insert:1\n") || strings.Contains(got, "stopped") {
			t.Errorf("got:\n%s", got)
		}
	})
}

// A shape that the log never explains stops the table, and only it.
func TestStream_ShapeNeverArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSource{rows: map[string][]uint64{"a": {1}, "b": {1}}, beat: time.Second}
		f.chunk = func(c source.Chunk) (uint64, error) {
			if c.Table.Name.Table == "a" {
				return 0, source.ErrShape
			}
			return 0, nil
		}
		s := f.open(t, 2, Table{Shape: fakeTable("a", true)}, Table{Shape: fakeTable("b", true)})
		got := follow(t, s, func(ev source.Event) bool { return ev.Stopped != nil })
		if !strings.Contains(got, "rows b v1 insert:1") || !strings.Contains(got, "stopped table f.a: table has another shape") {
			t.Errorf("got:\n%s", got)
		}
	})
}

func TestStream_Errors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"table":     {&schema.TableError{Table: schema.Name{Namespace: "f", Table: "a"}, Err: errors.New("bad row")}, "stopped table f.a: bad row\n"},
		"transient": {source.ErrTransient, "error copy f.a: transient source error\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeSource{rows: map[string][]uint64{"a": {1}}, chunk: func(source.Chunk) (uint64, error) { return 0, c.err }}
			s := f.open(t, 1, Table{Shape: fakeTable("a", true)})
			got := follow(t, s, func(ev source.Event) bool { return ev.Stopped != nil })
			if !strings.HasSuffix(got, c.want) {
				t.Errorf("got:\n%s\nwant %s", got, c.want)
			}
		})
	}
}

// Log events of a table that the sink has already are dropped, those of other tables are not.
func TestStream_From(t *testing.T) {
	a, b := fakeTable("a", true), fakeTable("b", true)
	f := &reachedSource{fakeSource{beat: time.Millisecond}}
	f.log = []source.Event{logRows(a, row.Insert, 10, 1), logRows(b, row.Insert, 10, 1), commitAt(20), logRows(a, row.Insert, 20, 2), commitAt(30)}
	s, err := Open(t.Context(), f, "start", []Table{{Shape: a, Progress: Followed(), From: "20"}, {Shape: b, Progress: Followed()}}, nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	got := follow(t, s, func(ev source.Event) bool { return ev.Seq == 30 })
	if want := "rows b v1 insert:1\ncommit 20\nrows a v1 insert:2\ncommit 30\n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

type reachedSource struct{ fakeSource }

func (f *reachedSource) Reached(p, _ source.Position) (source.View, error) {
	n, err := strconv.ParseUint(string(p), 10, 64)
	return before(n), err
}

type before uint64

func (b before) Sees(t source.TxnID) source.Visibility {
	if t.Seq < uint64(b) {
		return source.Yes
	}
	return source.No
}
