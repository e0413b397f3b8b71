package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// An entryRow is one row image of a source's log.
type entryRow struct {
	table string
	op    row.Op
	id    int
	note  string
	seq   uint64
}

// A history is a source's log, and how far a pipeline has noted that its schema changes were made.
type history struct {
	shapes map[string]*schema.Table
	log    [][]entryRow // transactions; an empty one is the schema change
	noted  bool         // in the pipeline's store: the schema change was made
}

// newHistory makes a log of transactions on two tables, some of them large, with a truncation of the first table in the middle.
func newHistory(rng *rand.Rand, transactions int) *history {
	h := &history{shapes: map[string]*schema.Table{"a": shape("a"), "b": shape("b")}}
	present := map[string]map[int]string{"a": {}, "b": {}}
	seq := uint64(1 << 40)
	for n := range transactions {
		var tx []entryRow
		size := 1 + rng.IntN(4)
		if n%5 == 3 {
			size = 150
		}
		if n == transactions/2 {
			h.log = append(h.log, nil)
			clear(present["a"])
			continue
		}
		for range size {
			seq += 10
			table, id, note := []string{"a", "b"}[rng.IntN(2)], rng.IntN(40), fmt.Sprintf("n%d", seq)
			old, ok := present[table][id]
			switch {
			case !ok:
				tx = append(tx, entryRow{table, row.Insert, id, note, seq})
			case rng.IntN(3) == 0:
				tx = append(tx, entryRow{table, row.Delete, id, old, seq})
				delete(present[table], id)
				continue
			default:
				tx = append(tx, entryRow{table, row.Before, id, old, seq}, entryRow{table, row.After, id, note, seq})
			}
			present[table][id] = note
		}
		h.log = append(h.log, tx)
	}
	return h
}

// change is the schema change of the log.
func (h *history) change() *schema.Change {
	before := h.shapes["a"]
	after := *before
	after.Version = 2
	return &schema.Change{Before: before, After: &after, Edits: []schema.Edit{{Kind: schema.TruncateTable}}, Origin: schema.Origin{Seq: 77}}
}

// shape is a table shop.NAME with a key and a text.
func shape(name string) *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: name}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true},
	}}
}

// A driver does with a sink what an engine does. Its cuts, and how rows are put into batches, are other ones in each run.
type driver struct {
	h   *history
	s   *Sink
	run uint64
	rng *rand.Rand
}

// follow resumes at the sink's Marks and goes to the end of the log.
func (d *driver) follow(ctx context.Context) error {
	if err := d.s.Start(ctx, d.run); err != nil {
		return err
	}
	names := []schema.Name{d.h.shapes["a"].Name, d.h.shapes["b"].Name}
	marks, err := d.s.Marks(ctx, names)
	if err != nil {
		return err
	}
	from, epoch := map[string]int{}, uint64(0)
	begin := len(d.h.log)
	for _, n := range names {
		if m, ok := marks[n]; ok {
			from[n.Table], _ = strconv.Atoi(string(m.State))
			epoch = max(epoch, m.Epoch)
		}
		begin = min(begin, from[n.Table])
	}
	if len(marks) == 0 {
		for _, t := range d.h.shapes {
			if err := d.s.Evolve(ctx, &schema.Change{After: t}); err != nil {
				return err
			}
		}
	}
	return d.replay(ctx, begin, from, epoch)
}

func (d *driver) replay(ctx context.Context, at int, from map[string]int, epoch uint64) error {
	for at < len(d.h.log) {
		if d.h.log[at] == nil {
			if err := d.evolve(ctx); err != nil {
				return err
			}
			at++
			continue
		}
		end := at + 1 + d.rng.IntN(3)
		for n := at; n < end; n++ {
			if n == len(d.h.log) || d.h.log[n] == nil {
				end = n
			}
		}
		epoch++
		if err := d.commit(ctx, at, end, from, epoch); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// evolve makes the schema change unless it is noted that it was made.
func (d *driver) evolve(ctx context.Context) error {
	if d.h.noted {
		return nil
	}
	if err := d.s.Evolve(ctx, d.h.change()); err != nil {
		return err
	}
	d.h.noted = true
	return nil
}

// commit writes the transactions from..end in one Txn.
func (d *driver) commit(ctx context.Context, at, end int, from map[string]int, epoch uint64) error {
	x, err := d.s.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = x.Abort() }()
	marks := map[schema.Name]sink.Mark{}
	for n := at; n < end; n++ {
		for _, b := range d.batches(n, from) {
			marks[b.Table.Name] = sink.Mark{Run: d.run, Epoch: epoch, Position: fmt.Sprint(n), State: []byte(fmt.Sprint(end))}
			if err := x.Write(ctx, b); err != nil {
				return err
			}
		}
	}
	return x.Commit(ctx, marks)
}

// batches are the rows of a transaction whose tables do not have them yet.
func (d *driver) batches(n int, from map[string]int) []*row.Batch {
	var all []*row.Batch
	open := map[string]*row.Batch{}
	for _, r := range d.h.log[n] {
		if n < from[r.table] {
			continue
		}
		b := open[r.table]
		if b == nil || r.op != row.After && d.rng.IntN(8) == 0 {
			t := d.h.shapes[r.table]
			if r.table == "a" && d.h.noted {
				t = d.h.change().After
			}
			b = row.New(t)
			b.Origin = schema.Origin{Seq: d.h.log[n][0].seq - 5, File: "binlog.000001", Number: uint64(n + 1)}
			open[r.table], all = b, append(all, b)
		}
		b.Append(r.op, r.seq, 1_770_000_000_000_000)
		b.Cols[0].AppendWord(uint64(r.id))
		b.Cols[1].AppendBytes([]byte(r.note))
	}
	return all
}

// check compares the topics with the log: each change is there once, those of a key in order, and they fold to the tables.
func (h *history) check(t testing.TB, st *store) {
	t.Helper()
	want := map[string]int{}
	rows := map[string]map[string]string{"a": {}, "b": {}}
	for _, tx := range h.log {
		if tx == nil {
			clear(rows["a"])
		}
		for _, r := range tx {
			id := strconv.Itoa(r.id)
			switch r.op {
			case row.Before:
				continue
			case row.Delete:
				delete(rows[r.table], id)
			default:
				rows[r.table][id] = r.note
			}
			want[fmt.Sprintf("%s %d", r.table, r.seq)]++
		}
	}
	got, last := map[string]int{}, map[string]uint64{}
	for _, r := range readCommitted(t, st.seeds, st.name) {
		if r.Value == nil || r.Topic == st.name {
			continue
		}
		var v plainValue
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Fatal(err)
		}
		got[v.Table.Table+" "+header(r, headerSeq)]++
		seq, _ := strconv.ParseUint(header(r, headerSeq), 10, 64)
		key := v.Table.Table + string(r.Key)
		if seq < last[key] {
			t.Errorf("key %s: the change of %d comes after that of %d", key, seq, last[key])
		}
		last[key] = seq
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("change %s: got %d times, want %d", id, got[id], n)
		}
	}
	for id, n := range got {
		if want[id] == 0 {
			t.Errorf("change %s: got %d times, want none", id, n)
		}
	}
	for name, wanted := range rows {
		_, folded := st.Rows(t, h.shapes[name].Name)
		if len(folded) != len(wanted) {
			t.Errorf("table %s: got %d rows, want %d", name, len(folded), len(wanted))
		}
		for _, r := range folded {
			if wanted[r[0]] != r[1] {
				t.Errorf("table %s: got row %q, want %q", name, r, wanted[r[0]])
			}
		}
	}
}

// small has source transactions split that are not large.
func small(s *Sink) {
	usePlain(s)
	s.cfg.MaxBytes = 2000
}

// crashAt follows a log with a process that dies around its n-th request to a broker, and then with another. It says
// whether there were so many requests.
func crashAt(t testing.TB, seeds []string, n int, after bool, seed uint64) bool {
	t.Helper()
	h := newHistory(rand.New(rand.NewPCG(1, 1)), 14)
	st := newStore(t, seeds, func(c *Config) { c.Partitions = 3 })
	st.opened = small
	ctx, die := context.WithCancel(t.Context())
	defer die()
	st.faults = &faults{deadline: n, after: after, die: die}
	d := &driver{h: h, s: st.open(t), run: 1, rng: rand.New(rand.NewPCG(seed, 1))}
	err := d.follow(ctx)
	died := st.faults.dead()
	if err != nil && !died {
		t.Fatalf("crash at request %d: before it came: %v", n, err)
	}
	if died {
		st.faults = &faults{}
		d = &driver{h: h, s: st.open(t), run: 2, rng: rand.New(rand.NewPCG(seed, 2))}
		if err := d.follow(t.Context()); err != nil {
			t.Fatalf("crash at request %d, after it %v: %v", n, after, err)
		}
	}
	h.check(t, st)
	return died
}

// TestSink_CrashAtRequests lets the process die before and after each fourth request that it sends to a broker, in a run of
// the test at these, in another at those. Most of the time is waiting, so several do so at once.
func TestSink_CrashAtRequests(t *testing.T) {
	const step = 4
	offset := 1 + int(time.Now().UnixNano()/1000%step)
	t.Logf("requests %d, %d ...", offset, offset+step)
	for _, after := range []bool{false, true} {
		t.Run(map[bool]string{false: "before", true: "after"}[after], func(t *testing.T) {
			var over atomic.Bool
			var running sync.WaitGroup
			limit := make(chan struct{}, 8)
			n := offset
			for ; !over.Load() && !t.Failed(); n += step {
				limit <- struct{}{}
				at := n
				running.Go(func() {
					defer func() { <-limit }()
					c, err := kfake.NewCluster(kfake.NumBrokers(1))
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if !crashAt(t, c.ListenAddrs(), at, after, uint64(at)) {
						over.Store(true)
					}
				})
			}
			running.Wait()
			if n < 50 {
				t.Errorf("only %d requests were tried", n)
			}
		})
	}
}

// TestSink_Crash does the same at some places on a real broker.
func TestSink_Crash(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		crashAt(t, seeds, 1+rng.IntN(120), rng.IntN(2) == 0, rng.Uint64())
	}
}
