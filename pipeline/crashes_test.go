package pipeline

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// TestRun_Crashes lets several processes in a row die, each at any of its operations: what one of them left behind may
// matter to the one after the next.
func TestRun_Crashes(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	for seed := range uint64(rounds) {
		in(t, func(t *testing.T) {
			r := newRig(t)
			stock(r.src)
			workload(r.src)
			rnd := rand.New(rand.NewPCG(seed, 0))
			r.tune = func(p *Pipeline) { // one process cuts where another does not
				if rnd.IntN(2) == 0 {
					p.Limits.CommitBytes = 1
				}
			}
			for range 2 + rnd.IntN(4) {
				fates := []fate{failsBefore, failsAfter, diesBefore, diesAfter}
				_, err := r.run(t.Context(), &process{at: 1 + rnd.IntN(80), fate: fates[rnd.IntN(len(fates))]}, r.caughtUp)
				if err != nil && !errors.Is(err, errDead) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				r.sink.Restart()
			}
			_, err := r.run(t.Context(), &process{}, r.caughtUp)
			if err := errors.Join(err, r.equal()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}
