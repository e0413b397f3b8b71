package charset

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// baseOf returns what is nearest to a character set in x/text. None of them is quite what the servers have: that is what
// the changes say.
func baseOf(name string) encoding.Encoding {
	switch name {
	case "gbk", "gb2312": // gbk contains gb2312
		return simplifiedchinese.GBK
	case "gb18030":
		return simplifiedchinese.GB18030
	case "big5":
		return traditionalchinese.Big5
	case "sjis", "cp932":
		return japanese.ShiftJIS
	case "ujis", "eucjpms":
		return japanese.EUCJP
	case "euckr":
		return korean.EUCKR
	}
	if m := singleByte(name); m != nil {
		return m
	}
	return nil
}

func singleByte(name string) *charmap.Charmap {
	switch name {
	case "latin1":
		return charmap.Windows1252
	case "latin2":
		return charmap.ISO8859_2
	case "latin5":
		return charmap.ISO8859_9
	case "latin7":
		return charmap.ISO8859_13
	case "greek":
		return charmap.ISO8859_7
	case "hebrew":
		return charmap.ISO8859_8
	case "cp1250":
		return charmap.Windows1250
	case "cp1251":
		return charmap.Windows1251
	case "cp1256":
		return charmap.Windows1256
	case "cp1257":
		return charmap.Windows1257
	case "cp850":
		return charmap.CodePage850
	case "cp852", "keybcs2":
		return charmap.CodePage852
	case "cp866":
		return charmap.CodePage866
	case "koi8r":
		return charmap.KOI8R
	case "koi8u":
		return charmap.KOI8U
	case "macroman", "macce":
		return charmap.Macintosh
	case "tis620":
		return charmap.Windows874
	case "dec8", "hp8", "swe7", "geostd8", "armscii8":
		return charmap.ISO8859_1
	}
	return nil
}

// longest is how many bytes the longest codes have.
func longest(name string) int {
	switch name {
	case "gb18030":
		return 4
	case "ujis", "eucjpms":
		return 3
	case "big5", "cp932", "euckr", "gb2312", "gbk", "sjis":
		return 2
	}
	return 1
}

// A codeReader asks a decoder of x/text for one code after another.
type codeReader struct {
	decoder *encoding.Decoder
	src     [4]byte
	dst     [16]byte
}

// read returns the one character of the first plane that a code stands for, none if there is no such one.
func (r *codeReader) read(code uint32) uint16 {
	n := put(&r.src, code)
	r.decoder.Reset()
	written, read, err := r.decoder.Transform(r.dst[:], r.src[:n], true)
	c, size := utf8.DecodeRune(r.dst[:written])
	if err != nil || read != n || size != written || c == utf8.RuneError || c > 0xffff {
		return none
	}
	return uint16(c)
}

// put writes the bytes of a code and returns how many they are.
func put(dst *[4]byte, code uint32) int {
	n := 1
	for n < 4 && code>>(8*n) != 0 {
		n++
	}
	for i := range n {
		dst[i] = byte(code >> (8 * (n - 1 - i)))
	}
	return n
}
