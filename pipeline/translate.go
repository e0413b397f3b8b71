package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
)

var errKept = errors.New("it was created again, and the sink still has the rows of the table of that name that was dropped: " +
	"schema changes of that kind are left out; resync the table")

// What becomes of a change that the sink's table does not follow as it is.
const (
	outcomeLeftOut = "left out"
	outcomeFitted  = "made to fit"
)

// translate says what a change of the source's table asks of the sink's, which is called to afterwards; nil: nothing. The
// note r takes how the sink's table differs from the source's then.
func (p *Policy) translate(r *changeRecord, t *table, c *schema.Change, to schema.Name) (*schema.Change, error) {
	if p.Behavior == Exception && c.Before != nil {
		return nil, fmt.Errorf("schema.change.behavior is exception, and table %s is changed by: %s; apply the change to the sink yourself and "+
			"start again with another behaviour, or resync", c.Before.Name, c.Statement)
	}
	r.View, r.Outcome = nil, ""
	switch {
	case c.Before == nil:
		return under(c, t, to), nil
	case c.After == nil && p.keeps():
		r.Outcome = outcomeLeftOut
		return nil, nil
	case c.After == nil, t.View == nil && p.plain():
		return under(c, t, to), nil
	}
	v := t.View
	if v == nil {
		v = identity(c.Before)
	}
	next, edits, err := p.follow(v, c)
	if err != nil {
		return nil, &schema.TableError{Table: to, Err: err}
	}
	return p.ask(r, t, c, to, next, edits), nil
}

// ask is the change that turns the view of a table into the next one; nil when the sink has nothing to do.
func (p *Policy) ask(r *changeRecord, t *table, c *schema.Change, to schema.Name, next *view, edits []schema.Edit) *schema.Change {
	r.View, r.Outcome = next, outcomeFitted
	if t.Sink == to {
		edits = slices.DeleteFunc(edits, func(e schema.Edit) bool { return e.Kind == schema.RenameTable })
	}
	if len(edits) == 0 {
		r.Outcome = outcomeLeftOut
		return nil
	}
	next.Version++
	s := *c
	s.Before, s.After, s.Edits = t.inSink(c.Before, t.Sink), next.shape(c.After, to), edits
	return &s
}

// under is c under the sink's names.
func under(c *schema.Change, t *table, to schema.Name) *schema.Change {
	s := *c
	s.Before, s.After = t.inSink(c.Before, t.Sink), renamed(c.After, to)
	if t.Sink == to {
		s.Edits = slices.DeleteFunc(slices.Clone(c.Edits), func(e schema.Edit) bool { return e.Kind == schema.RenameTable })
	}
	return &s
}

// leaveOut notes that the sink has refused a change, if rows of the new shape can be made to fit its table as it is.
func (p *Policy) leaveOut(r *changeRecord, t *table, c *schema.Change, refused error) error {
	if p.Behavior != TryEvolve || c.Before == nil || c.After == nil || c.Before.Name != c.After.Name {
		return refused
	}
	v := t.View
	if v == nil {
		v = identity(c.Before)
	}
	ignoring := Policy{Behavior: Ignore}
	next, edits, err := ignoring.follow(v, c)
	if err == nil && len(edits) > 0 {
		err = errors.New("rows that are there would have to change")
	}
	if err != nil {
		return errors.Join(refused, &schema.TableError{Table: t.Sink, Err: fmt.Errorf("and it cannot be left out: %w", err)})
	}
	r.View, r.Outcome = next, outcomeLeftOut+": "+refused.Error()
	return nil
}
