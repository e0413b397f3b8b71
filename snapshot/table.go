package snapshot

import (
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// A stage says how far the copy of a table is.
type stage uint8

const (
	unplanned stage = iota // its key space is not split yet
	copying
	following // all is copied, or there was nothing to copy
)

// maxSeen bounds the keys remembered of a table that is written to while it is copied: 16 MiB or so. Beyond it every
// further row of the snapshot is taken as one that a sink may have.
const maxSeen = 1 << 20

// A table is what the merge knows of one table.
type table struct {
	shape  *schema.Table
	stage  stage
	spans  []*span
	chunks []*chunk // registered, and not placed yet

	splitting bool // a split of its key space is under way

	had source.View // transactions of which the sink has this table's rows already; nil: none

	// dirty: log rows of the table have been passed on since its snapshot began. seen has the hashes of their keys, or
	// is nil when not all are known: the rows came before a restart, or there are too many.
	dirty bool
	seen  map[uint64]struct{}
}

// A span is a range that is copied chunk after chunk.
type span struct {
	rest source.Range
	busy bool // a chunk of it is registered
}

func newTable(t Table, had source.View) (*table, error) {
	g, err := parseProgress(t.Progress)
	if err != nil {
		return nil, err
	}
	tb := &table{shape: t.Shape, had: had, dirty: g.Dirty}
	if !g.Dirty {
		tb.seen = map[uint64]struct{}{}
	}
	if g.Planned {
		ranges := make([]source.Range, len(g.Ranges))
		for i, r := range g.Ranges {
			ranges[i] = r.source()
		}
		tb.plan(ranges)
	}
	return tb, nil
}

// plan sets what is to be copied.
func (t *table) plan(ranges []source.Range) {
	t.stage = copying
	t.spans = t.spans[:0]
	for _, r := range ranges {
		t.spans = append(t.spans, &span{rest: r})
	}
	t.finish()
}

// finish ends the copy when no span is left, and says whether that is so.
func (t *table) finish() bool {
	if t.stage == copying && len(t.spans) == 0 {
		t.stage, t.seen = following, nil
	}
	return t.stage == following
}

// keyless tables are copied whole, at one point of the log; their log rows before that point are in the copy.
func (t *table) keyless() bool { return len(t.shape.Key) == 0 }

func (t *table) progress() []byte {
	g := progress{Planned: t.stage != unplanned, Dirty: t.dirty && t.stage != following}
	for _, s := range t.spans {
		g.Ranges = append(g.Ranges, fromRange(s.rest))
	}
	return []byte(g.String())
}

// touch notes the keys of log rows: for the open chunks, whose rows they may supersede, and for all later chunks. It
// says whether the table has become dirty by them.
func (t *table) touch(b *row.Batch, txn source.TxnID, key []byte) (_ []byte, became bool) {
	for i := range b.Len() {
		if b.KeyNull(i) >= 0 {
			continue // an image without its key: the other image of the update has it
		}
		key = b.Key(key[:0], i)
		if t.seen != nil {
			t.seen[xxh3.Hash(key)] = struct{}{}
		}
		for _, c := range t.chunks {
			c.touched[string(key)] = txn
		}
	}
	if len(t.seen) > maxSeen {
		t.seen = nil
	}
	became = !t.dirty
	t.dirty = true
	return key, became
}

// has says whether a sink may hold a row with that key already.
func (t *table) has(key []byte) bool {
	if t.seen == nil {
		return t.dirty
	}
	_, ok := t.seen[xxh3.Hash(key)]
	return ok
}

// free returns a span that no chunk is being read of, nil when there is none.
func (t *table) free() *span {
	i := slices.IndexFunc(t.spans, func(s *span) bool { return !s.busy })
	if i < 0 {
		return nil
	}
	return t.spans[i]
}
