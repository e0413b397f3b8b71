package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// Records as Debezium writes them, spelled by hand.
const (
	keySchema = `{"type":"struct","optional":false,"fields":[{"type":"int32","optional":false,"field":"id"}]}`
	rowSchema = `{"type":"struct","optional":true,"field":"%s","fields":[{"type":"int32","optional":false,"field":"id"},
		{"type":"string","optional":true,"field":"a"},
		{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"v"}]}`
)

// A change is one record of the tables of these tests: op is a letter of Debezium's, "-" a tombstone.
type change struct {
	op            string
	id, seq       int
	before, after string // the value of column a; empty: no row
	partition     int32
}

func (c change) image(a string) string {
	if a == "" {
		return "null"
	}
	return fmt.Sprintf(`{"id":%d,"a":"%s","v":"Cbo="}`, c.id, a) // v is 24.90
}

// record spells a change of a table.
func (c change) record(topic, db, table string) *kgo.Record {
	r := &kgo.Record{
		Topic: topic, Partition: c.partition, Key: fmt.Appendf(nil, `{"schema":%s,"payload":{"id":%d}}`, keySchema, c.id),
		Headers: []kgo.RecordHeader{{Key: "cdcsync.seq", Value: []byte(strconv.Itoa(1<<40 | c.seq))}},
	}
	if c.op != "-" {
		schema := fmt.Sprintf(`{"type":"struct","fields":[`+rowSchema+`,`+rowSchema+`]}`, "before", "after")
		r.Value = fmt.Appendf(nil, `{"schema":%s,"payload":{"before":%s,"after":%s,"source":{"db":"%s","table":"%s","file":"bin.000001","pos":%d,"row":0},"op":"%s"}}`,
			schema, c.image(c.before), c.image(c.after), db, table, c.seq, c.op)
	}
	return r
}

// history is what a sound topic tells of the rows (1, 'one'), (2, 'two') and (4, 'four'), each with v 24.90.
func history() []change {
	return []change{
		{op: "r", id: 1, seq: 10, after: "old"}, {op: "r", id: 2, seq: 10, after: "two", partition: 1}, {op: "r", id: 3, seq: 10, after: "three"},
		{op: "u", id: 1, seq: 20, before: "old", after: "mid"}, {op: "u", id: 1, seq: 30, before: "mid", after: "one"},
		{op: "d", id: 3, seq: 40, before: "three"}, {op: "-", id: 3, seq: 40}, {op: "c", id: 4, seq: 40, after: "four", partition: 1},
	}
}

// TestKafka_FindsCorruption holds the judge to its task: each way in which topics can be wrong must be found and named.
func TestKafka_FindsCorruption(t *testing.T) {
	s, cluster := servers.SharedMariaDB(t, "10.11"), servers.SharedKafka(t)
	db, prefix := s.Database(t), cluster.Topic(t)
	edit := func(f func(h []change) []change) func([]change) []change { return f }
	corruptions := []struct {
		table, finds string
		how          func(h []change) []change
	}{
		{"same", "", edit(func(h []change) []change { return h })},
		{"lost_row", "missing: id=2", edit(func(h []change) []change { return slices.Delete(h, 1, 2) })},
		{"lost_update", "a change is missing before", edit(func(h []change) []change { return slices.Delete(h, 3, 4) })},
		{"lost_last", "changed: id=1 a", edit(func(h []change) []change { return slices.Delete(h, 4, 5) })},
		{"lost_delete", "extra: id=3", edit(func(h []change) []change { return slices.Delete(h, 5, 7) })},
		{"lost_tombstone", "delete without its tombstone", edit(func(h []change) []change {
			return append(slices.Delete(h, 6, 7), change{op: "c", id: 3, seq: 50, after: "x"}, change{op: "d", id: 3, seq: 51, before: "x"}, change{op: "-", id: 3, seq: 51})
		})},
		{"twice", "repeated", edit(func(h []change) []change { return append(h, h[4]) })},
		{"copied_twice", "copied twice", edit(func(h []change) []change {
			return append(h, change{op: "r", id: 2, seq: 50, after: "two", partition: 1})
		})},
		{"created_twice", "created over a row", edit(func(h []change) []change {
			return append(h, change{op: "c", id: 2, seq: 50, after: "two", partition: 1})
		})},
		{"swapped", "out of order", edit(func(h []change) []change { h[3], h[4] = h[4], h[3]; return h })},
		{"moved", "moved from partition", edit(func(h []change) []change { h[4].partition = 1; return h })},
		{"stale_copy", "copied row is not what the log has left", edit(func(h []change) []change {
			return append(h, change{op: "r", id: 4, seq: 50, after: "older", partition: 1}, change{op: "u", id: 4, seq: 51, before: "older", after: "four", partition: 1})
		})},
		{"invented", "extra: id=9", edit(func(h []change) []change { return append(h, change{op: "c", id: 9, seq: 50, after: "x"}) })},
		{"other_row", "key {'id': 2} is not that of its row", nil},
		{"unknown", "no record and no schema change tells of", edit(func([]change) []change { return nil })},
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(prefix))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	pairs := make([]Pair, len(corruptions))
	for i, x := range corruptions {
		s.Exec(t, "CREATE TABLE "+db+"."+x.table+" (id int PRIMARY KEY, a varchar(20), v decimal(12,2))",
			"INSERT INTO "+db+"."+x.table+" VALUES (1, 'one', 24.90), (2, 'two', 24.90), (4, 'four', 24.9)")
		topic := fmt.Sprintf("%s%d.%s.%s", prefix, i, db, x.table)
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
		var records []*kgo.Record
		if x.how == nil {
			for _, c := range history() {
				records = append(records, c.record(topic, db, x.table))
			}
			records[4].Key = []byte(strings.Replace(string(records[4].Key), `"id":1`, `"id":2`, 1))
		} else {
			for _, c := range x.how(history()) {
				records = append(records, c.record(topic, db, x.table))
			}
		}
		transact(t, client, kgo.TryAbort, change{op: "c", id: 77, seq: 1, after: "aborted"}.record(topic, db, x.table))
		transact(t, client, kgo.TryCommit, records...)
		pairs[i] = Pair{Namespace: db, Table: x.table, Database: db, Source: x.table}
	}
	for i, x := range corruptions {
		results, err := Run(t.Context(), Kafka{Seeds: cluster.Seeds(), Prefix: fmt.Sprint(prefix, i)}, s, pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		expect(t, x.table, results[0].Err(pairs[i]), x.finds)
		if x.finds == "" && (results[0].SourceRows != 3 || results[0].Columns != 3) {
			t.Errorf("compared %+v, want 3 rows of 3 columns", results[0])
		}
	}
}

// transact produces records in one transaction.
func transact(t *testing.T, client *kgo.Client, end kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}
