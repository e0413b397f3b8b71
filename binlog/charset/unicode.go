package charset

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUCS2 knows the first plane only. The servers store single surrogates too, which are no characters.
func appendUCS2(dst, src []byte) ([]byte, error) {
	start := len(dst)
	for i := 0; i+2 <= len(src); i += 2 {
		r := rune(binary.BigEndian.Uint16(src[i:]))
		if utf16.IsSurrogate(r) {
			return dst[:start], invalid("ucs2", src)
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(src)%2 != 0 {
		return dst[:start], invalid("ucs2", src)
	}
	return dst, nil
}

// A byte order mark is a character like others to the servers.
func appendUTF16(dst, src []byte) ([]byte, error)   { return appendUnits(dst, src, 0, "utf16") }
func appendUTF16LE(dst, src []byte) ([]byte, error) { return appendUnits(dst, src, 1, "utf16le") }

// appendUnits reads UTF-16 whose units have their high byte at offset high.
func appendUnits(dst, src []byte, high int, name string) ([]byte, error) {
	start := len(dst)
	unit := func(i int) rune { return rune(src[i+high])<<8 | rune(src[i+1-high]) }
	for i := 0; i < len(src); i += 2 {
		if i+2 > len(src) {
			return dst[:start], invalid(name, src)
		}
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i += 2; i+2 > len(src) {
				return dst[:start], invalid(name, src)
			}
			if r = utf16.DecodeRune(r, unit(i)); r == utf8.RuneError { // which no pair stands for
				return dst[:start], invalid(name, src)
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

func appendUTF32(dst, src []byte) ([]byte, error) {
	start := len(dst)
	for i := 0; i+4 <= len(src); i += 4 {
		code := binary.BigEndian.Uint32(src[i:])
		if code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
			return dst[:start], invalid("utf32", src)
		}
		dst = utf8.AppendRune(dst, rune(code))
	}
	if len(src)%4 != 0 {
		return dst[:start], invalid("utf32", src)
	}
	return dst, nil
}
