// Package row holds changed rows of one table as typed columns.
//
// A column is held in one of two physical forms, both in Arrow's layout so that sinks take the buffers without a copy:
//
//	words   Words[i] is value i                                   (schema.Type.Fixed)
//	bytes   Data[Offsets[i]:Offsets[i+1]] is value i              (all others; len(Offsets) = rows + 1)
//
//	Valid   bit i set: value i is present; clear: NULL            (nil: no NULLs)
//	Absent  bit i set: the log did not carry value i              (nil: all carried)
//
// A NULL or absent value occupies its place: a zero word, or no bytes. Bits are numbered from the lowest of word 0, as in
// Arrow's validity bitmaps on a little-endian machine.
package row

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
)

// An Op says what one row of a batch is.
type Op uint8

// The ops. Before and After are an update's two images: they stand next to each other, Before first.
const (
	Insert Op = iota // a row whose key no sink has: from the log, or from a snapshot that nothing touched
	Delete           // the last image of a row that is gone
	Before
	After
	Upsert // a row as it is now, whether or not a sink has its key: from a snapshot whose table was written to
)

var opNames = [...]string{"insert", "delete", "before", "after", "upsert"}

// String returns the op in lower case.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// A Batch is a run of changes to one version of one table, in commit order. It has one owner: passing it on gives it
// away, and the last owner calls Free (invariant I9). len(Ops) = len(Seqs) = len(Times) is the number of rows.
type Batch struct {
	Table *schema.Table
	Ops   []Op
	Seqs  []uint64 // total order of the log, the same on every replay (invariant I10)
	Times []int64  // commit time, microseconds since the epoch
	// Orders number the changes of a transaction over all its captured tables, from 1 on; both images of an update have the
	// same number. nil: not known, as in a snapshot.
	Orders []uint32
	// Origin is the transaction that all rows are of; zero in a snapshot.
	Origin schema.Origin
	Cols   []Vector // one for each of Table.Columns

	spare []uint32 // memory for Orders
}

// A Vector holds one column's values of all rows of a batch.
type Vector struct {
	Words   []uint64
	Data    []byte
	Offsets []uint32
	Valid   []uint64
	Absent  []uint64

	spare spare
}

// spare keeps the memory of buffers that the current use of a vector has no need for.
type spare struct {
	offsets       []uint32
	valid, absent []uint64
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.Ops) }

// Bytes is the memory that the rows occupy, roughly: what a byte budget counts.
func (b *Batch) Bytes() int {
	n := len(b.Ops)*(1+8+8) + 4*len(b.Orders)
	for i := range b.Cols {
		v := &b.Cols[i]
		n += 8*len(v.Words) + len(v.Data) + 4*len(v.Offsets) + 8*len(v.Valid) + 8*len(v.Absent)
	}
	return n
}

// Append adds a row's op, sequence number and commit time; the caller then appends one value to each of Cols.
func (b *Batch) Append(op Op, seq uint64, time int64) {
	b.Ops = append(b.Ops, op)
	b.Seqs = append(b.Seqs, seq)
	b.Times = append(b.Times, time)
}

// Key appends the canonical bytes of row i's key to dst: for each key column a word as 8 bytes big-endian, or the
// length as a uvarint and the bytes. Rows of one table have equal keys if and only if these bytes are equal. A table
// without a key has the whole row as its key, each value led by one byte: 1, or 0 for NULL.
func (b *Batch) Key(dst []byte, i int) []byte {
	if len(b.Table.Key) > 0 {
		for _, c := range b.Table.Key {
			dst = b.Cols[c].appendKey(dst, i)
		}
		return dst
	}
	for c := range b.Cols {
		if b.Cols[c].Null(i) {
			dst = append(dst, 0)
			continue
		}
		dst = b.Cols[c].appendKey(append(dst, 1), i)
	}
	return dst
}

// KeyNull returns the index of the first key column that is NULL or absent in row i, -1 when the key is whole.
func (b *Batch) KeyNull(i int) int {
	for _, c := range b.Table.Key {
		if b.Cols[c].Null(i) || b.Cols[c].IsAbsent(i) {
			return c
		}
	}
	return -1
}

func (v *Vector) appendKey(dst []byte, i int) []byte {
	if v.Offsets == nil {
		return binary.BigEndian.AppendUint64(dst, v.Words[i])
	}
	p := v.Value(i)
	dst = binary.AppendUvarint(dst, uint64(len(p)))
	return append(dst, p...)
}

// Value returns value i of a column held as bytes. It points into the vector.
func (v *Vector) Value(i int) []byte { return v.Data[v.Offsets[i]:v.Offsets[i+1]] }

// Null says that value i is NULL.
func (v *Vector) Null(i int) bool { return v.Valid != nil && v.Valid[i>>6]&(1<<(i&63)) == 0 }

// IsAbsent says that the log did not carry value i.
func (v *Vector) IsAbsent(i int) bool { return v.Absent != nil && v.Absent[i>>6]&(1<<(i&63)) != 0 }

// Len is the number of values.
func (v *Vector) Len() int {
	if v.Offsets != nil {
		return len(v.Offsets) - 1
	}
	return len(v.Words)
}

// AppendWord appends a present value to a column of words.
func (v *Vector) AppendWord(w uint64) {
	if v.Valid != nil {
		v.Valid = appendBit(v.Valid, len(v.Words), true)
	}
	if v.Absent != nil {
		v.Absent = appendBit(v.Absent, len(v.Words), false)
	}
	v.Words = append(v.Words, w)
}

// AppendBytes appends a present value to a column of bytes.
func (v *Vector) AppendBytes(p []byte) {
	v.Data = append(v.Data, p...)
	v.EndValue()
}

// EndValue ends a present value of a column of bytes whose bytes the caller has appended to Data itself.
func (v *Vector) EndValue() {
	n := len(v.Offsets) - 1
	if v.Valid != nil {
		v.Valid = appendBit(v.Valid, n, true)
	}
	if v.Absent != nil {
		v.Absent = appendBit(v.Absent, n, false)
	}
	v.Offsets = append(v.Offsets, uint32(len(v.Data)))
}

// AppendNull appends a NULL to a column of either form.
func (v *Vector) AppendNull() {
	n := v.Len()
	if v.Valid == nil {
		v.Valid = ones(v.spare.valid, n)
	}
	v.Valid = appendBit(v.Valid, n, false)
	if v.Absent != nil {
		v.Absent = appendBit(v.Absent, n, false)
	}
	v.appendEmpty()
}

// AppendAbsent appends a value that the log did not carry.
func (v *Vector) AppendAbsent() {
	n := v.Len()
	if v.Absent == nil {
		v.Absent = slices.Grow(v.spare.absent[:0], n>>6+1)[:(n+63)>>6]
		clear(v.Absent)
	}
	v.Absent = appendBit(v.Absent, n, true)
	if v.Valid != nil {
		v.Valid = appendBit(v.Valid, n, true)
	}
	v.appendEmpty()
}

func (v *Vector) appendEmpty() {
	if v.Offsets != nil {
		v.Offsets = append(v.Offsets, uint32(len(v.Data)))
		return
	}
	v.Words = append(v.Words, 0)
}

// AppendFrom appends value i of src, which has the same type.
func (v *Vector) AppendFrom(src *Vector, i int) {
	switch {
	case src.Null(i):
		v.AppendNull()
	case src.IsAbsent(i):
		v.AppendAbsent()
	case v.Offsets != nil:
		v.AppendBytes(src.Value(i))
	default:
		v.AppendWord(src.Words[i])
	}
}

// appendBit sets bit n of a bitmap that has n bits.
func appendBit(bits []uint64, n int, set bool) []uint64 {
	if n&63 == 0 {
		bits = append(bits, 0)
	}
	if set {
		bits[n>>6] |= 1 << (n & 63)
	}
	return bits
}

// ones returns a non-nil bitmap of n set bits in the memory of bits.
func ones(bits []uint64, n int) []uint64 {
	bits = slices.Grow(bits[:0], n>>6+1)[:(n+63)>>6]
	for i := range bits {
		bits[i] = ^uint64(0)
	}
	if r := n & 63; r != 0 {
		bits[n>>6] = 1<<r - 1
	}
	return bits
}

// AppendRow appends row i of src, a batch of the same table version.
func (b *Batch) AppendRow(src *Batch, i int) {
	b.Append(src.Ops[i], src.Seqs[i], src.Times[i])
	if src.Orders != nil {
		b.Orders = append(b.Orders, src.Orders[i])
	}
	for c := range b.Cols {
		b.Cols[c].AppendFrom(&src.Cols[c], i)
	}
}

// Truncate drops all rows from n on.
func (b *Batch) Truncate(n int) {
	b.Ops, b.Seqs, b.Times = b.Ops[:n], b.Seqs[:n], b.Times[:n]
	if b.Orders != nil {
		b.Orders = b.Orders[:n]
	}
	for c := range b.Cols {
		b.Cols[c].truncate(n)
	}
}

func (v *Vector) truncate(n int) {
	if v.Offsets != nil {
		v.Offsets = v.Offsets[:n+1]
		v.Data = v.Data[:v.Offsets[n]]
	} else {
		v.Words = v.Words[:n]
	}
	v.Valid = truncateBits(v.Valid, n)
	v.Absent = truncateBits(v.Absent, n)
}

// truncateBits keeps n bits, and clears what lies above them in the last word, as appendBit expects.
func truncateBits(bits []uint64, n int) []uint64 {
	if bits == nil {
		return nil
	}
	bits = bits[:(n+63)>>6]
	if r := n & 63; r != 0 {
		bits[n>>6] &= 1<<r - 1
	}
	return bits
}
