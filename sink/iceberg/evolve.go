package iceberg

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// Evolve implements sink.Sink. What it did is noted in the table, in the same commit, so that repeating it does nothing.
// Columns that the source does not have, and that no edit dropped, stay: their new rows have NULL there.
func (s *Sink) Evolve(ctx context.Context, c *schema.Change) error {
	fault.Point("iceberg.before-evolve")
	defer s.forget(c.Name())
	err := s.evolve(ctx, c)
	fault.Point("iceberg.after-evolve")
	return err
}

func (s *Sink) evolve(ctx context.Context, c *schema.Change) error {
	if c.After == nil {
		return s.drop(ctx, c.Before.Name)
	}
	if err := catalog.ValidateTableIdentifier(identifier(c.After.Name)); err != nil {
		return tableError(c.After.Name, fmt.Errorf("the name cannot be one in an Iceberg catalog; give the table another one in a route: %w", err))
	}
	switch {
	case c.Has(schema.EndCopy):
		return nil // the old rows went when the new copy began
	case c.Has(schema.BeginCopy):
		if err := s.drop(ctx, c.After.Name); err != nil {
			return err
		}
		return s.evolve(ctx, &schema.Change{After: c.After})
	}
	tbl, err := s.free(ctx, c.After.Name)
	if err == nil {
		err = s.fenced(tbl)
	}
	if err != nil {
		return err
	}
	if c.Before != nil && c.Before.Name != c.After.Name {
		if tbl, err = s.rename(ctx, tbl, c); err != nil {
			return err
		}
	}
	if tbl == nil {
		return s.create(ctx, c.After)
	}
	if s.evolved(tbl, c) {
		return nil
	}
	if c.Before == nil && s.unused(tbl) {
		if err := s.cat.DropTable(ctx, identifier(c.After.Name)); err != nil && !errors.Is(err, catalog.ErrNoSuchTable) {
			return fmt.Errorf("%w: drop unused table %s: %w", sink.ErrTransient, c.After.Name, err)
		}
		return s.create(ctx, c.After)
	}
	return s.alter(ctx, tbl, c)
}

// unused says that the table is ours and never had a commit: a start that did not get as far as its first commit made
// it, perhaps from a shape that the source's table has no more.
func (s *Sink) unused(tbl *table.Table) bool {
	return tbl.Properties()[propPipeline] == s.pipeline && tbl.Properties()[s.own("epoch")] == "" && tbl.CurrentSnapshot() == nil
}

// fingerprint names a shape, as far as the sink cares.
func fingerprint(t *schema.Table) string {
	h := fnv.New64a()
	for i, c := range t.Columns {
		fmt.Fprintf(h, "%q %s %d\n", c.Name, c.Type, slices.Index(t.Key, i))
	}
	return fmt.Sprintf("%d-%016x", t.Version, h.Sum64())
}

// evolved says that the table matches c.After already.
func (s *Sink) evolved(tbl *table.Table, c *schema.Change) bool {
	repeatable := c.Before != nil && c.Before.Version == c.After.Version && c.Has(schema.TruncateTable) // its version cannot tell
	return !repeatable && tbl.Properties()[propPipeline] == s.pipeline && tbl.Properties()[s.own(propShape)] == fingerprint(c.After)
}

// fenced refuses a table that a later run has written to.
func (s *Sink) fenced(tbl *table.Table) error {
	if tbl == nil || tbl.Properties()[propPipeline] != s.pipeline {
		return nil
	}
	later, err := strconv.ParseUint(tbl.Properties()[s.own("run")], 10, 64)
	if run := s.run.Load(); err == nil && run > 0 && later > run {
		return fmt.Errorf("change table %s: run %d, after run %d has written to it: %w", strings.Join(tbl.Identifier(), "."), run, later, sink.ErrFenced)
	}
	return nil
}

// drop removes the table, or notes that its rows are those of a table that is gone.
func (s *Sink) drop(ctx context.Context, n schema.Name) error {
	defer s.forget(n)
	tbl, err := s.load(ctx, n)
	if err != nil || tbl == nil || s.dropped(tbl) {
		return err
	}
	if err := s.fenced(tbl); err != nil {
		return err
	}
	if err := s.owns(tbl); err != nil {
		return tableError(n, err)
	}
	if s.cfg.Drop == DropTable {
		return s.remove(ctx, n)
	}
	reqs := []table.Requirement{table.AssertTableUUID(tbl.Metadata().TableUUID())}
	note := table.NewSetPropertiesUpdate(iceberg.Properties{s.own(propDropped): "true"})
	if err := commitUpdates(ctx, s.cat, tbl, reqs, []table.Update{note}); err != nil {
		return fmt.Errorf("%w: note that table %s was dropped: %w", sink.ErrTransient, n, err)
	}
	return nil
}

func (s *Sink) remove(ctx context.Context, n schema.Name) error {
	if err := s.cat.DropTable(ctx, identifier(n)); err != nil && !errors.Is(err, catalog.ErrNoSuchTable) {
		return fmt.Errorf("%w: drop table %s: %w", sink.ErrTransient, n, err)
	}
	return nil
}

// dropped says that the table was kept when the source's was dropped.
func (s *Sink) dropped(tbl *table.Table) bool {
	return tbl.Properties()[propPipeline] == s.pipeline && tbl.Properties()[s.own(propDropped)] != ""
}

// free loads a table. One that was kept when the source's was dropped makes room for the one that takes its name: its
// rows must not mix.
func (s *Sink) free(ctx context.Context, n schema.Name) (*table.Table, error) {
	tbl, err := s.load(ctx, n)
	if err != nil || tbl == nil || !s.dropped(tbl) {
		return tbl, err
	}
	s.log.Info("dropped a kept table, whose name another takes", "table", n.String(), "metadata", tbl.MetadataLocation())
	return nil, s.remove(ctx, n)
}

// owns refuses a table of another pipeline.
func (s *Sink) owns(tbl *table.Table) error {
	switch owner := tbl.Properties()[propPipeline]; {
	case owner == s.pipeline:
		return nil
	case owner != "":
		return fmt.Errorf("the Iceberg table belongs to pipeline %q, this is %q: two pipelines on one table would undo each other; route this table elsewhere, or drop the Iceberg table", owner, s.pipeline)
	case tbl.CurrentSnapshot() != nil:
		return errors.New("the Iceberg table exists already, with rows that are not cdcsync's: its rows could stand twice; drop it, empty it by making it anew, or route this table elsewhere")
	}
	return nil
}

// rename gives the table its new name, unless it has it already. now is the table of that name.
func (s *Sink) rename(ctx context.Context, now *table.Table, c *schema.Change) (*table.Table, error) {
	from, to := c.Before.Name, c.After.Name
	old, err := s.load(ctx, from)
	if err != nil || old == nil || s.dropped(old) || now != nil && s.evolved(now, c) {
		return now, err
	}
	if now != nil {
		return nil, tableError(to, fmt.Errorf("%s was renamed to it, and the Iceberg table %s exists already: rename or drop that", from, to))
	}
	if err := s.owns(old); err != nil {
		return nil, tableError(to, err)
	}
	if err := s.namespace(ctx, to.Namespace); err != nil {
		return nil, err
	}
	defer s.forget(from)
	tbl, err := s.cat.RenameTable(ctx, identifier(from), identifier(to))
	if err != nil {
		return nil, fmt.Errorf("%w: rename table %s to %s: %w", sink.ErrTransient, from, to, err)
	}
	return tbl, nil
}

func (s *Sink) namespace(ctx context.Context, ns string) error {
	err := s.cat.CreateNamespace(ctx, table.Identifier{ns}, nil)
	if err == nil || errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return nil
	}
	if ok, cerr := s.cat.CheckNamespaceExists(ctx, table.Identifier{ns}); cerr == nil && ok {
		return nil
	}
	return fmt.Errorf("%w: create namespace %s: %w", sink.ErrTransient, ns, err)
}

// create makes the table.
func (s *Sink) create(ctx context.Context, t *schema.Table) error {
	sc, err := newSchema(t)
	if err != nil {
		return tableError(t.Name, err)
	}
	spec, err := newSpec(t, sc, s.partitions[t.Name.String()])
	if err != nil {
		return tableError(t.Name, err)
	}
	if err := mutablePartition(t, sc, spec); err != nil {
		return tableError(t.Name, err)
	}
	if err := s.namespace(ctx, t.Name.Namespace); err != nil {
		return err
	}
	props := s.cfg.tableProperties()
	props[propPipeline], props[s.own(propShape)] = s.pipeline, fingerprint(t)
	opts := []catalog.CreateTableOpt{catalog.WithProperties(props), catalog.WithPartitionSpec(spec)}
	if loc := s.location(t.Name); loc != "" {
		opts = append(opts, catalog.WithLocation(loc))
	}
	_, err = s.cat.CreateTable(ctx, identifier(t.Name), sc, opts...)
	if errors.Is(err, catalog.ErrTableAlreadyExists) {
		return fmt.Errorf("%w: create table %s: somebody else did at the same time: %w", sink.ErrTransient, t.Name, err)
	}
	if errors.Is(err, iceberg.ErrInvalidSchema) || errors.Is(err, iceberg.ErrInvalidArgument) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTDIR) {
		return tableError(t.Name, fmt.Errorf("create Iceberg table: %w", err))
	}
	if err != nil {
		return fmt.Errorf("%w: create table %s: %w", sink.ErrTransient, t.Name, err)
	}
	return nil
}

// newSchema is the Iceberg schema of a new table.
func newSchema(t *schema.Table) (*iceberg.Schema, error) {
	ts, err := targets(t)
	if err != nil {
		return nil, err
	}
	fields, ids := make([]iceberg.NestedField, len(ts)), make([]int, 0, len(t.Key))
	for i, c := range ts {
		fields[i] = iceberg.NestedField{ID: i + 1, Name: c.name, Type: c.Type, Required: c.required}
	}
	for _, k := range t.Key {
		ids = append(ids, fields[k].ID)
	}
	return iceberg.NewSchemaWithIdentifiers(0, ids, fields...), nil
}

// mutablePartition refuses what layout.checkSpec would, before the table is made.
func mutablePartition(t *schema.Table, sc *iceberg.Schema, spec *iceberg.PartitionSpec) error {
	for _, f := range spec.Fields() {
		if len(t.Key) > 0 && !slices.Contains(sc.IdentifierFieldIDs, f.SourceID()) {
			name, _ := sc.FindColumnName(f.SourceID())
			return fmt.Errorf("partition.key: %s(%s): %s is not part of the key, so the rows of a key could move between partitions and be missed by deletes; "+
				"partition by key columns, like bucket[16](%s)", f.Transform, name, name, t.Columns[t.Key[0]].Name)
		}
	}
	return nil
}

// alter makes an existing table match c.After, in one commit.
func (s *Sink) alter(ctx context.Context, tbl *table.Table, c *schema.Change) error {
	name := c.After.Name
	if err := s.owns(tbl); err != nil {
		return tableError(name, err)
	}
	if c.Has(schema.TruncateTable) && tbl.CurrentSnapshot() != nil {
		var err error
		if tbl, err = s.truncate(ctx, tbl, name); err != nil {
			return fmt.Errorf("%w: truncate table %s: %w", sink.ErrTransient, name, err)
		}
	}
	known := c.Before != nil && tbl.Properties()[s.own(propShape)] == fingerprint(c.Before)
	a := alteration{before: tbl, change: c, exact: known, incompatible: s.cfg.Incompatible}
	sc, err := a.run()
	if err != nil {
		return tableError(name, err)
	}
	props := iceberg.Properties{propPipeline: s.pipeline, s.own(propShape): fingerprint(c.After)}
	for key, value := range s.cfg.tableProperties() {
		if _, mine := owned[key]; mine && tbl.Properties()[key] != value {
			props[key] = value
		}
	}
	var head *int64
	if cur := tbl.CurrentSnapshot(); cur != nil {
		head = &cur.SnapshotID
	}
	reqs := []table.Requirement{table.AssertRefSnapshotID(table.MainBranch, head), table.AssertTableUUID(tbl.Metadata().TableUUID())}
	var updates []table.Update
	if !sc.Equals(tbl.Schema()) {
		reqs = append(reqs, table.AssertCurrentSchemaID(tbl.Schema().ID), table.AssertLastAssignedFieldID(tbl.Metadata().LastColumnID()))
		updates = append(updates, useSchema(tbl, sc)...)
	}
	sn, err := s.fill(ctx, tbl, c, updates)
	if err == nil && sn != nil {
		var more []table.Update
		more, _, err = sn.build(ctx) // its requirements are among reqs
		updates = append(updates, more...)
	}
	if err == nil {
		err = commitUpdates(ctx, s.cat, tbl, reqs, append(updates, table.NewSetPropertiesUpdate(props)))
	}
	if err != nil {
		return fmt.Errorf("%w: alter table %s: %w", sink.ErrTransient, name, err)
	}
	return s.verify(ctx, c.After)
}

// useSchema makes sc the current schema. One that the table had before is not added again: a REST catalog that finds it
// does not know which schema "the last added" is.
func useSchema(tbl *table.Table, sc *iceberg.Schema) []table.Update {
	for _, old := range tbl.Metadata().Schemas() {
		if old.Equals(sc) {
			return []table.Update{table.NewSetCurrentSchemaUpdate(old.ID)}
		}
	}
	return []table.Update{table.NewAddSchemaUpdate(sc), table.NewSetCurrentSchemaUpdate(-1)}
}

// verify finds out now, rather than at the first row, that the table cannot take the rows.
func (s *Sink) verify(ctx context.Context, t *schema.Table) error {
	s.forget(t.Name)
	_, err := s.layout(ctx, t)
	return err
}

// truncate commits a snapshot without rows. It comes before the rest of the change, which is noted last: after a crash
// between, it is repeated, and nothing was written meanwhile.
func (s *Sink) truncate(ctx context.Context, tbl *table.Table, n schema.Name) (*table.Table, error) {
	sn := snapshot{base: tbl, empty: true, summary: iceberg.Properties{propPipeline: s.pipeline, "cdcsync.truncate": "true"}}
	updates, reqs, err := sn.build(ctx)
	if err == nil {
		err = commitUpdates(ctx, s.cat, tbl, reqs, updates)
	}
	if err != nil {
		return nil, err
	}
	return s.cat.LoadTable(ctx, identifier(n))
}
