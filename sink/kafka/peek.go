package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Rows are records as text, for people and tests.
type Rows struct {
	Columns []string
	Rows    [][]string
}

// Peek returns up to limit of the newest committed records of a topic, oldest first; the name may also be that of a table,
// as NAMESPACE.TABLE.
func (s *Sink) Peek(ctx context.Context, name string, limit int) (Rows, error) {
	out := Rows{Columns: []string{"partition", "offset", "time", "key", "value", "headers"}}
	topic, from, ends, err := s.tail(ctx, name, limit)
	if err != nil || len(from) == 0 {
		return out, err
	}
	client, err := s.newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords())
	if err != nil {
		return out, err
	}
	defer client.CloseAllowingRebalance()
	var records []*kgo.Record
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return out, transient("read topic "+topic, err)
		}
		for r := range fetches.RecordsAll() {
			if r.Offset >= ends[r.Partition]-1 {
				delete(ends, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		}
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	for _, r := range records[max(0, len(records)-max(limit, 0)):] {
		out.Rows = append(out.Rows, []string{fmt.Sprint(r.Partition), fmt.Sprint(r.Offset), r.Timestamp.UTC().Format(time.RFC3339Nano),
			text(r.Key), text(r.Value), headersText(r.Headers)})
	}
	return out, nil
}

// tail finds where the newest records of each partition may begin. Markers of transactions take offsets too, one each: so
// it begins earlier than limit records before the end.
func (s *Sink) tail(ctx context.Context, name string, limit int) (topic string, from map[int32]kgo.Offset, ends map[int32]int64, err error) {
	topic = name
	if t, err := tableName(name); err == nil {
		topic = s.names.topic(t)
	}
	admin := kadm.NewClient(s.admin)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return topic, nil, nil, transient("ask for the beginning of topic "+topic, err)
	}
	committed, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return topic, nil, nil, transient("ask for the end of topic "+topic, err)
	}
	from, ends = map[int32]kgo.Offset{}, map[int32]int64{}
	committed.Each(func(o kadm.ListedOffset) {
		first, ok := starts.Lookup(topic, o.Partition)
		switch {
		case o.Err != nil:
			err = fmt.Errorf("read topic %s: %w", topic, o.Err)
		case ok && first.Offset < o.Offset:
			from[o.Partition] = kgo.NewOffset().At(max(first.Offset, o.Offset-int64(2*limit)-10))
			ends[o.Partition] = o.Offset
		}
	})
	return topic, from, ends, err
}

// text shows bytes; what is no text is shown as Go quotes it.
func text(p []byte) string {
	switch {
	case p == nil:
		return "NULL"
	case utf8.Valid(p):
		return string(p)
	default:
		return fmt.Sprintf("%q", p)
	}
}

func headersText(hs []kgo.RecordHeader) string {
	parts := make([]string, len(hs))
	for i, h := range hs {
		parts[i] = h.Key + "=" + text(h.Value)
	}
	return strings.Join(parts, ", ")
}
