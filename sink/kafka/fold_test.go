package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// plainFormat is the format of these tests: values as sinktest.Text spells them.
type plainFormat struct{}

type plainEncoder struct{ t *schema.Table }

type plainValue struct {
	Table         schema.Name
	Op            string
	Before, After []*string
}

func (plainFormat) Encoder(_ context.Context, t *schema.Table, _ string) (format.Encoder, error) {
	return plainEncoder{t}, nil
}

func (e plainEncoder) texts(b *row.Batch, i int, columns []int) []*string {
	if i < 0 {
		return nil
	}
	texts := []*string{}
	for _, c := range columns {
		var text *string
		if v := &b.Cols[c]; !v.Null(i) && !v.IsAbsent(i) {
			s := sinktest.Text(b.Table.Columns[c].Type, v, i)
			text = &s
		}
		texts = append(texts, text)
	}
	return texts
}

func (e plainEncoder) AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error) {
	p, err := json.Marshal(e.texts(b, i, e.t.Key))
	return append(dst, p...), err
}

func (e plainEncoder) AppendValue(dst []byte, c *format.Change) ([]byte, error) {
	all := make([]int, len(c.Batch.Table.Columns))
	for i := range all {
		all[i] = i
	}
	p, err := json.Marshal(plainValue{c.Batch.Table.Name, string(rune(c.Op)), e.texts(c.Batch, c.Before, all), e.texts(c.Batch, c.After, all)})
	return append(dst, p...), err
}

// usePlain has a sink write the format of these tests.
func usePlain(s *Sink) {
	s.values, s.keys = plainFormat{}, plainFormat{}
	s.describe = func(c *schema.Change, _ int64) (key, value []byte, err error) {
		value, err = json.Marshal(c)
		return []byte(c.Name().Namespace), value, err
	}
}

// A folder folds topics to tables, as a consumer with read_committed does that holds rows and schema changes in one order
// by the number in their headers.
type folder struct {
	tables map[schema.Name]*folded
}

// A folded table has its rows by key; rows of a table without a key have numbers.
type folded struct {
	columns []string
	rows    map[string][]*string
	next    int
}

func (f *folder) table(n schema.Name) *folded {
	if f.tables[n] == nil {
		f.tables[n] = &folded{rows: map[string][]*string{}}
	}
	return f.tables[n]
}

func (f *folder) change(value []byte) error {
	var c schema.Change
	if err := json.Unmarshal(value, &c); err != nil {
		return err
	}
	if c.After == nil {
		delete(f.tables, c.Before.Name)
		return nil
	}
	if c.Before != nil && c.Before.Name != c.After.Name {
		f.tables[c.After.Name] = f.table(c.Before.Name)
		delete(f.tables, c.Before.Name)
	}
	t := f.table(c.After.Name)
	from := map[string]string{} // a column's name before, by the one after
	for _, col := range t.columns {
		from[col] = col
	}
	for _, e := range c.Edits {
		switch e.Kind {
		case schema.RenameColumn:
			from[e.To] = from[e.Column]
			delete(from, e.Column)
		case schema.DropColumn, schema.AddColumn:
			delete(from, e.Column)
		case schema.TruncateTable:
			clear(t.rows)
		default:
		}
	}
	var columns []string
	for _, col := range c.After.Columns {
		columns = append(columns, col.Name)
	}
	for k, r := range t.rows {
		var moved []*string
		for _, col := range columns {
			var value *string
			if i := slices.Index(t.columns, from[col]); i >= 0 {
				value = r[i]
			}
			moved = append(moved, value)
		}
		t.rows[k] = moved
	}
	t.columns = columns
	return nil
}

func (f *folder) row(r *kgo.Record) error {
	if r.Value == nil {
		return nil // a tombstone comes after its delete
	}
	var v plainValue
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	t := f.table(v.Table)
	switch {
	case v.Op == "t":
		clear(t.rows)
	case r.Key != nil && v.Op == "d":
		delete(t.rows, string(r.Key))
	case r.Key != nil:
		t.rows[string(r.Key)] = v.After
	default:
		return t.keyless(&v)
	}
	return nil
}

func (t *folded) keyless(v *plainValue) error {
	if v.Before != nil {
		var found string
		for k, r := range t.rows {
			if slices.EqualFunc(r, v.Before, func(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }) {
				found = k
			}
		}
		if found == "" {
			return fmt.Errorf("no row that is %v", v.Before)
		}
		delete(t.rows, found)
	}
	if v.After != nil {
		t.next++
		t.rows[strconv.Itoa(t.next)] = v.After
	}
	return nil
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// orderOf is the place of a record among schema changes: twice the number, less one for the change itself.
func orderOf(t testing.TB, r *kgo.Record, changes string) int {
	n, err := strconv.Atoi(header(r, headerSchema))
	if err != nil {
		t.Fatalf("record %d of %s has no number: %v", r.Offset, r.Topic, err)
	}
	if r.Topic == changes {
		return 2*n - 1
	}
	return 2 * n
}

// fold reads all topics with a prefix, and folds them.
func fold(t testing.TB, seeds []string, prefix string) *folder {
	t.Helper()
	f := &folder{tables: map[schema.Name]*folded{}}
	changes := prefix
	records := readCommitted(t, seeds, prefix)
	slices.SortStableFunc(records, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(orderOf(t, a, changes), orderOf(t, b, changes)), strings.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for _, r := range records {
		apply := f.row
		if r.Topic == changes {
			apply = func(r *kgo.Record) error { return f.change(r.Value) }
		}
		if err := apply(r); err != nil {
			t.Fatalf("record %d of %s: %v", r.Offset, r.Topic, err)
		}
	}
	return f
}

// readCommitted reads all records of the topics whose names begin with prefix, once no transaction is open there.
func readCommitted(t testing.TB, seeds []string, prefix string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	all, err := admin.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	topics := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(n string) bool { return n != prefix && !strings.HasPrefix(n, prefix+".") })
	if len(topics) == 0 {
		return nil
	}
	ends := settled(ctx, t, admin, topics)
	from, left := map[string]map[int32]kgo.Offset{}, 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			if from[o.Topic] == nil {
				from[o.Topic] = map[int32]kgo.Offset{}
			}
			from[o.Topic][o.Partition] = kgo.NewOffset().At(0)
			left++
		}
	})
	if left == 0 {
		return nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxPartitionBytes(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var records []*kgo.Record
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for r := range fetches.RecordsAll() {
			if end, _ := ends.Lookup(r.Topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		}
	}
	return records
}

// settled waits until the end of each partition is the end of what is committed, and returns it: the markers of a commit
// come a little after it.
func settled(ctx context.Context, t testing.TB, admin *kadm.Client, topics []string) kadm.ListedOffsets {
	t.Helper()
	for {
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := admin.ListCommittedOffsets(ctx, topics...)
		if err != nil {
			t.Fatal(err)
		}
		same := true
		ends.Each(func(o kadm.ListedOffset) {
			c, ok := committed.Lookup(o.Topic, o.Partition)
			same = same && ok && o.Err == nil && c.Err == nil && c.Offset == o.Offset
		})
		if same {
			return ends
		}
	}
}
