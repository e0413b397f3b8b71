package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

// A TableState says how far a table is. Its text form is part of what `cdcsync state` prints.
type TableState uint8

// The states of a table.
const (
	Copying   TableState = iota + 1 // its rows are being copied; its changes flow meanwhile
	Following                       // all rows are copied, or there were none to copy; its changes flow
	Stopped                         // the promise cannot be kept; the reason says why. Its changes are dropped
	Dropped                         // the source has dropped it
)

var tableStates = [...]string{"", "copying", "following", "stopped", "dropped"}

// String returns the state in lower case.
func (s TableState) String() string {
	if int(s) < len(tableStates) {
		return tableStates[s]
	}
	return fmt.Sprintf("TableState(%d)", uint8(s))
}

// MarshalText returns String.
func (s TableState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *TableState) UnmarshalText(text []byte) error {
	i := slices.Index(tableStates[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown state %q of a table", text)
	}
	*s = TableState(i)
	return nil
}

// A table is one captured table while a pipeline runs. The reader owns it.
type table struct {
	tableRecord             // as it will be at the next boundary
	known       schema.Name // its name in the store; zero: it is not there
	lane        *lane
	open        *txn        // the newest transaction that has rows of it
	dirty       bool        // the record differs from the store's
	told        bool        // the store's record says that the sink is ahead
	parked      *parked     // a change of it is being made beside the reader; nil: none
	past        []form      // what it was before its newest changes, oldest first; those that a checkpoint may need
	fresh       bool        // nothing of it was ever in the sink or in the store
	news        []byte      // touched keys that no cut has taken yet
	had         source.View // transactions whose rows the sink has already; nil: none
	tally       *tally

	from, to *schema.Table // the newest shape seen in a batch, and the sink's for it
	fitting  *fitting      // makes such batches fit the sink's table; nil: they do
}

// inSink is the sink's table for a shape of the source.
func (t *table) inSink(shape *schema.Table, to schema.Name) *schema.Table {
	if t.View == nil || shape == nil {
		return renamed(shape, to)
	}
	return t.View.shape(shape, to)
}

// sinkShape returns the sink's table for the shape of a batch: one pointer for each version, whoever made the batch.
func (t *table) sinkShape(shape *schema.Table) *schema.Table {
	if t.from == shape {
		return t.to
	}
	if t.View != nil {
		if t.fitting == nil {
			t.fitting = newFitting(t.View, shape, t.Sink)
		}
		t.from, t.to = shape, t.fitting.table
		return t.to
	}
	if t.to == nil || t.to.Version != shape.Version || t.to.Name != t.Sink {
		t.to = renamed(shape, t.Sink)
	}
	t.from = shape
	return t.to
}

// renamed returns a copy of shape under the sink's name; the columns are shared.
func renamed(shape *schema.Table, to schema.Name) *schema.Table {
	if shape == nil || shape.Name == to {
		return shape
	}
	s := *shape
	s.Source, s.Name = shape.Name, to
	return &s
}

// follows says that the table has a shape, and changes to expect.
func (t *table) follows() bool { return t.State == Copying || t.State == Following }

// left says that no table of its name is captured, and the next one is to be.
func (t *table) left() bool { return t.State == Stopped && (t.Left || t.Resync) }

// stopped notes that the capture of the table ends at a position.
func (r *tableRecord) stopped(at source.Position, reason error) {
	r.State, r.Reason, r.Position, r.Left = Stopped, reason.Error(), at, errors.Is(reason, source.ErrLeft)
}

// stop ends the capture of the table at a position.
func (t *table) stop(at source.Position, reason error) {
	t.stopped(at, reason)
	t.dirty = true
	t.tally.set(&t.tableRecord)
}

// progress sets how far the copy is.
func (t *table) progress(p []byte) {
	t.Progress = p
	if t.State = Copying; snapshot.Done(p) {
		t.State = Following
	}
	t.dirty = true
}

// snapshotTable is the table as a stream's start needs it. The touched keys are the stream's from then on.
func (t *table) snapshotTable() snapshot.Table {
	keys := t.touched
	t.touched = nil
	return snapshot.Table{Shape: t.shape, Progress: t.Progress, Touched: keys, From: t.Ahead}
}

// has says that the sink has the rows of a transaction already.
func (t *table) has(id source.TxnID) bool { return t.had != nil && t.had.Sees(id) == source.Yes }
