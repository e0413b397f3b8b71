package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// What CDC to Kafka is to reach: changes per second, or what the client alone reaches, and CPU seconds per million.
const (
	kafkaRate = 100_000
	kafkaCPU  = 3
)

// followKafka does a task that follows the log, and lets franz-go alone write the same records again.
func (l *lab) followKafka(b *testing.B, k *servers.KafkaCluster, t task) {
	b.Helper()
	got, c := run(b, t)
	limit := float64(kafkaRate)
	for _, kind := range []string{Kafka, idempotent} {
		again, cost := run(b, task{Baseline: kind, Addr: t.Addr, Database: t.Database, Want: t.Want, Interval: intervals[Kafka]})
		f := figure{name: "client-" + kind + "-" + t.Database, rows: again.Changes, wall: again.Elapsed, cost: cost}
		f.limit = f.rate()
		report(f)
		if kind == Kafka {
			limit = min(limit, f.rate())
		}
	}
	report(figure{name: "binlog-kafka-" + t.Database, rows: got.Changes, wall: got.Elapsed, cost: c, limit: limit, cpu: kafkaCPU})
	l.folded(b, k, t.Database, t.Want)
}

// folded fails if the records of a topic are not as many as there were changes, or do not fold to the source's table.
func (l *lab) folded(b *testing.B, k *servers.KafkaCluster, database string, changes int64) {
	b.Helper()
	got := consume(b, k, database+".narrow")
	if n := got.updates + got.other(); n != changes || got.tombstones != got.deletes {
		b.Errorf("%s: %+v, want %d changes, and a tombstone for each delete", database, got, changes)
	}
	var ids, ks int64
	for id, value := range got.rows {
		ids, ks = ids+id, ks+value
	}
	sums := fmt.Sprint(len(got.rows), " ", ids, " ", ks)
	if want := l.Value(b, "SELECT concat_ws(' ', count(*), sum(id), sum(k)) FROM "+database+".narrow"); sums != want {
		b.Errorf("%s: the records fold to rows that add up to %s, the source's to %s", database, sums, want)
	}
	fmt.Printf("bench %s-folded records=%d rows=%d\n", database, got.updates+got.other()+got.tombstones, len(got.rows))
}

// consumed is what a topic holds for a consumer with read_committed.
type consumed struct {
	creates, updates, deletes, reads, tombstones int64
	rows                                         map[int64]int64 // what is left in the end: id to k
}

// other is the number of changes that are no updates.
func (c *consumed) other() int64 { return c.creates + c.deletes + c.reads }

// consume reads a topic as it is now.
func consume(b *testing.B, k *servers.KafkaCluster, topic string) consumed {
	b.Helper()
	got := consumed{rows: map[int64]int64{}}
	err := each(b.Context(), k.Seeds(), topic, func(r *kgo.Record) (bool, error) { return true, got.add(r) })
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func (c *consumed) add(r *kgo.Record) error {
	if r.Value == nil {
		c.tombstones++
		return nil
	}
	type image struct{ ID, K int64 }
	var v struct {
		Op            string
		Before, After *image
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	switch v.Op {
	case "c":
		c.creates++
	case "r":
		c.reads++
	case "u":
		c.updates++
	case "d":
		c.deletes++
		delete(c.rows, v.Before.ID)
		return nil
	default:
		return fmt.Errorf("record with op %q", v.Op)
	}
	c.rows[v.After.ID] = v.After.K
	return nil
}

// each gives the committed records that a topic has now to a function, until that has enough.
func each(ctx context.Context, seeds, topic string, do func(*kgo.Record) (more bool, err error)) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxPartitionBytes(8<<20),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		return fmt.Errorf("open Kafka client: %w", err)
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			ends[o.Partition] = o.Offset
		}
	})
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			if r.Offset+1 >= ends[r.Partition] {
				delete(ends, r.Partition)
			}
			if r.Attrs.IsControl() {
				continue
			}
			if more, err := do(r); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// idempotent is the baseline without transactions.
const idempotent = "kafka-idempotent"

// sample is how many records a baseline has in memory: it writes them again and again.
const sample = 200_000

// produceAgain writes records of the bytes, headers and partitions that the sink has written, and times that.
func (t task) produceAgain(ctx context.Context) (tally, error) {
	topic := t.Database + ".narrow"
	var records []kgo.Record
	err := each(ctx, t.Addr, topic, func(r *kgo.Record) (bool, error) {
		records = append(records, kgo.Record{Topic: t.Baseline + "." + topic, Partition: r.Partition, Key: bytes.Clone(r.Key),
			Value: bytes.Clone(r.Value), Headers: r.Headers, Timestamp: r.Timestamp})
		return len(records) < sample, nil
	})
	if err != nil {
		return tally{}, err
	}
	p := again{task: t, records: records}
	if err := p.open(ctx); err != nil {
		return tally{}, err
	}
	defer p.client.Close()
	var got tally
	err = got.timed(func() error { return p.produce(ctx, &got) })
	return got, err
}
