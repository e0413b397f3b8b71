package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// Evolve implements sink.Sink. The record of a schema change is written once: with it, in the same Kafka transaction, goes
// a record that names it. A Txn may be open meanwhile, so the changes have a producer of their own.
func (s *Sink) Evolve(ctx context.Context, c *schema.Change) error {
	fault.Point("kafka.before-evolve")
	ctx, cancel := context.WithTimeout(ctx, s.delivery)
	defer cancel()
	err := s.evolve(ctx, c)
	fault.Point("kafka.after-evolve")
	return err
}

func (s *Sink) evolve(ctx context.Context, c *schema.Change) error {
	if c.Has(schema.EndCopy) {
		return nil // consumers were told when the new copy began
	}
	var to *topic
	if c.After != nil {
		var err error
		if to, err = s.prepare(ctx, c); err != nil {
			return err
		}
	}
	s.evolving.Lock()
	defer s.evolving.Unlock()
	if s.evolved(c) {
		return nil
	}
	e, err := s.evolution(ctx, c, to)
	if err != nil {
		return err
	}
	if err := s.write(ctx, e.records); err != nil {
		return err
	}
	s.adoptChange(c, e)
	return s.dropTopic(ctx, c)
}

// prepare makes sure that the topic of the table is there.
func (s *Sink) prepare(ctx context.Context, c *schema.Change) (*topic, error) {
	t := c.After
	keyed, err := s.recordKey(t)
	if err == nil {
		err = s.suits(keyed)
	}
	if err != nil {
		return nil, tableError(t.Name, err)
	}
	name := s.names.topic(t.Name)
	if other, ok := s.collides(t.Name, name); ok {
		return nil, tableError(t.Name, fmt.Errorf("its topic would be %s, as that of %s is: name one of them in sink.tableId-to-topic.mapping", name, other))
	}
	if c.Has(schema.BeginCopy) || c.Before == nil {
		s.mu.Lock()
		delete(s.topics, name) // look anew: it may have been deleted
		delete(s.broken, name)
		s.mu.Unlock()
	}
	to, err := s.ensureTopic(ctx, name, s.dataConfigs(), s.cfg.Partitions)
	if err != nil {
		if errors.Is(err, sink.ErrTransient) {
			return nil, err
		}
		return nil, tableError(t.Name, err)
	}
	return to, nil
}

// collides finds another table whose own topic has the same name, because characters were replaced.
func (s *Sink) collides(n schema.Name, topic string) (schema.Name, bool) {
	if !s.names.own(n) {
		return n, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.state.shapes {
		if other != n && s.names.own(other) && s.names.topic(other) == topic {
			return other, true
		}
	}
	return n, false
}

// evolved says that the change was made already.
func (s *Sink) evolved(c *schema.Change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	shape, known := s.state.shapes[c.Name()]
	_, marked := s.state.tables[c.Name()]
	switch {
	case c.After == nil:
		return !known && !marked
	case c.Has(schema.BeginCopy): // the same change may be made again, once rows have come
		return known && shape.Change == changeID(c) && !marked
	case c.Before == nil && known && shape.Shape == shapeID(c.After):
		return true
	case c.Has(schema.TruncateTable) && c.Origin.Seq == 0 && c.Before.Version == c.After.Version:
		return false // nothing tells two of them apart
	}
	return known && shape.Change == changeID(c)
}

// An evolution is what one schema change writes.
type evolution struct {
	records []kgo.Record
	shape   shapeRecord
	number  uint64
	topic   *topicRecord // nil: known already
	marks   map[schema.Name]*tableRecord
}

func (s *Sink) evolution(ctx context.Context, c *schema.Change, to *topic) (*evolution, error) {
	e := &evolution{marks: map[schema.Name]*tableRecord{}}
	e.number = s.number.Load() + 1
	e.shape.Change = changeID(c)
	e.records = append(e.records, s.record(e.number, numberKind))
	if err := s.announce(e, c); err != nil {
		return nil, tableError(c.Name(), err)
	}
	if c.After == nil {
		n := c.Before.Name
		e.marks[n] = nil
		e.records = append(e.records, s.record(nil, shapeKind, n.Namespace, n.Table))
		s.addMarks(e)
		return e, nil
	}
	e.shape.Shape = shapeID(c.After)
	name := s.names.topic(c.After.Name)
	e.topic = s.topicNews(c, name, to)
	if e.topic != nil {
		e.records = append(e.records, s.record(e.topic, topicKind, name))
	}
	if s.cfg.Skipped == None && (c.Has(schema.TruncateTable) || c.Has(schema.BeginCopy)) {
		if err := s.truncated(ctx, e, c, name); err != nil {
			return nil, err
		}
	}
	s.moveMarks(e, c)
	e.records = append(e.records, s.record(e.shape, shapeKind, c.After.Name.Namespace, c.After.Name.Table))
	return e, nil
}

// announce adds the record for the schema change topic. That all rows come anew is told as if the table was emptied.
func (s *Sink) announce(e *evolution, c *schema.Change) error {
	if s.schemaTopic == "" {
		return nil
	}
	if c.Has(schema.BeginCopy) {
		told := *c
		told.Edits = []schema.Edit{{Kind: schema.TruncateTable}}
		told.Statement = fmt.Sprintf("TRUNCATE TABLE `%s`.`%s`", c.After.SourceName().Namespace, c.After.SourceName().Table)
		c = &told
	}
	key, value, err := s.describe(c, time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("describe schema change: %w", err)
	}
	r := kgo.Record{Topic: s.schemaTopic, Key: key, Value: value, Timestamp: time.UnixMilli(c.Time / 1000)}
	if c.Time <= 0 {
		r.Timestamp = time.Now()
	}
	if s.cfg.Headers {
		r.Headers = append(slices.Clone(s.fixed), kgo.RecordHeader{Key: headerSchema, Value: strconv.AppendUint(nil, e.number, 10)})
	}
	e.records = append(e.records, r)
	return nil
}

// topicNews is what is to be remembered of a topic: when it is new, or when the rows come anew.
func (s *Sink) topicNews(c *schema.Change, name string, to *topic) *topicRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.state.topics[name]
	now := topicRecord{ID: to.id, Partitions: to.partitions}
	if known && (was == now || !c.Has(schema.BeginCopy) && c.Before != nil) {
		return nil
	}
	if known && was.ID == now.ID && !s.names.own(c.After.Name) {
		return nil // other tables' keys are in the partitions of then
	}
	return &now
}

// truncated adds the record that says that all rows are gone.
func (s *Sink) truncated(ctx context.Context, e *evolution, c *schema.Change, name string) error {
	enc, err := s.values.Encoder(ctx, c.After, name)
	if err != nil {
		return s.formatError(c.After.Name, err)
	}
	b := row.New(c.After)
	defer b.Free()
	b.Origin = c.Origin
	value, err := enc.AppendValue(nil, &format.Change{Op: format.Truncate, Batch: b, Before: -1, After: -1, Now: time.Now().UnixMicro()})
	if err != nil {
		return s.formatError(c.After.Name, err)
	}
	if len(value) == 0 {
		return nil // the format has no words for it: the schema change tells
	}
	r := kgo.Record{Topic: name, Value: value}
	if s.cfg.Headers {
		r.Headers = append(s.tableHeaders(c.After), kgo.RecordHeader{Key: headerSchema, Value: strconv.AppendUint(nil, e.number, 10)})
	}
	e.records = append(e.records, r)
	return nil
}

// moveMarks says which Marks go, and which get another name.
func (s *Sink) moveMarks(e *evolution, c *schema.Change) {
	to := c.After.Name
	s.mu.Lock()
	if c.Has(schema.BeginCopy) {
		e.marks[to] = nil
	}
	if c.Before != nil && c.Before.Name != to {
		from := c.Before.Name
		if t, ok := s.state.tables[from]; ok {
			t.By = s.run.Load()
			e.marks[to] = &t
		}
		e.marks[from] = nil
		e.records = append(e.records, s.record(nil, shapeKind, from.Namespace, from.Table))
	}
	s.mu.Unlock()
	s.addMarks(e)
}

func (s *Sink) addMarks(e *evolution) {
	for n, t := range e.marks {
		var value any
		if t != nil {
			value = t
		}
		e.records = append(e.records, s.record(value, tableKind, n.Namespace, n.Table))
	}
}

// adoptChange takes over what was written.
func (s *Sink) adoptChange(c *schema.Change, e *evolution) {
	s.number.Store(e.number)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, t := range e.marks {
		if t == nil {
			delete(s.state.tables, n)
			delete(s.skips, n)
			continue
		}
		s.state.tables[n] = *t
	}
	if c.Before != nil {
		delete(s.layouts, c.Before.Name)
		if c.After == nil || c.After.Name != c.Before.Name {
			delete(s.state.shapes, c.Before.Name)
		}
	}
	if c.After != nil {
		delete(s.layouts, c.After.Name)
		s.state.shapes[c.After.Name] = e.shape
		if e.topic != nil {
			s.state.topics[s.names.topic(c.After.Name)] = *e.topic
		}
	}
}

// write commits records by the producer of schema changes.
func (s *Sink) write(ctx context.Context, records []kgo.Record) error {
	s.mu.Lock()
	p := s.changes
	s.mu.Unlock()
	if p == nil {
		return errors.New("no run was started")
	}
	if !p.transactional {
		if err := s.note(ctx, p, records); err != nil {
			return s.lost(ctx, p, "write", err)
		}
		return nil
	}
	if err := p.begin(); err != nil {
		return s.lost(ctx, p, "begin", err)
	}
	p.send(records)
	if err := p.commit(ctx); err != nil {
		return s.lost(ctx, p, "commit", err)
	}
	return nil
}

// dropTopic deletes the topic of a dropped table, if that is asked for and no other table is in it.
func (s *Sink) dropTopic(ctx context.Context, c *schema.Change) error {
	if c.After != nil || s.cfg.Drop != DropTopic || !s.names.own(c.Before.Name) {
		return nil
	}
	name := s.names.topic(c.Before.Name)
	s.mu.Lock()
	delete(s.topics, name)
	s.mu.Unlock()
	r, err := kadm.NewClient(s.admin).DeleteTopic(ctx, name)
	if err == nil {
		err = r.Err
	}
	if err != nil && !isUnknownTopic(err) {
		return transient("delete topic "+name, err)
	}
	return nil
}

// changeID names a change: the same for each time that it is made.
func changeID(c *schema.Change) string {
	return digest(struct {
		Before, After string
		Edits         []schema.Edit
		Statement     string
		Seq, Version  uint64
	}{nameOf(c.Before), nameOf(c.After), c.Edits, c.Statement, c.Origin.Seq, versionOf(c.After)})
}

func nameOf(t *schema.Table) string {
	if t == nil {
		return ""
	}
	return t.Name.String()
}

func versionOf(t *schema.Table) uint64 {
	if t == nil {
		return 0
	}
	return uint64(t.Version)
}

// shapeID names a shape.
func shapeID(t *schema.Table) string {
	return digest(struct {
		Version uint32
		Columns []schema.Column
		Key     []int
	}{t.Version, t.Columns, t.Key})
}

func digest(value any) string {
	p, err := json.Marshal(value)
	if err != nil {
		panic("kafka: schema change does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:12])
}
