package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/schema/row"
)

// errZeroKey says that a key has no value that can be told from others.
var errZeroKey = errors.New("a key column has a zero or partial date, which has no value outside MySQL: mend the row, or exclude the table")

// decode takes one value off p and appends it to v.
func (d *column) decode(v *row.Vector, p []byte) ([]byte, error) {
	if len(p) < d.size {
		return nil, errShort
	}
	rest := p[d.size:]
	switch d.op {
	case opInt8:
		v.AppendWord(uint64(int8(p[0])))
	case opInt16:
		v.AppendWord(uint64(int16(u16(p))))
	case opInt24:
		v.AppendWord(uint64(int32(u24(p)<<8) >> 8))
	case opInt32:
		v.AppendWord(uint64(int32(u32(p))))
	case opWord64:
		v.AppendWord(u64(p))
	case opUint8:
		v.AppendWord(uint64(p[0]))
	case opUint16:
		v.AppendWord(uint64(u16(p)))
	case opUint24:
		v.AppendWord(uint64(u24(p)))
	case opUint32:
		v.AppendWord(uint64(u32(p)))
	case opYear:
		v.AppendWord(year(p[0]))
	case opBit:
		v.AppendWord(bigEndian(p[:d.size]))
	case opTime2:
		v.AppendWord(d.time2(p))
	case opTime:
		v.AppendWord(oldTime(p))
	case opDate, opDatetime, opDatetime2, opTimestamp, opTimestamp2:
		return rest, d.instant(v, p)
	case opDecimal:
		v.AppendWord(d.word(p))
	case opWideDecimal:
		v.Data = d.wide(v.Data, p)
		v.EndValue()
	case opEnum:
		return rest, d.enum(v, p)
	case opSet:
		return rest, d.set(v, p)
	default:
		return d.variable(v, p)
	}
	return rest, nil
}

// variable takes a value that is led by its length.
func (d *column) variable(v *row.Vector, p []byte) ([]byte, error) {
	var n int
	switch d.size {
	case 1:
		n = int(p[0])
	case 2:
		n = int(u16(p))
	case 3:
		n = int(u24(p))
	default:
		n = int(u32(p))
	}
	p = p[d.size:]
	if n > len(p) {
		return nil, errShort
	}
	value, rest := p[:n], p[n:]
	var err error
	switch d.op {
	case opBytes:
		v.Data = append(v.Data, value...)
	case opUTF8:
		if !utf8.Valid(value) {
			return nil, fmt.Errorf("%w: %d bytes are not UTF-8", charset.ErrInvalid, n)
		}
		v.Data = append(v.Data, value...)
	case opText:
		v.Data, err = d.text(v.Data, value)
	case opPadded:
		v.Data, err = appendPadded(v.Data, value, d.length)
	case opJSON:
		v.Data, err = appendJSON(v.Data, value, d.bare)
	case opInet:
		v.Data, err = appendInet(v.Data, value, d.length)
	case opPacked:
		return rest, d.packed.decode(v, value)
	default:
		panic("binlog: a plan gives a column of words to the decoder of bytes")
	}
	if err != nil {
		return nil, err
	}
	v.EndValue()
	return rest, nil
}

// appendPadded restores the zeros that the server strips off the end of fixed-length binary values.
func appendPadded(dst, value []byte, length int) ([]byte, error) {
	if len(value) > length {
		return dst, fmt.Errorf("%d bytes are more than the column's %d", len(value), length)
	}
	dst = append(dst, value...)
	for range length - len(value) {
		dst = append(dst, 0)
	}
	return dst, nil
}

func (d *column) enum(v *row.Vector, p []byte) error {
	n := int(p[0])
	if d.size == 2 {
		n = int(u16(p))
	}
	if n > len(d.labels) {
		return fmt.Errorf("value %d is past the %d labels that are known", n, len(d.labels))
	}
	if n > 0 {
		v.Data = append(v.Data, d.labels[n-1]...)
	}
	v.EndValue()
	return nil
}

func (d *column) set(v *row.Vector, p []byte) error {
	var buf [8]byte
	copy(buf[:], p[:d.size])
	chosen := u64(buf[:])
	if n := len(d.labels); n < 64 && chosen>>n != 0 {
		return fmt.Errorf("value %#x is past the %d labels that are known", chosen, n)
	}
	first := true
	for i := 0; chosen != 0; i, chosen = i+1, chosen>>1 {
		if chosen&1 == 0 {
			continue
		}
		if !first {
			v.Data = append(v.Data, ',')
		}
		v.Data, first = append(v.Data, d.labels[i]...), false
	}
	v.EndValue()
	return nil
}

func year(b byte) uint64 {
	if b == 0 {
		return 0
	}
	return 1900 + uint64(b)
}

func bigEndian(p []byte) uint64 {
	var v uint64
	for _, b := range p {
		v = v<<8 | uint64(b)
	}
	return v
}

// instant appends a date or a date with time; one that is no date is NULL.
func (d *column) instant(v *row.Vector, p []byte) error {
	micros, ok := int64(0), false
	switch d.op {
	case opDate:
		n := u24(p)
		micros, ok = Days(int(n>>9), int(n>>5&15), int(n&31))
	case opDatetime2:
		micros, ok = d.datetime2(p)
	case opDatetime:
		micros, ok = oldDatetime(u64(p))
	case opTimestamp:
		micros, ok = int64(u32(p))*second, u32(p) != 0
	case opTimestamp2:
		seconds := int64(binary.BigEndian.Uint32(p))
		micros = seconds*second + d.fraction(p[4:d.size])
		ok = micros != 0
	default:
		panic("binlog: a plan gives another column to the decoder of dates")
	}
	switch {
	case ok:
		v.AppendWord(uint64(micros))
	case d.key:
		return errZeroKey
	default:
		v.AppendNull()
	}
	return nil
}

// fraction reads the part of a second, which is stored in half as many bytes as it has digits, as microseconds.
func (d *column) fraction(p []byte) int64 {
	switch len(p) {
	case 1:
		return int64(p[0]) * 10_000
	case 2:
		return int64(binary.BigEndian.Uint16(p)) * 100
	case 3:
		return int64(bigEndian(p))
	}
	return 0
}

// datetime2 reads 1 bit of sign, 17 of year*13+month, 5 day, 5 hour, 6 minute, 6 second, then the fraction.
func (d *column) datetime2(p []byte) (int64, bool) {
	n := bigEndian(p[:5]) - 0x80_0000_0000
	months := int(n >> 22 & 0x1ffff)
	days, ok := Days(months/13, months%13, int(n>>17&31))
	clock := int64(n>>12&31)*3600 + int64(n>>6&63)*60 + int64(n&63)
	return days*day + clock*second + d.fraction(p[5:d.size]), ok
}

// oldDatetime reads the number YYYYMMDDhhmmss.
func oldDatetime(n uint64) (int64, bool) {
	date, clock := n/1_000_000, int64(n%1_000_000)
	days, ok := Days(int(date/10_000), int(date/100%100), int(date%100))
	return days*day + (clock/10_000*3600+clock/100%100*60+clock%100)*second, ok && date <= 9999_12_31
}

// time2 reads 24 bits of 1 sign, 1 unused, 10 hour, 6 minute, 6 second, and the fraction. A negative time is the
// complement of the whole, fraction included.
func (d *column) time2(p []byte) uint64 {
	width := uint(8 * (d.size - 3))
	n := int64(bigEndian(p[:d.size])) - int64(0x80_0000)<<width
	negative := n < 0
	if negative {
		n = -n
	}
	whole := n >> width
	var fraction [3]byte
	part := uint64(n) & (1<<width - 1)
	for i := range int(width / 8) {
		fraction[i] = byte(part >> (width - 8*uint(i+1)))
	}
	micros := (whole>>12&0x3ff*3600+whole>>6&63*60+whole&63)*second + d.fraction(fraction[:width/8])
	if negative {
		micros = -micros
	}
	return uint64(micros)
}

// oldTime reads the signed number hhmmss.
func oldTime(p []byte) uint64 {
	n := int64(int32(u24(p)<<8) >> 8)
	return uint64((n/10_000*3600 + n/100%100*60 + n%100) * second)
}
