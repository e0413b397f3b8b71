package kafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// Events are what one transaction of the source has changed.
type events struct {
	origin schema.Origin
	time   int64
	tables map[schema.Name]uint64 // by the source's name
}

// count notes the changes of a batch, also those of the rows before first, which are in the topics already.
func (x *Txn) count(l *layout, b *row.Batch, first int) {
	if x.events == nil || b.Origin.Seq == 0 || b.Len() == 0 {
		return
	}
	if l.order.seq != b.Origin.Seq {
		l.order = order{seq: b.Origin.Seq}
	}
	l.order.n += changes(b.Ops[:first])
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.events[b.Origin.Seq]
	if e == nil {
		e = &events{origin: b.Origin, time: b.Times[0], tables: map[schema.Name]uint64{}}
		x.events[b.Origin.Seq] = e
	}
	e.tables[b.Table.SourceName()] += changes(b.Ops)
}

// changes counts the images that stand for a change.
func changes(ops []row.Op) (n uint64) {
	for _, op := range ops {
		if op != row.Before {
			n++
		}
	}
	return n
}

// number is the place of the next change among those of its table in its transaction; 0: nobody asks.
func (x *Txn) number(l *layout, b *row.Batch, _ int) uint64 {
	if x.events == nil || b.Origin.Seq == 0 {
		return 0
	}
	l.order.n++
	return l.order.n
}

// metadata are the records of the transaction topic.
func (x *Txn) metadata() ([]kgo.Record, error) {
	var records []kgo.Record
	topic := x.s.transactionTopic()
	for _, e := range slices.SortedFunc(maps.Values(x.events), func(a, b *events) int { return cmp.Compare(a.origin.Seq, b.origin.Seq) }) {
		key, value, err := format.TransactionBegin(x.s.debezium(), &e.origin, e.time)
		if err != nil {
			return nil, fmt.Errorf("make transaction record: %w", err)
		}
		records = append(records, kgo.Record{Topic: topic, Key: key, Value: value})
		var counts []format.TableCount
		for _, n := range slices.SortedFunc(maps.Keys(e.tables), schema.Name.Compare) {
			counts = append(counts, format.TableCount{Table: n, Events: e.tables[n]})
		}
		if key, value, err = format.TransactionEnd(x.s.debezium(), &e.origin, e.time, counts); err != nil {
			return nil, fmt.Errorf("make transaction record: %w", err)
		}
		records = append(records, kgo.Record{Topic: topic, Key: key, Value: value})
	}
	return records, nil
}

func (s *Sink) transactionTopic() string {
	return cmp.Or(s.cfg.TransactionTopic, legalTopic(s.debezium().Name+".transaction"))
}

func (s *Sink) heartbeatTopic() string {
	return legalTopic(s.cfg.HeartbeatPrefix + "." + s.debezium().Name)
}

// Beat implements sink.Heart: it writes a heartbeat when one is due, outside of any Kafka transaction.
func (s *Sink) Beat(ctx context.Context, _ string, _ int64) error {
	if s.cfg.HeartbeatMillis == 0 {
		return nil
	}
	now := time.Now()
	s.mu.Lock()
	due := now.Sub(s.beat) >= time.Duration(s.cfg.HeartbeatMillis)*time.Millisecond
	s.mu.Unlock()
	if !due {
		return nil
	}
	key, value, err := format.Heartbeat(s.debezium(), now.UnixMicro())
	if err != nil {
		return fmt.Errorf("make heartbeat: %w", err)
	}
	r := &kgo.Record{Topic: s.heartbeatTopic(), Key: key, Value: value}
	if err := s.admin.ProduceSync(ctx, r).FirstErr(); err != nil {
		return transient("write heartbeat", err)
	}
	s.mu.Lock()
	s.beat = now
	s.mu.Unlock()
	return nil
}

// Ordered implements sink.Ordered: the record that ends a transaction says how many rows of each table it has, so no table's
// rows may come later.
func (s *Sink) Ordered() bool { return s.cfg.Transactions }
