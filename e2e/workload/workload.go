// Package workload owns the live writes of the end-to-end tests: seeded writers that do to a database what
// applications do at their worst, and a session of schema changes beside them.
//
// The statements of each writer are a function of the seed; how the writers interleave is not, nor which statements
// fail for a deadlock or a duplicate key. That is intended: the copy must equal the source whatever happened.
package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A Config says what a workload does. The zero Config is four writers, flat out, without schema changes.
type Config struct {
	Seed    uint64        // 0: a random one
	Writers int           // sessions that write; 0: 4
	Rate    int           // transactions per second of all writers together; 0: flat out
	Rows    int           // rows that each table has before the writers start; 0: 500
	DDL     time.Duration // pause between schema changes; 0: no schema changes
	Wild    bool          // also what few applications do, see wild.go; some of it sets global variables: for private servers
	Whole   bool          // the log has whole rows, also those of before
	Gates   *Gates        // nil: a test that kills the server need not wait for anything
}

// Gates let a test wait until nothing is under way that a killed server leaves half done: each is held for reading while
// such a statement runs.
type Gates struct {
	DDL sync.RWMutex // schema changes: MySQL before 8.0, MariaDB before 10.6
	XA  sync.RWMutex // XA PREPARE, COMMIT and ROLLBACK, which MariaDB may have logged, and not done
}

// A Load is a workload on one database.
type Load struct {
	config   Config
	server   *servers.Server
	pool     *sql.DB
	database string

	evolve evolving
	extras []string // tables that schema changes created
	made   int      // how many there were
	starts uint64
	wild   wildness

	cancel context.CancelFunc
	wait   sync.WaitGroup
	counts counters
}

type counters struct {
	transactions, rollbacks, rows, changes, refused, broken atomic.Int64
	unexpected                                              atomic.Pointer[error]
}

// Counts say what a workload did.
type Counts struct {
	Transactions int64 // committed
	Rollbacks    int64 // rolled back on purpose
	Rows         int64 // rows that statements changed, rolled back ones included
	Changes      int64 // schema changes
	Refused      int64 // transactions that the server refused: deadlocks, duplicate keys, columns that were just dropped
	Broken       int64 // transactions that ended with their connection: the server was killed
}

// New creates the tables in the server's database and fills them. The seed goes to the test's log.
func New(t testing.TB, s *servers.Server, database string, c Config) *Load {
	t.Helper()
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	c.Writers, c.Rows = defaulted(c.Writers, 4), defaulted(c.Rows, 500)
	if c.Gates == nil {
		c.Gates = new(Gates)
	}
	t.Logf("workload on %s: seed %d, %d writers", database, c.Seed, c.Writers)
	pool, err := sql.Open("mysql", s.DSN(database)+"&sql_mode=%27%27&innodb_lock_wait_timeout=5")
	if err != nil {
		t.Fatalf("open pool of workload: %v", err)
	}
	l := &Load{config: c, server: s, pool: pool, database: database}
	l.wild.files = servers.Folder(t, "load")
	t.Cleanup(func() {
		l.Stop()
		_ = pool.Close()
	})
	if err := l.create(t.Context()); err != nil {
		t.Fatalf("create tables of workload: %v", err)
	}
	return l
}

func defaulted(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func (l *Load) create(ctx context.Context) error {
	r := l.random(0)
	for _, tab := range tables(l.server) {
		if _, err := l.pool.ExecContext(ctx, tab.create()); err != nil {
			return fmt.Errorf("create table %s: %w", tab.name, err)
		}
		for n := 0; n < l.config.Rows; {
			some := min(200, l.config.Rows-n)
			if _, err := l.pool.ExecContext(ctx, tab.insert(r, "INSERT IGNORE", some)); err != nil {
				return fmt.Errorf("fill table %s: %w", tab.name, err)
			}
			n += some
		}
	}
	return nil
}

// random is the source of the statements of one session since the last Start.
func (l *Load) random(session uint64) *rand.Rand {
	return rand.New(rand.NewPCG(l.config.Seed, l.starts<<33|session))
}

// Start lets the writers write until Stop. Those of an earlier Start are stopped first.
func (l *Load) Start() {
	l.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	all := tables(l.server)
	for i := range l.config.Writers {
		w := &writer{load: l, tables: all, r: l.random(uint64(i) + 1)}
		l.wait.Go(func() { w.run(ctx) })
	}
	if l.config.DDL > 0 {
		r := l.random(1 << 32)
		l.wait.Go(func() { l.change(ctx, r) })
	}
	l.starts++
}

// Stop ends the writers, waits for them, and returns what they have done since New. It may be called again, and Start
// after it.
func (l *Load) Stop() Counts {
	if l.cancel != nil {
		l.cancel()
	}
	l.wait.Wait()
	return l.Counts()
}

// Counts returns what was done so far.
func (l *Load) Counts() Counts {
	c := &l.counts
	return Counts{
		Transactions: c.transactions.Load(), Rollbacks: c.rollbacks.Load(), Rows: c.rows.Load(),
		Changes: c.changes.Load(), Refused: c.refused.Load(), Broken: c.broken.Load(),
	}
}

// Err returns an error of the server that no writer should have met, which is a fault of the workload itself.
func (l *Load) Err() error {
	if e := l.counts.unexpected.Load(); e != nil {
		return *e
	}
	return nil
}

// Tables asks the server for the names of the tables that the database has now, sorted.
func (l *Load) Tables(t testing.TB) []string {
	t.Helper()
	names := l.server.Value(t, "SELECT group_concat(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema="+quote(l.database))
	return strings.Split(names, ",")
}

// refusals are the errors of MySQL and MariaDB that a workload brings upon itself.
var refusals = map[uint16]bool{
	1020: true, // record has changed since last read (MariaDB, innodb_snapshot_isolation)
	1054: true, // unknown column: just dropped or renamed
	1062: true, // duplicate key
	1146: true, // no such table: just dropped
	1205: true, // lock wait timeout
	1213: true, // deadlock
	1412: true, // table definition has changed
	1091: true, // cannot drop: just dropped
	1060: true, // duplicate column name
	1317: true, // the statement was interrupted: the server shuts down
	1028: true, // ... as it sorted
	1397: true, // no such XA transaction: another session has ended it, or still has it
	1402: true, // the XA transaction was rolled back
	1614: true, // ... for a deadlock
}

// outcome counts an error of a transaction.
func (l *Load) outcome(ctx context.Context, err error) {
	var refused *mysql.MySQLError
	switch {
	case errors.As(err, &refused) && refusals[refused.Number]:
		l.counts.refused.Add(1)
	case errors.As(err, &refused) && refused.Number != 1053 && refused.Number != 1927: // not: server shutdown, connection killed
		l.counts.refused.Add(1)
		l.counts.unexpected.CompareAndSwap(nil, &err)
	default:
		l.counts.broken.Add(1)
		pause(ctx, 50*time.Millisecond)
	}
}

// pause waits, or returns early when ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// quote makes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
