package pipeline

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// An awaiting is newcomers on their way in. The source tells the shape that a table has now, and the log is read from
// where the pipeline is, which may be long before: rows there may be of another shape (invariant I13). So the log is
// followed without the newcomers up to where it ended when their shapes were asked for. A table of which no change of
// shape has come by then has had that shape ever since, and takes part from there on.
type awaiting struct {
	shapes map[schema.Name]*schema.Table
	until  uint64 // the Seq of the log's end after the shapes were asked for; 0: nothing is awaited
}

// pending says that a table is awaited, or was until the log changed it.
func (w *awaiting) pending() bool { return w.until != 0 }

// await lets those of the found tables in that have been awaited, and awaits the others.
func (a *attempt) await(ctx context.Context, found *source.Discovered) error {
	before := a.p.awaited
	a.p.awaited = awaiting{shapes: map[schema.Name]*schema.Table{}}
	var in []*schema.Table
	for _, t := range found.Tables {
		if shape := before.shapes[t.Name]; shape != nil && a.seq >= before.until {
			in = append(in, shape)
		} else {
			a.p.awaited.shapes[t.Name] = t
		}
	}
	found.Tables = in
	if len(a.p.awaited.shapes) == 0 {
		return nil
	}
	end, err := a.p.Source.End(ctx, a.at)
	if err != nil {
		return fmt.Errorf("await tables: %w", err)
	}
	a.p.awaited.until = max(end, 1)
	a.p.Log.Info("tables are to take part as soon as the log is read up to now", "pipeline", a.p.Name, "tables", len(a.p.awaited.shapes))
	return nil
}

// awaits says that a table is awaited.
func (a *attempt) awaits(n schema.Name) bool { return a.p.awaited.shapes[n] != nil }

// awaited says that the log has been read as far as the awaited tables need.
func (a *attempt) awaited() bool { return a.p.awaited.pending() && a.seq >= a.p.awaited.until }

// disturb notes that the log has changed an awaited table: its shape is to be asked for again.
func (a *attempt) disturb(n schema.Name) {
	if a.awaits(n) {
		delete(a.p.awaited.shapes, n)
		a.look = true
	}
}
