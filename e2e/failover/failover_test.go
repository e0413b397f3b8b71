// Package failover tests the program against replicated servers, reached by one address as behind a DNS name, a virtual
// IP or a proxy: one is killed, its replica takes over, and the address leads there. Every table must equal the source.
//
// CDCSYNC_FAILOVERS=1 plays every server into every sink; without it, each of them comes once.
package failover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// A pair is a primary and its replica, and the address that leads to the primary.
type pair struct {
	primary, replica *servers.Server
	px               *proxy.Proxy
	vip              *servers.Server
}

// start starts a server of a flavour.
type start func(t testing.TB, options ...string) *servers.Server

// Replicas apply transactions side by side, and log them as they end: in another order than their primary.
func mysql(t testing.TB, options ...string) *servers.Server {
	return servers.MySQL(t, "9.7", append(options, servers.ReplicaOptions, "--loose-replica-parallel-workers=4", "--loose-replica-preserve-commit-order=OFF")...)
}

func mariadb(t testing.TB, options ...string) *servers.Server {
	return servers.MariaDB(t, "10.11", append(options, servers.ReplicaOptions, "--slave-parallel-threads=4", "--slave-parallel-mode=optimistic")...)
}

func newPair(t testing.TB, start start, options ...string) *pair {
	t.Helper()
	p := &pair{primary: start(t, options...), replica: start(t, options...)}
	p.replica.Follow(t, p.primary)
	p.px = proxy.New(t, p.primary.Addr)
	p.vip = p.primary.At(t, p.px.Addr())
	return p
}

// failOver kills the primary and has the replica take over, with all that the primary had.
func (p *pair) failOver(t testing.TB) {
	t.Helper()
	p.replica.Await(t, p.primary)
	p.primary.Kill9(t)
	p.replica.Promote(t)
	p.primary, p.replica = p.replica, p.primary
	p.lead(p.primary)
}

// lead has the address lead to a server.
func (p *pair) lead(to *servers.Server) {
	p.px.Redirect(to.Addr)
	p.px.Cut()
}

// rejoin makes the killed server a replica of the other.
func (p *pair) rejoin(t testing.TB) {
	t.Helper()
	p.replica.Restart(t)
	p.replica.Follow(t, p.primary)
}

func iceberg(testing.TB) e2e.Target      { return e2e.Iceberg{} }
func clickhouse(t testing.TB) e2e.Target { return e2e.ClickHouse{Server: servers.SharedClickHouse(t)} }
func kafka(t testing.TB) e2e.Target      { return e2e.Kafka{Cluster: servers.SharedKafka(t)} }

func TestFailOver(t *testing.T) {
	for _, c := range []struct {
		name  string
		start start
		sink  func(testing.TB) e2e.Target
		usual bool
	}{
		{"mysql to iceberg", mysql, iceberg, true},
		{"mysql to clickhouse", mysql, clickhouse, false},
		{"mysql to kafka", mysql, kafka, false},
		{"mariadb to iceberg", mariadb, iceberg, false},
		{"mariadb to clickhouse", mariadb, clickhouse, true},
		{"mariadb to kafka", mariadb, kafka, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.usual && os.Getenv("CDCSYNC_FAILOVERS") == "" {
				t.Skip("CDCSYNC_FAILOVERS=1 plays it")
			}
			thereAndBack(t, newPair(t, c.start), c.sink(t))
		})
	}
}

// thereAndBack fails over while tables are copied and the program runs, and back to the first server when it does not.
func thereAndBack(t *testing.T, p *pair, target e2e.Target) {
	r, seed := e2e.Seeded(t)
	db := p.vip.Database(t)
	load := workload.New(t, p.vip, db, workload.Config{Seed: seed, Rows: 500, Rate: 120, DDL: 700 * time.Millisecond})
	e2e.Big(t, p.vip, db, 20_000)
	second := newSecond(t, p.vip, db)
	pl := e2e.PipelineTo(t, target, p.vip, db, e2e.Settings{"source.scan.incremental.snapshot.chunk.size": "500"})

	load.Start()
	second.start(r.Uint64())
	d := pl.Run(t)
	e2e.Until(t, 60*time.Second, "a part of the tables is copied", func() bool { return strings.Contains(state(t, pl), "following") })
	d.Lives(t, time.Duration(r.IntN(800))*time.Millisecond)
	load.Stop()
	second.stop(t)
	p.failOver(t)
	t.Logf("failed over while copying: %v", strings.Contains(state(t, pl), "copying"))
	load.Start()
	second.start(r.Uint64())
	moved(t, pl, 1)
	p.rejoin(t)
	d.Lives(t, time.Duration(r.IntN(2000))*time.Millisecond)

	d.Kill(t) // some time before, so that the checkpoint is behind
	pauseOf(load, second, t, time.Duration(r.IntN(800))*time.Millisecond)
	p.failOver(t)
	load.Start()
	second.start(r.Uint64())
	d = pl.Run(t)
	moved(t, pl, 2)
	d.Lives(t, time.Second)
	second.stop(t)
	e2e.Settle(t, pl, d, load)
}

// moved waits until the program has moved to another server so many times.
func moved(t testing.TB, p *e2e.Pipeline, times int) {
	t.Helper()
	e2e.Until(t, 60*time.Second, fmt.Sprintf("it has moved %d times", times), func() bool {
		return strings.Count(p.Log(10_000), "moved to another server") >= times
	})
}

// pauseOf lets the writers write for a time, and stops them.
func pauseOf(load *workload.Load, second *second, t testing.TB, d time.Duration) {
	time.Sleep(d)
	load.Stop()
	second.stop(t)
}

func state(t testing.TB, p *e2e.Pipeline) string {
	t.Helper()
	out, _, _ := p.Command(t, "state")
	return out
}

// A second writes to a table of its own, in MariaDB as a second GTID domain.
type second struct {
	server *servers.Server
	pool   *sql.DB
	table  string
	cancel context.CancelFunc
	wait   sync.WaitGroup
	err    error
}

func newSecond(t testing.TB, s *servers.Server, database string) *second {
	t.Helper()
	x := &second{server: s, pool: s.DB(t), table: database + ".second"}
	s.Exec(t, "CREATE TABLE "+x.table+" (id INT PRIMARY KEY, n BIGINT)")
	t.Cleanup(func() { x.stop(t) })
	return x
}

func (x *second) start(seed uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	x.wait.Go(func() { x.err = errors.Join(x.err, x.write(ctx, rand.New(rand.NewPCG(seed, 2)))) })
}

func (x *second) write(ctx context.Context, r *rand.Rand) error {
	c, err := x.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if x.server.Flavour == servers.FlavourMariaDB {
		if _, err := c.ExecContext(ctx, "SET SESSION gtid_domain_id = 1"); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		q := fmt.Sprintf("REPLACE INTO %s VALUES (%d, %d)", x.table, r.IntN(200), r.Int64())
		if r.IntN(4) == 0 {
			q = fmt.Sprintf("DELETE FROM %s WHERE id = %d", x.table, r.IntN(200))
		}
		if _, err := c.ExecContext(context.WithoutCancel(ctx), q); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func (x *second) stop(t testing.TB) {
	if x.cancel != nil {
		x.cancel()
	}
	x.wait.Wait()
	if x.err != nil {
		t.Errorf("write in a second domain: %v", x.err)
	}
}
