package sinktest

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// Null is how Text spells NULL.
const Null = "NULL"

// Text spells value i of a column in the form in which rows are compared: numbers, years and bits in digits, floats in the
// shortest exact form, times as microseconds, dates and instants in ISO form with six digits of seconds, decimals with
// all digits of their scale, texts as they are, bytes in hex, UUIDs in their canonical form.
func Text(t schema.Type, v *row.Vector, i int) string {
	switch {
	case v.Null(i):
		return Null
	case !t.Fixed():
		return bytesText(t, v.Value(i))
	}
	return wordText(t, v.Words[i])
}

func wordText(t schema.Type, w uint64) string {
	switch t.Kind {
	case schema.Uint, schema.Bit:
		return strconv.FormatUint(w, 10)
	case schema.Float:
		if t.Bits == 32 {
			return FloatText(float64(math.Float32frombits(uint32(w))), 32)
		}
		return FloatText(math.Float64frombits(w), 64)
	case schema.Date:
		return time.Unix(int64(w)*86400, 0).UTC().Format("2006-01-02")
	case schema.Datetime, schema.Timestamp:
		return InstantText(int64(w))
	case schema.Decimal:
		return DecimalText(big.NewInt(int64(w)), int(t.Scale))
	default:
		return strconv.FormatInt(int64(w), 10)
	}
}

func bytesText(t schema.Type, p []byte) string {
	switch t.Kind {
	case schema.Decimal:
		return DecimalText(unscaled(p), int(t.Scale))
	case schema.Binary, schema.Geometry, schema.Vector:
		return hex.EncodeToString(p)
	case schema.UUID:
		return UUIDText(p)
	default:
		return string(p)
	}
}

// FloatText spells a float in its shortest exact form.
func FloatText(f float64, bits int) string { return strconv.FormatFloat(f, 'g', -1, bits) }

// InstantText spells microseconds since the epoch.
func InstantText(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000")
}

// UUIDText spells 16 bytes as a UUID.
func UUIDText(p []byte) string {
	h := hex.EncodeToString(p)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// DecimalText spells an unscaled value with all digits of its scale.
func DecimalText(u *big.Int, scale int) string {
	digits := new(big.Int).Abs(u).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	if n := len(digits) - scale; scale > 0 {
		digits = digits[:n] + "." + digits[n:]
	}
	if u.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

// unscaled reads two's complement, little-endian.
func unscaled(p []byte) *big.Int {
	be := slices.Clone(p)
	slices.Reverse(be)
	u := new(big.Int).SetBytes(be)
	if len(be) > 0 && be[0]&0x80 != 0 {
		u.Sub(u, new(big.Int).Lsh(big.NewInt(1), uint(8*len(be))))
	}
	return u
}

// LittleEndian spells an integer as the two's complement in n bytes that package row holds wide decimals in.
func LittleEndian(u *big.Int, n int) []byte {
	m := u
	if u.Sign() < 0 {
		m = new(big.Int).Add(u, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	p := m.FillBytes(make([]byte, n))
	slices.Reverse(p)
	return p
}

// VectorBytes spells the elements of a Vector value.
func VectorBytes(elements ...float32) []byte {
	var p []byte
	for _, e := range elements {
		p = binary.LittleEndian.AppendUint32(p, math.Float32bits(e))
	}
	return p
}
