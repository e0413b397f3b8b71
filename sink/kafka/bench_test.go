package kafka

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

const (
	benchBatch = 2000    // rows of a batch
	benchTxn   = 100_000 // rows of a transaction
)

// narrowTable is that of the project's benchmarks: a key, a number, a text.
func narrowTable() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "narrow"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}, Native: "bigint"},
		{Name: "n", Type: schema.Type{Kind: schema.Int, Bits: 32}, Nullable: true, Native: "int"},
		{Name: "note", Type: schema.Type{Kind: schema.String}, Nullable: true, Native: "varchar(100)"},
	}}
}

var benchSeq uint64

// narrowBatch is a batch of inserts of one transaction.
func narrowBatch(t *schema.Table, at int) *row.Batch {
	b := row.New(t)
	for i := range benchBatch {
		benchSeq += 50
		if i == 0 {
			b.Origin = schema.Origin{Seq: 1<<40 + benchSeq, File: "binlog.000001", ServerID: 1, Number: benchSeq}
		}
		b.Append(row.Insert, 1<<40+benchSeq, 1_770_000_000_000_000)
		b.Cols[0].AppendWord(uint64(at + i))
		b.Cols[1].AppendWord(uint64(i))
		b.Cols[2].AppendBytes([]byte("a note of some forty characters or so..."))
	}
	b.Number(1, benchBatch)
	return b
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((cpu()-before).Seconds()*1e6/float64(b.N), "cpu-s/Mrow")
}

// BenchmarkSink commits b.N rows as debezium-json, 100,000 in a transaction.
func BenchmarkSink(b *testing.B) {
	seeds := servers.SharedKafka(b).Addrs()
	for _, codec := range []string{"none", "lz4", "snappy"} {
		b.Run(codec, func(b *testing.B) {
			st := newStore(b, seeds, func(c *Config) { c.Properties["compression.type"] = option.Secret(codec) })
			st.opened = nil
			s := st.open(b)
			t := narrowTable()
			start(b, s, 1)
			if err := s.Evolve(b.Context(), &schema.Change{After: t}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			for epoch, done := uint64(1), 0; done < b.N; epoch++ {
				x, err := s.Begin(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for end := min(b.N, done+benchTxn); done < end; done += benchBatch {
					if err := x.Write(b.Context(), narrowBatch(t, done)); err != nil {
						b.Fatal(err)
					}
				}
				if err := x.Commit(b.Context(), map[schema.Name]sink.Mark{t.Name: {Run: 1, Epoch: epoch}}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, before)
		})
	}
}

// BenchmarkProducer is franz-go alone with records of the same size, made beforehand: what the sink cannot be faster than.
func BenchmarkProducer(b *testing.B) {
	seeds := servers.SharedKafka(b).Addrs()
	st := newStore(b, seeds, nil)
	st.opened = nil
	s := st.open(b)
	start(b, s, 1)
	t := narrowTable()
	if err := s.Evolve(b.Context(), &schema.Change{After: t}); err != nil {
		b.Fatal(err)
	}
	p := new(producer)
	p.line.join() // another Txn is first
	x := &Txn{s: s, p: p, place: p.line.join(), parts: map[schema.Name]*part{}}
	if err := x.write(b.Context(), narrowBatch(t, 0), &part{}); err != nil {
		b.Fatal(err)
	}
	made := x.held[0].slab.records[:200]
	records := make([]kgo.Record, benchTxn)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for done := 0; done < b.N; {
		if err := s.rows.begin(); err != nil {
			b.Fatal(err)
		}
		for i := 0; i < benchTxn && done < b.N; i++ {
			m := &made[i%len(made)]
			records[i] = kgo.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: m.Timestamp, Topic: m.Topic, Partition: m.Partition, Context: context.Background()}
			s.rows.send(records[i : i+1])
			done++
		}
		if err := s.rows.commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	report(b, before)
	b.ReportMetric(float64(len(made[0].Key)+len(made[0].Value)), "bytes/row")
}

// BenchmarkEncode makes records and sends them nowhere.
func BenchmarkEncode(b *testing.B) {
	s, t, x := encodeOnly(b)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for done := 0; done < b.N; done += benchBatch {
		batch := narrowBatch(t, done)
		if err := x.write(b.Context(), batch, &part{}); err != nil {
			b.Fatal(err)
		}
		batch.Free()
		x.forget()
	}
	report(b, before)
	_ = s
}

func start(t testing.TB, s *Sink, run uint64) {
	t.Helper()
	if err := s.Start(t.Context(), run); err != nil {
		t.Fatal(fmt.Errorf("start run %d: %w", run, err))
	}
}

// BenchmarkSink_Visible commits 250 rows each 50 ms, and tells how long after its commit at the source a row is seen by a
// consumer with read_committed.
func BenchmarkSink_Visible(b *testing.B) {
	seeds := servers.SharedKafka(b).Addrs()
	st := newStore(b, seeds, nil)
	st.opened = nil
	s, t := st.open(b), narrowTable()
	start(b, s, 1)
	if err := s.Evolve(b.Context(), &schema.Change{After: t}); err != nil {
		b.Fatal(err)
	}
	const rows, warm = 250, 20
	commits := max(b.N, 2) + warm
	seen := make(chan []time.Duration)
	go func() { seen <- watch(b, seeds, s.TopicOf(t.Name), commits*rows, warm*rows) }() // ends with the last row
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for n := range commits {
		x, err := s.Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for range 5 { // the rows of the interval come spread over it
			batch := narrowBatch(t, n*benchBatch)
			batch.Truncate(rows / 5)
			for i := range batch.Times {
				batch.Times[i] = time.Now().UnixMicro()
			}
			if err := x.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			time.Sleep(8 * time.Millisecond)
		}
		<-tick.C
		if err := x.Commit(b.Context(), map[schema.Name]sink.Mark{t.Name: {Run: 1, Epoch: uint64(n + 1)}}); err != nil {
			b.Fatal(err)
		}
	}
	times := <-seen
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(times[len(times)*99/100].Milliseconds()), "ms-p99")
}

// watch reads n records of a topic and returns how old all but the first are when they come.
func watch(t testing.TB, seeds []string, topic string, n, skip int) []time.Duration {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer client.Close()
	times := make([]time.Duration, 0, n)
	for len(times) < n && t.Context().Err() == nil {
		fetches := client.PollFetches(t.Context())
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) { times = append(times, now.Sub(r.Timestamp)) })
	}
	return times[skip:]
}
