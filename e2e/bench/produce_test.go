package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// again is franz-go alone, which writes records that are there.
type again struct {
	task    task
	records []kgo.Record
	client  *kgo.Client
}

// transactional says that records are written in transactions, each as long as the interval between commits.
func (p *again) transactional() bool { return p.task.Baseline == Kafka }

// open makes the client, with the settings of the sink, and its topic, with as many partitions as the records have.
func (p *again) open(ctx context.Context) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(p.task.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(5 * time.Millisecond), kgo.MaxBufferedRecords(50_000),
	}
	if p.transactional() {
		opts = append(opts, kgo.TransactionalID(p.records[0].Topic))
	}
	var err error
	if p.client, err = kgo.NewClient(opts...); err != nil {
		return fmt.Errorf("open Kafka client: %w", err)
	}
	partitions := int32(0)
	for i := range p.records {
		partitions = max(partitions, p.records[i].Partition+1)
	}
	if _, err := kadm.NewClient(p.client).CreateTopic(ctx, partitions, 1, nil, p.records[0].Topic); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	return nil
}

// produce writes as many changes as are wanted. A record without a value is none.
func (p *again) produce(ctx context.Context, got *tally) error {
	for got.Changes < p.task.Want {
		if p.transactional() {
			if err := p.client.BeginTransaction(); err != nil {
				return fmt.Errorf("begin transaction: %w", err)
			}
		}
		if err := p.some(ctx, got); err != nil {
			return err
		}
		if p.transactional() {
			if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
				return fmt.Errorf("commit transaction: %w", err)
			}
		}
	}
	return nil
}

// some writes records for one interval, and waits until they are acknowledged.
func (p *again) some(ctx context.Context, got *tally) error {
	const glance = 1024 // records between two looks at the clock
	failed := make(chan error, 1)
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	for began := time.Now(); got.Changes < p.task.Want && time.Since(began) < p.task.Interval; {
		copies := make([]kgo.Record, 0, glance)
		for range glance {
			from := &p.records[got.Images%int64(len(p.records))]
			copies = append(copies, kgo.Record{Topic: from.Topic, Partition: from.Partition, Key: from.Key, Value: from.Value,
				Headers: from.Headers, Timestamp: from.Timestamp})
			got.Images++
			if from.Value != nil {
				got.Changes++
			}
		}
		for i := range copies {
			p.client.Produce(ctx, &copies[i], promise)
		}
	}
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for acknowledgements: %w", err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("write record: %w", err)
	default:
		return nil
	}
}
