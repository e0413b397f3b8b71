package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// judged is where the judge finds the tables of a server.
func judged(s *servers.ClickHouseServer) verify.Sink {
	return verify.ClickHouse{URL: strings.Replace(s.URL, "//", "//"+servers.ClickHouseUser+":"+servers.ClickHouseSecret+"@", 1)}
}

// sameSums fails if the rows of a copied table do not add up to those of the source. Row by row would take minutes.
func (l *lab) sameSums(b *testing.B, s *servers.ClickHouseServer, database string) {
	b.Helper()
	table := map[string]string{"sbtest": "sbtest"}[database]
	if table == "" {
		table = "narrow"
	}
	const sums = "SELECT concat_ws(' ', count(*), sum(id), sum(k), sum(length(c)), max(c)) FROM "
	if got, want := s.Value(b, sums+database+"."+table+" FINAL"), l.Value(b, sums+database+"."+table); got != want {
		b.Errorf("%s.%s adds up to %s, the source to %s", database, table, got, want)
	}
}

// Blocks of clickhouse-go that wait in memory while they are sent.
const (
	blockRows   = 100_000
	blocksReady = 10
)

// prepared reports what clickhouse-go reaches that sends blocks of a table like ours, made beforehand, and returns the
// rows per second.
func prepared(b *testing.B, s *servers.ClickHouseServer, rows int64) float64 {
	b.Helper()
	s.Exec(b, "CREATE DATABASE prepared", `CREATE TABLE prepared.narrow (id Int64, k Int32, c String, v Decimal(12, 2), ts DateTime64(0),
		_version UInt64, _deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id`)
	got, c := run(b, task{Baseline: ClickHouse, Addr: s.Addr, Database: "prepared", Want: rows})
	if n := s.Value(b, "SELECT count() FROM prepared.narrow"); n != strconv.FormatInt(got.Changes, 10) {
		b.Fatalf("%s rows were inserted, want %d", n, got.Changes)
	}
	s.Exec(b, "DROP DATABASE prepared SYNC")
	f := figure{name: "client-clickhouse", rows: got.Changes, wall: got.Elapsed, cost: c}
	f.limit = f.rate()
	report(f)
	return f.rate()
}

// sendPrepared is the task of prepared. Only the sending is timed.
func (t task) sendPrepared(ctx context.Context) (tally, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{t.Addr}, Auth: clickhouse.Auth{Username: servers.ClickHouseUser, Password: servers.ClickHouseSecret},
		Settings: clickhouse.Settings{"async_insert": 0, "max_insert_threads": 1}, ReadTimeout: time.Minute,
	})
	if err != nil {
		return tally{}, fmt.Errorf("open ClickHouse: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var got tally
	for got.Changes < t.Want {
		ready := make([]driver.Batch, blocksReady)
		for i := range ready {
			if ready[i], err = prepare(ctx, conn, t.Database, got.Changes+int64(i)*blockRows); err != nil {
				return got, err
			}
		}
		err := got.timed(func() error {
			for _, batch := range ready {
				if err := batch.Send(); err != nil {
					return fmt.Errorf("send block: %w", err)
				}
			}
			return nil
		})
		if err != nil {
			return got, err
		}
		got.Changes += blocksReady * blockRows
	}
	return got, nil
}

// prepare makes a block of the rows that follow those there are.
func prepare(ctx context.Context, conn driver.Conn, database string, there int64) (driver.Batch, error) {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+database+".narrow", driver.WithReleaseConnection())
	if err != nil {
		return nil, fmt.Errorf("prepare block: %w", err)
	}
	var (
		id      = make([]int64, blockRows)
		k       = make([]int32, blockRows)
		c, v    = make([]string, blockRows), make([]string, blockRows)
		ts      = make([]time.Time, blockRows)
		version = make([]uint64, blockRows)
		deleted = make([]uint8, blockRows)
		first   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	)
	for i := range blockRows {
		n := there + int64(i) + 1
		id[i], k[i], c[i], v[i] = n, int32(n%1_000_003), "value number "+strconv.FormatInt(n, 10), strconv.FormatInt(n/7, 10)
		ts[i], version[i] = first.Add(time.Duration(n%31_536_000)*time.Second), 1<<40|uint64(n)
	}
	for i, column := range []any{id, k, c, v, ts, version, deleted} {
		if err := batch.Column(i).Append(column); err != nil {
			return nil, fmt.Errorf("fill column %d: %w", i, err)
		}
	}
	return batch, nil
}
