package parity

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A script is a character set with the characters that its texts are made of.
type script struct {
	charset string
	ranges  [][2]rune // the server turns what the character set lacks into ?
	raw     func(r *rand.Rand) []byte
}

var (
	unicodeText = script{"utf8mb4", [][2]rune{{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x1ffff}, {0x100000, 0x10ffff}}, nil}
	latin1Text  = script{"latin1", [][2]rune{{0, 0x7f}, {0x80, 0xff}, {0x80, 0xff}, {0x20ac, 0x20ac}, {0x152, 0x178}, {0x2013, 0x2122}}, oneByte}
)

// scripts are the character sets that are read. Those of one byte a character are written byte by byte too.
func scripts() []script {
	basic := [2]rune{0, 0xffff}
	han, kana, hangul := [2]rune{0x4e00, 0x9fa5}, [2]rune{0x3041, 0x30ff}, [2]rune{0xac00, 0xd7a3}
	signs, wide := [2]rune{0x2010, 0x266f}, [2]rune{0xff01, 0xffe6}
	latin := [2]rune{0xa0, 0x17f}
	return []script{
		latin1Text,
		{"latin2", [][2]rune{latin}, oneByte},
		{"cp1250", [][2]rune{latin, signs}, oneByte},
		{"cp1251", [][2]rune{{0x400, 0x45f}, signs}, oneByte},
		{"cp1257", [][2]rune{latin, signs}, oneByte},
		{"koi8r", [][2]rune{{0x400, 0x45f}, signs}, oneByte},
		{"greek", [][2]rune{{0x370, 0x3ff}}, oneByte},
		{"hebrew", [][2]rune{{0x590, 0x5ff}}, oneByte},
		{"cp866", [][2]rune{{0x400, 0x45f}, signs}, oneByte},
		{"ascii", [][2]rune{{0, 0x7f}}, nil},
		{"utf8mb3", [][2]rune{basic, {0, 0x7f}}, nil},
		{"ucs2", [][2]rune{basic, {0, 0x7f}}, nil},
		{"utf16", unicodeText.ranges, nil},
		{"utf16le", unicodeText.ranges, nil},
		{"utf32", unicodeText.ranges, nil},
		{"gbk", [][2]rune{han, signs, wide, kana}, twoBytes},
		{"gb2312", [][2]rune{han, signs, wide, kana}, nil},
		{"big5", [][2]rune{han, signs, wide}, twoBytes},
		{"sjis", [][2]rune{han, kana, signs, wide}, twoBytes},
		{"cp932", [][2]rune{han, kana, signs, wide}, twoBytes},
		{"ujis", [][2]rune{han, kana, signs, wide}, nil},
		{"eucjpms", [][2]rune{han, kana, signs, wide}, nil},
		{"euckr", [][2]rune{hangul, han, signs, wide}, nil},
	}
}

// text makes a text, mostly by its characters, now and then by the bytes of the character set.
func (s script) text(r *rand.Rand) string {
	if s.raw != nil && r.IntN(3) == 0 {
		var p []byte
		for range 1 + r.IntN(3) {
			p = append(p, s.raw(r)...)
		}
		text := "convert(" + hexLiteral(p) + " using " + s.charset + ")"
		return fmt.Sprintf(byBytes+"%s using utf8mb4), '?') = 0, %[1]s, 'undefined')", text)
	}
	out := make([]rune, r.IntN(20))
	for i := range out {
		out[i] = s.pick(r)
	}
	return quote(string(out))
}

// byBytes begins the literals of texts that are made of bytes.
const byBytes = "if(instr(convert("

// pick takes one character.
func (s script) pick(r *rand.Rand) rune {
	if r.IntN(6) == 0 {
		return rune(" aZ09'\"\\%_\n\t"[r.IntN(12)])
	}
	span := s.ranges[r.IntN(len(s.ranges))]
	if c := span[0] + rune(r.IntN(int(span[1]-span[0])+1)); c < 0xd800 || c > 0xdfff {
		return c
	}
	return '?'
}

func oneByte(r *rand.Rand) []byte { return []byte{byte(0x80 + r.IntN(0x80))} }

// twoBytes makes what most character sets of two bytes take for one character; others make NULL of it.
func twoBytes(r *rand.Rand) []byte {
	first := byte(0x81 + r.IntN(0x7c))
	return []byte{first, byte(0x40 + r.IntN(0xbf))}
}

// instant spells seconds since 1970 in UTC.
func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.DateTime) }
