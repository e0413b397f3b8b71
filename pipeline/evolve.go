package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
)

var errMidway = errors.New("its schema changes in the middle of a transaction that has rows of it already: resync the table")

// key names a schema change: the same for each time that the log delivers it.
func (c *changeRecord) key() string {
	return fmt.Sprintf("%s|%q|%q|%d", c.Txn, c.Before, c.After, c.Version)
}

// txnName spells a transaction so that it is the same on every replay, on another server too if it has a GTID.
func txnName(id source.TxnID) string {
	switch {
	case id.Server != [16]byte{}:
		return fmt.Sprintf("%s:%s:%d", hex.EncodeToString(id.Server[:]), id.Tag, id.Number)
	case id.Number != 0:
		return fmt.Sprintf("%d-%d", id.Domain, id.Number)
	}
	return fmt.Sprintf("%d:%d", id.Seq, id.Number)
}

// txn is the change's transaction, as it was read: perhaps from another server, at its place there.
func (c *changeRecord) txn() source.TxnID {
	id := source.TxnID{Seq: c.Seq}
	parts := strings.Split(c.Txn, ":")
	if len(parts) == 3 && hex.DecodedLen(len(parts[0])) == len(id.Server) {
		if _, err := hex.Decode(id.Server[:], []byte(parts[0])); err == nil {
			id.Tag = parts[1]
			id.Number, _ = strconv.ParseUint(parts[2], 10, 64)
		}
		return id
	}
	if domain, number, named := strings.Cut(c.Txn, "-"); named {
		d, _ := strconv.ParseUint(domain, 10, 32)
		id.Domain = uint32(d)
		id.Number, _ = strconv.ParseUint(number, 10, 64)
	}
	return id
}

func newChange(c *schema.Change, id source.TxnID, at source.Position) *changeRecord {
	r := &changeRecord{Txn: txnName(id), Seq: id.Seq, Statement: c.Statement, Position: at, At: time.Now().UTC()}
	if c.Before != nil {
		r.Before = c.Before.Name
	}
	if c.After != nil {
		r.After, r.Version = c.After.Name, c.After.Version
	}
	return r
}

// evolve makes every row of the old shape durable, then has the sink change the shape (invariant I5): beside the reader if
// that can be. A change that is delivered again is made again only if it is not known to have been made: a table that is
// truncated, or swapped with another, twice would be lost.
func (a *attempt) evolve(ctx context.Context, c *schema.Change, id source.TxnID) error {
	t := a.tableIn(c)
	if c.After != nil {
		a.disturb(c.After.Name)
	}
	if t != nil && t.State == Stopped {
		return a.movedAway(t, c)
	}
	if !a.beside(t, c) {
		return a.evolveInTurn(ctx, c, id)
	}
	a.inTxn = true
	t, to, err := a.destination(t, c)
	if err != nil {
		return a.nowhere(nil, c, a.at, err)
	}
	a.park(t, a.changeOf(c, id, to))
	return nil
}

// evolveInTurn makes a change that all tables wait for, because it moves their names or comes amid a transaction.
func (a *attempt) evolveInTurn(ctx context.Context, c *schema.Change, id source.TxnID) error {
	if err := a.drain(ctx); err != nil {
		return err
	}
	t := a.tableIn(c)
	if t != nil && t.State == Stopped {
		return a.movedAway(t, c)
	}
	if t != nil && c.Before != nil {
		if err := a.yield(ctx, t); err != nil {
			return err
		}
	}
	a.inTxn = true
	before := t
	t, to, err := a.destination(t, c)
	if err != nil {
		return a.nowhere(before, c, a.at, err)
	}
	made := a.changeOf(c, id, to)
	return a.endChange(t, made, a.makeChange(ctx, t, made))
}

// changeOf is a change that was read, with what is known of it from an earlier delivery.
func (a *attempt) changeOf(c *schema.Change, id source.TxnID, to schema.Name) *change {
	r := newChange(c, id, a.at)
	if past := a.earlier[r.key()]; past != nil {
		*r = *past
	}
	r.step = a.step
	return &change{Change: c, to: to, txn: id, from: a.here(), note: r}
}

// tableIn is the table that a change is about, nil when it is not captured.
func (a *attempt) tableIn(c *schema.Change) *table {
	if c.Before != nil {
		return a.tables[c.Before.Name]
	}
	return a.tables[c.After.Name]
}

// yield commits what is staged before the shape of t changes. All tables wait for it: several changes may follow in the
// same transaction, and then there is no boundary to cut at. The boundary is saved even when nothing is staged, as when the
// sink had all rows up to it: the checkpoint is not to be before rows that are in the sink under another name.
func (a *attempt) yield(ctx context.Context, t *table) error {
	switch {
	case a.clean():
		return a.flush(ctx)
	case a.open != nil && t.open == a.open:
		return stopOne(t.Name, errMidway)
	}
	return a.settle(ctx)
}

// destination finds the sink's name of the table after the change; a new table becomes one of ours.
func (a *attempt) destination(t *table, c *schema.Change) (*table, schema.Name, error) {
	if t != nil && t.Kept && c.Before == nil {
		return nil, t.Sink, errKept
	}
	if t != nil && (c.After == nil || c.After.Name == t.Name) {
		return t, t.Sink, nil
	}
	if t == nil && c.Before != nil {
		return nil, schema.Name{}, fmt.Errorf("it was %s, which is not captured, so its rows are unknown: start again to have it copied", c.Before.Name)
	}
	to, err := a.route(c.After.Name, t)
	if err != nil {
		return nil, to, err
	}
	if t == nil {
		t = a.add(tableRecord{Name: c.After.Name, Sink: to, State: Dropped})
	}
	return t, to, nil
}

// route names the table n in the sink, for t or for a new table. Two tables there in one would mix up their marks.
func (a *attempt) route(n schema.Name, t *table) (schema.Name, error) {
	to, err := a.p.Routes.Name(n)
	if err != nil {
		return to, err
	}
	if other := a.sinks[to]; other != nil && other != t && (other.State != Dropped || other.parked != nil) {
		return to, fmt.Errorf("it would be written to the sink table %s, as %s is already: a sink table takes one source table; "+
			"change the route (%s; %s)", to, other.Name, a.p.Routes.Explain(n), a.p.Routes.Explain(other.Name))
	}
	return to, nil
}

// movedAway takes the new name of a stopped table for that of a table which was not captured, as the next start would, and
// a table that is made under a name which was left for the next one of that name.
func (a *attempt) movedAway(t *table, c *schema.Change) error {
	switch {
	case c.After == nil, c.Before == nil && !t.left(), c.Before != nil && c.After.Name == t.Name:
		return nil
	}
	if other := a.tables[c.After.Name]; other != nil && other.State != Dropped && !other.left() {
		return nil
	}
	return a.appeared(&schema.TableError{Table: c.After.Name, Err: source.ErrAppeared})
}

// nowhere notes that a table, if there is one, cannot be what a change makes of it. Where it gets another name, it is no
// more under its old one, either: another table may take that, which has nothing of what the sink has there. A name that
// was left is its own again: there it is copied.
func (a *attempt) nowhere(t *table, c *schema.Change, at source.Position, why error) error {
	if t != nil && t.Name == c.Name() {
		return a.quit(t, at, why)
	}
	if t != nil {
		if err := a.quit(t, at, fmt.Errorf("%w: %w", source.ErrLeft, why)); err != nil {
			return err
		}
	}
	if other := a.tables[c.Name()]; other != nil && other.left() {
		return a.appeared(&schema.TableError{Table: c.Name(), Err: source.ErrAppeared})
	}
	return a.refuse(&schema.TableError{Table: c.Name(), Err: why})
}

// quit stops a table, and its copy.
func (a *attempt) quit(t *table, at source.Position, why error) error {
	if t.State == Copying { // the source is to stop reading it, too
		return stopOne(t.Name, why)
	}
	a.stopTable(t, at, why)
	return nil
}

// refuse notes a table that cannot be captured, with the reason.
func (a *attempt) refuse(e *schema.TableError) error {
	t := a.tables[e.Table]
	if t == nil {
		t = a.add(tableRecord{Name: e.Table, State: Dropped})
	}
	a.stopTable(t, a.at, e.Err)
	return nil
}

// makeChange has the sink make a change, as far as the policy lets it through, with a note in the store before and after.
func (a *attempt) makeChange(ctx context.Context, t *table, made *change) error {
	r, c := made.note, made.Change
	if r == nil {
		return a.endCopy(ctx, c)
	}
	if r.Applied {
		return nil
	}
	ask, err := a.p.Policy.translate(r, t, c, made.to)
	if err != nil {
		return err
	}
	if r.id == 0 {
		if err := a.p.states.applying(ctx, r, c.After); err != nil {
			return fmt.Errorf("note change: %w", err)
		}
	}
	fault.Point("pipeline.before-evolve")
	if ask != nil {
		err := a.p.Sink.Evolve(ctx, ask)
		if refused, rest := tableErrors(err); len(refused) > 0 && rest == nil {
			err = a.p.Policy.leaveOut(r, t, c, refused[0])
		}
		if err != nil {
			return err
		}
	}
	fault.Point("pipeline.after-evolve")
	if err := a.p.states.applied(ctx, r); err != nil {
		return fmt.Errorf("note change: %w", err)
	}
	what := "changed a table"
	if r.Outcome != "" {
		what = "changed a table, " + r.Outcome
	}
	a.p.Log.Info(what, "pipeline", a.p.Name, "table", made.to, "position", made.from.position, "statement", c.Statement)
	return nil
}

// passed are the changes that a checkpoint at a boundary covers: those made or delivered again, and those that no longer
// are because their table has stopped.
func (a *attempt) passed(at point) ([]int64, error) {
	var ids []int64
	a.changes = slices.DeleteFunc(a.changes, func(c *changeRecord) bool {
		if c.step >= at.step {
			return false
		}
		ids = append(ids, c.id)
		delete(a.earlier, c.key())
		return true
	})
	if len(a.earlier) == 0 {
		return ids, nil
	}
	seen, err := a.p.Source.Reached(at.position, at.position)
	if err != nil {
		return ids, fmt.Errorf("compare with %s: %w", at.position, err)
	}
	for key, c := range a.earlier {
		if seen.Sees(c.txn()) == source.Yes {
			ids = append(ids, c.id)
			delete(a.earlier, key)
		}
	}
	return ids, nil
}

// adopt makes the change ours.
func (a *attempt) adopt(t *table, made *change) error {
	c, r := made.Change, made.note
	a.changes = append(a.changes, r)
	clear(a.shapes)
	t.from, t.to, t.fitting, t.dirty = nil, nil, nil, true
	t.View, t.Kept = r.View, c.After == nil && r.Outcome != ""
	if c.After == nil || c.Before == nil {
		if t.State == Copying {
			a.copying--
		}
		a.giveUpCopy(t)
	}
	if c.After == nil {
		t.State, t.shape, t.Shape, t.Progress = Dropped, nil, 0, nil
		t.tally.set(&t.tableRecord)
		return nil
	}
	a.rename(t, c.After.Name, made.to)
	t.shape, t.Shape = c.After, r.Shape
	if c.Before == nil {
		t.Rows, t.Chunks, t.Epoch, t.Ahead, t.had = 0, 0, 0, "", nil // the sink has nothing of it
		t.progress(snapshot.Followed())
		if err := a.adoptLate(t, made.txn); err != nil {
			return err
		}
	}
	t.tally.set(&t.tableRecord)
	return nil
}

// rename gives t other names, here and in the sink.
func (a *attempt) rename(t *table, to, sink schema.Name) {
	if a.tables[t.Name] == t {
		delete(a.tables, t.Name)
	}
	if a.sinks[t.Sink] == t {
		delete(a.sinks, t.Sink)
	}
	if t.known != (schema.Name{}) && t.known != to {
		a.gone, a.moved = append(a.gone, t.known), true
		t.known = schema.Name{}
	}
	t.Name, t.Sink = to, sink
	a.tables[to], a.sinks[sink] = t, t
	a.p.status.rename(t.tally, &t.tableRecord)
}
