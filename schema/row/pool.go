package row

import (
	"sync"

	"github.com/cdcsync/cdcsync/schema"
)

// maxPooled is the largest batch whose buffers are kept: one giant row must not pin its memory for ever.
const maxPooled = 8 << 20

// pools holds freed batches by the number of their columns, so that a table finds buffers that have about its shape.
var pools sync.Map // int -> *sync.Pool of *Batch

// New returns an empty batch of table t with pooled buffers. The caller owns it.
func New(t *schema.Table) *Batch {
	pool, ok := pools.Load(len(t.Columns))
	if !ok {
		pool, _ = pools.LoadOrStore(len(t.Columns), new(sync.Pool))
	}
	b, ok := pool.(*sync.Pool).Get().(*Batch)
	if !ok {
		b = &Batch{Cols: make([]Vector, len(t.Columns))}
	}
	b.Table = t
	for i := range b.Cols {
		b.Cols[i].reset(t.Columns[i].Type.Fixed())
	}
	return b
}

// Number gives the newest n rows the number of a change; all rows of the batch get one, or none.
func (b *Batch) Number(order uint32, n int) {
	if b.Orders == nil {
		b.Orders = b.spare[:0]
	}
	for range n {
		b.Orders = append(b.Orders, order)
	}
}

// reset empties the vector and gives it one of the two forms, keeping the memory of both.
func (v *Vector) reset(fixed bool) {
	v.Words, v.Data = v.Words[:0], v.Data[:0]
	if v.Valid != nil {
		v.spare.valid, v.Valid = v.Valid, nil
	}
	if v.Absent != nil {
		v.spare.absent, v.Absent = v.Absent, nil
	}
	if v.Offsets != nil {
		v.spare.offsets, v.Offsets = v.Offsets, nil
	}
	if !fixed {
		v.Offsets = append(v.spare.offsets[:0], 0)
	}
}

// Free gives the batch's buffers back. The caller owned it and must not touch it again.
func (b *Batch) Free() {
	if b == nil || b.capacity() > maxPooled {
		return
	}
	b.Ops, b.Seqs, b.Times = b.Ops[:0], b.Seqs[:0], b.Times[:0]
	pool, ok := pools.Load(len(b.Cols))
	if !ok {
		return
	}
	b.Table, b.Origin = nil, schema.Origin{}
	if b.Orders != nil {
		b.spare, b.Orders = b.Orders[:0], nil
	}
	pool.(*sync.Pool).Put(b)
}

func (b *Batch) capacity() int {
	n := cap(b.Ops)*17 + 4*max(cap(b.Orders), cap(b.spare))
	for i := range b.Cols {
		v := &b.Cols[i]
		n += 8*cap(v.Words) + cap(v.Data) + 4*cap(v.Offsets)
	}
	return n
}
