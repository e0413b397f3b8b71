package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
)

// errLossy refuses a type that not all values survive.
var errLossy = errors.New("the change would spoil values")

// mutates waits for data to be rewritten, on all servers that have it.
var mutates = setting{"mutations_sync", "2"} // read-only

// alter makes the columns of a table those of c.After. Where the table is known to have the shape of c.Before, or to be on the
// way from there, the edits hold to the letter.
func (s *Sink) alter(ctx context.Context, now *physical, c *schema.Change, after *layout) error {
	p, err := s.plan(ctx, now, c, after)
	if err != nil {
		return err
	}
	n := note{Pipeline: s.pipeline, Shape: now.note.Shape, Copy: now.note.Copy, Toward: fingerprint(c.After)}
	if now.note.Toward == n.Toward {
		n.Steps, n.Clear = now.note.Steps, now.note.Clear
	}
	if err := s.clear(ctx, now, &n); err != nil {
		return err
	}
	for n.Steps < len(p.steps) {
		st := p.steps[n.Steps]
		n.Steps++
		if err := s.step(ctx, now, st, &n); err != nil {
			return err
		}
		fault.Point("clickhouse.between-alters")
	}
	n = note{Pipeline: s.pipeline, Shape: fingerprint(c.After), Copy: now.note.Copy}
	if err := s.exec(ctx, "note the shape", alterSQL(now.name, &s.cfg, noteClause(n))); err != nil {
		return err
	}
	now.note = n
	if err := s.verify(ctx, now.name, after); err != nil {
		return err
	}
	return s.restoreView(ctx, after, now)
}

func (s *Sink) plan(ctx context.Context, now *physical, c *schema.Change, after *layout) (*plan, error) {
	refuse := func(err error) error { return tableError(c.After.Name, err) }
	if now.note.Toward != "" && now.note.Toward != fingerprint(c.After) {
		return nil, refuse(fmt.Errorf("an earlier change of its columns was not finished, and this is another one; %s", again))
	}
	if c.Before != nil && now.note.Shape == fingerprint(c.Before) {
		before, err := newLayout(c.Before, &s.cfg)
		if err != nil {
			return nil, refuse(err)
		}
		p, err := newPlan(now.name, before, after, c.Edits)
		if err != nil {
			return nil, refuse(err)
		}
		return p, nil
	}
	if now.note.Toward != "" {
		return nil, refuse(fmt.Errorf("an earlier change of its columns was not finished, and it is not known from which shape it began; %s", again))
	}
	have, err := s.columns(ctx, now.name)
	if err != nil {
		return nil, err
	}
	if err := after.sortsBy(now.engine, sortingOf(have)); err != nil {
		return nil, refuse(err)
	}
	p, err := newLoosePlan(now.name, have, after)
	if err != nil {
		return nil, refuse(err)
	}
	return p, nil
}

// step makes one step, and notes it in the same statement.
func (s *Sink) step(ctx context.Context, now *physical, st step, n *note) error {
	if st.check != "" {
		rows, err := s.query(ctx, "look for values that a new type would lose", st.check)
		if err != nil {
			return err
		}
		if rows[0][0] != "0" {
			return tableError(now.name, fmt.Errorf("%w: column %s: %s of its values in ClickHouse would not survive (%s); %s", errLossy, st.column, rows[0][0], st.clause, again))
		}
	}
	if st.adds != "" {
		stale, err := s.stale(ctx, now, st.adds)
		if err != nil {
			return err
		}
		if stale {
			n.Clear = st.adds
		}
	}
	if err := s.once(ctx, alterSQL(now.name, &s.cfg, st.clause, noteClause(*n))); err != nil {
		return err
	}
	fault.Point("clickhouse.before-clear")
	return s.clear(ctx, now, n)
}

// clear takes old values out of a column that was added, if there are any.
func (s *Sink) clear(ctx context.Context, now *physical, n *note) error {
	if n.Clear == "" {
		return nil
	}
	err := s.exec(ctx, "clear old values", alterSQL(now.name, &s.cfg, "CLEAR COLUMN "+quoteName(n.Clear)), mutates)
	n.Clear = ""
	return err
}

// stale says that parts of the table still have values of a column that was dropped: the server was killed before it removed them.
func (s *Sink) stale(ctx context.Context, now *physical, column string) (bool, error) {
	rows, err := s.query(ctx, "look for values of a dropped column", fmt.Sprintf("SELECT toString(count()) FROM system.parts_columns WHERE database = %s AND table = %s AND column = %s AND active",
		quoteText(now.name.Namespace), quoteText(now.name.Table), quoteText(column)))
	return err == nil && rows[0][0] != "0", err
}

// verify finds out, before there are rows for it, that the table cannot take them.
func (s *Sink) verify(ctx context.Context, at schema.Name, l *layout) error {
	have, err := s.columns(ctx, at)
	if err != nil {
		return ofTableError(l.table.Name, "read columns", err)
	}
	if err := l.match(have); err != nil {
		return tableError(l.table.Name, err)
	}
	return nil
}
