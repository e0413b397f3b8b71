package clickhouse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/cdcsync/cdcsync/schema/row"
)

// extend grows dst by n bytes, whose content is arbitrary.
func extend(dst []byte, n int) (grown, added []byte) {
	grown = slices.Grow(dst, n)[:len(dst)+n]
	return grown, grown[len(dst):]
}

// appendNulls appends 1 for each NULL and 0 for each value.
func appendNulls(dst []byte, valid []uint64, rows []int32) []byte {
	dst, out := extend(dst, len(rows))
	if valid == nil {
		clear(out)
		return dst
	}
	for at, i := range rows {
		out[at] = byte(^valid[i>>6] >> (uint(i) & 63) & 1)
	}
	return dst
}

// appendWords appends the low bytes of words, little-endian.
func appendWords(dst []byte, width int, words []uint64, rows []int32) []byte {
	if width == 8 {
		return appendWords8(dst, words, rows)
	}
	dst, out := extend(dst, width*len(rows))
	switch width {
	case 1:
		for at, i := range rows {
			out[at] = byte(words[i])
		}
	case 2:
		for at, i := range rows {
			binary.LittleEndian.PutUint16(out[2*at:], uint16(words[i]))
		}
	default:
		for at, i := range rows {
			binary.LittleEndian.PutUint32(out[4*at:], uint32(words[i]))
		}
	}
	return dst
}

// appendWords8 appends whole words: at once when no row is left out.
func appendWords8(dst []byte, words []uint64, rows []int32) []byte {
	if len(rows) == len(words) && len(words) > 0 {
		return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))...)
	}
	dst, out := extend(dst, 8*len(rows))
	for at, i := range rows {
		binary.LittleEndian.PutUint64(out[8*at:], words[i])
	}
	return dst
}

// appendTicks appends microseconds as ticks of 10^-precision seconds.
func appendTicks(dst []byte, precision uint16, words []uint64, rows []int32) []byte {
	if precision >= 6 {
		return appendWords8(dst, words, rows)
	}
	dst, out := extend(dst, 8*len(rows))
	if precision == 0 { // a division by a constant is a multiplication
		for at, i := range rows {
			binary.LittleEndian.PutUint64(out[8*at:], uint64(floorSeconds(int64(words[i]))))
		}
		return dst
	}
	divisor := ticks(precision)
	for at, i := range rows {
		w := int64(words[i])
		binary.LittleEndian.PutUint64(out[8*at:], uint64((w-remainder(w, divisor))/divisor))
	}
	return dst
}

// ticks is the microseconds of one tick.
func ticks(precision uint16) int64 {
	n := int64(1)
	for range 6 - precision {
		n *= 10
	}
	return n
}

func floorSeconds(micros int64) int64 {
	q := micros / secondMicros
	return q + (micros-q*secondMicros)>>63
}

// remainder is never negative.
func remainder(n, divisor int64) int64 {
	r := n % divisor
	return r + divisor&(r>>63)
}

// appendFixed appends values of one width; NULLs have no bytes in the vector.
func appendFixed(dst []byte, width int, v *row.Vector, rows []int32) []byte {
	if len(rows) == v.Len() && len(v.Data) == width*len(rows) {
		return append(dst, v.Data...)
	}
	dst, out := extend(dst, width*len(rows))
	for at, i := range rows {
		value := out[at*width : (at+1)*width]
		clear(value[copy(value, v.Value(int(i))):])
	}
	return dst
}

// appendUUIDs appends UUIDs as ClickHouse's two numbers, the high half first.
func appendUUIDs(dst []byte, v *row.Vector, rows []int32) []byte {
	dst, out := extend(dst, 16*len(rows))
	for at, i := range rows {
		var hi, lo uint64
		if p := v.Value(int(i)); len(p) == 16 {
			hi, lo = bits.ReverseBytes64(binary.LittleEndian.Uint64(p)), bits.ReverseBytes64(binary.LittleEndian.Uint64(p[8:]))
		}
		binary.LittleEndian.PutUint64(out[16*at:], hi)
		binary.LittleEndian.PutUint64(out[16*at+8:], lo)
	}
	return dst
}

// appendTexts appends values led by their length.
func appendTexts(dst []byte, v *row.Vector, rows []int32) []byte {
	if len(rows) == 0 {
		return dst
	}
	first, last := rows[0], rows[len(rows)-1]
	most := int(v.Offsets[last+1]-v.Offsets[first]) + binary.MaxVarintLen32*len(rows)
	dst = slices.Grow(dst, most)
	out, at := dst[len(dst):len(dst)+most], 0
	for _, i := range rows {
		p := v.Data[v.Offsets[i]:v.Offsets[i+1]]
		if len(p) < 0x80 {
			out[at] = byte(len(p))
			at++
		} else {
			at += binary.PutUvarint(out[at:], uint64(len(p)))
		}
		at += copy(out[at:], p)
	}
	return dst[:len(dst)+at]
}

// appendJSON appends documents; where there is none stands one that ClickHouse can read, behind a NULL or in a tombstone.
func appendJSON(dst []byte, v *row.Vector, rows []int32) []byte {
	for _, i := range rows {
		p := v.Value(int(i))
		if len(p) == 0 {
			dst = append(dst, 2, '{', '}')
			continue
		}
		dst = append(binary.AppendUvarint(dst, uint64(len(p))), p...)
	}
	return dst
}

// sridBytes stand before the WKB of a geometry.
const sridBytes = 4

func (c *blockColumn) fillShapes(v *row.Vector, rows []int32) error {
	for _, i := range rows {
		p := v.Value(int(i))
		switch {
		case len(p) >= sridBytes:
			p = p[sridBytes:]
		case len(p) > 0:
			return fmt.Errorf("a geometry of %d bytes is none", len(p))
		}
		c.values = append(binary.AppendUvarint(c.values, uint64(len(p))), p...)
	}
	return nil
}

// fillAddresses appends MariaDB's addresses. ClickHouse holds IPv4 as a number, IPv6 as the bytes.
func (c *blockColumn) fillAddresses(t *columnType, v *row.Vector, rows []int32) error {
	var none [16]byte
	for _, i := range rows {
		p := v.Value(int(i))
		if len(p) == 0 {
			c.values = append(c.values, none[:t.width]...)
			continue
		}
		a, err := netip.ParseAddr(unsafe.String(&p[0], len(p))) // keeps the text in its error only
		if err != nil || a.Is4() != (t.form == formIPv4) || a.Zone() != "" {
			return fmt.Errorf("%q is no %s address", p, t.text)
		}
		if t.form == formIPv4 {
			octets := a.As4()
			slices.Reverse(octets[:])
			c.values = append(c.values, octets[:]...)
			continue
		}
		octets := a.As16()
		c.values = append(c.values, octets[:]...)
	}
	return nil
}

var errElements = errors.New("a vector is not made of 4-byte numbers")

// fillVectors appends arrays of 4-byte numbers; NULL is the empty one.
func (c *blockColumn) fillVectors(v *row.Vector, rows []int32) error {
	for _, i := range rows {
		p := v.Value(int(i))
		if len(p)%4 != 0 {
			return errElements
		}
		c.values = append(c.values, p...)
		c.offsets = binary.LittleEndian.AppendUint64(c.offsets, uint64(len(c.values)/4))
	}
	return nil
}

// fillLabels appends the labels of sets as arrays of texts.
func (c *blockColumn) fillLabels(v *row.Vector, rows []int32) {
	end := uint64(0)
	if n := len(c.offsets); n > 0 {
		end = binary.LittleEndian.Uint64(c.offsets[n-8:])
	}
	for _, i := range rows {
		rest := v.Value(int(i))
		for more := len(rest) > 0; more; end++ {
			var label []byte
			label, rest, more = bytes.Cut(rest, []byte{','})
			c.values = append(binary.AppendUvarint(c.values, uint64(len(label))), label...)
		}
		c.offsets = binary.LittleEndian.AppendUint64(c.offsets, end)
	}
}
