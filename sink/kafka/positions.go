package kafka

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// The positions topic has records of these kinds. A key is a JSON array of the kind and the name; no value: forgotten.
//
//	["run"]                     the newest run
//	["number"]                  how many schema changes there were: their tables may be gone
//	["table", NAMESPACE, NAME]  the Mark of a table
//	["shape", NAMESPACE, NAME]  the newest schema change of a table
//	["topic", TOPIC]            what a topic was when the sink first wrote to it
const (
	runKind    = "run"
	numberKind = "number"
	tableKind  = "table"
	shapeKind  = "shape"
	topicKind  = "topic"
)

// A runRecord says which run has begun.
type runRecord struct {
	Run      uint64 `json:"run"`
	Instance string `json:"instance"` // of the process: two with a copy of the same state have the same numbers
}

// A tableRecord is a table's Mark.
type tableRecord struct {
	Run      uint64 `json:"run"`
	Epoch    uint64 `json:"epoch"` // 0: no commit yet, Skip only
	Position string `json:"position"`
	State    []byte `json:"state,omitempty"`
	Skip     *skip  `json:"skip,omitempty"`
	By       uint64 `json:"by"` // the run that wrote the record
}

// A skip says that the topic has more than the Mark covers: rows of a source transaction that was split. So many rows of
// the log after the Mark are there already.
type skip struct {
	Rows   uint64        `json:"rows"`
	Seq    uint64        `json:"seq"` // of the last of them
	Origin schema.Origin `json:"origin"`
}

// A shapeRecord names the newest schema change that was written for a table.
type shapeRecord struct {
	Change string `json:"change"`
	Shape  string `json:"shape"`
}

// A topicRecord is what records of a topic rely on.
type topicRecord struct {
	ID         string `json:"id"`
	Partitions int32  `json:"partitions"`
}

// positions are the contents of the positions topic.
type positions struct {
	run    runRecord
	tables map[schema.Name]tableRecord
	shapes map[schema.Name]shapeRecord
	topics map[string]topicRecord
	number uint64 // of the newest schema change
	end    int64  // offset behind the last record that was read
}

func newPositions() *positions {
	return &positions{tables: map[schema.Name]tableRecord{}, shapes: map[schema.Name]shapeRecord{}, topics: map[string]topicRecord{}}
}

// apply takes in one record. A table's record of a run older than one that had begun before is void: without transactions
// an old run may write for a while.
func (p *positions) apply(r *kgo.Record) error {
	var key []string
	err := json.Unmarshal(r.Key, &key)
	if err != nil || len(key) == 0 {
		return fmt.Errorf("record %d of topic %s has no key of this program: %q", r.Offset, r.Topic, r.Key)
	}
	var n schema.Name
	if len(key) == 3 {
		n = schema.Name{Namespace: key[1], Table: key[2]}
	}
	switch {
	case key[0] == runKind && len(key) == 1:
		err = take(r.Value, &p.run)
	case key[0] == numberKind && len(key) == 1:
		err = take(r.Value, &p.number)
	case key[0] == tableKind && len(key) == 3:
		err = p.applyTable(n, r.Value)
	case key[0] == shapeKind && len(key) == 3:
		err = put(p.shapes, n, r.Value)
	case key[0] == topicKind && len(key) == 2:
		err = put(p.topics, key[1], r.Value)
	default:
		return fmt.Errorf("record %d of topic %s is of a kind that this version does not know: %q", r.Offset, r.Topic, r.Key)
	}
	if err != nil {
		return fmt.Errorf("record %d of topic %s, %s: %w", r.Offset, r.Topic, r.Key, err)
	}
	return nil
}

func (p *positions) applyTable(n schema.Name, value []byte) error {
	if value == nil {
		delete(p.tables, n)
		return nil
	}
	var t tableRecord
	if err := take(value, &t); err != nil || t.By < p.run.Run {
		return err
	}
	p.tables[n] = t
	return nil
}

func put[K comparable, V any](m map[K]V, k K, value []byte) error {
	if value == nil {
		delete(m, k)
		return nil
	}
	var v V
	err := take(value, &v)
	m[k] = v
	return err
}

func take(value []byte, into any) error { return json.Unmarshal(value, into) }

// record makes a record of the positions topic; a nil value is what forgets.
func (s *Sink) record(value any, key ...string) kgo.Record {
	r := kgo.Record{Topic: s.positionsTopic, Key: encode(key)}
	if value != nil {
		r.Value = encode(value)
	}
	return r
}

func encode(value any) []byte {
	p, err := json.Marshal(value)
	if err != nil {
		panic("kafka: record does not marshal: " + err.Error())
	}
	return p
}

// readPositions reads the positions topic to its committed end. A topic that does not exist is empty.
func (s *Sink) readPositions(ctx context.Context) (*positions, error) {
	p := newPositions()
	begin, end, err := s.bounds(ctx, s.positionsTopic)
	if err != nil || begin >= end {
		return p, err
	}
	client, err := s.newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.positionsTopic: {0: kgo.NewOffset().At(begin)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer client.CloseAllowingRebalance()
	// The last offset is never compacted away: it is in the active segment. Of an aborted transaction the marker is read.
	for p.end < end {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, transient("read topic "+s.positionsTopic, err)
		}
		for r := range fetches.RecordsAll() {
			if p.end = r.Offset + 1; r.Attrs.IsControl() || r.Offset >= end {
				continue
			}
			if err := p.apply(r); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// note writes records without a transaction, if nobody else has written positions since this run last did: a later run has.
func (s *Sink) note(ctx context.Context, p *producer, records []kgo.Record) error {
	s.noting.Lock()
	defer s.noting.Unlock()
	_, end, err := s.bounds(ctx, s.positionsTopic)
	if err != nil {
		return err
	}
	if end != s.noted {
		state, err := s.readPositions(ctx)
		if err != nil {
			return err
		}
		if err := s.fenced(state.run, s.run.Load()); err != nil {
			return err
		}
		s.noted = end
	}
	p.send(records)
	if err := p.flush(ctx); err != nil {
		return err
	}
	for i := range records {
		if records[i].Topic == s.positionsTopic {
			s.noted = max(s.noted, records[i].Offset+1)
		}
	}
	return nil
}

// bounds are the first offset and the one behind the last committed record of partition 0.
func (s *Sink) bounds(ctx context.Context, topic string) (begin, end int64, err error) {
	admin := kadm.NewClient(s.admin)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, transient("ask for the beginning of topic "+topic, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, 0, transient("ask for the end of topic "+topic, err)
	}
	first, ok := starts.Lookup(topic, 0)
	last, ok2 := ends.Lookup(topic, 0)
	switch {
	case !ok || !ok2, isUnknownTopic(first.Err):
		return 0, 0, nil
	case first.Err != nil:
		return 0, 0, transient("ask for the beginning of topic "+topic, first.Err)
	case last.Err != nil:
		return 0, 0, transient("ask for the end of topic "+topic, last.Err)
	}
	return first.Offset, last.Offset, nil
}

// mark is the Mark of a table's record.
func (t *tableRecord) mark() sink.Mark {
	return sink.Mark{Run: t.Run, Epoch: t.Epoch, Position: t.Position, State: t.State}
}
