package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A rig is a sink on a server, with a database of its own for tables and state, and the numbers of its run and last commit.
type rig struct {
	t      *testing.T
	server *servers.ClickHouseServer
	cfg    Config
	sink   *Sink
	space  string // the database of the tables
	run    uint64
	epoch  uint64
	last   sink.Mark // of the last commit
	seq    uint64
}

// newRig starts a run on the server.
func newRig(t *testing.T, server *servers.ClickHouseServer, change func(*Config)) *rig {
	t.Helper()
	space := server.Database(t)
	r := &rig{t: t, server: server, space: space, seq: 1 << 40}
	r.cfg = serverConfig(t, server.HTTPAddr, space)
	if change != nil {
		change(&r.cfg)
	}
	r.reopen()
	return r
}

// reopen leaves the sink as a crash would, and starts the next run.
func (r *rig) reopen() {
	r.t.Helper()
	r.sink = openTest(r.t, r.cfg)
	r.run++
	if err := r.sink.Start(r.t.Context(), r.run); err != nil {
		r.t.Fatal(err)
	}
}

// shape is a table (id Int64 key, note String).
func (r *rig) shape(name string) *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: r.space, Table: name}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true},
	}}
}

// next is the next version of a table, as change makes it.
func next(t *schema.Table, change func(*schema.Table)) *schema.Table {
	n := *t
	n.Version++
	n.Columns, n.Key = slices.Clone(t.Columns), slices.Clone(t.Key)
	change(&n)
	return &n
}

func (r *rig) evolve(before, after *schema.Table, edits ...schema.Edit) {
	r.t.Helper()
	if err := r.sink.Evolve(r.t.Context(), &schema.Change{Before: before, After: after, Edits: edits}); err != nil {
		r.t.Fatal(err)
	}
}

// create makes a table of the shape.
func (r *rig) create(name string) *schema.Table {
	r.t.Helper()
	o := r.shape(name)
	r.evolve(nil, o)
	return o
}

// A change of a row: its id and note.
type change struct {
	op   row.Op
	id   int
	note string
}

func insert(id int, note string) change { return change{row.Insert, id, note} }

// batch makes a batch of changes.
func (r *rig) batch(o *schema.Table, changes ...change) *row.Batch {
	b := row.New(o)
	for _, c := range changes {
		if c.op != row.After {
			r.seq += 100
		}
		b.Origin = schema.Origin{Seq: r.seq, File: "log.000001", Number: r.seq}
		b.Append(c.op, r.seq, 1_700_000_000_000_000)
		b.Cols[0].AppendWord(uint64(c.id))
		b.Cols[1].AppendBytes([]byte(c.note))
		for i := 2; i < len(b.Cols); i++ {
			b.Cols[i].AppendNull()
		}
	}
	b.Number(0, len(changes))
	return b
}

func (r *rig) mark() sink.Mark {
	return sink.Mark{Run: r.run, Epoch: r.epoch, Position: fmt.Sprint("at ", r.epoch), State: []byte{byte(r.epoch), 0, 255}}
}

// try commits batches in one transaction, without the tables that fail on the way: as the engine does.
func (r *rig) try(batches ...*row.Batch) error {
	r.t.Helper()
	r.epoch++
	r.last = r.mark()
	x, err := r.sink.Begin(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	marks, failed := map[schema.Name]sink.Mark{}, []error(nil)
	for _, b := range batches {
		n := b.Table.Name
		marks[n] = r.last
		if err := x.Write(r.t.Context(), b); errors.As(err, new(*schema.TableError)) {
			failed = append(failed, err)
			delete(marks, n)
		} else if err != nil {
			return errors.Join(err, x.Abort())
		}
	}
	return errors.Join(append(failed, x.Commit(r.t.Context(), marks))...)
}

func (r *rig) commit(batches ...*row.Batch) {
	r.t.Helper()
	if err := r.try(batches...); err != nil {
		r.t.Fatal(err)
	}
}

// expect compares the present rows of a table, each "value value ...".
func (r *rig) expect(n schema.Name, want ...string) {
	r.t.Helper()
	if got := r.rows(n); !slices.Equal(got, want) {
		r.t.Errorf("%s:\n got %q\nwant %q", n, got, want)
	}
}

// rows are the present rows of a table, sorted.
func (r *rig) rows(n schema.Name) []string {
	r.t.Helper()
	st := store{cfg: r.cfg}
	_, rows := st.Rows(r.t, n)
	var got []string
	for _, x := range rows {
		got = append(got, strings.Join(x, " "))
	}
	slices.Sort(got)
	return got
}

// wantTableError expects the error of one table that says all the words.
func wantTableError(t *testing.T, err error, n schema.Name, words ...string) {
	t.Helper()
	var te *schema.TableError
	if !errors.As(err, &te) || te.Table != n || errors.Is(err, sink.ErrTransient) {
		t.Fatalf("got %v, want a TableError of %s", err, n)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to say %q", err, w)
		}
	}
}
