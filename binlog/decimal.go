package binlog

import (
	"encoding/binary"
	"math/bits"
)

// MySQL stores a decimal as groups of nine digits in four bytes, big-endian, with what is left over in as few bytes as
// hold it: before the groups on the left of the point, after them on the right. The first bit is the sign, inverted; a
// negative number has all bits inverted.
const groupDigits, groupBytes = 9, 4

// maxDecimal is the bytes of DECIMAL(65,30) at its worst.
const maxDecimal = 32

var (
	digitBytes = [groupDigits + 1]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}
	powers     = [groupDigits + 1]uint64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
)

// decimalSize is the bytes that n digits on one side of the point take.
func decimalSize(n int) int { return n/groupDigits*groupBytes + digitBytes[n%groupDigits] }

// plainDigits copies the digits' bytes without the sign, and says whether there was one.
func (d *column) plainDigits(buf *[maxDecimal]byte, p []byte) (negative bool) {
	negative = p[0]&0x80 == 0
	mask := byte(0)
	if negative {
		mask = 0xff
	}
	for i, b := range p[:d.size] {
		buf[i] = b ^ mask
	}
	buf[0] ^= 0x80
	return negative
}

// word reads a decimal of at most 18 digits as its unscaled value.
func (d *column) word(p []byte) uint64 {
	var buf [maxDecimal]byte
	negative := d.plainDigits(&buf, p)
	var value uint64
	at := 0
	for _, n := range d.groups() {
		for ; n > 0; n -= groupDigits {
			// The left side leads with its odd group, the right side ends with it.
			digits := min(n, groupDigits)
			size := digitBytes[digits]
			value = value*powers[digits] + bigEndian(buf[at:at+size])
			at += size
		}
	}
	if negative {
		return -value
	}
	return value
}

// groups returns the digits in the order they are stored: the odd ones on the left, the full groups of both sides as
// one run, the odd ones on the right.
func (d *column) groups() [3]int {
	left, right := int(d.digits), int(d.scale)
	full := left/groupDigits + right/groupDigits
	return [3]int{left % groupDigits, full * groupDigits, right % groupDigits}
}

// wide appends the unscaled value of a decimal of up to 65 digits as two's complement, little-endian.
func (d *column) wide(dst, p []byte) []byte {
	var buf [maxDecimal]byte
	negative := d.plainDigits(&buf, p)
	var value [4]uint64 // the lowest first
	at := 0
	for _, n := range d.groups() {
		for ; n > 0; n -= groupDigits {
			digits := min(n, groupDigits)
			size := digitBytes[digits]
			mulAdd(&value, powers[digits], bigEndian(buf[at:at+size]))
			at += size
		}
	}
	if negative {
		negate(&value)
	}
	for i := range d.length / 8 {
		dst = binary.LittleEndian.AppendUint64(dst, value[i])
	}
	return dst
}

func mulAdd(value *[4]uint64, factor, add uint64) {
	carry := add
	for i := range value {
		high, low := bits.Mul64(value[i], factor)
		sum, c := bits.Add64(low, carry, 0)
		value[i], carry = sum, high+c
	}
}

func negate(value *[4]uint64) {
	carry := uint64(1)
	for i := range value {
		value[i], carry = bits.Add64(^value[i], 0, carry)
	}
}
