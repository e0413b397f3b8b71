// Package charset turns text in MySQL's character sets into UTF-8, each character into the one that the server itself makes
// of it: MySQL and MariaDB agree on all of them. A code that the servers cannot convert, for which they write a question
// mark, is an error. It knows character sets by the names that MySQL and MariaDB give them; it knows no collations.
package charset

//go:generate go test -count=1 -run TestServers/mysql -update .

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
)

// An Append appends src, converted to UTF-8, to dst. It is safe for concurrent use. On an error dst is unchanged.
type Append func(dst, src []byte) ([]byte, error)

// ErrInvalid says that bytes are no text in the character set that the column claims.
var ErrInvalid = errors.New("invalid text")

// ErrAmbiguous says that two codes of a character set are the same character, and that a key has the rarer one.
var ErrAmbiguous = errors.New("text of which a character has two codes, and this is not the one that the server writes")

// tables holds the tables in use by name and use, each made on first use: one takes up to 0.2 MiB, and milliseconds to make.
var tables sync.Map

// For returns the conversion from the character set that MySQL calls name, and false if there is none.
func For(name string) (Append, bool) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8":
		return appendUTF8, true
	case "binary":
		return appendBinary, true
	case "ascii":
		return appendASCII, true
	case "ucs2":
		return appendUCS2, true
	case "utf16":
		return appendUTF16, true
	case "utf16le":
		return appendUTF16LE, true
	case "utf32":
		return appendUTF32, true
	}
	t := tableOf(name, "")
	if t == nil {
		return nil, false
	}
	return t.append, true
}

// ForKey returns the conversion of texts that must stay apart, such as keys: that of [For], but for characters that the
// character set has twice (sjis has the backslash as 5C and as 815F) it takes only the code that the servers write. The
// other is [ErrAmbiguous].
func ForKey(name string) (Append, bool) {
	convert, ok := For(name)
	if !ok || aliasesOf[name] == nil {
		return convert, ok
	}
	strict := tableOf(name, forKeys)
	return func(dst, src []byte) ([]byte, error) {
		text, err := strict.append(dst, src)
		if err == nil {
			return text, nil
		}
		if _, lax := convert(dst, src); lax == nil {
			return dst, fmt.Errorf("%w: %d bytes of %s", ErrAmbiguous, len(src), name)
		}
		return dst, err
	}, true
}

// forKeys is the use of the tables without aliases.
const forKeys = " for keys"

// tableOf returns the one table of a character set for a use, nil if the set is not known.
func tableOf(name, use string) *table {
	if t, ok := tables.Load(name + use); ok {
		return t.(*table)
	}
	base := baseOf(name)
	if base == nil {
		return nil
	}
	changes := changesOf[name]
	if use == forKeys {
		changes = slices.Concat(changes, aliasesOf[name])
	}
	t, _ := tables.LoadOrStore(name+use, newTable(name, base, changes))
	return t.(*table)
}

func appendUTF8(dst, src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, invalid("UTF-8", src)
	}
	return append(dst, src...), nil
}

func appendBinary(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func appendASCII(dst, src []byte) ([]byte, error) {
	if plain(src) < len(src) {
		return dst, invalid("ascii", src)
	}
	return append(dst, src...), nil
}

// plain counts the ASCII characters that src begins with.
func plain(src []byte) int {
	n := 0
	for ; n+8 <= len(src); n += 8 {
		if binary.LittleEndian.Uint64(src[n:])&0x8080808080808080 != 0 {
			break
		}
	}
	for n < len(src) && src[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// invalid names the bytes by their count only: they are the user's data, which errors must not spill.
func invalid(name string, src []byte) error {
	return fmt.Errorf("%w: %d bytes are not %s", ErrInvalid, len(src), name)
}
