package clickhouse

import (
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// benchSink is a sink with a table on the shared server.
func benchSink(b *testing.B, protocol Protocol) (*Sink, *schema.Table) {
	server := servers.SharedClickHouse(b)
	addr := map[Protocol]string{HTTP: server.HTTPAddr, Native: server.Addr}[protocol]
	database := server.Database(b)
	cfg := serverConfig(b, addr, database)
	cfg.Protocol = protocol
	s := openTest(b, cfg)
	o := &schema.Table{Name: schema.Name{Namespace: database, Table: "t"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}}, {Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 32}},
		{Name: "c", Type: schema.Type{Kind: schema.String}}, {Name: "at", Type: schema.Type{Kind: schema.Datetime, Precision: 6}},
	}}
	if err := s.Start(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	if err := s.Evolve(b.Context(), &schema.Change{After: o}); err != nil {
		b.Fatal(err)
	}
	return s, o
}

func benchBatch(o *schema.Table, rows int, seq uint64) *row.Batch {
	b := row.New(o)
	for i := range rows {
		b.Append(row.Insert, seq+uint64(i), 0)
		b.Cols[0].AppendWord(seq + uint64(i))
		b.Cols[1].AppendWord(uint64(i))
		b.Cols[2].AppendBytes([]byte("0123456789-0123456789-0123456789"))
		b.Cols[3].AppendWord(1_700_000_000_000_000)
	}
	return b
}

// BenchmarkCommit is a commit of 2,500 rows, as each 500 ms of 5,000 rows/s: the fence, the block, the mark.
func BenchmarkCommit(b *testing.B) {
	for _, protocol := range []Protocol{HTTP, Native} {
		b.Run(string(protocol), func(b *testing.B) {
			s, o := benchSink(b, protocol)
			var took []time.Duration
			for n := uint64(1); b.Loop(); n++ {
				batch := benchBatch(o, 2500, n<<20)
				begun := time.Now()
				x, err := s.Begin(b.Context())
				if err == nil {
					err = x.Write(b.Context(), batch)
				}
				if err == nil {
					err = x.Commit(b.Context(), map[schema.Name]sink.Mark{o.Name: {Run: 1, Epoch: n, State: make([]byte, 300)}})
				}
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		})
	}
}

// BenchmarkLoad is a copy of many rows in one transaction: encoded, sent to a staging table in the background, and moved.
func BenchmarkLoad(b *testing.B) {
	for _, protocol := range []Protocol{HTTP, Native} {
		b.Run(string(protocol), func(b *testing.B) {
			const batches, rows = 250, 8192
			s, o := benchSink(b, protocol)
			for n := uint64(1); b.Loop(); n++ {
				x, err := s.Begin(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for i := range batches {
					if err := x.Write(b.Context(), benchBatch(o, rows, n<<30+uint64(i)<<14)); err != nil {
						b.Fatal(err)
					}
				}
				if err := x.Commit(b.Context(), map[schema.Name]sink.Mark{o.Name: {Run: 1, Epoch: n}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batches*rows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
