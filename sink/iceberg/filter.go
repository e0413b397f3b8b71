package iceberg

import (
	"hash/maphash"
	"math/bits"

	"github.com/cdcsync/cdcsync/schema/row"
)

// hashKey returns a hash of row i's key.
func hashKey(seed maphash.Seed, b *row.Batch, i int) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, c := range b.Table.Key {
		v := &b.Cols[c]
		w := uint64(0)
		if v.Offsets == nil {
			w = v.Words[i]
		} else {
			w = maphash.Bytes(seed, v.Value(i))
		}
		hi, lo := bits.Mul64(h^w, 0xd6e8feb86659fd93)
		h = hi ^ lo
	}
	hi, lo := bits.Mul64(h, 0xa0761d6478bd642f)
	return hi ^ lo
}

// equalKeys says that two rows of one table have the same key.
func equalKeys(a *row.Batch, i int, b *row.Batch, j int) bool {
	for _, c := range a.Table.Key {
		v, w := &a.Cols[c], &b.Cols[c]
		if v.Offsets == nil {
			if v.Words[i] != w.Words[j] {
				return false
			}
		} else if string(v.Value(i)) != string(w.Value(j)) {
			return false
		}
	}
	return true
}

const (
	bitsPerKey  = 16      // 1 in 1,000 keys is taken for one that is there
	firstFilter = 1 << 14 // keys of the first filter; each later one holds twice as many
	lastFilter  = 1 << 24 // keys of the last: from there on every key may be there
)

// A filter is a set of key hashes that may say yes of a key that is not in it, never no of one that is. It is a row of
// Bloom filters of blocks of 512 bits, so that a look-up costs one cache line in each.
type filter struct {
	parts []bloom
	full  bool
}

type bloom struct {
	blocks [][8]uint64
	room   int // keys until it is full
}

// add puts a hash in.
func (f *filter) add(h uint64) {
	if f.full {
		return
	}
	n := len(f.parts)
	if n == 0 || f.parts[n-1].room == 0 {
		size := firstFilter << n
		if size > lastFilter {
			f.full, f.parts = true, nil
			return
		}
		f.parts = append(f.parts, bloom{blocks: make([][8]uint64, size*bitsPerKey/512), room: size})
		n++
	}
	p := &f.parts[n-1]
	p.room--
	block := &p.blocks[h>>32*uint64(len(p.blocks))>>32]
	for w := range block {
		block[w] |= bitOf(h, w)
	}
}

// may says that a hash may be in the set.
func (f *filter) may(h uint64) bool {
	for i := range f.parts {
		block := &f.parts[i].blocks[h>>32*uint64(len(f.parts[i].blocks))>>32]
		hit := true
		for w := range block {
			hit = hit && block[w]&bitOf(h, w) != 0
		}
		if hit {
			return true
		}
	}
	return f.full
}

// salts are odd numbers that pick one bit in each of a block's words: those of Parquet's split-block filters.
var salts = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

func bitOf(h uint64, word int) uint64 { return 1 << (uint32(h) * salts[word] >> 26) }

// bytes is the memory that the set occupies.
func (f *filter) bytes() (n int64) {
	for i := range f.parts {
		n += int64(len(f.parts[i].blocks)) * 64
	}
	return n
}
