package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/sink"
)

const (
	slabBytes   = 2 << 20 // all of a slab: its data, records and headers
	slabData    = 1 << 20
	slabRecords = 2048
)

// A slab is memory for records and their bytes. It goes back to its pool when the last of its records is acknowledged and
// nobody fills it. A record's Context is its slab: so one function serves all records as their promise.
type slab struct {
	context.Context // never ends: what is on its way to a broker cannot be taken back

	data    []byte // appended to only: records point into it
	records []kgo.Record
	headers []kgo.RecordHeader
	outside int          // bytes of its records that did not fit into data
	pending atomic.Int64 // records that are not acknowledged, and 1 while it is being filled
	home    *pool
}

// drop gives back n records, or the right to fill.
func (s *slab) drop(n int) {
	if s.pending.Add(int64(-n)) == 0 {
		s.home.free <- s
	}
}

// full says that there is no room for a row whose records are bytes long.
func (s *slab) full(bytes, headers int) bool {
	return s.outside > slabData || len(s.data)+bytes > cap(s.data) || len(s.records)+rowRecords > cap(s.records) || len(s.headers)+rowRecords*headers > cap(s.headers)
}

// A pool bounds the memory of slabs.
type pool struct {
	free    chan *slab // a nil is one that is not made yet; never blocks on send: its capacity is all there are
	headers int        // of each record at most
}

func newPool(slabs, headers int) *pool {
	p := &pool{free: make(chan *slab, slabs), headers: headers}
	for range slabs {
		p.free <- nil
	}
	return p
}

var errStuck = errors.New("no record was acknowledged for so long that the memory for them ran out: do the brokers answer, and do the topics have enough replicas in sync")

// take returns an empty slab, and waits for one at most so long.
func (p *pool) take(ctx context.Context, wait time.Duration) (*slab, error) {
	select {
	case s := <-p.free:
		return p.clean(s), nil
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s := <-p.free:
		return p.clean(s), nil
	case <-timer.C:
		return nil, fmt.Errorf("%w: wait %v: %w", sink.ErrTransient, wait, errStuck)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *pool) clean(s *slab) *slab {
	if s == nil {
		s = &slab{
			Context: context.Background(), home: p, data: make([]byte, 0, slabData),
			records: make([]kgo.Record, 0, slabRecords), headers: make([]kgo.RecordHeader, 0, slabRecords*p.headers),
		}
	}
	s.data, s.records, s.headers, s.outside = s.data[:0], s.records[:0], s.headers[:0], 0
	s.pending.Store(1)
	return s
}
