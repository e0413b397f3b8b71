package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const step = 120 // keys that a migration copies at once

// pause is a short while.
func pause(r *rand.Rand) time.Duration { return time.Duration(r.IntN(120)) * time.Millisecond }

// ghost changes a table as gh-ost does: a copy of the new shape is filled beside it, and takes its name in one RENAME,
// behind a lock under which the copy is made equal. (gh-ost does that from the log.) Some are given up on the way.
func (g *racer) ghost(ctx context.Context, r *rand.Rand) error {
	name := pick(r, "mig_1", "mig_2")
	gho, ghc, del := "_"+name+"_gho", "_"+name+"_ghc", "_"+name+"_del"
	if err := g.define(ctx, g.pool, "DROP TABLE IF EXISTS "+gho, "DROP TABLE IF EXISTS "+ghc, "DROP TABLE IF EXISTS "+del); err != nil {
		return err
	}
	err := g.define(ctx, g.pool,
		"CREATE TABLE "+ghc+" (id bigint unsigned auto_increment, last_update timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, "+
			"hint varchar(64) charset ascii NOT NULL, value varchar(4096) charset ascii NOT NULL, PRIMARY KEY (id), UNIQUE KEY hint_uidx (hint)) auto_increment=256",
		"CREATE TABLE "+gho+" LIKE "+name)
	if err != nil {
		return err
	}
	if err := g.alterCopy(ctx, r, gho); err != nil {
		return err
	}
	beat := "INSERT INTO " + ghc + " (hint, value) VALUES ('heartbeat', now(6)) ON DUPLICATE KEY UPDATE value=now(6)"
	if err := g.fill(ctx, r, name, gho, beat); err != nil || r.IntN(6) == 0 {
		return err
	}
	if err := g.cutOver(ctx, name, gho, del); err != nil {
		return err
	}
	if r.IntN(4) == 0 { // the old table stays up to the next migration
		return g.define(ctx, g.pool, "DROP TABLE IF EXISTS "+ghc)
	}
	return g.define(ctx, g.pool, "DROP TABLE IF EXISTS "+ghc, "DROP TABLE IF EXISTS "+del)
}

// alterCopy gives the copy its new shape, in one or more steps.
func (g *racer) alterCopy(ctx context.Context, r *rand.Rand, copied string) error {
	for range 1 + r.IntN(2) {
		clause, err := g.clause(ctx, r, g.db+"."+copied)
		if err != nil {
			return err
		}
		if err := g.define(ctx, g.pool, "ALTER TABLE "+g.db+"."+copied+" "+clause); err != nil {
			return err
		}
	}
	return nil
}

// shared are the columns that both tables have.
func (g *racer) shared(ctx context.Context, a, b string) (string, error) {
	columns, err := g.texts(ctx, fmt.Sprintf("SELECT a.column_name FROM information_schema.columns a JOIN information_schema.columns b ON a.column_name=b.column_name "+
		"WHERE a.table_schema='%s' AND b.table_schema='%[1]s' AND a.table_name='%s' AND b.table_name='%s' ORDER BY 1", g.db, a, b))
	return strings.Join(columns, ","), err
}

// fill copies a table in chunks of its key, and says so after each.
func (g *racer) fill(ctx context.Context, r *rand.Rand, from, to string, beat ...string) error {
	columns, err := g.shared(ctx, from, to)
	if err != nil || columns == "" {
		return err
	}
	for first := 1; first <= keys; first += step {
		chunk := fmt.Sprintf("INSERT IGNORE INTO %s (%s) SELECT %[2]s FROM %s WHERE id BETWEEN %d AND %d LOCK IN SHARE MODE", to, columns, from, first, first+step-1)
		for _, q := range append([]string{chunk}, beat...) {
			if _, err := g.pool.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		rest(ctx, pause(r))
	}
	return nil
}

// cutOver does gh-ost's atomic cut-over: one session holds the locks, another one's RENAME waits for them, and a sentry
// table of the old table's future name keeps it from going ahead too early.
func (g *racer) cutOver(ctx context.Context, name, gho, del string) error {
	g.gates.DDL.RLock()
	defer g.gates.DDL.RUnlock()
	holder, err := g.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		_, _ = holder.ExecContext(ctx, "UNLOCK TABLES") // whatever went wrong
		_ = holder.Close()
	}()
	columns, err := g.shared(ctx, name, gho)
	if err != nil {
		return err
	}
	for _, q := range []string{
		"CREATE TABLE " + del + " (id int auto_increment primary key) engine=InnoDB comment='ghost-cut-over-sentry'",
		"LOCK TABLES " + name + " WRITE, " + gho + " WRITE, " + del + " WRITE",
		"DELETE FROM " + gho,
		fmt.Sprintf("REPLACE INTO %s (%s) SELECT %[2]s FROM %s", gho, columns, name),
	} {
		if _, err := holder.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%.100s: %w", q, err)
		}
	}
	return g.swapBehind(ctx, holder, name, gho, del)
}

// swapBehind lets the RENAME wait for the holder's locks, and gives them up then.
func (g *racer) swapBehind(ctx context.Context, holder *sql.Conn, name, gho, del string) error {
	swapper, err := g.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = swapper.Close() }()
	var id int64
	if err := swapper.QueryRowContext(ctx, "SELECT connection_id()").Scan(&id); err != nil {
		return err
	}
	renamed := make(chan error, 1) // so that the renaming ends though nobody waits for it
	go func() {
		_, err := swapper.ExecContext(ctx, "RENAME TABLE "+name+" TO "+del+", "+gho+" TO "+name)
		renamed <- err
	}()
	blocked := g.blocked(ctx, id)
	_, dropped := holder.ExecContext(ctx, "DROP TABLE IF EXISTS "+del)
	_, unlocked := holder.ExecContext(ctx, "UNLOCK TABLES")
	for _, err := range []error{<-renamed, blocked, dropped, unlocked} {
		if err != nil {
			return err
		}
	}
	g.tally.did("DDL statements", 3)
	return nil
}

// blocked waits, not for long, until a session waits for a lock.
func (g *racer) blocked(ctx context.Context, id int64) error {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); rest(ctx, 5*time.Millisecond) {
		waits, err := g.texts(ctx, fmt.Sprintf("SELECT state FROM information_schema.processlist WHERE id=%d AND state LIKE '%%metadata lock%%'", id))
		if err != nil || len(waits) > 0 {
			return err
		}
	}
	return nil
}

// triggered changes a table as pt-online-schema-change does: triggers keep the copy equal while it is filled.
func (g *racer) triggered(ctx context.Context, r *rand.Rand) error {
	name := pick(r, "mig_1", "mig_2")
	next, old := "_"+name+"_new", "_"+name+"_old"
	ended := []string{"DROP TRIGGER IF EXISTS " + name + "_ins", "DROP TRIGGER IF EXISTS " + name + "_upd", "DROP TRIGGER IF EXISTS " + name + "_del"}
	if err := g.define(ctx, g.pool, append(ended, "DROP TABLE IF EXISTS "+next, "DROP TABLE IF EXISTS "+old, "CREATE TABLE "+next+" LIKE "+name)...); err != nil {
		return err
	}
	if err := g.alterCopy(ctx, r, next); err != nil {
		return err
	}
	if err := g.follow(ctx, name, next); err != nil {
		return err
	}
	if err := g.fill(ctx, r, name, next); err != nil {
		return err
	}
	if r.IntN(6) > 0 {
		if err := g.define(ctx, g.pool, "RENAME TABLE "+name+" TO "+old+", "+next+" TO "+name, "DROP TABLE IF EXISTS "+old); err != nil {
			return err
		}
	}
	return g.define(ctx, g.pool, append(ended, "DROP TABLE IF EXISTS "+next)...)
}

// follow makes the triggers that bring changes of a table into its copy.
func (g *racer) follow(ctx context.Context, name, next string) error {
	columns, err := g.shared(ctx, name, next)
	if err != nil {
		return err
	}
	values := "NEW." + strings.ReplaceAll(columns, ",", ",NEW.")
	put := "REPLACE INTO " + next + " (" + columns + ") VALUES (" + values + ")"
	on := func(event string) string {
		return "CREATE TRIGGER " + name + "_" + event[:3] + " AFTER " + event + " ON " + name + " FOR EACH ROW "
	}
	return g.define(ctx, g.pool,
		on("delete")+"DELETE IGNORE FROM "+next+" WHERE id=OLD.id",
		on("update")+"BEGIN DELETE IGNORE FROM "+next+" WHERE OLD.id<>NEW.id AND id=OLD.id; "+put+"; END",
		on("insert")+put)
}
