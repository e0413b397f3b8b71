// Package charset turns text in MySQL's character sets into UTF-8. It knows character sets by the names that MySQL and
// MariaDB give them; it knows no collations.
package charset

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// An Append appends src, converted to UTF-8, to dst. It is safe for concurrent use. On an error dst is unchanged.
type Append func(dst, src []byte) ([]byte, error)

// ErrInvalid says that bytes are no text in the character set that the column claims.
var ErrInvalid = errors.New("invalid text")

// For returns the conversion from the character set that MySQL calls name, and false if there is none.
func For(name string) (Append, bool) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8":
		return appendUTF8, true
	case "binary":
		return appendBinary, true
	case "ascii":
		return appendASCII, true
	}
	if m := singleByte(name); m != nil {
		t := tableOf(m)
		if name == "latin1" {
			t.fillControls()
		}
		return t.append, true
	}
	if e := multiByte(name); e != nil {
		return decoderOf(name, e), true
	}
	return nil, false
}

// singleByte finds the character sets of one byte a character. Where MySQL's own table is not one of the standard ones
// (dec8, hp8, swe7, geostd8, armscii8, keybcs2, macce) there is none: a wrong character is worse than a refused table.
func singleByte(name string) *charmap.Charmap {
	switch name {
	case "latin1": // MySQL's latin1 is cp1252, with the five holes as C1 controls
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
	case "cp852":
		return charmap.CodePage852
	case "cp866":
		return charmap.CodePage866
	case "koi8r":
		return charmap.KOI8R
	case "koi8u":
		return charmap.KOI8U
	case "macroman":
		return charmap.Macintosh
	case "tis620":
		return charmap.Windows874
	}
	return nil
}

func multiByte(name string) encoding.Encoding {
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
	case "utf16", "ucs2":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "utf16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf32":
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	}
	return nil
}

func appendUTF8(dst, src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, invalid("UTF-8", src)
	}
	return append(dst, src...), nil
}

func appendBinary(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func appendASCII(dst, src []byte) ([]byte, error) {
	for _, c := range src {
		if c >= utf8.RuneSelf {
			return dst, invalid("ascii", src)
		}
	}
	return append(dst, src...), nil
}

// A table has the rune of each byte; RuneError where the character set has none.
type table [256]rune

func tableOf(m *charmap.Charmap) *table {
	t := new(table)
	for i := range t {
		t[i] = m.DecodeByte(byte(i))
	}
	return t
}

// fillControls gives the holes of 0x80 to 0x9f the control characters of the same number, as MySQL's latin1 does.
func (t *table) fillControls() {
	for i := 0x80; i < 0xa0; i++ {
		if t[i] == utf8.RuneError {
			t[i] = rune(i)
		}
	}
}

func (t *table) append(dst, src []byte) ([]byte, error) {
	start := len(dst)
	for _, c := range src {
		r := t[c]
		if r < utf8.RuneSelf {
			dst = append(dst, byte(r))
			continue
		}
		if r == utf8.RuneError {
			return dst[:start], invalid("single-byte", src)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

// decoderOf wraps a decoder of x/text. These write U+FFFD for what they cannot read and report no error, so the source
// is checked for holding that character itself.
func decoderOf(name string, e encoding.Encoding) Append {
	return func(dst, src []byte) ([]byte, error) {
		text, err := e.NewDecoder().Bytes(src)
		if err != nil {
			return dst, fmt.Errorf("%w: %w", invalid(name, src), err)
		}
		if replaced(e, src, text) {
			return dst, invalid(name, src)
		}
		return append(dst, text...), nil
	}
}

// replaced says that decoding put a replacement character where the source had none: encoding the text again does not
// give the source.
func replaced(e encoding.Encoding, src, text []byte) bool {
	found := false
	for _, r := range string(text) {
		found = found || r == utf8.RuneError
	}
	if !found {
		return false
	}
	back, err := e.NewEncoder().Bytes(text)
	return err != nil || string(back) != string(src)
}

// invalid names the bytes by their count only: they are the user's data, which errors must not spill.
func invalid(name string, src []byte) error {
	return fmt.Errorf("%w: %d bytes are not %s", ErrInvalid, len(src), name)
}
