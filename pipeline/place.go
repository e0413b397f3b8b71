package pipeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/source"
)

// locate asks the source where to go on: a server that has taken over has the checkpoint at another place of its log. The
// answer is saved before anything is read from there, for it decides the order of all that follows (invariant I10). The
// source must have had all that the sink may have rows of, or these would stay in the sink for ever.
func (a *attempt) locate(ctx context.Context, c *checkpoint, marks map[schema.Name]sink.Mark) error {
	seen := map[source.Position]bool{}
	for _, t := range a.tables {
		if t.follows() {
			seen[t.Ahead] = true
		}
	}
	for _, m := range marks {
		var r resumption
		if m.Epoch > c.Epoch && json.Unmarshal(m.State, &r) == nil { // what else is wrong with a mark is said where it is used
			seen[r.Position] = true
		}
	}
	seen[c.Reach] = true
	delete(seen, "")
	list := make([]source.Position, 0, len(seen))
	for p := range seen {
		list = append(list, p)
	}
	at, err := a.p.Source.Resume(ctx, c.Position, list)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if at == c.Position {
		return nil
	}
	if err := a.p.states.save(ctx, &save{position: at, seq: c.Seq, time: c.Time}); err != nil {
		return fmt.Errorf("save place after failover: %w", err)
	}
	a.p.Log.Warn("moved to another server", "pipeline", a.p.Name, "from", c.Position, "position", at)
	a.at, a.saved = at, at
	a.p.awaited = awaiting{} // its end is of the other log
	return nil
}

// announce notes where a commit goes to before a sink begins it whose marks come after their rows: a crash between leaves
// rows there of which no mark tells.
func (a *attempt) announce(ctx context.Context, t *txn) error {
	if _, ok := a.p.Sink.(sink.Trailing); !ok || t.sink == nil {
		return nil
	}
	if err := a.p.states.announce(ctx, t.reach.position, t.reach.seq); err != nil {
		return fmt.Errorf("note where a commit goes to: %w", err)
	}
	return nil
}

// announce keeps the furthest position that a commit was begun for and that no save has come to.
func (s *Store) announce(ctx context.Context, at source.Position, seq uint64) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		p, err := getPipeline(ctx, tx)
		if err != nil || seq < p.ReachSeq {
			return err
		}
		p.Reach, p.ReachSeq = at, seq
		return putPipeline(ctx, tx, p)
	})
}

// overtake brings the tables of which the sink had more than the checkpoint to the boundary that is cut at, or where they
// are parked. A table is like the others again when the boundary is past what the sink had. After a failover it may take a while: the new server may
// have logged in another order, so the sink has what it had and all up to the boundary.
func (a *attempt) overtake() error {
	for _, t := range a.tables {
		if t.Ahead == "" {
			continue
		}
		at := a.reached(t)
		p, err := a.p.Source.Join(t.Ahead, at)
		if err != nil {
			return fmt.Errorf("join the positions of %s: %w", t.Name, err)
		}
		if p == at {
			p, t.had = "", nil
		}
		if p != t.Ahead {
			t.Ahead, t.dirty = p, true
		}
	}
	return nil
}
