package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/e2e"
)

// A load is writers to the tables of a migrating.
type load struct {
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	written atomic.Int64
	wrong   atomic.Pointer[error]
}

// refusals are what servers answer to statements that come at the wrong moment: deadlocks, lock waits, keys that are taken,
// columns that have another name by now, tables that are being swapped.
var refusals = []uint16{1213, 1205, 1062, 1054, 1146, 1412, 1020}

// pace is the time between two statements of a writer.
const pace = 20 * time.Millisecond

// write starts writers.
func (m *migrating) write(t *testing.T) *load {
	t.Helper()
	_, seed := e2e.Seeded(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for i, table := range append(m.tables, m.tables...) {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		l.wait.Go(func() { l.run(ctx, m.server.DB(t), m.db+"."+table, r) })
	}
	t.Cleanup(func() {
		l.stop()
		if err := l.wrong.Load(); err != nil {
			t.Errorf("a writer: %v", *err)
		}
	})
	return l
}

func (l *load) run(ctx context.Context, db *sql.DB, name string, r *rand.Rand) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := db.ExecContext(ctx, statement(name, r))
		var refused *mysql.MySQLError
		switch {
		case err == nil:
			l.written.Add(1)
		case ctx.Err() != nil, errors.As(err, &refused) && slices.Contains(refusals, refused.Number):
		default:
			l.wrong.CompareAndSwap(nil, &err)
			return
		}
	}
}

// statement is one that changes rows. Before and after the migration, all but one column have the same name.
func statement(table string, r *rand.Rand) string {
	id, text := r.IntN(rows*3/2), []string{"note", "text2"}[r.IntN(2)]
	switch r.IntN(8) {
	case 0, 1, 2:
		return fmt.Sprintf("INSERT INTO %s (a, %s, d, e) VALUES (%d, 'new %d', %d.25, 'y')", table, text, r.Int32(), id, r.IntN(1000))
	case 3, 4:
		return fmt.Sprintf("UPDATE %s SET a = %d, %s = 'updated %d', d = -d WHERE id BETWEEN %d AND %d", table, r.Int32(), text, id, id, id+2)
	case 5:
		return fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, id)
	case 6:
		return fmt.Sprintf("UPDATE %s SET id = id + 1000000 WHERE id = %d", table, id)
	default:
		return fmt.Sprintf("REPLACE INTO %s (id, a, %s) VALUES (%d, NULL, NULL)", table, text, id)
	}
}

// more waits until the writers have carried out some more statements.
func (l *load) more(t *testing.T) {
	t.Helper()
	want := l.written.Load() + 300
	e2e.Until(t, patience, "more is written", func() bool { return l.written.Load() >= want })
}

// stop ends the writers, and says how many statements they have carried out.
func (l *load) stop() int64 {
	l.cancel()
	l.wait.Wait()
	return l.written.Load()
}
