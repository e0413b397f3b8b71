package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
)

// A stopError ends an attempt so that the next one goes on without some tables: rows of them that are staged must not be
// committed. Their names are the source's.
type stopError struct{ stops []*schema.TableError }

func (e *stopError) Error() string {
	errs := make([]error, len(e.stops))
	for i, s := range e.stops {
		errs[i] = s
	}
	return errors.Join(errs...).Error()
}

// stopOne is the stop of one table.
func stopOne(n schema.Name, reason error) *stopError {
	return &stopError{[]*schema.TableError{{Table: n, Err: reason}}}
}

// tableErrors splits an error into those of single tables and the rest. What a restart mends stops no table.
func tableErrors(err error) (stops []*schema.TableError, rest error) {
	if err == nil || transient(err) || endState(err) != Failed {
		return nil, err
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			s, r := tableErrors(e)
			stops, rest = append(stops, s...), errors.Join(rest, r)
		}
		return stops, rest
	}
	if te, ok := errors.AsType[*schema.TableError](err); ok {
		return []*schema.TableError{te}, nil
	}
	return nil, err
}

// persistStops makes the stop of tables durable, at the checkpoint: what was staged after it is gone.
func (a *attempt) persistStops(ctx context.Context, e *stopError) error {
	ctx = context.WithoutCancel(ctx)
	c, err := a.p.states.begin(ctx)
	if err != nil {
		return fmt.Errorf("stop tables: %w", err)
	}
	var sv save
	for _, s := range e.stops {
		r := c.record(s.Table)
		if r.Name != s.Table {
			if r.Name != (schema.Name{}) {
				sv.gone = append(sv.gone, r.Name)
			}
			r.Name = s.Table
			if r.Sink, err = a.p.Routes.Name(s.Table); err != nil {
				return fmt.Errorf("stop tables: %w", err)
			}
		}
		r.stopped(c.Position, s.Err)
		sv.tables = append(sv.tables, r)
		a.p.Log.Error("stopped a table", "pipeline", a.p.Name, "table", r.Name, "position", c.Position, "err", s.Err)
	}
	if err := a.p.states.save(ctx, &sv); err != nil {
		return fmt.Errorf("stop tables: %w", err)
	}
	return nil
}

// record finds the record of a table by its present name, which a change past the checkpoint may have given it. A table
// that was created past the checkpoint has none yet, and gets an empty one.
func (c *checkpoint) record(n schema.Name) *tableRecord {
	for _, ch := range slices.Backward(c.changes) {
		if ch.After == n && ch.Before != (schema.Name{}) {
			n = ch.Before
		}
	}
	i := slices.IndexFunc(c.tables, func(r tableRecord) bool { return r.Name == n })
	if i < 0 {
		return &tableRecord{}
	}
	return &c.tables[i]
}
