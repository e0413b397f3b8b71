package bench

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/clickhouse"
	"github.com/cdcsync/cdcsync/sink/iceberg"
	"github.com/cdcsync/cdcsync/sink/kafka"
)

// The sinks there are, besides the one that keeps nothing.
const (
	Iceberg    = "iceberg"
	ClickHouse = "clickhouse"
	Kafka      = "kafka"
)

// sinks open what a task writes to. intervals and commitBytes are those of the program for such a sink.
var (
	sinks = map[string]func(context.Context, task) (sink.Sink, error){ // read-only
		"":      func(context.Context, task) (sink.Sink, error) { return dropping{}, nil },
		Iceberg: openIceberg, ClickHouse: openClickHouse, Kafka: openKafka,
	}
	intervals   = map[string]time.Duration{"": time.Second, Iceberg: time.Second, ClickHouse: 500 * time.Millisecond, Kafka: 50 * time.Millisecond} // read-only
	commitBytes = map[string]int64{Kafka: 64 << 20}                                                                                                 // read-only
)

func openIceberg(ctx context.Context, t task) (sink.Sink, error) {
	cfg := iceberg.DefaultConfig()
	cfg.Catalog = map[string]string{"type": "sql", "warehouse": t.Dir + "/warehouse"}
	return iceberg.Open(ctx, t.pipeline(), cfg, nil)
}

func openClickHouse(ctx context.Context, t task) (sink.Sink, error) {
	host, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	cfg := clickhouse.DefaultConfig()
	cfg.Hostname, cfg.Port = host, uint16(n)
	cfg.Username, cfg.Password = servers.ClickHouseUser, servers.ClickHouseSecret
	return clickhouse.Open(ctx, t.pipeline(), cfg, nil)
}

// openKafka writes topics named as the tables are.
func openKafka(ctx context.Context, t task) (sink.Sink, error) {
	cfg := kafka.DefaultConfig()
	cfg.Properties = map[string]option.Secret{"bootstrap.servers": option.Secret(t.Addr)}
	return kafka.Open(ctx, t.pipeline(), cfg, nil)
}

// dropping is a sink that keeps nothing.
type dropping struct{}

func (dropping) Marks(context.Context, []schema.Name) (map[schema.Name]sink.Mark, error) {
	return nil, nil
}
func (dropping) Start(context.Context, uint64) error          { return nil }
func (dropping) Evolve(context.Context, *schema.Change) error { return nil }
func (dropping) Begin(context.Context) (sink.Txn, error)      { return new(droppingTxn), nil }
func (dropping) Close() error                                 { return nil }

type droppingTxn struct{ bytes atomic.Int64 }

func (x *droppingTxn) Write(_ context.Context, b *row.Batch) error {
	x.bytes.Add(int64(b.Bytes()))
	b.Free()
	return nil
}
func (x *droppingTxn) Bytes() int64                                            { return x.bytes.Load() }
func (x *droppingTxn) Commit(context.Context, map[schema.Name]sink.Mark) error { return nil }
func (x *droppingTxn) Abort() error                                            { return nil }
