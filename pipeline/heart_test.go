package pipeline

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// A listening sink notes what it is told, and whether that happens beside a commit.
type listening struct {
	sink.Sink
	mu        sync.Mutex // guards all below
	beats     []string
	committed []string
	busy      bool
	overlap   bool
}

type listeningTxn struct {
	sink.Txn
	l *listening
}

func (l *listening) Begin(ctx context.Context) (sink.Txn, error) {
	x, err := l.Sink.Begin(ctx)
	return listeningTxn{x, l}, err
}

func (x listeningTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	x.l.mu.Lock()
	x.l.busy = true
	x.l.mu.Unlock()
	err := x.Txn.Commit(ctx, marks)
	x.l.mu.Lock()
	x.l.busy = false
	x.l.mu.Unlock()
	return err
}

func (l *listening) Beat(_ context.Context, position string, _ int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats = append(l.beats, position)
	l.overlap = l.overlap || l.busy
	return nil
}

// listenedStates tells which positions are saved by commits.
type listenedStates struct {
	states
	l *listening
}

func (s listenedStates) save(ctx context.Context, sv *save) error {
	err := s.states.save(ctx, sv)
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if sv.epoch != 0 && err == nil {
		s.l.committed = append(s.l.committed, string(sv.position))
	}
	return err
}

// TestRun_TellsHearts holds that a sink that asks for it hears of each position that is durable, with rows or without.
func TestRun_TellsHearts(t *testing.T) {
	in(t, func(t *testing.T) {
		r, l := newRig(t), &listening{}
		stock(r.src)
		workload(r.src)
		r.tune = func(p *Pipeline) { l.Sink, p.Sink, p.states = p.Sink, l, listenedStates{p.states, l} }
		_, err := r.run(t.Context(), live(), func(s Status) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return r.caughtUp(s) && len(l.beats) > len(l.committed) // and a heartbeat without rows
		})
		if err := errors.Join(err, r.equal()); err != nil {
			t.Fatal(err)
		}
		heard := map[string]bool{}
		for _, p := range l.beats {
			heard[p] = true
		}
		for _, p := range l.committed {
			if !heard[p] {
				t.Errorf("position %s was committed, and the sink did not hear of it", p)
			}
		}
		if l.overlap || len(l.committed) == 0 {
			t.Errorf("beat beside a commit: %v; %d commits", l.overlap, len(l.committed))
		}
	})
}
