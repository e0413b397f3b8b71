package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
)

// columns changes the columns of one of the tables, some of which online migrations work on.
func (g *racer) columns(ctx context.Context, r *rand.Rand) error {
	table := g.db + "." + pick(r, "mig_1", "mig_2", "swap_a", "swap_b", "roam_a", "roam_b", "phoenix")
	clause, err := g.clause(ctx, r, table)
	if err != nil {
		return err
	}
	return g.define(ctx, g.pool, "ALTER TABLE "+table+" "+clause)
}

// kinds are the columns that come and go: the letter behind the x of their names is the kind.
var kinds = map[string]string{
	"a": "int NOT NULL DEFAULT 7",
	"b": "varchar(20) DEFAULT 'it''s'",
	"c": "decimal(8,2)",
	"d": "date NOT NULL DEFAULT '2020-02-02'",
	"e": "bigint unsigned",
}

// clause makes the change of an ALTER TABLE.
func (g *racer) clause(ctx context.Context, r *rand.Rand, table string) (string, error) {
	db, name, _ := strings.Cut(table, ".")
	extra, err := g.texts(ctx, fmt.Sprintf("SELECT column_name FROM information_schema.columns WHERE table_schema='%s' AND table_name='%s' AND column_name LIKE 'x%%' ORDER BY 1", db, name))
	if err != nil {
		return "", err
	}
	if len(extra) == 0 || len(extra) < 6 && r.IntN(2) == 0 {
		kind := pick(r, "a", "b", "c", "d", "e")
		return "ADD COLUMN " + g.fresh("x"+kind) + " " + kinds[kind] + pick(r, "", " FIRST", " AFTER id", " AFTER note"), nil
	}
	old := pick(r, extra...)
	kind := old[1:2]
	switch r.IntN(4) {
	case 0:
		return "DROP COLUMN " + old, nil
	case 1:
		return "CHANGE COLUMN " + old + " " + g.fresh("x"+kind) + " " + kinds[kind], nil
	case 2:
		next := pick(r, "a", "b", "c", "d", "e")
		return "DROP COLUMN " + old + ", ADD " + g.fresh("x"+next) + " " + kinds[next], nil
	default:
		return "MODIFY COLUMN `" + old + "` " + kinds[kind] + pick(r, " FIRST", " AFTER n", " COMMENT 'a; b'"), nil
	}
}

// fresh is a name that was never there before, or rarely one that may have been.
func (g *racer) fresh(prefix string) string {
	return fmt.Sprintf("%s%d", prefix, g.made.Add(1))
}

// rename gives a table another name that is captured as well, and back.
func (g *racer) rename(ctx context.Context, r *rand.Rand) error {
	return g.roam(ctx, r, func(db, name string) string { return g.db + "." + other(name) })
}

// wander renames a table out of what is captured, or back into it.
func (g *racer) wander(ctx context.Context, r *rand.Rand) error {
	return g.roam(ctx, r, func(db, name string) string {
		to := pick(r, name, other(name))
		if db == g.db {
			return g.away + "." + to
		}
		return g.db + "." + to
	})
}

func other(name string) string {
	if name == "roam_a" {
		return "roam_b"
	}
	return "roam_a"
}

func (g *racer) roam(ctx context.Context, r *rand.Rand, to func(db, name string) string) error {
	there, err := g.tables(ctx, `roam\_%`)
	if err != nil || len(there) == 0 {
		return err
	}
	from := there[0]
	db, name, _ := strings.Cut(from, ".")
	if r.IntN(2) == 0 {
		return g.define(ctx, g.pool, "ALTER TABLE "+from+" RENAME TO "+to(db, name))
	}
	return g.define(ctx, g.pool, "RENAME TABLE "+from+" TO "+to(db, name))
}

// swap has two tables change their names.
func (g *racer) swap(ctx context.Context, _ *rand.Rand) error {
	return g.define(ctx, g.pool, "RENAME TABLE swap_a TO swap_t, swap_b TO swap_a, swap_t TO swap_b")
}

// rise drops a table and makes another one of the same name.
func (g *racer) rise(ctx context.Context, r *rand.Rand) error {
	if err := g.define(ctx, g.pool, "DROP TABLE IF EXISTS phoenix"); err != nil {
		return err
	}
	rest(ctx, pause(r))
	return g.define(ctx, g.pool, "CREATE TABLE phoenix "+pick(r, shape, "(note varchar(300), id bigint PRIMARY KEY, n int)", "(n int, id int, note text, PRIMARY KEY (id))"))
}

// create makes a table that was not there before.
func (g *racer) create(ctx context.Context, r *rand.Rand) error {
	name := g.fresh("fresh_")
	how := pick(r, shape, " LIKE "+pick(r, "mig_1", "swap_a", "phoenix"), " (id int PRIMARY KEY) SELECT id, n, note FROM swap_b LIMIT 40")
	return g.define(ctx, g.pool, "CREATE TABLE "+pick(r, "", "IF NOT EXISTS ")+name+how)
}

// drop drops some of the newer tables when they have become many, and renames one of them.
func (g *racer) drop(ctx context.Context, r *rand.Rand) error {
	there, err := g.tables(ctx, `fresh\_%`)
	if err != nil || len(there) < 4 {
		return err
	}
	r.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
	if err := g.define(ctx, g.pool, "RENAME TABLE "+there[0]+" TO "+g.fresh("fresh_")); err != nil {
		return err
	}
	return g.define(ctx, g.pool, "DROP TABLE "+strings.Join(there[1:3], ", "))
}
