package kafka

import (
	"context"
	"sync"
	"testing"
)

func TestLine_InOrder(t *testing.T) {
	var l line
	a, b, c, d := l.join(), l.join(), l.join(), l.join()
	expect := func(want ...bool) {
		t.Helper()
		for i, p := range []*place{a, b, c, d} {
			if p.isFirst() != want[i] {
				t.Fatalf("place %d: first is %v", i, p.isFirst())
			}
		}
	}
	expect(true, false, false, false)
	l.leave(b) // gives up before its turn
	expect(true, false, false, false)
	l.leave(a)
	expect(true, false, true, false)
	l.leave(a) // again
	expect(true, false, true, false)
	l.leave(c)
	expect(true, false, true, true)
	l.leave(d)
	if e := l.join(); !e.isFirst() {
		t.Error("the line is empty, and who joins is not the first")
	}
}

// TestTxn_TurnInOrder holds that a Txn gets the producer after the one before it, whoever else waits, and that all of its
// writers go on then.
func TestTxn_TurnInOrder(t *testing.T) {
	_, _, x := encodeOnly(t)
	before := x.p.line.places[0]
	later := x.p.line.join() // begun before x has had a chance to take its turn
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		writers.Go(func() { errs[i] = x.takeTurn(ctx) })
	}
	x.p.line.leave(before)
	writers.Wait()
	cancel()
	for _, err := range errs {
		if err != nil {
			t.Errorf("a writer got %v", err)
		}
	}
	if x.phase != streaming || later.isFirst() {
		t.Errorf("phase %d, and the next one is first: %v", x.phase, later.isFirst())
	}
	x.turn.Lock()
	x.leave()
	x.turn.Unlock()
	if !later.isFirst() {
		t.Error("the next one waits for ever")
	}
}
