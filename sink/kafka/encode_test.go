package kafka

import (
	"testing"

	"github.com/cdcsync/cdcsync/schema"
)

// encodeOnly is a Txn that holds what is written, of a sink without a broker.
func encodeOnly(t testing.TB) (*Sink, *schema.Table, *Txn) {
	t.Helper()
	st := newStore(t, []string{"127.0.0.1:1"}, nil)
	st.opened = nil
	s := st.open(t)
	table := narrowTable()
	s.state = newPositions()
	s.state.topics[st.name+".shop.narrow"] = topicRecord{ID: "x", Partitions: 4}
	s.topics[st.name+".shop.narrow"] = &topic{id: "x", partitions: 4, maxMessage: defaultRequest}
	p := new(producer)
	p.line.join() // another Txn is first
	return s, table, &Txn{s: s, p: p, place: p.line.join(), parts: map[schema.Name]*part{}}
}

// forget drops what is held.
func (x *Txn) forget() {
	for _, r := range x.held {
		r.slab.drop(r.to - r.from)
	}
	x.held, x.filled = x.held[:0], 0
	x.seal()
}

// A row costs no allocation: what a batch costs is spread over its rows.
func TestTxn_NoAllocationPerRow(t *testing.T) {
	_, table, x := encodeOnly(t)
	write := func() {
		b := narrowBatch(table, 0)
		if err := x.write(t.Context(), b, &part{}); err != nil {
			t.Fatal(err)
		}
		b.Free()
		x.forget()
	}
	write()
	if n := testing.AllocsPerRun(20, write); n > benchBatch/10 { // a few, for the batch
		t.Errorf("got %v allocations for a batch of %d rows", n, benchBatch)
	}
}
