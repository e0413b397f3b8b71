package snapshot

import (
	"encoding/binary"
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
	// is nil when not all are known: there are too many, or a restart has lost some.
	dirty bool
	seen  map[uint64]struct{}
	fresh []byte // hashes that no Copied event has told yet, 8 bytes each
	news  bool   // dirty, fresh or seen is not what the last Copied event said
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
	if !g.Many && len(t.Touched) >= hashBytes*g.Touched {
		tb.remember(t.Touched)
	}
	tb.news = tb.seen == nil && !g.Many // from here on keys are not told: no later start may believe to have all
	if g.Planned {
		ranges := make([]source.Range, len(g.Ranges))
		for i, r := range g.Ranges {
			ranges[i] = r.source()
		}
		tb.plan(ranges)
	}
	return tb, nil
}

// hashBytes is the length of a key's hash in Copied.Touched.
const hashBytes = 8

// remember takes what earlier Copied events have told of touched keys.
func (t *table) remember(touched []byte) {
	t.seen = make(map[uint64]struct{}, len(touched)/hashBytes)
	for len(touched) >= hashBytes {
		t.seen[binary.LittleEndian.Uint64(touched)] = struct{}{}
		touched = touched[hashBytes:]
	}
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
		t.stage, t.seen, t.fresh, t.news = following, nil, nil, false
	}
	return t.stage == following
}

// keyless tables are copied whole, at one point of the log; their log rows before that point are in the copy.
func (t *table) keyless() bool { return len(t.shape.Key) == 0 }

func (t *table) progress() []byte {
	g := progress{Planned: t.stage != unplanned}
	if t.stage != following {
		g.Dirty, g.Touched, g.Many = t.dirty, len(t.seen), t.dirty && t.seen == nil
	}
	for _, s := range t.spans {
		g.Ranges = append(g.Ranges, fromRange(s.rest))
	}
	return []byte(g.String())
}

// touch notes the keys of log rows: for the open chunks, whose rows they may supersede, and for all later chunks.
func (t *table) touch(b *row.Batch, txn source.TxnID, key []byte) []byte {
	for i := range b.Len() {
		if b.KeyNull(i) >= 0 {
			continue // an image without its key: the other image of the update has it
		}
		key = b.Key(key[:0], i)
		t.note(key)
		for _, c := range t.chunks {
			c.touched[string(key)] = txn
		}
	}
	t.news = t.news || !t.dirty
	t.dirty = true
	return key
}

// note remembers a key that the log has touched.
func (t *table) note(key []byte) {
	if t.seen == nil {
		return
	}
	h := xxh3.Hash(key)
	if _, known := t.seen[h]; known {
		return
	}
	t.news = true
	if len(t.seen) == maxSeen {
		t.seen, t.fresh = nil, nil
		return
	}
	t.seen[h] = struct{}{}
	t.fresh = binary.LittleEndian.AppendUint64(t.fresh, h)
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
