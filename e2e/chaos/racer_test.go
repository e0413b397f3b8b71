package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// A racer changes the shapes and names of tables of its own, beside writers who write to whatever bears a name at the
// moment. It knows nothing but what the server says, so that a crash at any place is no matter.
type racer struct {
	pool  *sql.DB
	db    string // what is captured
	away  string // a database that is not
	gates *workload.Gates
	tally *tally
	made  atomic.Int64 // for names that were never there before
	// slower stretches a pause.
	slower func(time.Duration) time.Duration

	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// shape is that of the racer's tables; columns come and go beside these.
const shape = "(id int AUTO_INCREMENT PRIMARY KEY, n int, note varchar(100))"

func newRacer(t testing.TB, s *servers.Server, db string, gates *workload.Gates, tally *tally) *racer {
	pool, err := sql.Open("mysql", s.DSN(db)+"&sql_mode=%27%27&innodb_lock_wait_timeout=3&lock_wait_timeout=4")
	if err != nil {
		t.Fatalf("open pool of racer: %v", err)
	}
	g := &racer{pool: pool, db: db, away: db + "_away", gates: gates, tally: tally}
	t.Cleanup(func() {
		g.stop()
		_ = pool.Close()
	})
	s.Exec(t, "CREATE DATABASE "+g.away+" CHARACTER SET utf8mb4")
	for _, name := range []string{"mig_1", "mig_2", "swap_a", "swap_b", "roam_a", "phoenix"} {
		s.Exec(t, "CREATE TABLE "+db+"."+name+shape, "INSERT INTO "+db+"."+name+" (n, note) SELECT k, left(c, 20) FROM "+db+".big LIMIT 300")
	}
	return g
}

// An act is a kind of schema change. weight is how often it comes among those of its session.
type act struct {
	name   string
	weight int
	do     func(g *racer, ctx context.Context, r *rand.Rand) error
}

func shapings() []act {
	return []act{
		{"column changes", 10, (*racer).columns},
		{"renames", 6, (*racer).rename},
		{"renames out and in", 4, (*racer).wander},
		{"swaps of two tables", 4, (*racer).swap},
		{"drops with creates", 3, (*racer).rise},
		{"new tables", 3, (*racer).create},
		{"drops", 2, (*racer).drop},
	}
}

func migrations() []act {
	return []act{
		{"gh-ost migrations", 4, (*racer).ghost},
		{"pt-osc migrations", 3, (*racer).triggered},
		{"column changes", 2, (*racer).columns},
	}
}

// start lets two sessions change shapes, if they are to, and two write, until stop.
func (g *racer) start(seed uint64, shaping bool) {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	session := func(n uint64, f func(ctx context.Context, r *rand.Rand)) {
		g.wait.Go(func() { f(ctx, rand.New(rand.NewPCG(seed, n))) })
	}
	if shaping {
		session(1, func(ctx context.Context, r *rand.Rand) { g.race(ctx, r, shapings(), 600*time.Millisecond) })
		session(2, func(ctx context.Context, r *rand.Rand) { g.race(ctx, r, migrations(), 900*time.Millisecond) })
	}
	session(3, g.write)
	session(4, g.write)
}

func (g *racer) stop() {
	if g.cancel != nil {
		g.cancel()
	}
	g.wait.Wait()
}

func (g *racer) race(ctx context.Context, r *rand.Rand, acts []act, most time.Duration) {
	weights := 0
	for _, a := range acts {
		weights += a.weight
	}
	for ctx.Err() == nil {
		n := r.IntN(weights)
		for _, a := range acts {
			if n -= a.weight; n < 0 {
				g.outcome(a.name, a.do(g, context.WithoutCancel(ctx), r))
				break
			}
		}
		rest(ctx, g.slower(time.Duration(r.Int64N(int64(most)))))
	}
}

// rest waits, or returns early when ctx is done.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// refusals are what sessions bring upon each other.
var refusals = map[uint16]bool{
	1017: true, 1050: true, 1051: true, 1054: true, 1060: true, 1061: true, 1062: true, 1091: true, 1146: true, // what is there, or not any more
	1020: true, 1205: true, 1213: true, 1412: true, 1684: true, // locks and views of others
	1028: true, 1053: true, 1317: true, 1927: true, 3169: true, // the server ends
	1359: true, 1360: true, // triggers that are there, or not
	3854: true, // a statement of another session that the list of sessions cannot show
	6:    true, // a temporary file is gone: MariaDB's servers of one machine share a folder for them
	1786: true, // CREATE TABLE ... SELECT, on MySQL before 8.0.21
}

func (g *racer) outcome(name string, err error) {
	var refused *mysql.MySQLError
	switch {
	case err == nil:
		g.tally.did(name, 1)
	case errors.As(err, &refused) && refusals[refused.Number]:
		g.tally.did("schema changes and writes refused", 1)
	case errors.As(err, &refused):
		g.tally.fault(fmt.Errorf("%s: %w", name, err))
	default:
		g.tally.did("sessions broken", 1)
		rest(context.Background(), 50*time.Millisecond)
	}
}

// define runs schema changes, one after the other.
func (g *racer) define(ctx context.Context, on execer, statements ...string) error {
	for _, q := range statements {
		if err := g.one(ctx, on, q); err != nil {
			return err
		}
	}
	return nil
}

func (g *racer) one(ctx context.Context, on execer, statement string) error {
	g.gates.DDL.RLock()
	defer g.gates.DDL.RUnlock()
	if _, err := on.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%.200s: %w", statement, err)
	}
	g.tally.did("DDL statements", 1)
	return nil
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// texts returns the first column of a query.
func (g *racer) texts(ctx context.Context, query string) ([]string, error) {
	rows, err := g.pool.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// tables returns those whose names are like a pattern, with their database.
func (g *racer) tables(ctx context.Context, like string) ([]string, error) {
	return g.texts(ctx, fmt.Sprintf("SELECT concat(table_schema, '.', table_name) FROM information_schema.tables "+
		"WHERE table_schema IN ('%s','%s') AND table_name LIKE '%s' ORDER BY 1", g.db, g.away, like))
}
