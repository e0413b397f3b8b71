package format

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// maxWide is the bytes of the widest decimal that package row holds.
const maxWide = 32

// appendDecimal spells an unscaled value with all digits of its scale.
func appendDecimal(dst []byte, unscaled int64, scale int) []byte {
	magnitude := uint64(unscaled)
	if unscaled < 0 {
		dst, magnitude = append(dst, '-'), -magnitude
	}
	var buf [20]byte
	return appendPoint(dst, strconv.AppendUint(buf[:0], magnitude, 10), scale)
}

// appendPoint appends digits with the point where the scale puts it.
func appendPoint(dst, digits []byte, scale int) []byte {
	if scale == 0 {
		return append(dst, digits...)
	}
	if whole := len(digits) - scale; whole > 0 {
		dst = append(append(dst, digits[:whole]...), '.')
		return append(dst, digits[whole:]...)
	}
	dst = append(dst, '0', '.')
	for k := len(digits); k < scale; k++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendWideDecimal spells a decimal held as two's complement, little-endian.
func appendWideDecimal(dst, p []byte, scale int) []byte {
	magnitude, negative := wideMagnitude(p)
	if negative {
		dst = append(dst, '-')
	}
	// The digits are found from the last to the first, 19 at a time: 10^19 is the largest power that fits a word.
	var buf [80]byte
	at := len(buf)
	for {
		var rest uint64
		for i := len(magnitude) - 1; i >= 0; i-- {
			magnitude[i], rest = bits.Div64(rest, magnitude[i], 1e19)
		}
		last := magnitude == [4]uint64{}
		for k := 0; rest > 0 || !last && k < 19 || last && at == len(buf); k++ {
			at--
			buf[at] = byte('0' + rest%10)
			rest /= 10
		}
		if last {
			return appendPoint(dst, buf[at:], scale)
		}
	}
}

// wideMagnitude takes two's complement, little-endian, apart; the lowest word comes first.
func wideMagnitude(p []byte) (magnitude [4]uint64, negative bool) {
	negative = p[len(p)-1]&0x80 != 0
	carry, mask := uint64(0), uint64(0)
	if negative {
		carry, mask = 1, ^uint64(0)
	}
	for i := range len(p) / 8 {
		magnitude[i], carry = bits.Add64(binary.LittleEndian.Uint64(p[8*i:])^mask, 0, carry)
	}
	return magnitude, negative
}

// appendUnscaled appends an integer as base64 of two's complement, big-endian, in as few bytes as hold it, as Java's
// BigInteger does.
func appendUnscaled(dst []byte, n int64) []byte {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], uint64(n))
	return base64.StdEncoding.AppendEncode(dst, trimSign(buf[:]))
}

// appendUnscaledUint does so with an unsigned number.
func appendUnscaledUint(dst []byte, n uint64) []byte {
	var buf [9]byte
	binary.BigEndian.PutUint64(buf[1:], n)
	return base64.StdEncoding.AppendEncode(dst, trimSign(buf[:]))
}

// appendUnscaledWide does so with two's complement, little-endian.
func appendUnscaledWide(dst, p []byte) []byte {
	var buf [maxWide]byte
	for i, b := range p {
		buf[len(p)-1-i] = b
	}
	return base64.StdEncoding.AppendEncode(dst, trimSign(buf[:len(p)]))
}

// trimSign cuts off leading bytes that only repeat the sign.
func trimSign(p []byte) []byte {
	for len(p) > 1 && (p[0] == 0 && p[1] < 0x80 || p[0] == 0xff && p[1] >= 0x80) {
		p = p[1:]
	}
	return p
}
