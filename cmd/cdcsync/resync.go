package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
)

func resyncCommand() *command {
	return &command{
		name: "resync", args: "FILE TABLE... | FILE --all", summary: "have the next run copy tables anew",
		detail: "TABLE is named as at the source. It has stopped, or it is one that somebody changed in the sink; the others flow on.\n" +
			"--all drops every table of the pipeline and its state at once: for a source that no longer has the log. The pipeline\n" +
			"must not be running. Files of dropped Iceberg tables stay. ClickHouse shows the old rows until the new ones are there.",
		flags: func(c *call) { c.flags.BoolVar(&c.all, "all", false, "all tables, and the state") },
		run:   runResync,
	}
}

func runResync(ctx context.Context, a *app, c *call) (err error) {
	path, names, err := c.file(0, maxTables)
	switch {
	case err != nil:
		return err
	case c.all == (len(names) > 0):
		return c.usage("name the tables, or write --all")
	}
	j, err := a.load(path)
	if err != nil {
		return err
	}
	saved, err := pipeline.ReadState(ctx, j.stateDir, j.name)
	if err != nil {
		return err
	}
	store, err := pipeline.OpenStore(ctx, j.stateDir, j.name) // for its lock, too
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if !c.all {
		return a.resyncTables(ctx, store, saved.Tables, names)
	}
	if err := j.dropTables(ctx, a, saved.Tables); err != nil {
		return err
	}
	if err := removeState(saved.File); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "the next run copies what was dropped")
	return nil
}

// resyncTables notes which tables the next run copies anew.
func (a *app) resyncTables(ctx context.Context, store *pipeline.Store, all []pipeline.SavedTable, names []string) error {
	found, err := chosen(all, names)
	if err != nil {
		return err
	}
	if err := store.Resync(ctx, found); err != nil {
		return err
	}
	for _, n := range found {
		fmt.Fprintln(a.out, "the next run copies", n, "anew")
	}
	return nil
}

// maxTables is more than anybody types.
const maxTables = 100_000

// chosen finds tables by the names that they have at the source.
func chosen(all []pipeline.SavedTable, names []string) ([]schema.Name, error) {
	byName := map[string]schema.Name{}
	for _, t := range all {
		byName[schema.Name(t.Source).String()] = schema.Name(t.Source)
	}
	var found []schema.Name
	for _, name := range names {
		n, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("table %s is not one of the pipeline's; cdcsync state FILE shows them", name)
		}
		found = append(found, n)
	}
	return found, nil
}

func (j *job) dropTables(ctx context.Context, a *app, tables []pipeline.SavedTable) (err error) {
	if j.sink.absent() != "" {
		return nil // there is nothing to drop
	}
	snk, err := j.sink.dropper(ctx, j.name)
	if err != nil {
		return fmt.Errorf("open the sink: %w", err)
	}
	defer func() { err = errors.Join(err, snk.Close()) }()
	for _, t := range tables {
		if t.Sink == nil {
			continue
		}
		name := schema.Name(*t.Sink)
		if err := snk.Evolve(ctx, &schema.Change{Before: &schema.Table{Name: name}}); err != nil {
			return fmt.Errorf("drop %s: %w", name, err)
		}
		fmt.Fprintln(a.out, "dropped", name)
	}
	return nil
}

// removeState removes a state file that no one has open, with what SQLite keeps beside it. The lock file stays.
func removeState(path string) error {
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove state: %w", err)
		}
	}
	return nil
}
