package clickhouse

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
)

// pruneAt is how many marks there may be before those of tables that are gone are forgotten.
const pruneAt = 10_000

// Start implements sink.Sink. It ends the queries that an earlier run has left at the server, and takes back what a run
// that died in a commit has written without a mark to tables that have every change as a row. Tables with a key need that
// not: the same rows come again.
func (s *Sink) Start(ctx context.Context, run uint64) error {
	s.run.Store(run)
	s.serial.Store(0)
	s.mu.Lock()
	clear(s.targets)
	s.mu.Unlock()
	if err := s.start(ctx, run); err != nil {
		return failed(fmt.Sprintf("begin run %d", run), err)
	}
	return nil
}

func (s *Sink) start(ctx context.Context, run uint64) error {
	if err := s.learnRange(ctx); err != nil {
		return err
	}
	if err := s.createState(ctx); err != nil {
		return err
	}
	if err := s.beginRun(ctx, run); err != nil {
		return err
	}
	fault.Point("clickhouse.after-fence")
	if err := s.killQueries(ctx); err != nil {
		return err
	}
	if err := s.dropStages(ctx); err != nil {
		return err
	}
	marks, err := s.marks(ctx)
	if err != nil {
		return err
	}
	if len(marks) > pruneAt {
		if err := s.pruneMarks(ctx); err != nil {
			return err
		}
	}
	return s.rollBackAll(ctx, marks)
}

// killQueries ends what other processes and earlier runs of this pipeline have under way at the server, and waits for their end.
func (s *Sink) killQueries(ctx context.Context) error {
	own := fmt.Sprintf("%s%d-", s.queryPrefix(), s.run.Load())
	return s.exec(ctx, "end queries of earlier runs", fmt.Sprintf("KILL QUERY%s WHERE startsWith(query_id, %s) AND NOT startsWith(query_id, %s) SYNC",
		s.cfg.onCluster(), quoteText(s.queryPrefix()), quoteText(own)))
}

// dropStages drops the staging tables of earlier runs.
func (s *Sink) dropStages(ctx context.Context) error {
	rows, err := s.query(ctx, "look for staging tables", fmt.Sprintf("SELECT database, name FROM system.tables WHERE startsWith(name, %s)", quoteText(s.stagePrefix())))
	if err != nil {
		return err
	}
	for _, r := range rows {
		run, _, _ := strings.Cut(strings.TrimPrefix(r[1], s.stagePrefix()), "_")
		if n, err := strconv.ParseUint(run, 10, 64); err != nil || n >= s.run.Load() {
			continue
		}
		if err := s.exec(ctx, "drop a staging table", dropTableSQL(schema.Name{Namespace: r[0], Table: r[1]}, &s.cfg)); err != nil {
			return err
		}
	}
	return nil
}

// rollBackAll takes rows without a mark out of all tables that have the column _commit.
func (s *Sink) rollBackAll(ctx context.Context, marks map[string]mark) error {
	rows, err := s.query(ctx, "look for tables in append mode", fmt.Sprintf("SELECT database, name, toString(uuid), comment FROM system.tables "+
		"WHERE startsWith(comment, %s) AND engine NOT LIKE '%%Replacing%%' AND engine LIKE '%%MergeTree'", quoteText(noteLead)))
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(committers)
	for _, r := range rows {
		if readNote(r[3]).Pipeline != s.pipeline {
			continue
		}
		g.Go(func() error { return s.rollBack(ctx, schema.Name{Namespace: r[0], Table: r[1]}, marks[r[2]].commit) })
	}
	return g.Wait()
}

// rollBack takes the rows of commits after the given one out of a table.
func (s *Sink) rollBack(ctx context.Context, n schema.Name, commit uint64) error {
	late := fmt.Sprintf("%s > %d", quoteName(s.cfg.Prefix+technicals[columnCommit].name), commit)
	rows, err := s.query(ctx, "look for rows without a mark", fmt.Sprintf("SELECT toString(count()) FROM (SELECT 1 FROM %s WHERE %s LIMIT 1)", quoteTable(n), late))
	if code := codeOf(err); code == codeUnknownTable || code == codeUnknownColumn {
		return nil // not one of ours any more: who writes to it says so
	}
	if err != nil || rows[0][0] == "0" {
		return err
	}
	s.log.Info("taking back rows of a commit that was not finished", "table", n.String(), "after", commit)
	fault.Point("clickhouse.before-rollback")
	return s.exec(ctx, "take back rows of "+n.String(), fmt.Sprintf("ALTER TABLE %s%s DELETE WHERE %s", quoteTable(n), s.cfg.onCluster(), late),
		mutates)
}

// stagePrefix begins the names of staging tables.
func (s *Sink) stagePrefix() string { return s.ownPrefix() + "stage_" }

// stageName is a new name for a staging table beside a table.
func (s *Sink) stageName(n schema.Name) schema.Name {
	return schema.Name{Namespace: n.Namespace, Table: fmt.Sprintf("%s%d_%d", s.stagePrefix(), s.run.Load(), s.serial.Add(1))}
}
