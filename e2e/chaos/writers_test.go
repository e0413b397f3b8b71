package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// write changes rows of the racer's tables, wherever they are.
func (g *racer) write(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		if err := g.transact(context.WithoutCancel(ctx), r); err != nil {
			g.outcome("", err)
		}
		rest(ctx, g.slower(time.Duration(r.IntN(40))*time.Millisecond))
	}
}

// transact does one transaction, of one statement or of several over several tables.
func (g *racer) transact(ctx context.Context, r *rand.Rand) error {
	tx, err := g.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // harmless after the end
	for range pick(r, 1, 1, 2, 5) {
		result, err := tx.ExecContext(ctx, g.statement(r, g.subject(r)))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err == nil {
			g.tally.did("rows of moving tables", n)
		}
	}
	return tx.Commit()
}

// subject is a name that a table may bear.
func (g *racer) subject(r *rand.Rand) string {
	name := pick(r, "mig_1", "mig_1", "mig_2", "mig_2", "swap_a", "swap_b", "roam_a", "roam_b", "phoenix", "fresh", g.away+".roam_a", g.away+".roam_b")
	if name == "fresh" {
		name = fmt.Sprintf("fresh_%d", max(1, g.made.Load()-r.Int64N(6)))
	}
	return name
}

const keys = 500 // of each table

func (g *racer) statement(r *rand.Rand, table string) string {
	id := 1 + r.IntN(keys)
	row := func() string {
		return fmt.Sprintf("(%d,%d,'%s')", 1+r.IntN(keys), r.IntN(1000), strings.Repeat("é ", r.IntN(20)))
	}
	rows := func() string {
		all := make([]string, 1+r.IntN(8))
		for i := range all {
			all[i] = row()
		}
		return strings.Join(all, ",")
	}
	switch r.IntN(7) {
	case 0:
		return "INSERT IGNORE INTO " + table + " (id,n,note) VALUES " + rows()
	case 1:
		return "REPLACE INTO " + table + " (id,n,note) VALUES " + rows()
	case 2:
		return "INSERT INTO " + table + " (id,n,note) VALUES " + row() + " ON DUPLICATE KEY UPDATE n=n+1"
	case 3:
		return fmt.Sprintf("DELETE FROM %s WHERE id=%d", table, id)
	case 4:
		return fmt.Sprintf("UPDATE IGNORE %s SET id=%d WHERE id=%d", table, 1+r.IntN(keys), id)
	case 5:
		return fmt.Sprintf("UPDATE %s SET n=n+1 WHERE id BETWEEN %d AND %d", table, id, id+20)
	default:
		return fmt.Sprintf("UPDATE %s SET n=%d, note='%s' WHERE id=%d", table, r.IntN(1000), strings.Repeat("ß'' ", r.IntN(20)), id)
	}
}
