package kafka

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// opened opens a sink of a store, begins its run, and creates a table.
func opened(t testing.TB, st *store, run uint64, table *schema.Table) *Sink {
	t.Helper()
	s := st.open(t)
	start(t, s, run)
	create(t, s, table)
	return s
}

func create(t testing.TB, s *Sink, table *schema.Table) {
	t.Helper()
	if err := s.Evolve(t.Context(), &schema.Change{After: table}); err != nil {
		t.Fatal(err)
	}
}

// one is a batch of one row of a transaction.
func one(t *schema.Table, seq uint64, id int, note string) *row.Batch {
	b := row.New(t)
	b.Origin = schema.Origin{Seq: 1<<40 + seq, File: "binlog.000001"}
	b.Append(row.Insert, 1<<40+seq+1, 1_770_000_000_000_000)
	b.Cols[0].AppendWord(uint64(id))
	b.Cols[1].AppendBytes([]byte(note))
	return b
}

// commitOne writes a row and commits it.
func commitOne(t testing.TB, s *Sink, epoch uint64, b *row.Batch) error {
	t.Helper()
	x, err := s.Begin(t.Context())
	if err != nil {
		return err
	}
	n := b.Table.Name
	if err := x.Write(t.Context(), b); err != nil {
		return errors.Join(err, x.Abort())
	}
	return x.Commit(t.Context(), map[schema.Name]sink.Mark{n: {Run: s.run.Load(), Epoch: epoch}})
}

// stops holds that a table stops for a reason, at once or when a new run writes to it again.
func stops(t testing.TB, s *Sink, table *schema.Table, why string) {
	t.Helper()
	err := commitOne(t, s, 2, one(table, 50, 2, "later"))
	if errors.Is(err, sink.ErrTransient) {
		start(t, s, s.run.Load()+1)
		err = commitOne(t, s, 2, one(table, 50, 2, "later"))
	}
	var te *schema.TableError
	if !errors.As(err, &te) || te.Table != table.Name || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want a TableError of %s that says %q", err, table.Name, why)
	}
}

// TestSink_TopicDeleted stops a table whose topic goes, while rows are written, or between two runs, also if there is
// another one of that name; a new copy mends it.
func TestSink_TopicDeleted(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	admin := kadm.NewClient(newTestClient(t, seeds))
	for name, c := range map[string]struct {
		again, restart bool
		why            string
	}{
		"running": {why: "refuses records"}, "stopped": {restart: true, why: "is gone"}, "replaced": {again: true, restart: true, why: "is not the one"},
	} {
		t.Run(name, func(t *testing.T) {
			st, table := newStore(t, seeds, nil), shape("orders")
			s := opened(t, st, 1, table)
			if err := commitOne(t, s, 1, one(table, 10, 1, "first")); err != nil {
				t.Fatal(err)
			}
			topic := s.TopicOf(table.Name)
			if _, err := admin.DeleteTopic(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
			for c.again {
				r, err := admin.CreateTopic(t.Context(), 4, 1, nil, topic)
				if err == nil && r.Err == nil {
					break
				}
			}
			if c.restart {
				s = st.open(t)
				start(t, s, 2)
			}
			stops(t, s, table, c.why)
			anew := &schema.Change{Before: table, After: table, Edits: []schema.Edit{{Kind: schema.BeginCopy}}}
			if err := s.Evolve(t.Context(), anew); err != nil {
				t.Fatal(err)
			}
			if err := commitOne(t, s, 3, one(table, 60, 3, "anew")); err != nil {
				t.Fatal(err)
			}
			if _, rows := st.Rows(t, table.Name); len(rows) != 1 || rows[0][1] != "anew" {
				t.Errorf("got rows %q", rows)
			}
		})
	}
}

// TestSink_PartitionsAdded keeps keys in the partitions that they were in.
func TestSink_PartitionsAdded(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	st, table := newStore(t, seeds, func(c *Config) { c.Partitions = 2 }), shape("orders")
	s := opened(t, st, 1, table)
	admin := kadm.NewClient(newTestClient(t, seeds))
	for id := range 20 {
		if err := commitOne(t, s, uint64(id+1), one(table, uint64(id*10), id, "before")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.UpdatePartitions(t.Context(), 7, s.TopicOf(table.Name)); err != nil {
		t.Fatal(err)
	}
	s = st.open(t)
	start(t, s, 2)
	for id := range 20 {
		if err := commitOne(t, s, uint64(id+30), one(table, uint64(1000+id*10), id, "after")); err != nil {
			t.Fatal(err)
		}
	}
	home := map[string]int32{}
	for _, r := range readCommitted(t, seeds, st.name) {
		if r.Topic == st.name {
			continue
		}
		if p, ok := home[string(r.Key)]; ok && p != r.Partition {
			t.Errorf("key %s moved from partition %d to %d", r.Key, p, r.Partition)
		}
		home[string(r.Key)] = r.Partition
	}
	found := false
	for _, f := range s.Check(t.Context()) {
		found = found || f.Level == schema.Warning && strings.Contains(f.What, "has 7 partitions, and had 2")
	}
	if !found || len(home) != 20 {
		t.Errorf("check says nothing of it; %d keys", len(home))
	}
}

// TestSink_RecordTooLarge tries the three policies.
func TestSink_RecordTooLarge(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	large := strings.Repeat("large ", 300_000)
	for _, policy := range []TooLarge{Fail, KeyOnly, ClaimCheck} {
		t.Run(string(policy), func(t *testing.T) {
			dir := t.TempDir()
			st := newStore(t, seeds, func(c *Config) {
				if c.TooLarge = policy; policy == ClaimCheck {
					c.ClaimURI = dir
				}
			})
			table := shape("texts")
			s := opened(t, st, 1, table)
			err := commitOne(t, s, 1, one(table, 10, 42, large))
			if policy == Fail {
				var te *schema.TableError
				if !errors.As(err, &te) || !strings.Contains(err.Error(), "42") || !strings.Contains(err.Error(), "record.too.large") {
					t.Errorf("got %v, want a TableError with the key", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range readCommitted(t, seeds, st.name) {
				if r.Topic == st.name {
					continue
				}
				if !strings.Contains(string(r.Value), `"After":["42"]`) {
					t.Errorf("got value %s, want the key alone", r.Value)
				}
				if policy == KeyOnly && header(r, headerOmitted) == "" {
					t.Error("no header says that columns are left out")
				}
				if policy == ClaimCheck {
					text, err := os.ReadFile(header(r, headerClaim))
					if err != nil || !strings.Contains(string(text), large) {
						t.Errorf("the claim has %d bytes, %v", len(text), err)
					}
				}
			}
		})
	}
}

// TestSink_LargerThanASlab writes records of all sizes around that of a slab.
func TestSink_LargerThanASlab(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	st := newStore(t, seeds, func(c *Config) {
		c.Properties["max.request.size"] = "4000000"
		c.TopicProperties = map[string]string{"max.message.bytes": "4000000"}
	})
	table := shape("texts")
	s := opened(t, st, 1, table)
	x, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for id, size := range []int{10, slabData / 3, slabData / 3, slabData - 1000, slabData - 100, slabData, slabData + 1, 10, 3 * slabData, 5, slabData / 2} {
		if err := x.Write(t.Context(), one(table, uint64(id)*10, id, strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		want[strconv.Itoa(id)] = size
	}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{table.Name: {Run: 1, Epoch: 1}}); err != nil {
		t.Fatal(err)
	}
	_, rows := st.Rows(t, table.Name)
	for _, r := range rows {
		if len(r[1]) != want[r[0]] {
			t.Errorf("row %s has %d bytes, want %d", r[0], len(r[1]), want[r[0]])
		}
	}
	if len(rows) != len(want) {
		t.Errorf("got %d rows, want %d", len(rows), len(want))
	}
}

// TestSink_NumberOutlivesTables goes on counting schema changes when the table of the newest is gone.
func TestSink_NumberOutlivesTables(t *testing.T) {
	st, table, other := newStore(t, servers.SharedKafka(t).Addrs(), nil), shape("orders"), shape("other")
	s := opened(t, st, 1, table)
	create(t, s, other)
	if err := s.Evolve(t.Context(), &schema.Change{Before: other}); err != nil {
		t.Fatal(err)
	}
	before := s.number.Load()
	s = st.open(t)
	start(t, s, 2)
	if got := s.number.Load(); got != before || got != 3 {
		t.Errorf("got number %d, want %d", got, before)
	}
}
