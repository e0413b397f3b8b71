package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/cdcsync/cdcsync/sink"
)

const (
	defaultLinger = 5 * time.Millisecond // full batches while rows flow; a commit does not wait for it
	// defaultRequest is what the Java client sends in one request at most, and what a broker takes as one batch by default.
	defaultRequest = 1_000_000
)

// options are those of every client.
func (s *Sink) options() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers(s.cfg.property("bootstrap.servers"))...),
		kgo.ClientID(s.clientID()),
		kgo.RequestTimeoutOverhead(s.cfg.millis("request.timeout.ms", 10*time.Second)),
		kgo.RetryTimeout(s.delivery),
		kgo.MetadataMaxAge(s.cfg.millis("metadata.max.age.ms", time.Minute)),
		kgo.MetadataMinAge(50 * time.Millisecond), // a new topic, or a leader that moved, is found soon
		kgo.ConnIdleTimeout(5 * time.Minute),
	}
	t, err := s.cfg.tls()
	if err != nil {
		return nil, err
	}
	if t != nil {
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	if m := s.cfg.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return append(opts, s.extra...), nil
}

func (s *Sink) clientID() string {
	if id := s.cfg.property("client.id"); id != "" {
		return id
	}
	return "cdcsync-" + s.pipeline
}

// producing are the options of a client that writes.
func (s *Sink) producing() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(s.cfg.millis("linger.ms", defaultLinger)),
		kgo.ProducerBatchMaxBytesFn(s.batchBytes),
		kgo.MaxBufferedRecords(1 << 30), // slabs bound what is buffered
		kgo.UnknownTopicRetries(4),
		kgo.ProducerBatchCompression(s.codec()),
	}
	return opts
}

func (s *Sink) codec() kgo.CompressionCodec {
	switch s.cfg.property("compression.type") {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	case "none":
		return kgo.NoCompression()
	default: // a third of the CPU time that the broker and the network would take for the bytes
		return kgo.Lz4Compression()
	}
}

// batchBytes is how large a batch of a topic may be: the broker refuses larger ones.
func (s *Sink) batchBytes(topic string) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.cfg.size("max.request.size", defaultRequest)
	if t := s.topics[topic]; t != nil && t.maxMessage < limit {
		limit = t.maxMessage
	}
	return int32(limit)
}

// newClient makes a client; it does not connect yet.
func (s *Sink) newClient(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(append(opts, more...)...)
}

// safeTransactions says whether the brokers make a delayed end of a transaction harmless (KIP-890): from
// transaction.version 2 on each end bumps the producer's epoch, so that it cannot end a later transaction.
func (s *Sink) safeTransactions(ctx context.Context) (bool, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "cdcsync", "1"
	resp, err := req.RequestWith(ctx, s.admin)
	if err != nil {
		return false, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel >= 2, nil
		}
	}
	return false, nil
}

// transient marks an error that a restart may mend. Wrong credentials are tried again too: they may be rotating.
func transient(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", sink.ErrTransient, doing, err)
}

// fencing says that an error is what a producer gets when a later one has its transactional id, among other reasons. Brokers
// differ in which of these they say, and franz-go says OPERATION_NOT_ATTEMPTED of the end that comes after.
func fencing(err error) bool {
	for _, e := range []error{kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.OperationNotAttempted, kerr.InvalidTxnState,
		kerr.InvalidProducerIDMapping, kerr.TransactionalIDNotFound, kerr.FencedInstanceID} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
