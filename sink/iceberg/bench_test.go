package iceberg

import (
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// benchmark commits b.N operations, a batch of n rows made by fill at a time, and 1 million rows a transaction.
func benchmark(b *testing.B, n int, fill func(batch *row.Batch, at int)) {
	s, shape := openTest(b, b.TempDir(), nil), narrowTable()
	if err := s.Evolve(b.Context(), &schema.Change{After: shape}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	epoch := uint64(0)
	for done := 0; done < b.N; {
		x, err := s.Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for end := min(b.N, done+1_000_000); done < end; done += n {
			batch := row.New(shape)
			fill(batch, done)
			if err := x.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		epoch++
		if err := x.Commit(b.Context(), map[schema.Name]sink.Mark{shape.Name: {Run: 1, Epoch: epoch}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTxn_Insert(b *testing.B) {
	const n = 8192
	benchmark(b, n, func(batch *row.Batch, at int) {
		for i := range n {
			put(batch, row.Insert, uint64(at+i), 1)
		}
	})
}

func BenchmarkTxn_Update(b *testing.B) {
	const n = 100
	benchmark(b, n, func(batch *row.Batch, at int) {
		for i := range n {
			id := uint64(at+i) * 2654435761 % 500_000
			put(batch, row.Before, id, uint64(at))
			put(batch, row.After, id, uint64(at+1))
		}
	})
}
