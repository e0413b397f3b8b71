package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// evolving is what the schema changes have made of table evolve: the columns added, by name, with a step of a ladder of
// types that each hold all values of the one before.
type evolving struct {
	mu      sync.Mutex
	columns []added
	made    int
}

type added struct {
	name   string
	ladder int
	step   int
}

// Iceberg can promote along these ladders.
func ladders() [][]string {
	return [][]string{
		{"int", "bigint"},
		{"smallint", "mediumint", "int", "bigint"},
		{"varchar(20)", "varchar(200)", "text"},
		{"decimal(8,2)", "decimal(12,2)", "decimal(30,2)"},
		{"float", "double"},
		{"datetime"},
		{"varbinary(20)", "blob"},
	}
}

const maxAdded = 10

// literal is a value for a column of a ladder.
func literal(r *rand.Rand, ladder int) string {
	switch ladder {
	case 2:
		return text(r, 18)
	case 3:
		return decimal(r, 6, 2)
	case 4:
		return fmt.Sprint(r.IntN(2000))
	case 5:
		return moment(r, 0)[:20] + "'"
	case 6:
		return bytes(r, 18)
	default:
		return fmt.Sprint(int16(r.Uint32()))
	}
}

// update is a statement that sets an added column of table evolve, or nothing.
func (e *evolving) update(r *rand.Rand, table, where string) string {
	if table != "evolve" {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.columns) == 0 {
		return ""
	}
	c := e.columns[r.IntN(len(e.columns))]
	return "UPDATE evolve SET " + c.name + "=" + literal(r, c.ladder) + " WHERE " + where
}

// change makes schema changes until ctx is done.
func (l *Load) change(ctx context.Context, r *rand.Rand) {
	for {
		pause(ctx, l.config.DDL)
		if ctx.Err() != nil {
			return
		}
		var err error
		ctx := context.WithoutCancel(ctx) // as for the writers
		switch r.IntN(10) {
		case 0:
			err = l.define(ctx, "TRUNCATE TABLE trunc")
		case 1:
			err = l.createExtra(ctx, r)
		case 2:
			err = l.dropExtra(ctx, r)
		default:
			err = l.alter(ctx, r)
		}
		if err != nil {
			l.outcome(ctx, err)
		}
	}
}

// define runs one schema change.
func (l *Load) define(ctx context.Context, statement string) error {
	l.config.Gates.DDL.RLock()
	defer l.config.Gates.DDL.RUnlock()
	_, err := l.pool.ExecContext(ctx, statement)
	if err == nil {
		l.counts.changes.Add(1)
	}
	return err
}

func (l *Load) createExtra(ctx context.Context, r *rand.Rand) error {
	l.made++
	name := fmt.Sprintf("extra_%d", l.made)
	shape := "CREATE TABLE " + name + " (id int PRIMARY KEY, base varchar(30), n int) COMMENT 'it''s; new'"
	if r.IntN(3) == 0 {
		shape = "CREATE TABLE IF NOT EXISTS `" + name + "` LIKE trunc"
	}
	if err := l.define(ctx, shape); err != nil {
		return err
	}
	l.extras = append(l.extras, name)
	_, err := l.pool.ExecContext(ctx, "INSERT INTO "+name+" (id) VALUES (1),(2),(3)")
	return err
}

func (l *Load) dropExtra(ctx context.Context, r *rand.Rand) error {
	if len(l.extras) < 3 {
		return nil
	}
	i := r.IntN(len(l.extras))
	if err := l.define(ctx, "DROP TABLE IF EXISTS "+l.extras[i]); err != nil {
		return err
	}
	l.extras = slices.Delete(l.extras, i, i+1)
	return nil
}

// alter changes the columns of table evolve. It holds no lock while the statement runs, so that updates race with it.
func (l *Load) alter(ctx context.Context, r *rand.Rand) error {
	statement, next := l.evolve.plan(r)
	if err := l.define(ctx, "ALTER TABLE evolve "+statement); err != nil {
		return err
	}
	l.evolve.mu.Lock()
	defer l.evolve.mu.Unlock()
	l.evolve.columns = next
	return nil
}

// plan makes the clauses of an ALTER TABLE, and the columns as they are after it.
func (e *evolving) plan(r *rand.Rand) (string, []added) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := slices.Clone(e.columns)
	if len(next) == 0 || len(next) < maxAdded && r.IntN(3) == 0 {
		c := e.fresh(r)
		return "ADD COLUMN " + c.define() + e.place(r), append(next, c)
	}
	i := r.IntN(len(next))
	c := next[i]
	switch r.IntN(5) {
	case 0:
		return "DROP COLUMN " + c.name, slices.Delete(next, i, i+1)
	case 1: // two clauses, of which the new column may take the place of the dropped one
		n := e.fresh(r)
		return "DROP COLUMN `" + c.name + "`, ADD COLUMN " + n.define(), append(slices.Delete(next, i, i+1), n)
	case 2:
		old := c.name
		next[i].name = e.name()
		return "CHANGE COLUMN " + old + " " + next[i].define(), next
	case 3: // moved, not changed
		return "MODIFY " + c.define() + " FIRST", next
	default:
		next[i].step = min(c.step+1, len(ladders()[c.ladder])-1)
		return "MODIFY COLUMN " + next[i].define(), next
	}
}

func (e *evolving) name() string {
	e.made++
	return fmt.Sprintf("x%d", e.made)
}

// fresh is a new column. Every fourth has a name that was there before, of any type.
func (e *evolving) fresh(r *rand.Rand) added {
	c := added{name: e.name(), ladder: r.IntN(len(ladders()))}
	if r.IntN(4) == 0 {
		old := fmt.Sprintf("x%d", 1+r.IntN(e.made))
		if !slices.ContainsFunc(e.columns, func(a added) bool { return a.name == old }) {
			c.name = old
		}
	}
	return c
}

// place is where a new column goes.
func (e *evolving) place(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return " FIRST"
	case 1:
		return " AFTER id"
	case 2:
		if len(e.columns) > 0 {
			return " AFTER `" + e.columns[r.IntN(len(e.columns))].name + "`"
		}
	}
	return ""
}

func (c added) define() string { return c.name + " " + ladders()[c.ladder][c.step] }
