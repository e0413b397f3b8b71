package kafka

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A lanePart is a batch for a lane, as an engine's lanes get them.
type lanePart struct {
	x *Txn
	b *row.Batch
	w *sync.WaitGroup
}

// TestTxn_Lanes fills transactions by several lanes while the ones before commit, as an engine does, with little memory:
// lanes of one transaction must wait for the one before, and large ones are split. Each row arrives once, in order per key.
func TestTxn_Lanes(t *testing.T) {
	const lanes, txns, batches, rows = 3, 12, 6, 50
	st := newStore(t, servers.SharedKafka(t).Addrs(), func(c *Config) { c.Buffer = smallestBuffer })
	st.opened = func(s *Sink) {
		usePlain(s)
		s.cfg.MaxBytes = 2 << 20
	}
	s := st.open(t)
	start(t, s, 1)
	tables := make([]*schema.Table, lanes)
	queues := make([]chan lanePart, lanes)
	var workers sync.WaitGroup
	for i := range lanes {
		tables[i] = shape(fmt.Sprint("t", i))
		create(t, s, tables[i])
		queues[i] = make(chan lanePart, txns*batches)
		workers.Go(func() {
			for p := range queues[i] {
				if err := p.x.Write(t.Context(), p.b); err != nil {
					t.Error(err)
				}
				p.w.Done()
			}
		})
	}
	var before chan error
	seq, pad := uint64(1<<40), strings.Repeat("x", 10_000)
	for n := range txns {
		x, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w, marks := new(sync.WaitGroup), map[schema.Name]sink.Mark{}
		for k := range batches * lanes {
			table := tables[k%lanes]
			b := row.New(table)
			b.Origin = schema.Origin{Seq: seq, File: "f"}
			for i := range rows {
				seq++
				b.Append(row.Insert, seq, 1)
				b.Cols[0].AppendWord(uint64(i))
				b.Cols[1].AppendBytes([]byte(pad))
			}
			marks[table.Name] = sink.Mark{Run: 1, Epoch: uint64(n + 1)}
			w.Add(1)
			queues[k%lanes] <- lanePart{x.(*Txn), b, w}
		}
		if before != nil {
			if err := <-before; err != nil {
				t.Fatal(err)
			}
		}
		before = make(chan error, 1)
		go func() {
			w.Wait()
			before <- x.Commit(t.Context(), marks)
		}()
	}
	if err := <-before; err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		close(q)
	}
	workers.Wait()
	seen, last := map[string]bool{}, map[string]string{}
	for _, r := range readCommitted(t, st.seeds, st.name) {
		if r.Topic == st.name {
			continue
		}
		id, key := header(r, headerSeq), r.Topic+string(r.Key)
		if seen[id] || id <= last[key] {
			t.Fatalf("row %s of key %s, after %s; seen: %v", id, key, last[key], seen[id])
		}
		seen[id], last[key] = true, id
	}
	if want := lanes * txns * batches * rows; len(seen) != want {
		t.Errorf("got %d rows, want %d", len(seen), want)
	}
	if n := len(s.slabs.free); n != cap(s.slabs.free) {
		t.Errorf("%d of %d slabs came back", n, cap(s.slabs.free))
	}
}
