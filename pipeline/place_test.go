package pipeline

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source"
)

// A resuming source tells what Resume was asked.
type resuming struct {
	source.Source
	at   source.Position
	seen []source.Position
	err  error
}

func (r *resuming) Resume(ctx context.Context, at source.Position, seen []source.Position) (source.Position, error) {
	if at != "" {
		r.at, r.seen = at, slices.Clone(seen)
	}
	if r.err != nil {
		return "", r.err
	}
	return r.Source.Resume(ctx, at, seen)
}

// A trailing sink loses its marks when it is told to: the process dies between the rows and them.
type trailing struct {
	sink.Sink
	store *Store
	lose  bool
	noted source.Position // when the commit that failed began
}

func (s *trailing) MarksTrail() {}

func (s *trailing) Begin(ctx context.Context) (sink.Txn, error) {
	x, err := s.Sink.Begin(ctx)
	return trailingTxn{x, s}, err
}

type trailingTxn struct {
	sink.Txn
	s *trailing
}

var errDied = errors.New("died between the rows and the marks")

func (x trailingTxn) Commit(ctx context.Context, marks map[schema.Name]sink.Mark) error {
	if !x.s.lose {
		return x.Txn.Commit(ctx, marks)
	}
	p, err := getPipeline(ctx, x.s.store.db)
	if err != nil {
		return err
	}
	x.s.noted = p.Reach
	return errDied
}

// TestRun_Reach holds that a start asks the source for what a commit without marks may have left in the sink, and ends with
// the source's word when it has lost that.
func TestRun_Reach(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t)
		stock(r.src)
		snk := &trailing{}
		src := &resuming{}
		r.tune = func(p *Pipeline) {
			snk.Sink, snk.store = p.Sink, p.Store
			src.Source = p.Source
			p.Sink, p.Source = snk, src
		}
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		saved := r.src.Head()
		workload(r.src)
		snk.lose = true
		if _, err := r.run(t.Context(), live(), nil); !errors.Is(err, errDied) {
			t.Fatalf("got %v, want the failed commit", err)
		}
		if src.at != saved || len(src.seen) != 0 {
			t.Errorf("first, Resume was asked for %s and %v, want %s and nothing", src.at, src.seen, saved)
		}
		if snk.noted == "" || snk.noted == saved {
			t.Errorf("the store had %q noted when the commit began", snk.noted)
		}
		src.err = source.ErrPositionLost
		s, err := r.run(t.Context(), live(), nil)
		if !errors.Is(err, source.ErrPositionLost) || s.State != NeedsResync {
			t.Errorf("got state %v, %v", s.State, err)
		}
		if src.at != saved || !slices.Equal(src.seen, []source.Position{snk.noted}) {
			t.Errorf("then, Resume was asked for %s and %v, want %s and %s", src.at, src.seen, saved, snk.noted)
		}
		src.err, snk.lose = nil, false
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil {
			t.Fatal(err)
		}
		if err := r.equal(); err != nil {
			t.Error(err)
		}
		if _, err := r.run(t.Context(), live(), r.caughtUp); err != nil || len(src.seen) != 0 {
			t.Errorf("at the end, Resume was asked for %v, %v", src.seen, err)
		}
	})
}

// TestChangeRecord_Txn holds that a change in the history can be compared with positions of another server.
func TestChangeRecord_Txn(t *testing.T) {
	for _, id := range []source.TxnID{
		{Seq: 7 << 40, Server: [16]byte{1, 15: 9}, Number: 1 << 60},
		{Seq: 7 << 40, Server: [16]byte{1, 15: 9}, Tag: "blue_1", Number: 3},
		{Seq: 7 << 40, Domain: 12, Number: 34},
		{Seq: 7 << 40, Number: 34},
		{Seq: 7 << 40},
	} {
		r := newChange(&schema.Change{After: &schema.Table{}}, id, "")
		if got := r.txn(); got != id {
			t.Errorf("%s: got %+v, want %+v", r.Txn, got, id)
		}
	}
}
