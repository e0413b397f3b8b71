package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

const (
	sbtestRows = 100_000
	clients    = 8 // of the update load
	// untouched is what column c of a row has before its first update, and touched says that a row had one.
	untouched = "repeat('0', 119)"
	touched   = "k > 0 OR c <> " + untouched
)

// BenchmarkUpdates is about the load of sysbench's oltp_update_index and oltp_update_non_index, half and half: transactions
// of one update each, from several clients. It is to be applied faster than the server executes it alone, and beside it
// without falling back.
func BenchmarkUpdates(b *testing.B) {
	l := newLab(b)
	updates := size(b, "CDCSYNC_BENCH_UPDATES", 100_000) / clients * clients
	log := l.updated(b, "alone", updates)
	took, err := l.load(b.Context(), b, log)
	if err != nil {
		b.Fatal(err)
	}
	limit := float64(updates) / took.Seconds()
	b.Run("clickhouse", func(b *testing.B) {
		s := servers.ClickHouse(b)
		t := log
		t.Sink, t.Addr = ClickHouse, s.HTTPAddr
		follow(b, t, figure{name: "updates-clickhouse", limit: limit})
		t = l.updated(b, "beside_clickhouse", updates)
		t.Sink, t.Addr = ClickHouse, s.HTTPAddr
		l.beside(b, t)
		for _, db := range []string{"alone", t.Database} {
			l.same(b, judged(s), verify.Pair{Namespace: db, Table: "sbtest", Database: db, Source: "sbtest", Where: touched})
		}
	})
	b.Run("kafka", func(b *testing.B) {
		k := servers.Kafka(b)
		t := log
		t.Sink, t.Addr = Kafka, k.Seeds()
		follow(b, t, figure{name: "updates-kafka", limit: limit})
		t = l.updated(b, "beside_kafka", updates)
		t.Sink, t.Addr = Kafka, k.Seeds()
		l.beside(b, t)
		for _, db := range []string{"alone", t.Database} {
			if got := consume(b, k, db+".sbtest"); got.updates != updates || got.other() != 0 {
				b.Errorf("%s: %+v, want %d updates and nothing else", db, got, updates)
			}
		}
	})
}

// updated makes a table for the load. The task follows its updates, of which there are none yet.
func (l *lab) updated(b *testing.B, database string, updates int64) task {
	b.Helper()
	l.unlogged(b, "CREATE DATABASE "+database, "CREATE TABLE "+database+".sbtest "+sbtest,
		fmt.Sprintf("INSERT INTO %s.sbtest SELECT seq, 0, %s, md5(-seq) FROM seq_1_to_%d", database, untouched, sbtestRows))
	t := l.task
	t.Database, t.Want = database, updates
	t.File, t.Pos = l.position(b)
	return t
}

// load does the updates that a task wants, and returns how long they took.
func (l *lab) load(ctx context.Context, b *testing.B, t task) (time.Duration, error) {
	db := l.DB(b)
	db.SetMaxOpenConns(clients)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for client := range clients {
		group.Go(func() error {
			index, err := db.PrepareContext(ctx, "UPDATE "+t.Database+".sbtest SET k=k+1 WHERE id=?")
			if err != nil {
				return fmt.Errorf("prepare update: %w", err)
			}
			other, err := db.PrepareContext(ctx, "UPDATE "+t.Database+".sbtest SET c=? WHERE id=?")
			if err != nil {
				return fmt.Errorf("prepare update: %w", err)
			}
			random := rand.New(rand.NewPCG(1, uint64(client)))
			for i := range t.Want / clients {
				id := 1 + random.IntN(sbtestRows)
				if i%2 == 0 {
					_, err = index.ExecContext(ctx, id)
				} else {
					_, err = other.ExecContext(ctx, strings.Repeat(fmt.Sprintf("%011d-", random.IntN(1e11)), 10)[:119], id)
				}
				if err != nil {
					return fmt.Errorf("update row %d: %w", id, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// beside reports how far a task is behind when the load that it follows ends.
func (l *lab) beside(b *testing.B, t task) {
	b.Helper()
	var load errgroup.Group
	var took time.Duration
	var ended time.Time
	load.Go(func() error {
		var err error
		took, err = l.load(b.Context(), b, t)
		ended = time.Now()
		return err
	})
	got, c := run(b, t)
	if err := load.Wait(); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("bench updates-%s-beside server_rows_per_s=%.0f cpu_s_per_mrow=%.2f rss_mb=%d behind_ms=%d limit_ms=1000\n", t.Sink,
		float64(t.Want)/took.Seconds(), c.cpu.Seconds()/float64(t.Want)*1e6, c.rss>>20, got.Ended.Sub(ended).Milliseconds())
}
