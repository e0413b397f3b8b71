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
		name: "resync", args: "FILE TABLE... | FILE --all", summary: "drop sink tables so that the next run copies them anew",
		detail: "TABLE is named as at the source, and is one that has stopped. --all drops every table of the pipeline and its state:\n" +
			"for a source that no longer has the log. The pipeline must not be running. Files of dropped tables stay.",
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
	tables, err := chosen(saved.Tables, names)
	if err != nil {
		return err
	}
	store, err := pipeline.OpenStore(ctx, j.stateDir, j.name) // for its lock
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := j.dropTables(ctx, a, tables); err != nil {
		return err
	}
	if c.all {
		if err := removeState(saved.File); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.out, "the next run copies what was dropped")
	return nil
}

// maxTables is more than anybody types.
const maxTables = 100_000

// chosen finds tables by the names that they have at the source; no names are all tables.
func chosen(all []pipeline.SavedTable, names []string) ([]pipeline.SavedTable, error) {
	if len(names) == 0 {
		return all, nil
	}
	byName := map[string]pipeline.SavedTable{}
	for _, t := range all {
		byName[schema.Name(t.Source).String()] = t
	}
	var found []pipeline.SavedTable
	for _, name := range names {
		t, ok := byName[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("table %s is not one of the pipeline's; cdcsync state FILE shows them", name)
		case t.State != pipeline.Stopped:
			return nil, fmt.Errorf("table %s is %s: it needs no resync; only tables that have stopped are copied anew", name, t.State)
		}
		found = append(found, t)
	}
	return found, nil
}

func (j *job) dropTables(ctx context.Context, a *app, tables []pipeline.SavedTable) (err error) {
	if j.sink.absent() != "" {
		return nil // there is nothing to drop
	}
	drop, done, err := j.sink.dropper(ctx, j.name)
	if err != nil {
		return fmt.Errorf("open the sink: %w", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	for _, t := range tables {
		if t.Sink == nil {
			continue
		}
		name := schema.Name(*t.Sink)
		if err := drop(ctx, name); err != nil {
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
