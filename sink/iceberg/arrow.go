package iceberg

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// view returns the memory of a slice of numbers as bytes.
func view[T uint64 | uint32](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// toArrow returns the values of a column as an Arrow array of type dt. It points into v where the widths agree, so v must
// not change while the array is in use.
func toArrow(dt arrow.DataType, c *column, v *row.Vector) arrow.Array {
	n := v.Len()
	var valid *memory.Buffer
	nulls := 0
	if v.Valid != nil {
		valid, nulls = memory.NewBufferBytes(view(v.Valid)), n-ones(v.Valid)
	}
	if ext, ok := dt.(arrow.ExtensionType); ok {
		storage := toArrow(ext.StorageType(), c, v)
		defer storage.Release()
		return array.NewExtensionArrayWithStorage(ext, storage)
	}
	data := array.NewData(dt, n, append([]*memory.Buffer{valid}, buffers(c, v, n)...), nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

func ones(bitmap []uint64) (n int) {
	for _, w := range bitmap {
		n += bits.OnesCount64(w)
	}
	return n
}

// buffers returns what stands behind the validity bitmap.
func buffers(c *column, v *row.Vector, n int) []*memory.Buffer {
	switch c.form {
	case formWords:
		return fixed(view(v.Words))
	case formInt32, formFloat32:
		return fixed(view(narrow(v.Words)))
	case formFloatWide:
		return fixed(view(doubles(v.Words)))
	case formBool:
		return fixed(view(packBits(v.Words)))
	case formDecimalWord:
		return fixed(view(widen(v.Words, true)))
	case formDecimalUint:
		return fixed(view(widen(v.Words, false)))
	case formDecimalWide, formUUID:
		return fixed(spread(v, n, 16))
	case formBytes:
		return []*memory.Buffer{memory.NewBufferBytes(view(v.Offsets)), memory.NewBufferBytes(v.Data)}
	default: // the others become text or other bytes
		offsets, data := spell(c, v, n)
		return []*memory.Buffer{memory.NewBufferBytes(view(offsets)), memory.NewBufferBytes(data)}
	}
}

func fixed(p []byte) []*memory.Buffer { return []*memory.Buffer{memory.NewBufferBytes(p)} }

func narrow(words []uint64) []uint32 {
	out := make([]uint32, len(words))
	for i, w := range words {
		out[i] = uint32(w)
	}
	return out
}

func doubles(words []uint64) []uint64 {
	out := make([]uint64, len(words))
	for i, w := range words {
		out[i] = math.Float64bits(float64(math.Float32frombits(uint32(w))))
	}
	return out
}

func packBits(words []uint64) []uint64 {
	out := make([]uint64, (len(words)+63)>>6)
	for i, w := range words {
		out[i>>6] |= w & 1 << (i & 63)
	}
	return out
}

// widen makes 16-byte little-endian integers of words.
func widen(words []uint64, signed bool) []uint64 {
	out := make([]uint64, 2*len(words))
	for i, w := range words {
		out[2*i] = w
		if signed {
			out[2*i+1] = uint64(int64(w) >> 63)
		}
	}
	return out
}

// spread returns values of one width, with room for the NULLs, which take none in a row.Vector.
func spread(v *row.Vector, n, width int) []byte {
	if len(v.Data) == n*width {
		return v.Data
	}
	out := make([]byte, n*width)
	for i := range n {
		copy(out[i*width:], v.Value(i))
	}
	return out
}

// spell returns the values of the forms that become other bytes.
func spell(c *column, v *row.Vector, n int) (offsets []uint32, data []byte) {
	offsets = make([]uint32, 1, n+1)
	for i := range n {
		if !v.Null(i) {
			data = spellValue(data, c, v, i)
		}
		offsets = append(offsets, uint32(len(data)))
	}
	return offsets, data
}

func spellValue(dst []byte, c *column, v *row.Vector, i int) []byte {
	switch c.form {
	case formBits:
		return binary.BigEndian.AppendUint64(dst, v.Words[i])
	case formUUIDText:
		return appendUUID(dst, v.Value(i))
	default:
		return appendDecimal(dst, v.Value(i), int(c.source.Scale))
	}
}

// appendUUID spells 16 bytes as 8-4-4-4-12 digits.
func appendUUID(dst, p []byte) []byte {
	for i, b := range p {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{b})
	}
	return dst
}

// appendDecimal spells a two's complement little-endian number with all digits of its scale.
func appendDecimal(dst, p []byte, scale int) []byte {
	be := slices.Clone(p)
	slices.Reverse(be)
	u := new(big.Int).SetBytes(be)
	if len(be) > 0 && be[0] >= 0x80 {
		u.Sub(u, new(big.Int).Lsh(big.NewInt(1), uint(8*len(be))))
	}
	if u.Sign() < 0 {
		dst = append(dst, '-')
		u.Neg(u)
	}
	digits := u.Append(nil, 10)
	for len(digits) <= scale {
		digits = append([]byte{'0'}, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}

// fromArrow appends key value i of an array that toArrow made to v: the way back, for keys read from our own files.
func fromArrow(v *row.Vector, c *column, a arrow.Array, i int) {
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(i) {
			v.AppendWord(1)
		} else {
			v.AppendWord(0)
		}
	case *array.Int32:
		v.AppendWord(wordOf(c.source, a.Value(i)))
	case *array.Date32:
		v.AppendWord(wordOf(c.source, int32(a.Value(i))))
	case *array.Int64:
		v.AppendWord(uint64(a.Value(i)))
	case *array.Timestamp:
		v.AppendWord(uint64(a.Value(i)))
	case *array.Decimal128:
		fromDecimal(v, c, a.Value(i).LowBits(), uint64(a.Value(i).HighBits()))
	case *array.String:
		fromBytes(v, c, []byte(a.Value(i)))
	case *array.Binary:
		fromBytes(v, c, a.Value(i))
	default:
		panic("iceberg: key of Arrow type " + a.DataType().String())
	}
}

// wordOf undoes the narrowing of a word.
func wordOf(t schema.Type, n int32) uint64 {
	if t.Kind == schema.Uint {
		return uint64(uint32(n))
	}
	return uint64(int64(n))
}

func fromDecimal(v *row.Vector, c *column, lo, hi uint64) {
	if c.form != formDecimalWide {
		v.AppendWord(lo)
		return
	}
	v.Data = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(v.Data, lo), hi)
	v.EndValue()
}

func fromBytes(v *row.Vector, c *column, p []byte) {
	switch c.form {
	case formBits:
		v.AppendWord(binary.BigEndian.Uint64(p))
	case formUUIDText:
		id, err := hex.DecodeString(string(slices.DeleteFunc(slices.Clone(p), func(b byte) bool { return b == '-' })))
		if err != nil {
			panic("iceberg: UUID key " + err.Error())
		}
		v.AppendBytes(id)
	case formDecimalText:
		v.AppendBytes(parseDecimal(p))
	default:
		v.AppendBytes(p)
	}
}

// parseDecimal is appendDecimal's inverse, in 32 bytes.
func parseDecimal(p []byte) []byte {
	text := slices.DeleteFunc(slices.Clone(p), func(b byte) bool { return b == '.' })
	u, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		panic("iceberg: decimal key " + string(p))
	}
	if u.Sign() < 0 {
		u.Add(u, new(big.Int).Lsh(big.NewInt(1), 256))
	}
	out := u.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return out
}
