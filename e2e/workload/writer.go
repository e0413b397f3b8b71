package workload

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strings"
	"time"
)

// A writer is one session.
type writer struct {
	load   *Load
	tables []table
	r      *rand.Rand
}

func (w *writer) run(ctx context.Context) {
	var pace time.Duration
	if c := w.load.config; c.Rate > 0 {
		pace = time.Duration(c.Writers) * time.Second / time.Duration(c.Rate)
	}
	for ctx.Err() == nil {
		began := time.Now()
		// Not given up when the workload stops: what was sent and then abandoned may still happen later.
		if err := w.turn(context.WithoutCancel(ctx)); err != nil {
			w.load.outcome(ctx, err)
		}
		if rest := pace - time.Since(began); rest > 0 {
			pause(ctx, rest)
		}
	}
}

func (w *writer) turn(ctx context.Context) error {
	if w.load.config.Wild && w.r.IntN(6) == 0 {
		return w.wild(ctx)
	}
	return w.transact(ctx, w.load.pool)
}

// transact does one transaction: often a single statement, sometimes many over several tables, of which some are rolled
// back wholly or to a savepoint.
func (w *writer) transact(ctx context.Context, on session) error {
	if w.r.IntN(3) == 0 { // autocommit
		err := w.statement(ctx, on)
		if err == nil {
			w.load.counts.transactions.Add(1)
		}
		return err
	}
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // harmless after the end
	for range 1 + w.r.IntN(6) {
		if err := w.step(ctx, tx); err != nil {
			return err
		}
	}
	if w.r.IntN(10) == 0 {
		w.load.counts.rollbacks.Add(1)
		return tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	w.load.counts.transactions.Add(1)
	return nil
}

// step is a statement, sometimes undone by a savepoint.
func (w *writer) step(ctx context.Context, tx *sql.Tx) error {
	if w.r.IntN(8) > 0 {
		return w.statement(ctx, tx)
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT s"); err != nil {
		return err
	}
	if err := w.statement(ctx, tx); err != nil {
		return err
	}
	undo := []string{"ROLLBACK TO s", "RELEASE SAVEPOINT s"}[w.r.IntN(2)]
	_, err := tx.ExecContext(ctx, undo)
	return err
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// A session can also begin transactions.
type session interface {
	execer
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// statement changes rows of one table; hot rows more often than others.
func (w *writer) statement(ctx context.Context, on execer) error {
	t := w.tables[w.r.IntN(len(w.tables))]
	if w.r.IntN(4) == 0 {
		t = w.tables[1]
	}
	return w.all(ctx, on, w.sql(t)...)
}

// all runs statements, and counts their rows.
func (w *writer) all(ctx context.Context, on execer, statements ...string) error {
	for _, q := range statements {
		result, err := on.ExecContext(ctx, q)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err == nil {
			w.load.counts.rows.Add(n)
		}
	}
	return nil
}

// sql makes the statements of one step on a table.
func (w *writer) sql(t table) []string {
	key := t.key(w.r)
	name := "`" + t.name + "`"
	switch w.r.IntN(12) {
	case 0, 1:
		return []string{t.insert(w.r, "INSERT IGNORE", 1)}
	case 2:
		return []string{t.insert(w.r, "INSERT IGNORE", 2+w.r.IntN(30))}
	case 3:
		return []string{t.insert(w.r, "REPLACE", 1+w.r.IntN(5))}
	case 4:
		set := strings.Join(assign(t.values, t.value(w.r)), ",")
		return []string{t.insert(w.r, "INSERT", 1) + " ON DUPLICATE KEY UPDATE " + set}
	case 5: // a delete and a new row of the same key
		row := "(" + strings.Join(append(append([]string{}, key...), t.value(w.r)...), ",") + ")"
		columns := strings.Join(append(append([]string{}, t.keys...), t.values...), ",")
		return []string{
			"DELETE FROM " + name + " WHERE " + t.where(key),
			"INSERT IGNORE INTO " + name + " (" + columns + ") VALUES " + row,
		}
	case 6: // the key changes
		set := strings.Join(assign(t.keys, t.key(w.r)), ",")
		return []string{"UPDATE IGNORE " + name + " SET " + set + " WHERE " + t.where(key)}
	case 7:
		return []string{"DELETE FROM " + name + " WHERE " + t.where(key)}
	case 8: // rows next to each other
		set := strings.Join(assign(t.values[:1], t.value(w.r)[:1]), ",")
		return []string{"UPDATE " + name + " SET " + set + " WHERE " + t.keys[0] + ">=" + key[0] + " ORDER BY " + t.keys[0] + " LIMIT 20"}
	case 9:
		return []string{"DELETE FROM " + name + " WHERE " + t.keys[0] + ">=" + key[0] + " ORDER BY " + t.keys[0] + " LIMIT 3"}
	default:
		if q := w.load.evolve.update(w.r, t.name, t.where(key)); q != "" {
			return []string{q}
		}
		return []string{"UPDATE " + name + " SET " + strings.Join(assign(t.values, t.value(w.r)), ",") + " WHERE " + t.where(key)}
	}
}
