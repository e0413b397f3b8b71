package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// A layout is how rows of one version of a table become records. One goroutine at a time uses it.
type layout struct {
	table      *schema.Table
	keyed      *schema.Table // table, with the key of the records
	topic      string
	partitions int32
	limit      int // bytes of a record
	values     format.Encoder
	keys       format.Encoder
	hash       kgo.TopicPartitioner // nil: all records go to partition home
	home       int32
	headers    []kgo.RecordHeader // of each record
	batch      []kgo.RecordHeader // of each record of the batch that is being written; records have copies
	widest     int                // bytes of the largest row so far
	order      order

	narrow *narrow // for records that are too large; made when needed
	change format.Change
}

// An order numbers the changes of the table within a transaction.
type order struct {
	seq uint64 // of the transaction
	n   uint64
}

const (
	tableIDHeaders = 3

	rowRecords = 3 // a changed key: the old key's delete and tombstone, and the new row
	rowHeaders = 3 // that most records have besides those of their table: position, number of the schema change, seq
	ownHeaders = 3 // that a record may have besides those of its batch: seq, the other key, where the value is
)

// layout returns how rows of t are written, from the last look at the topic or a new one.
func (s *Sink) layout(ctx context.Context, t *schema.Table) (*layout, error) {
	name := s.names.topic(t.Name)
	s.mu.Lock()
	l, broken := s.layouts[t.Name], s.broken[name]
	s.mu.Unlock()
	switch {
	case broken != nil:
		return nil, tableError(t.Name, fmt.Errorf("its topic %s refuses records: %w; mend that and resync the table", name, broken))
	case l != nil && l.table.Version == t.Version:
		return l, nil
	}
	l, err := s.newLayout(ctx, t, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.layouts[t.Name] = l
	s.mu.Unlock()
	return l, nil
}

func (s *Sink) newLayout(ctx context.Context, t *schema.Table, name string) (*layout, error) {
	keyed, err := s.recordKey(t)
	if err == nil {
		err = s.suits(keyed)
	}
	if err != nil {
		return nil, tableError(t.Name, err)
	}
	to, err := s.knownTopic(ctx, t.Name, name)
	if err != nil {
		return nil, err
	}
	l := &layout{table: t, keyed: keyed, topic: name, partitions: to.partitions, headers: s.tableHeaders(t)}
	l.limit = min(s.cfg.size("max.request.size", defaultRequest), to.maxMessage) - batchOverhead
	if l.values, err = s.values.Encoder(ctx, keyed, name); err == nil {
		l.keys, err = s.keys.Encoder(ctx, keyed, name)
	}
	if err != nil {
		return nil, s.formatError(t.Name, err)
	}
	hasher := kgo.StickyKeyPartitioner(nil).ForTopic(name) // with a key it is murmur2, as in Java
	switch {
	case s.cfg.Strategy == AllToZero:
	case len(keyed.Key) > 0:
		l.hash = hasher
	default:
		l.home = int32(hasher.Partition(&kgo.Record{Key: []byte(t.Name.String())}, int(to.partitions)))
	}
	return l, nil
}

// batchOverhead is what a batch of one record has besides the record's parts.
const batchOverhead = 128

// knownTopic is the topic as it was when the table was created, with the partitions of then: keys stay in theirs.
func (s *Sink) knownTopic(ctx context.Context, table schema.Name, name string) (topic, error) {
	s.mu.Lock()
	found, was, ok := s.topics[name], topicRecord{}, false
	if s.state != nil {
		was, ok = s.state.topics[name]
	}
	s.mu.Unlock()
	if found == nil {
		var err error
		if found, err = s.lookUp(ctx, name); err != nil {
			return topic{}, err
		}
	}
	switch {
	case found == nil:
		return topic{}, tableError(table, fmt.Errorf("its topic %s is gone: somebody deleted it; resync the table to have it copied into a new one", name))
	case !ok:
		return topic{}, tableError(table, fmt.Errorf("topic %s was not made known to topic %s: resync the table", name, s.positionsTopic))
	case found.id != was.ID:
		return topic{}, tableError(table, fmt.Errorf("its topic %s is not the one that the rows so far were written to: somebody deleted and created it anew; resync the table", name))
	case found.partitions < was.Partitions:
		return topic{}, tableError(table, fmt.Errorf("its topic %s has %d partitions, and had %d: resync the table", name, found.partitions, was.Partitions))
	case found.partitions > was.Partitions:
		s.log.Warn("kept to the old partitions of a topic", "pipeline", s.pipeline, "topic", name, "used", was.Partitions, "present", found.partitions,
			"fix", "resync the table to have its keys spread over all")
	}
	s.mu.Lock()
	s.topics[name] = found
	s.mu.Unlock()
	t := *found
	t.partitions = was.Partitions
	return t, nil
}

// recordKey is t with the key that its records have.
func (s *Sink) recordKey(t *schema.Table) (*schema.Table, error) {
	es, _ := parseKeyColumns(s.cfg.KeyColumns) // checked before
	text, ok := byTable(es)[t.Name]
	if !ok {
		return t, nil
	}
	k := *t
	k.Key = nil
	for _, name := range columnNames(text) {
		i := t.Column(name)
		if i < 0 {
			return nil, fmt.Errorf("key.columns names column %s, which it does not have", name)
		}
		k.Key = append(k.Key, i)
	}
	return &k, nil
}

// fixedHeaders are those that records of all tables have.
func (s *Sink) fixedHeaders() []kgo.RecordHeader {
	es, _ := parseHeaders(s.cfg.CustomHeader) // checked before
	var hs []kgo.RecordHeader
	for _, e := range es {
		hs = append(hs, kgo.RecordHeader{Key: e.key, Value: []byte(e.value)})
	}
	if s.cfg.Headers {
		hs = append(hs, kgo.RecordHeader{Key: "cdcsync.pipeline", Value: []byte(s.pipeline)})
	}
	return hs
}

// tableHeaders are those that all records of a table have. Flink CDC's name a table by three.
func (s *Sink) tableHeaders(t *schema.Table) []kgo.RecordHeader {
	hs := slices.Clone(s.fixed)
	if s.cfg.TableIDHeader { // tableIDHeaders of them
		hs = append(hs, kgo.RecordHeader{Key: "namespace"}, kgo.RecordHeader{Key: "schemaName", Value: []byte(t.Name.Namespace)},
			kgo.RecordHeader{Key: "tableName", Value: []byte(t.Name.Table)})
	}
	return hs
}

var errAbsent = errors.New("the log does not carry its value: set binlog_row_image=FULL at the source, then resync the table")

// check refuses rows that cannot be records before any record of the batch is made.
func (l *layout) check(b *row.Batch) error {
	for _, c := range l.keyed.Key {
		v := &b.Cols[c]
		if v.Valid == nil && v.Absent == nil {
			continue
		}
		primary := slices.Contains(l.table.Key, c)
		for i := range b.Len() {
			if v.IsAbsent(i) {
				return fmt.Errorf("key column %s: %w", l.table.Columns[c].Name, errAbsent)
			}
			if primary && v.Null(i) {
				return fmt.Errorf("key column %s is NULL", l.table.Columns[c].Name)
			}
		}
	}
	for c := range b.Cols {
		if b.Cols[c].Absent == nil {
			continue
		}
		for i, op := range b.Ops {
			if b.Cols[c].IsAbsent(i) && op != row.Delete && op != row.Before {
				return fmt.Errorf("column %s: %w", l.table.Columns[c].Name, errAbsent)
			}
		}
	}
	return nil
}

// sameKey says that rows i and j have the same record key.
func (l *layout) sameKey(b *row.Batch, i, j int) bool {
	for _, c := range l.keyed.Key {
		v := &b.Cols[c]
		switch {
		case v.Null(i) != v.Null(j):
			return false
		case v.Offsets == nil && v.Words[i] != v.Words[j], v.Offsets != nil && string(v.Value(i)) != string(v.Value(j)):
			return false
		}
	}
	return true
}

// timestamp is when row i was committed; a row of unknown time gets none, which is now.
func timestamp(b *row.Batch, i int) time.Time {
	if b.Times[i] <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(b.Times[i] / 1000)
}
