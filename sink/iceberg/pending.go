package iceberg

import (
	"hash/maphash"

	"github.com/cdcsync/cdcsync/schema/row"
)

// Sizes of pending batches: smaller ones are joined, so that Parquet gets runs of rows.
const (
	smallBatch  = 1024
	joinedBatch = 8192
	joinedBytes = 4 << 20
)

// A ref names a pending row: the batch, and the row in it.
type ref struct{ batch, row uint32 }

// An entry is what pending knows of one key. The row at ref has that key, alive or not.
type entry struct {
	hash uint64
	ref  ref
	// live: the row at ref is the key's present row. delete: rows of older snapshots with the key must go. fresh: the
	// key's first op since the last flush was an Insert, so no older snapshot has it.
	live, delete, fresh bool
}

// pending are rows that are not yet written, collapsed so that each key has at most one live row.
type pending struct {
	seed    maphash.Seed
	batches []*row.Batch
	dead    [][]bool // for each batch; nil: all its rows are alive
	rows    int
	// The index is built when the first op other than Insert comes: a snapshot needs none.
	slots   []uint32 // 1 + the number in entries, open addressing
	entries []entry
	indexed bool
	keyed   bool
}

// add takes a batch over. touched is called for each key that an op other than Insert names for the first time since
// the last flush, with a row that has the key.
func (p *pending) add(b *row.Batch, touched func(b *row.Batch, i int, hash uint64) error) error {
	if p.keyed && !p.indexed && !onlyInserts(b) {
		p.buildIndex()
	}
	first := 0
	if n := len(p.batches); n > 0 && b.Len() < smallBatch && p.batches[n-1].Len() < joinedBatch && p.batches[n-1].Bytes()+b.Bytes() < joinedBytes {
		last := p.batches[n-1]
		first = last.Len()
		appendAll(last, b)
		b.Free()
		b = last
	} else {
		p.batches, p.dead = append(p.batches, b), append(p.dead, nil)
	}
	p.rows += b.Len() - first
	if !p.indexed {
		return nil
	}
	for i := first; i < b.Len(); i++ {
		if err := p.apply(ref{uint32(len(p.batches) - 1), uint32(i)}, touched); err != nil {
			return err
		}
	}
	return nil
}

func onlyInserts(b *row.Batch) bool {
	for _, op := range b.Ops {
		if op != row.Insert {
			return false
		}
	}
	return true
}

func (p *pending) buildIndex() {
	p.indexed = true
	for n, b := range p.batches {
		for i := range b.Len() {
			// Only Inserts came so far: they call touched for none.
			_ = p.apply(ref{uint32(n), uint32(i)}, nil)
		}
	}
}

// apply lets the row at r supersede what came before it.
func (p *pending) apply(r ref, touched func(*row.Batch, int, uint64) error) error {
	b, i := p.batches[r.batch], int(r.row)
	h := hashKey(p.seed, b, i)
	e, found := p.lookup(h, b, i)
	op := b.Ops[i]
	if !found {
		e = p.insert(entry{hash: h, ref: r, fresh: op == row.Insert})
		if op != row.Insert {
			if err := touched(b, i, h); err != nil {
				return err
			}
		}
	}
	if found && e.live {
		p.kill(e.ref)
	}
	e.delete = e.delete || op != row.Insert && !e.fresh
	e.live = op != row.Delete && op != row.Before
	e.ref = r
	if !e.live {
		p.kill(r)
	}
	return nil
}

func (p *pending) kill(r ref) {
	if p.dead[r.batch] == nil {
		p.dead[r.batch] = make([]bool, 0, joinedBatch+smallBatch)
	}
	d := p.dead[r.batch]
	for len(d) <= int(r.row) {
		d = append(d, false)
	}
	d[r.row] = true
	p.dead[r.batch] = d
}

func (p *pending) lookup(h uint64, b *row.Batch, i int) (*entry, bool) {
	if len(p.slots) == 0 {
		return nil, false
	}
	for s := h; ; s++ {
		n := p.slots[s&uint64(len(p.slots)-1)]
		if n == 0 {
			return nil, false
		}
		e := &p.entries[n-1]
		if e.hash == h && equalKeys(p.batches[e.ref.batch], int(e.ref.row), b, i) {
			return e, true
		}
	}
}

func (p *pending) insert(e entry) *entry {
	if 2*len(p.entries) >= len(p.slots) {
		p.grow()
	}
	p.entries = append(p.entries, e)
	p.place(uint32(len(p.entries)))
	return &p.entries[len(p.entries)-1]
}

func (p *pending) grow() {
	p.slots = make([]uint32, max(256, 2*len(p.slots)))
	for n := range p.entries {
		p.place(uint32(n + 1))
	}
}

func (p *pending) place(n uint32) {
	mask := uint64(len(p.slots) - 1)
	s := p.entries[n-1].hash
	for p.slots[s&mask] != 0 {
		s++
	}
	p.slots[s&mask] = n
}

// live calls do for each batch with the numbers of its live rows; all is set instead when all are.
func (p *pending) live(scratch *[]uint32, do func(b *row.Batch, rows []uint32, all bool) error) error {
	for n, b := range p.batches {
		rows, dead := (*scratch)[:0], p.dead[n]
		if dead == nil {
			if err := do(b, nil, true); err != nil {
				return err
			}
			continue
		}
		for i := range b.Len() {
			if i >= len(dead) || !dead[i] {
				rows = append(rows, uint32(i))
			}
		}
		if err := do(b, rows, false); err != nil {
			return err
		}
		*scratch = rows
	}
	return nil
}

// reset frees all rows, and keeps the memory of the index unless it is large.
func (p *pending) reset() {
	for _, b := range p.batches {
		b.Free()
	}
	p.batches, p.dead, p.rows, p.indexed = p.batches[:0], p.dead[:0], 0, false
	p.entries = p.entries[:0]
	clear(p.slots)
}

// appendAll appends all rows of src to dst, column by column.
func appendAll(dst, src *row.Batch) {
	n := dst.Len()
	dst.Ops = append(dst.Ops, src.Ops...)
	dst.Seqs = append(dst.Seqs, src.Seqs...)
	dst.Times = append(dst.Times, src.Times...)
	for c := range dst.Cols {
		appendColumn(&dst.Cols[c], &src.Cols[c], n)
	}
}

func appendColumn(dst, src *row.Vector, n int) {
	switch {
	case src.Valid != nil || dst.Valid != nil || src.Absent != nil || dst.Absent != nil:
		for i := range src.Len() {
			dst.AppendFrom(src, i)
		}
	case dst.Offsets == nil:
		dst.Words = append(dst.Words, src.Words...)
	default:
		base := uint32(len(dst.Data))
		dst.Data = append(dst.Data, src.Data...)
		for _, o := range src.Offsets[1:] {
			dst.Offsets = append(dst.Offsets, base+o)
		}
	}
}
