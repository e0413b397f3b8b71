package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A producer is a client that writes for one run. After an error it is of no more use: only a new run knows what of it
// has come to effect.
type producer struct {
	client        *kgo.Client
	transactional bool
	promise       func(*kgo.Record, error) // done, made once
	open          bool                     // a Kafka transaction has begun; one goroutine at a time touches it
	began         time.Time                // when it did
	line          line                     // the Txns that write by it

	mu     sync.Mutex // guards the fields below
	topic  string     // of the record that failed first
	err    error      // why it did
	closed bool
}

// openProducer makes a producer and, with a transactional id, fences the older ones of that id.
func (s *Sink) openProducer(ctx context.Context, id string) (*producer, error) {
	p := &producer{transactional: s.cfg.Guarantee == ExactlyOnce}
	p.promise = p.done
	opts := s.producing()
	if p.transactional {
		opts = append(opts, kgo.TransactionalID(id), kgo.TransactionTimeout(s.timeout),
			kgo.ConcurrentTransactionsBackoff(5*time.Millisecond)) // the markers of the last commit take about that
	}
	var err error
	if p.client, err = s.newClient(opts...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.delivery)
	defer cancel()
	if _, _, err = p.client.ProducerID(ctx); err != nil {
		p.client.Close()
		return nil, fmt.Errorf("begin as producer %s: %w", id, err)
	}
	return p, nil
}

// done is the promise of every record.
func (p *producer) done(r *kgo.Record, err error) {
	if err != nil {
		p.fail(r.Topic, err)
	}
	if s, ok := r.Context.(*slab); ok {
		s.drop(1)
	}
}

func (p *producer) fail(topic string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.topic, p.err = topic, err
	}
}

// failure is why the producer is of no more use, and for which topic, if it is about one.
func (p *producer) failure() (topic string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topic, p.err
}

// begin begins a Kafka transaction unless one is open.
func (p *producer) begin() error {
	if p.open {
		return nil
	}
	if p.transactional {
		if err := p.client.BeginTransaction(); err != nil {
			return fmt.Errorf("begin Kafka transaction: %w", err)
		}
	}
	p.open, p.began = true, time.Now()
	return nil
}

// send hands records to the client. They are acknowledged later.
func (p *producer) send(records []kgo.Record) {
	for i := range records {
		p.client.Produce(context.Background(), &records[i], p.promise)
	}
}

// flush waits until all records are acknowledged.
func (p *producer) flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for acknowledgements: %w", err)
	}
	if topic, err := p.failure(); err != nil {
		return fmt.Errorf("write to topic %s: %w", topic, err)
	}
	return nil
}

// commit ends the Kafka transaction.
func (p *producer) commit(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	p.open = false
	if !p.transactional {
		return nil
	}
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit Kafka transaction: %w", err)
	}
	return nil
}

// abort takes back what the open Kafka transaction holds.
func (p *producer) abort(ctx context.Context) error {
	if !p.open {
		return nil
	}
	p.open = false
	if !p.transactional {
		return p.flush(ctx)
	}
	if _, err := p.failure(); err != nil {
		return err
	}
	if err := p.client.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("drop records: %w", err)
	}
	if err := p.client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort Kafka transaction: %w", err)
	}
	// Records that were dropped on purpose have failed.
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.err, kgo.ErrAborting) {
		p.topic, p.err = "", nil
	}
	return nil
}

// close drops everything: an open Kafka transaction is ended by the next run.
func (p *producer) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	was := p.closed
	p.closed = true
	if p.err == nil {
		p.err = kgo.ErrClientClosed
	}
	p.mu.Unlock()
	if !was {
		p.client.Close()
	}
}

// aboutTopic says that an error would come again for this topic, however often a run begins anew.
func aboutTopic(err error) bool {
	for _, e := range []error{kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
