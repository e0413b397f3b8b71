package snapshot

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// The model: a server whose commits have four steps (append to the log, deliver to the log's readers, commit in the
// engine, update the set of executed transactions), a chunk reader, a sink and crashes, all scheduled at random, around
// the production merge. Row locks hold from the append to the engine's commit, as in InnoDB; engine commits may overtake
// each other. After each commit boundary the sink must equal the log's state for all keys that are copied, and for the
// others hold that state or nothing.

const (
	modelKeys  = 6
	modelChunk = 2 // rows of a chunk
	modelSteps = 400
)

// A mutant is a known wrong recipe, each a real bug of some system; the model must catch it.
type mutant uint8

const (
	sound        mutant = iota
	noBarrier           // the view opens before all that was delivered is visible
	lowByLog            // what the log held before the SELECT counts as seen
	highByGTID          // what was executed after the SELECT ends the window
	lateRegister        // touched keys are collected only after the SELECT
	forgetDirty         // after a restart, chunk rows are taken as unknown to the sink
)

type modelTxn struct {
	seq      uint64
	rows     map[int64]int64 // key -> new value; -1: deleted
	lock     []int64
	engine   bool
	executed bool
}

type modelChunkRead struct {
	chunk *chunk
	step  int
	view  modelView
	state map[int64]int64
}

// modelView is the three-valued oracle: yes if executed before the SELECT, no if in the log after it.
type modelView struct {
	executed map[uint64]bool
	high     uint64
}

func (v modelView) Sees(t source.TxnID) source.Visibility {
	switch {
	case v.executed[t.Seq]:
		return source.Yes
	case t.Seq >= v.high:
		return source.No
	}
	return source.Unknown
}

type model struct {
	rng    *rand.Rand
	mutant mutant
	shape  *schema.Table

	log       []*modelTxn
	base      map[int64]int64 // before the log
	engine    map[int64]int64 // committed state
	locks     map[int64]bool
	delivered int // transactions handed to the merge

	merge *merge
	reads []*modelChunkRead

	sink     map[int64]int64
	progress []byte
	touched  []byte // all that was ever told: written ahead of the commit, so a crash does not take it back
	// The durable state: what a crash goes back to.
	saved struct {
		sink      map[int64]int64
		progress  []byte
		delivered int
	}
	placed, crashes int
}

func newModel(seed uint64, m mutant) *model {
	w := &model{
		rng: rand.New(rand.NewPCG(seed, 7)), mutant: m, engine: map[int64]int64{}, locks: map[int64]bool{}, sink: map[int64]int64{},
		shape: &schema.Table{Name: schema.Name{Namespace: "m", Table: "t"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
			{Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "v", Type: schema.Type{Kind: schema.Int, Bits: 64}},
		}},
	}
	for k := range int64(modelKeys) {
		if w.rng.IntN(2) == 0 {
			w.engine[k] = 1000 + k
		}
	}
	w.base = maps.Clone(w.engine)
	w.save()
	w.open()
	return w
}

func (w *model) save() {
	w.saved.sink, w.saved.progress, w.saved.delivered = maps.Clone(w.sink), w.progress, w.delivered
}

// open starts the merge at what is saved.
func (w *model) open() {
	w.sink, w.progress, w.delivered = maps.Clone(w.saved.sink), w.saved.progress, w.saved.delivered
	w.reads = nil
	w.merge = newMerge(w.position())
	w.merge.seq = w.end(w.delivered)
	touched := w.touched
	if w.rng.IntN(3) == 0 {
		touched = nil // it may be lost
	}
	tb, err := newTable(Table{Shape: w.shape, Progress: w.progress, Touched: touched}, nil)
	if err != nil {
		panic(err)
	}
	if w.mutant == forgetDirty {
		tb.dirty, tb.seen = false, map[uint64]struct{}{} // so are the keys
	}
	w.merge.add(tb)
	if tb.stage == unplanned {
		w.merge.plan(tb, []source.Range{{Through: "2"}, {After: "2"}})
	}
}

// end is the log's end after n transactions: each takes ten.
func (w *model) end(n int) uint64 { return uint64(n) * 10 }

func (w *model) position() source.Position { return source.Position(strconv.Itoa(w.delivered)) }

// truth is the state after the first n transactions of the log.
func (w *model) truth(n int) map[int64]int64 {
	s := maps.Clone(w.base)
	for _, t := range w.log[:n] {
		t.apply(s)
	}
	return s
}

func (t *modelTxn) apply(s map[int64]int64) {
	for k, v := range t.rows {
		if v < 0 {
			delete(s, k)
		} else {
			s[k] = v
		}
	}
}

// append logs a transaction on one or two rows that nobody has locked.
func (w *model) append() {
	t := &modelTxn{seq: w.end(len(w.log)), rows: map[int64]int64{}}
	for range 1 + w.rng.IntN(2) {
		k := w.rng.Int64N(modelKeys)
		if w.locks[k] {
			continue
		}
		w.locks[k] = true
		t.lock = append(t.lock, k)
		t.rows[k] = int64(len(w.log))
		if _, ok := w.engine[k]; ok && w.rng.IntN(3) == 0 {
			t.rows[k] = -1
		}
	}
	if len(t.rows) > 0 {
		w.log = append(w.log, t)
	}
}

// commit lets one logged transaction reach the engine; meta lets one reach the set of executed ones.
func (w *model) commit() {
	for _, i := range w.rng.Perm(len(w.log)) {
		if t := w.log[i]; !t.engine {
			t.apply(w.engine)
			t.engine = true
			for _, k := range t.lock {
				delete(w.locks, k)
			}
			return
		}
	}
}

func (w *model) meta() {
	for _, i := range w.rng.Perm(len(w.log)) {
		if t := w.log[i]; t.engine && !t.executed {
			t.executed = true
			return
		}
	}
}

// deliver hands the next transaction of the log to the merge, engine commit or not.
func (w *model) deliver() {
	if w.delivered == len(w.log) {
		return
	}
	t, before := w.log[w.delivered], w.truth(w.delivered)
	b := row.New(w.shape)
	for k, v := range t.rows {
		w.image(b, before, k, v, t.seq)
	}
	w.delivered++
	w.merge.deliver(source.Event{Rows: b, Txn: source.TxnID{Seq: t.seq}})
	w.merge.deliver(source.Event{Commit: w.position(), Seq: w.end(w.delivered)})
}

func (w *model) image(b *row.Batch, before map[int64]int64, k, v int64, seq uint64) {
	add := func(op row.Op, v int64) {
		b.Append(op, seq, 0)
		b.Cols[0].AppendWord(uint64(k))
		b.Cols[1].AppendWord(uint64(v))
	}
	old, ok := before[k]
	switch {
	case ok && v < 0:
		add(row.Delete, old)
	case ok:
		add(row.Before, old)
		add(row.After, v)
	case v >= 0:
		add(row.Insert, v)
	}
}

// read moves one chunk a step further: register, barrier, LOW, SELECT, HIGH and load.
func (w *model) read() {
	t := w.merge.tables[w.shape.Name]
	if len(w.reads) == 0 || len(w.reads) < 2 && w.rng.IntN(2) == 0 {
		if sp := t.free(); sp != nil {
			w.reads = append(w.reads, &modelChunkRead{chunk: w.merge.register(t, sp)})
			return
		}
	}
	if len(w.reads) == 0 {
		return
	}
	i := w.rng.IntN(len(w.reads))
	if w.advance(w.reads[i]) {
		w.reads = append(w.reads[:i], w.reads[i+1:]...)
	}
}

func (w *model) advance(r *modelChunkRead) (done bool) {
	barrier, _ := strconv.Atoi(string(r.chunk.barrier))
	switch r.step {
	case 0:
		for _, t := range w.log[:barrier] {
			if !t.executed && w.mutant != noBarrier {
				return false
			}
		}
	case 1:
		r.view.executed = map[uint64]bool{}
		for _, t := range w.log {
			if t.executed || w.mutant == lowByLog {
				r.view.executed[t.seq] = true
			}
		}
	case 2:
		r.state = maps.Clone(w.engine)
		if w.mutant == lateRegister {
			clear(r.chunk.touched)
		}
	case 3:
		r.view.high = w.end(len(w.log))
		if w.mutant == highByGTID {
			r.view.high = w.end(w.prefix())
		}
		w.merge.load(r.chunk, w.rows(r))
		return true
	}
	r.step++
	return false
}

// prefix is the number of transactions at the log's start that are all executed.
func (w *model) prefix() int {
	for i, t := range w.log {
		if !t.executed {
			return i
		}
	}
	return len(w.log)
}

// rows are what the SELECT of a chunk gives. Keys are one decimal digit: their order is that of their text.
func (w *model) rows(r *modelChunkRead) *source.ChunkRows {
	rest := r.chunk.span.rest
	b, n, last := row.New(w.shape), 0, rest.After
	for k := range int64(modelKeys) {
		key := source.Key(strconv.FormatInt(k, 10))
		v, ok := r.state[k]
		if !ok || n == modelChunk || key <= rest.After && rest.After != "" || rest.Through != "" && key > rest.Through {
			continue
		}
		b.Append(row.Insert, 0, 0)
		b.Cols[0].AppendWord(uint64(k))
		b.Cols[1].AppendWord(uint64(v))
		last = key
		n++
	}
	return &source.ChunkRows{
		Rows: []*row.Batch{b}, View: r.view, High: r.view.high,
		Rest: source.Range{After: last, Through: rest.Through}, Done: n < modelChunk,
	}
}

// drain applies what the merge has put out to the sink, and checks the sink at each boundary.
func (w *model) drain() error {
	out := w.merge.out
	w.merge.out = nil
	for _, ev := range out {
		switch {
		case ev.Rows != nil:
			if err := w.write(ev.Rows); err != nil {
				return err
			}
		case ev.Copied != nil:
			w.progress = ev.Copied.Progress
			w.touched = append(w.touched, ev.Copied.Touched...)
			w.placed += int(ev.Copied.Chunks)
		case ev.Commit != "":
			if err := w.check(ev); err != nil {
				return err
			}
		}
	}
	if w.rng.IntN(4) == 0 {
		w.save()
	}
	return nil
}

func (w *model) write(b *row.Batch) error {
	for i := range b.Len() {
		k, v := int64(b.Cols[0].Words[i]), int64(b.Cols[1].Words[i])
		switch b.Ops[i] {
		case row.Insert:
			if _, ok := w.sink[k]; ok {
				return fmt.Errorf("key %d inserted twice", k)
			}
			w.sink[k] = v
		case row.After, row.Upsert:
			w.sink[k] = v
		case row.Before, row.Delete:
			delete(w.sink, k)
		}
	}
	return nil
}

func (w *model) check(ev source.Event) error {
	g, err := parseProgress(w.progress)
	if err != nil {
		return err
	}
	truth := w.truth(int(ev.Seq / 10))
	for k := range int64(modelKeys) {
		want, exists := truth[k]
		got, ok := w.sink[k]
		if (!ok && !copiedKey(g, k)) || ok == exists && got == want {
			continue
		}
		return fmt.Errorf("at %d key %d is (%d,%v) in the sink, (%d,%v) in the log", ev.Seq, k, got, ok, want, exists)
	}
	return nil
}

// copiedKey says that no range left to copy holds k.
func copiedKey(g progress, k int64) bool {
	if !g.Planned {
		return false
	}
	key := strconv.FormatInt(k, 10)
	for _, r := range g.Ranges {
		if key > string(r.After) && (len(r.Through) == 0 || key <= string(r.Through)) {
			return false
		}
	}
	return true
}

// run schedules at random, then lets everything finish.
func (w *model) run() error {
	for range modelSteps {
		switch n := w.rng.IntN(100); {
		case n < 20:
			w.append()
		case n < 45:
			w.deliver()
		case n < 62:
			w.commit()
		case n < 78:
			w.meta()
		case n < 99:
			w.read()
		default:
			w.crashes++
			w.open()
		}
		if err := w.drain(); err != nil {
			return err
		}
	}
	for range 2000 {
		w.commit()
		w.meta()
		w.deliver()
		w.read()
		if err := w.drain(); err != nil {
			return err
		}
	}
	if w.merge.left != 0 {
		return fmt.Errorf("copy has not ended: %s", w.progress)
	}
	return nil
}

func TestModel_Sound(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 300
	}
	placed, crashes := 0, 0
	for seed := range seeds {
		w := newModel(seed, sound)
		if err := w.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		placed += w.placed
		crashes += w.crashes
	}
	t.Logf("%d schedules, %d chunks placed, %d crashes", seeds, placed, crashes)
	if placed < int(seeds) || crashes == 0 {
		t.Errorf("got %d chunks and %d crashes: the model hardly ran", placed, crashes)
	}
}

// A model that catches no mutant proves nothing.
func TestModel_CatchesMutants(t *testing.T) {
	for m, name := range map[mutant]string{
		noBarrier: "no_barrier", lowByLog: "low_by_log", highByGTID: "high_by_gtid", lateRegister: "late_register", forgetDirty: "forget_dirty",
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3000) {
				if err := newModel(seed, m).run(); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not caught in 3000 schedules")
		})
	}
}
