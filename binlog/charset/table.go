package charset

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// none is what a table has where the character set has no character: a surrogate, which is none.
const none = 0xd800

// A table has the character of each code of a character set. No code is the beginning of another. All characters but
// those of the longest codes of gb18030 are in the first plane.
//
//	bytes  in                     codes
//	1      one                    00..FF
//	2      two, by the bytes      80..FF, 00..FF
//	3      three, by the last two 8F, 80..FF, 00..FF (ujis and eucjpms)
//	4      four, by their number  81..84, 30..39, 81..FE, 30..39 (gb18030, as far as it is irregular)
type table struct {
	name  string
	plain bool // ASCII is what it is
	one   [256]uint16
	two   *plane
	three *plane
	four  []uint16
}

// A plane is the codes of two bytes, by the lower bits of the first, which is not ASCII, and by the second.
type plane [128][256]uint16

// A change says what the servers make of count codes one after another, where the base of the table says otherwise: the
// characters from first on, one after another, or none of them a character.
type change struct {
	code  uint32
	count int
	first rune // or none
}

// newTable makes the table from what x/text knows, and from the changes.
func newTable(name string, base encoding.Encoding, changes []change) *table {
	t := &table{name: name}
	switch longest(name) {
	case 4:
		t.two, t.four = new(plane), make([]uint16, irregular)
	case 3:
		t.two, t.three = new(plane), new(plane)
	case 2:
		t.two = new(plane)
	}
	reader := codeReader{decoder: base.NewDecoder()}
	for code := range t.codes() {
		*t.slot(code) = reader.read(code)
	}
	for _, c := range changes {
		t.change(c)
	}
	t.plain = true
	for c := range uint16(utf8.RuneSelf) {
		t.plain = t.plain && t.one[c] == c
	}
	return t
}

func (t *table) change(c change) {
	for i := range c.count {
		r := uint16(c.first)
		if c.first != none {
			r += uint16(i)
		}
		*t.slot(c.code + uint32(i)) = r
	}
}

// codes yields all codes that the table has room for, shortest first, in ascending order.
func (t *table) codes() func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		ok := true
		each := func(from, to uint32) {
			for code := from; ok && code <= to; code++ {
				ok = yield(code)
			}
		}
		each(0, 0xff)
		if t.two != nil {
			each(0x8000, 0xffff)
		}
		if t.three != nil {
			each(0x8f8000, 0x8fffff)
		}
		for i := range t.four {
			ok = ok && yield(fourBytes(i))
		}
	}
}

// slot is where the table has the character of a code.
func (t *table) slot(code uint32) *uint16 {
	low := byte(code)
	switch {
	case code <= 0xff:
		return &t.one[low]
	case code <= 0xffff:
		return &t.two[code>>8&0x7f][low]
	case code <= 0xffffff:
		return &t.three[code>>8&0x7f][low]
	}
	i, _ := number([4]byte{byte(code >> 24), byte(code >> 16), byte(code >> 8), low})
	return &t.four[i]
}

func (t *table) append(dst, src []byte) ([]byte, error) {
	start := len(dst)
	for rest := src; len(rest) > 0; {
		if t.plain && rest[0] < utf8.RuneSelf {
			n := plain(rest)
			dst, rest = append(dst, rest[:n]...), rest[n:]
			continue
		}
		r, n := t.decode(rest)
		if r == none {
			return dst[:start], invalid(t.name, src)
		}
		dst, rest = utf8.AppendRune(dst, r), rest[n:]
	}
	return dst, nil
}

// decode returns the first character of src and how many bytes it has; none if it is no character.
func (t *table) decode(src []byte) (rune, int) {
	if r := t.one[src[0]]; r != none || t.two == nil || len(src) < 2 {
		return rune(r), 1
	}
	if r := t.two[src[0]&0x7f][src[1]]; r != none {
		return rune(r), 2
	}
	if t.three != nil && src[0] == 0x8f && src[1] >= 0x80 && len(src) >= 3 {
		return rune(t.three[src[1]&0x7f][src[2]]), 3
	}
	if t.four != nil && len(src) >= 4 {
		return t.decodeFour([4]byte(src)), 4
	}
	return none, 0
}

// The codes of four bytes of gb18030 have numbers. The first ones are irregular; from astral on they are the characters
// from U+10000 on.
const (
	irregular = 4 * 12600
	astral    = (0x90 - 0x81) * 12600
)

// number is that of a code of four bytes, false if it is none.
func number(code [4]byte) (int, bool) {
	a, b, c, d := int(code[0])-0x81, int(code[1])-'0', int(code[2])-0x81, int(code[3])-'0'
	ok := 0 <= a && a < 126 && 0 <= b && b < 10 && 0 <= c && c < 126 && 0 <= d && d < 10
	return ((a*10+b)*126+c)*10 + d, ok
}

// fourBytes is the code with a number.
func fourBytes(n int) uint32 {
	a, b, c, d := n/12600, n/1260%10, n/10%126, n%10
	return uint32(a+0x81)<<24 | uint32(b+'0')<<16 | uint32(c+0x81)<<8 | uint32(d+'0')
}

func (t *table) decodeFour(code [4]byte) rune {
	i, ok := number(code)
	switch {
	case !ok:
		return none
	case i < len(t.four):
		return rune(t.four[i])
	case i >= astral && i-astral+0x10000 <= utf8.MaxRune:
		return rune(i - astral + 0x10000)
	}
	return none
}
