package kafka

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// changesOf is a batch with each op, and an update of the key.
func changesOf(t *schema.Table) *row.Batch {
	b := row.New(t)
	b.Origin = schema.Origin{Seq: 1<<40 + 5, File: "binlog.000007"}
	for i, r := range []struct {
		op  row.Op
		id  int
		seq uint64
	}{{row.Insert, 1, 10}, {row.Before, 1, 20}, {row.After, 1, 20}, {row.Before, 1, 30}, {row.After, 2, 30}, {row.Delete, 2, 40}} {
		b.Append(r.op, 1<<40+r.seq, 1_770_000_000_123_456)
		b.Cols[0].AppendWord(uint64(r.id))
		b.Cols[1].AppendBytes([]byte{'a' + byte(i)})
		b.Number(uint32(r.seq/10), 1)
	}
	return b
}

// dataOf are the records of one topic.
func dataOf(t testing.TB, st *store, topic string) []*kgo.Record {
	t.Helper()
	return slices.DeleteFunc(readCommitted(t, st.seeds, st.name), func(r *kgo.Record) bool { return r.Topic != topic })
}

// TestSink_Records reads what stands in each record: op, key, headers, time and order.
func TestSink_Records(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	st := newStore(t, seeds, func(c *Config) {
		c.Partitions, c.TableIDHeader, c.CustomHeader = 1, true, "team:data; env : test"
	})
	table := shape("orders")
	s := opened(t, st, 1, table)
	if err := commitOne(t, s, 1, changesOf(table)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range dataOf(t, st, s.TopicOf(table.Name)) {
		var v plainValue
		if r.Value != nil {
			if err := json.Unmarshal(r.Value, &v); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, strings.TrimSpace(v.Op+" "+string(r.Key)+" "+header(r, headerSeq)[10:]+" "+header(r, headerNewKey)+header(r, headerOldKey)))
		if header(r, "cdcsync.pipeline") != st.name || header(r, headerPosition) != "binlog.000007:5" || header(r, "tableName") != "orders" ||
			header(r, "team") != "data" || header(r, "env") != "test" || r.Timestamp.UnixMilli() != 1_770_000_000_123 {
			t.Errorf("got headers %v of %v", headersText(r.Headers), r.Timestamp)
		}
	}
	want := []string{`c ["1"] 786`, `u ["1"] 796`, `d ["1"] 806 ["2"]`, `["1"] 806`, `c ["2"] 806 ["1"]`, `d ["2"] 816`, `["2"] 816`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSink_KeyColumns keys records by other columns than the primary key, and writes no tombstones if told so.
func TestSink_KeyColumns(t *testing.T) {
	st := newStore(t, servers.SharedKafka(t).Addrs(), func(c *Config) {
		c.KeyColumns, c.Tombstones, c.Headers, c.Topic = "shop.orders:note", false, false, ""
	})
	table := shape("orders")
	s := opened(t, st, 1, table)
	if err := commitOne(t, s, 1, changesOf(table)); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, r := range dataOf(t, st, s.TopicOf(table.Name)) {
		if keys = append(keys, string(r.Key)); r.Value == nil || len(r.Headers) > 1 {
			t.Errorf("got a record with value %q and headers %v", r.Value, headersText(r.Headers))
		}
	}
	slices.Sort(keys)
	want := []string{`["a"]`, `["b"]`, `["c"]`, `["d"]`, `["e"]`, `["f"]`}
	if !slices.Equal(keys, want) {
		t.Errorf("got keys %q, want %q", keys, want)
	}
}

// TestSink_TruncateRecords writes op t when all rows go, and to a topic that tables share.
func TestSink_TruncateRecords(t *testing.T) {
	st := newStore(t, servers.SharedKafka(t).Addrs(), nil)
	st.change = func(c *Config) { c.Skipped, c.Topic, c.Strategy = None, st.name+".all", AllToZero }
	table, other := shape("orders"), shape("other")
	s := opened(t, st, 1, table)
	create(t, s, other)
	err := errors.Join(commitOne(t, s, 1, one(table, 10, 1, "x")), commitOne(t, s, 2, one(other, 20, 1, "y")),
		s.Evolve(t.Context(), &schema.Change{Before: table, After: table, Edits: []schema.Edit{{Kind: schema.TruncateTable}}, Origin: schema.Origin{Seq: 9}}))
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, r := range dataOf(t, st, st.name+".all") {
		var v plainValue
		if err := json.Unmarshal(r.Value, &v); err != nil || r.Partition != 0 {
			t.Fatal(err, r.Partition)
		}
		ops = append(ops, v.Op+" "+v.Table.Table)
	}
	if want := []string{"c orders", "c other", "t orders"}; !slices.Equal(ops, want) {
		t.Errorf("got %q, want %q", ops, want)
	}
}

// TestSink_AtLeastOnce writes without transactions: all rows are there after a crash, some perhaps twice, and an old run is
// told that it is one.
func TestSink_AtLeastOnce(t *testing.T) {
	st, table := newStore(t, servers.SharedKafka(t).Addrs(), func(c *Config) { c.Guarantee = AtLeastOnce }), shape("orders")
	old := opened(t, st, 1, table)
	if err := commitOne(t, old, 1, one(table, 10, 1, "first")); err != nil {
		t.Fatal(err)
	}
	x, err := old.Begin(t.Context())
	if err == nil {
		err = x.Write(t.Context(), one(table, 20, 2, "second"))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := st.open(t)
	start(t, s, 2)
	marks, err := s.Marks(t.Context(), []schema.Name{table.Name})
	if err != nil || marks[table.Name].Epoch != 1 {
		t.Fatalf("got marks %v, %v", marks, err)
	}
	if err := commitOne(t, s, 2, one(table, 20, 2, "second")); err != nil {
		t.Fatal(err)
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{table.Name: {Run: 1, Epoch: 9}}); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("got %v, want %v", err, sink.ErrFenced)
	}
	s = st.open(t)
	start(t, s, 3)
	if marks, err = s.Marks(t.Context(), []schema.Name{table.Name}); err != nil || marks[table.Name].Epoch != 2 {
		t.Errorf("got marks %v, %v: the old run's is void", marks, err)
	}
	if _, rows := st.Rows(t, table.Name); len(rows) != 2 {
		t.Errorf("got rows %q", rows)
	}
}

// TestSink_LooksOn asks for marks and rows, and checks, without beginning a run: it ends no other run's transaction.
func TestSink_LooksOn(t *testing.T) {
	st, table := newStore(t, servers.SharedKafka(t).Addrs(), nil), shape("orders")
	s := opened(t, st, 1, table)
	for id := range 5 {
		if err := commitOne(t, s, uint64(id+1), one(table, uint64(id)*10, id, "x")); err != nil {
			t.Fatal(err)
		}
	}
	settledStore(t, st, s)
	x, err := s.Begin(t.Context())
	if err == nil {
		err = x.Write(t.Context(), one(table, 90, 9, "open"))
	}
	if err == nil {
		err = s.rows.flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	other := st.open(t)
	marks, err := other.Marks(t.Context(), []schema.Name{table.Name})
	if err != nil || marks[table.Name].Epoch != 5 {
		t.Errorf("got marks %v, %v", marks, err)
	}
	peeked, err := other.Peek(t.Context(), "shop.orders", 3)
	if err != nil || len(peeked.Rows) != 3 || len(peeked.Rows[0]) != len(peeked.Columns) {
		t.Errorf("got %v, %v", peeked, err)
	}
	for _, r := range peeked.Rows {
		if !strings.HasPrefix(r[3], `["`) || strings.Contains(r[4], "open") || !strings.Contains(r[5], "cdcsync.pipeline="+st.name) {
			t.Errorf("got row %q", r)
		}
	}
	for _, f := range other.Check(t.Context()) {
		if f.Level != schema.Fine {
			t.Errorf("check: %+v", f)
		}
	}
	columns, err := other.Plan(table)
	if err != nil || len(columns) != 2 || !strings.Contains(columns[0].Type, "key") {
		t.Errorf("got %v, %v", columns, err)
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{table.Name: {Run: 1, Epoch: 6}}); err != nil {
		t.Errorf("looking on ended the transaction: %v", err)
	}
}

// settledStore waits until what was committed can be read.
func settledStore(t testing.TB, st *store, s *Sink) {
	t.Helper()
	readCommitted(t, st.seeds, st.name)
	for {
		p, err := s.readPositions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.tables) > 0 && p.tables[schema.Name{Namespace: "shop", Table: "orders"}].Epoch == 5 {
			return
		}
	}
}

// TestSink_Metadata writes heartbeats, and the begin and end of transactions.
func TestSink_Metadata(t *testing.T) {
	st := newStore(t, servers.SharedKafka(t).Addrs(), nil)
	st.change = func(c *Config) { c.Transactions, c.HeartbeatMillis, c.HeartbeatPrefix = true, 1, st.name+".beat" }
	table, other := shape("orders"), shape("other")
	s := opened(t, st, 1, table)
	create(t, s, other)
	x, err := s.Begin(t.Context())
	if err == nil {
		err = errors.Join(x.Write(t.Context(), changesOf(table)), x.Write(t.Context(), changesOf(other)))
	}
	if err == nil {
		err = x.Commit(t.Context(), map[schema.Name]sink.Mark{table.Name: {Run: 1, Epoch: 1}, other.Name: {Run: 1, Epoch: 1}})
	}
	if err == nil {
		err = s.Beat(t.Context(), "p", time.Now().UnixMicro())
	}
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, r := range dataOf(t, st, st.name+".transaction") {
		told = append(told, string(r.Value))
	}
	if len(told) != 2 || !strings.Contains(told[0], "BEGIN") || !strings.Contains(told[1], "END") || !strings.Contains(told[1], `"event_count":8`) {
		t.Errorf("got transactions %q", told)
	}
	if n := len(dataOf(t, st, s.heartbeatTopic())); n != 1 {
		t.Errorf("got %d heartbeats, want 1", n)
	}
}
