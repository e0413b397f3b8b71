package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
)

// Evolve implements sink.Sink. A change is made by statements of which each notes in the table's comment, in the same
// ALTER, that it was made. So one that stopped half way is finished when it is repeated, and one that was made is not
// made again. Columns that the source does not have, and that no edit dropped, stay.
func (s *Sink) Evolve(ctx context.Context, c *schema.Change) error {
	fault.Point("clickhouse.before-evolve")
	defer s.forget(c.Name())
	if c.Before != nil {
		defer s.forget(c.Before.Name)
	}
	if run := s.run.Load(); run > 0 { // who drops tables from a shell has none
		if err := s.unfenced(ctx, run); err != nil {
			return failed("change table "+c.Name().String(), err)
		}
	}
	err := s.patiently(ctx, "change table "+c.Name().String(), func(ctx context.Context) error { return s.evolve(ctx, c) })
	if err != nil {
		return ofTableError(c.Name(), "change the ClickHouse table", err)
	}
	fault.Point("clickhouse.after-evolve")
	return nil
}

func (s *Sink) evolve(ctx context.Context, c *schema.Change) error {
	if c.After == nil {
		return s.drop(ctx, c.Before)
	}
	after, err := newLayout(c.After, &s.cfg)
	if err != nil {
		return tableError(c.After.Name, err)
	}
	switch {
	case c.Has(schema.BeginCopy):
		return s.beginCopy(ctx, after)
	case c.Has(schema.EndCopy):
		return s.endCopy(ctx, after)
	}
	if c.Before != nil && c.Before.Name != c.After.Name {
		if err := s.rename(ctx, c); err != nil {
			return err
		}
	}
	p, err := s.free(ctx, c.After)
	if err != nil {
		return err
	}
	switch now := p.now(); {
	case now == nil:
		return s.create(ctx, after)
	case s.evolved(now, c):
		return s.restoreView(ctx, after, now)
	default:
		return s.change(ctx, now, c, after)
	}
}

// change makes an existing table match c.After.
func (s *Sink) change(ctx context.Context, now *physical, c *schema.Change, after *layout) error {
	if err := s.owns(now); err != nil {
		return tableError(c.After.Name, err)
	}
	if c.Before == nil && !now.note.Copy {
		if unused, err := s.unused(ctx, now); err != nil {
			return err
		} else if unused {
			if err := s.exec(ctx, "drop an unused table", dropTableSQL(now.name, &s.cfg)); err != nil {
				return err
			}
			return s.create(ctx, after)
		}
	}
	if c.Has(schema.TruncateTable) && now.note.Toward == "" {
		if err := s.exec(ctx, "truncate "+now.name.String(), truncateSQL(now.name, &s.cfg)); err != nil {
			return err
		}
		fault.Point("clickhouse.after-truncate")
	}
	return s.alter(ctx, now, c, after)
}

// unused says that a table of ours has neither a mark nor rows: a start that did not get as far as its first commit made it,
// perhaps from a shape that the source's table has no more.
func (s *Sink) unused(ctx context.Context, p *physical) (bool, error) {
	marks, err := s.marks(ctx)
	if _, marked := marks[p.uuid]; marked || err != nil {
		return false, err
	}
	rows, err := s.query(ctx, "look for rows", fmt.Sprintf("SELECT toString(count()) FROM (SELECT 1 FROM %s LIMIT 1)", quoteTable(p.name)))
	return err == nil && rows[0][0] == "0", err
}

// fingerprint names a shape, as far as the sink cares.
func fingerprint(t *schema.Table) string {
	h := fnv.New64a()
	for i, c := range t.Columns {
		fmt.Fprintf(h, "%q %s %v %d\n", c.Name, c.Type, c.Nullable, slices.Index(t.Key, i))
	}
	return fmt.Sprintf("%d-%016x", t.Version, h.Sum64())
}

// evolved says that the table matches c.After already.
func (s *Sink) evolved(p *physical, c *schema.Change) bool {
	repeatable := c.Before != nil && c.Before.Version == c.After.Version && c.Has(schema.TruncateTable) // its version cannot tell
	n := p.note
	return !repeatable && n.Pipeline == s.pipeline && n.Toward == "" && n.Shape == fingerprint(c.After)
}

// create makes the table, its database and its view.
func (s *Sink) create(ctx context.Context, l *layout) error {
	if err := s.exec(ctx, "create database", createDatabaseSQL(l.table.Name.Namespace, &s.cfg)); err != nil {
		return err
	}
	fault.Point("clickhouse.before-create")
	n := note{Pipeline: s.pipeline, Shape: fingerprint(l.table)}
	if err := s.exec(ctx, "create table", l.createSQL(l.table.Name, &s.cfg, n.text())); err != nil {
		return err
	}
	fault.Point("clickhouse.after-create")
	p, err := s.place(ctx, l.table.Name)
	if err != nil {
		return err
	}
	if p.main != nil && p.main.uuid == noUUID {
		return tableError(l.table.Name, fmt.Errorf("its database %s gives tables no UUIDs: use a database of engine Atomic, Replicated or Shared", l.table.Name.Namespace))
	}
	if p.main == nil || p.main.note != n {
		return fmt.Errorf("somebody else made the table %s at the same time: %w", l.table.Name, s.orNil(p.main))
	}
	return s.restoreView(ctx, l, p.main)
}

// noUUID is what tables of old database engines have.
const noUUID = "00000000-0000-0000-0000-000000000000"

var errVanished = errors.New("and it is gone again")

func (s *Sink) orNil(p *physical) error {
	if p == nil {
		return errVanished
	}
	return s.owns(p)
}

// restoreView makes the view of the columns as they are, if one is asked for.
func (s *Sink) restoreView(ctx context.Context, l *layout, p *physical) error {
	view, ok := l.view(l.table.Name, &s.cfg)
	if !ok || p.note.Copy {
		return nil // of a copy it is made when that is the table
	}
	have, err := s.query(ctx, "look for the view", fmt.Sprintf("SELECT engine FROM system.tables WHERE database = %s AND name = %s", quoteText(view.Namespace), quoteText(view.Table)))
	if err != nil {
		return err
	}
	if len(have) > 0 && have[0][0] != "View" {
		return tableError(l.table.Name, fmt.Errorf("the view beside it would be called %s, and there is a table of that name: set view.suffix to another ending than %q", view, s.cfg.ViewSuffix))
	}
	return s.exec(ctx, "make the view", l.viewSQL(l.table.Name, view, &s.cfg))
}

// drop drops the table, or notes that its rows are those of a table that is gone.
func (s *Sink) drop(ctx context.Context, t *schema.Table) error {
	p, err := s.place(ctx, t.Name)
	if err != nil {
		return err
	}
	if p.copy != nil && p.copy.note.Pipeline == s.pipeline {
		if err := s.exec(ctx, "drop an unfinished copy", dropTableSQL(p.copy.name, &s.cfg)); err != nil {
			return err
		}
	}
	if p.main == nil || p.main.note.Dropped && p.main.note.Pipeline == s.pipeline {
		return nil
	}
	if err := s.owns(p.main); err != nil {
		return tableError(t.Name, err)
	}
	if s.cfg.Drop == DropTable {
		return s.remove(ctx, t.Name, p.main)
	}
	return s.exec(ctx, "note that the table was dropped", alterSQL(p.main.name, &s.cfg, noteClause(note{Pipeline: s.pipeline, Shape: p.main.note.Shape, Dropped: true})))
}

// remove drops a table and its view.
func (s *Sink) remove(ctx context.Context, n schema.Name, p *physical) error {
	if err := s.dropView(ctx, n); err != nil {
		return err
	}
	return s.exec(ctx, "drop the table", dropTableSQL(p.name, &s.cfg))
}

// dropView drops the view beside a table, if one is asked for.
func (s *Sink) dropView(ctx context.Context, n schema.Name) error {
	if opts, err := s.cfg.optionsOf(n); err != nil || !opts.view {
		return err
	}
	return s.exec(ctx, "drop the view", dropViewSQL(schema.Name{Namespace: n.Namespace, Table: n.Table + s.cfg.ViewSuffix}, &s.cfg))
}

// free looks for a table. One that was kept when the source's was dropped makes room for the one that takes its name: its rows must
// not mix.
func (s *Sink) free(ctx context.Context, t *schema.Table) (place, error) {
	p, err := s.place(ctx, t.Name)
	if err != nil || p.main == nil || !p.main.note.Dropped || p.main.note.Pipeline != s.pipeline {
		return p, err
	}
	s.log.Info("dropped a kept table, whose name another takes", "table", t.Name.String())
	err = s.remove(ctx, t.Name, p.main)
	p.main = nil
	return p, err
}

// rename gives the table and its unfinished copy their new names, unless they have them. The statement that renames them
// may stop between the two.
func (s *Sink) rename(ctx context.Context, c *schema.Change) error {
	from, err := s.place(ctx, c.Before.Name)
	if err != nil {
		return err
	}
	to, err := s.free(ctx, c.After)
	if err != nil {
		return err
	}
	if err := s.exec(ctx, "create database", createDatabaseSQL(c.After.Name.Namespace, &s.cfg)); err != nil {
		return err
	}
	var pairs [][2]schema.Name
	if from.copy != nil && from.copy.note.Pipeline == s.pipeline && to.copy == nil {
		pairs = append(pairs, [2]schema.Name{from.copy.name, s.copyName(c.After.Name)})
	}
	moves, err := s.renames(from.main, to.main, c)
	if err != nil {
		return tableError(c.After.Name, err)
	}
	if moves {
		pairs = append(pairs, [2]schema.Name{c.Before.Name, c.After.Name})
		if err := s.dropView(ctx, c.Before.Name); err != nil {
			return err
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	fault.Point("clickhouse.before-rename")
	err = s.once(ctx, renameSQL(&s.cfg, pairs...))
	fault.Point("clickhouse.after-rename")
	return err
}

// renames says whether the table is still to be renamed.
func (s *Sink) renames(from, to *physical, c *schema.Change) (bool, error) {
	switch {
	case from == nil || from.note.Dropped || to != nil && s.evolved(to, c):
		return false, nil
	case to != nil:
		return false, fmt.Errorf("%s was renamed to it, and the ClickHouse table %s exists already: rename or drop that", c.Before.Name, to.name)
	}
	return true, s.owns(from)
}
