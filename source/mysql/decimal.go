package mysql

import (
	"encoding/binary"
	"math/bits"

	"github.com/cdcsync/cdcsync/schema/row"
)

// decimal appends the unscaled value of a DECIMAL of at most 18 digits.
func (f *field) decimal(v *row.Vector, p []byte) error {
	negative := len(p) > 0 && p[0] == '-'
	if negative {
		p = p[1:]
	}
	if point := len(p) - int(f.scale) - 1; f.scale > 0 && (point < 0 || p[point] != '.') || len(p) == 0 {
		return errValue
	}
	var n uint64
	for i, c := range p {
		d := uint64(c - '0')
		if d > 9 {
			if c != '.' || f.scale == 0 || i != len(p)-int(f.scale)-1 {
				return errValue
			}
			continue
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	v.AppendWord(n)
	return nil
}

// wideDecimal appends the unscaled value of a DECIMAL of more than 18 digits: 256 bits, of which width bytes are kept.
func (f *field) wideDecimal(v *row.Vector, p []byte) error {
	negative := len(p) > 0 && p[0] == '-'
	if negative {
		p = p[1:]
	}
	if point := len(p) - int(f.scale) - 1; f.scale > 0 && (point < 0 || p[point] != '.') || len(p) == 0 {
		return errValue
	}
	var n [4]uint64
	var part, unit uint64 = 0, 1
	for i, c := range p {
		d := uint64(c - '0')
		if d > 9 {
			if c != '.' || f.scale == 0 || i != len(p)-int(f.scale)-1 {
				return errValue
			}
			continue
		}
		part, unit = part*10+d, unit*10
		if unit == 1e18 {
			multiplyAdd(&n, unit, part)
			part, unit = 0, 1
		}
	}
	multiplyAdd(&n, unit, part)
	if negative {
		negate(&n)
	}
	for i := range f.width / 8 {
		v.Data = binary.LittleEndian.AppendUint64(v.Data, n[i])
	}
	v.EndValue()
	return nil
}

// multiplyAdd makes n*factor + add of n, least significant word first.
func multiplyAdd(n *[4]uint64, factor, add uint64) {
	carry := add
	for i := range n {
		high, low := bits.Mul64(n[i], factor)
		var c uint64
		n[i], c = bits.Add64(low, carry, 0)
		carry = high + c
	}
}

// negate makes the two's complement of n.
func negate(n *[4]uint64) {
	carry := uint64(1)
	for i := range n {
		n[i], carry = bits.Add64(^n[i], 0, carry)
	}
}
