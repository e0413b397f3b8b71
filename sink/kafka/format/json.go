package format

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Eight bytes at a time: the highest bit of each, one in each, and the bytes that a JSON string cannot hold as they are.
const (
	highBits   = 0x8080808080808080
	eachOne    = 0x0101010101010101
	eachSpace  = 0x20 * eachOne
	eachQuote  = '"' * eachOne
	eachEscape = '\\' * eachOne
)

// isPlain says that eight bytes stand for themselves in a JSON string. It may say no of some that do.
func isPlain(p []byte) bool {
	x := binary.LittleEndian.Uint64(p)
	quote, escape := x^eachQuote, x^eachEscape
	return (x|(x-eachSpace)|(quote-eachOne)|(escape-eachOne))&highBits == 0
}

// appendString appends text as a JSON string. Bytes that are not UTF-8 become U+FFFD, so that the record stays readable;
// sources deliver none.
func appendString(dst, p []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(p); {
		if i+8 <= len(p) && isPlain(p[i:]) {
			i += 8
			continue
		}
		switch b := p[i]; {
		case b >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, p[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
		case b >= ' ' && b != '"' && b != '\\':
			i++
		default:
			dst = appendEscape(append(dst, p[from:i]...), b)
			i++
			from = i
		}
	}
	return append(append(dst, p[from:]...), '"')
}

// appendEscape appends a byte that JSON wants escaped.
func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
}

// quote returns a text as a JSON string.
func quote(s string) string { return string(appendString(nil, []byte(s))) }

// appendFloat spells a float in the shortest exact form, as Java does: with a fraction always (3.0), and with an exponent
// below a thousandth and from ten millions on (1.0E7). What is no number is a string, as Jackson writes it; MySQL has such
// values only within vectors.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if size := math.Abs(f); math.IsNaN(f) || math.IsInf(f, 0) {
		return append(append(append(dst, '"'), notNumber(f)...), '"')
	} else if size != 0 && (size < 1e-3 || size >= 1e7) {
		return appendExponent(dst, f, bits)
	}
	at := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
	if slices.Contains(dst[at:], '.') {
		return dst
	}
	return append(dst, '.', '0')
}

// notNumber spells what is no number as Java does.
func notNumber(f float64) string {
	switch {
	case f > 0:
		return "Infinity"
	case f < 0:
		return "-Infinity"
	}
	return "NaN"
}

// appendExponent turns Go's 1e+07 into Java's 1.0E7.
func appendExponent(dst []byte, f float64, bits int) []byte {
	var buf [32]byte
	p := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	at, point := 0, false
	for ; p[at] != 'e'; at++ {
		point = point || p[at] == '.'
	}
	dst = append(dst, p[:at]...)
	if !point {
		dst = append(dst, '.', '0')
	}
	dst = append(dst, 'E')
	if p[at+1] == '-' {
		dst = append(dst, '-')
	}
	for at += 2; p[at] == '0'; at++ {
	}
	return append(dst, p[at:]...)
}
