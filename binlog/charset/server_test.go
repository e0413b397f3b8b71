package charset

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

var update = flag.Bool("update", false, "write what the MySQL server makes of all codes into changes.go and testdata; then run again")

// every makes TestServers ask for all codes, which takes minutes, in place of a sample of those of four bytes.
var every = os.Getenv("CDCSYNC_CHARSETS") == "all"

// TestServers compares each code of each character set with what the servers make of it.
func TestServers(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		if *update && s.Flavour == servers.FlavourMySQL {
			writeChanges(t, s)
			return
		}
		for _, name := range setsOf(t, s) {
			compare(t, s, name)
		}
	})
}

// setsOf are the character sets that a server has, the oldest of the names of each.
func setsOf(t *testing.T, s *servers.Server) []string {
	t.Helper()
	s.Exec(t, "CREATE DATABASE IF NOT EXISTS octets", "CREATE TABLE IF NOT EXISTS octets.octets (n VARBINARY(1) PRIMARY KEY)",
		"REPLACE INTO octets.octets VALUES "+strings.Join(octets(), ", "))
	const query = "SELECT GROUP_CONCAT(CHARACTER_SET_NAME ORDER BY 1) FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME != 'binary'"
	names := strings.Split(s.Value(t, query), ",")
	if len(names) < 30 {
		t.Fatalf("got the character sets %q", names)
	}
	return names
}

func octets() []string {
	all := make([]string, 256)
	for i := range all {
		all[i] = fmt.Sprintf("(x'%02x')", i)
	}
	return all
}

// compare reads every code as the package does, and then all characters of the set as one text.
func compare(t *testing.T, s *servers.Server, name string) {
	t.Helper()
	decode, ok := For(name)
	decodeKey, too := ForKey(name)
	if !ok || !too {
		t.Errorf("%s: no conversion", name)
		return
	}
	var all, want []byte
	characters, refused, wrong := 0, 0, 0
	for c := range codes(t, s, name) {
		got, err := decode(nil, c.code)
		key, unclear := decodeKey(nil, c.code)
		switch {
		case c.text == nil && err != nil && errors.Is(unclear, ErrInvalid):
			refused++
		case c.text != nil && err == nil && bytes.Equal(got, c.text) && (c.written && bytes.Equal(key, got) || !c.written && errors.Is(unclear, ErrAmbiguous)):
			characters++
			all, want = append(all, c.code...), append(want, c.text...)
		default:
			if wrong++; wrong <= 5 {
				t.Errorf("%s: %x is %+q to the server, written=%t, here %+q, %v, in a key %q, %v", name, c.code, c.text, c.written, got, err, key, unclear)
			}
		}
	}
	t.Logf("%s: %d texts, %d refused, %d wrong", name, characters, refused, wrong)
	if got, err := decode(nil, all); err != nil || !bytes.Equal(got, want) || characters < 100 {
		t.Errorf("%s: got %d bytes, %v of all characters together, want %d", name, len(got), err, len(want))
	}
}

// A sample is a code, and what the server makes of it.
type sample struct {
	code    []byte
	text    []byte // nil if it is no text
	written bool   // the server writes the text as this code
}

// codes yields all codes of a character set. MySQL stores some broken text in eucjpms, of which it returns the beginning: that
// is no text either.
func codes(t *testing.T, s *servers.Server, name string) func(yield func(sample) bool) {
	t.Helper()
	const query = "SELECT code, CAST(kept AS BINARY), CAST(text AS BINARY), COALESCE(CHAR_LENGTH(kept), 0), CAST(CONVERT(text USING %[1]s) AS BINARY) FROM (" +
		"SELECT code, CONVERT(code USING %[1]s) AS kept, CONVERT(CONVERT(code USING %[1]s) USING utf8mb4) AS text FROM (SELECT %[2]s) AS codes) AS texts"
	return func(yield func(sample) bool) {
		for _, list := range codesOf(name) {
			rows, err := s.DB(t).QueryContext(t.Context(), fmt.Sprintf(query, name, list))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for rows.Next() {
				var c sample
				var kept, back []byte
				var length int
				if err := rows.Scan(&c.code, &kept, &c.text, &length, &back); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !bytes.Equal(c.code, kept) || unknown(c.code, c.text) || utf8.RuneCount(c.text) != length {
					c.text = nil
				}
				c.written = bytes.Equal(c.code, back)
				if !yield(c) {
					break
				}
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// unknown says that the server has put question marks where it knows no character, or single surrogates.
func unknown(code, text []byte) bool {
	return text == nil || bytes.Count(text, []byte("?")) > bytes.Count(code, []byte("?")) || !utf8.Valid(text)
}

// codesOf are the select lists and tables that give all codes of a character set, valid and invalid ones. Those of two bytes
// that begin with ASCII are two codes, and left out of the smaller sample.
func codesOf(name string) []string {
	const (
		one   = "a.n AS code FROM octets.octets a"
		two   = "CONCAT(a.n, b.n) AS code FROM octets.octets a, octets.octets b"
		three = "CONCAT(a.n, b.n, c.n) AS code FROM octets.octets a, octets.octets b, octets.octets c WHERE "
		four  = "CONCAT(a.n, b.n, c.n, d.n) AS code FROM octets.octets a, octets.octets b, octets.octets c, octets.octets d WHERE "
	)
	high := two + " WHERE " + either("a.n >= x'80'")
	switch name {
	case "ucs2":
		return []string{two}
	case "utf16":
		return []string{two, four + "a.n BETWEEN x'd8' AND x'db' AND c.n BETWEEN x'd7' AND x'e0' AND " + either("d.n = x'a5'")}
	case "utf16le":
		return []string{two, four + "b.n BETWEEN x'd8' AND x'db' AND d.n BETWEEN x'd7' AND x'e0' AND " + either("c.n = x'a5'")}
	case "utf32":
		return []string{four + "a.n = x'00' AND b.n = x'00'", four + "a.n <= x'01' AND b.n <= x'20' AND " + either("d.n = x'41'")}
	case "utf8mb3", "utf8mb4":
		return []string{one, high, three + "a.n BETWEEN x'e0' AND x'f0' AND " + either("c.n IN (x'7f', x'80')")}
	case "ujis", "eucjpms":
		return []string{one, high, three + "a.n = x'8f' AND " + either("b.n >= x'80'")}
	case "gb18030":
		digits := "b.n BETWEEN x'30' AND x'39' AND d.n BETWEEN x'30' AND x'39' AND "
		return []string{one, high, four + digits + "a.n BETWEEN x'81' AND x'84'",
			four + digits + "(a.n < x'81' OR a.n > x'84') AND " + either("b.n = x'30' AND d.n = x'35'")}
	}
	if longest(name) == 2 {
		return []string{one, high}
	}
	return []string{one}
}

// either is a condition that makes a sample, if that is asked for.
func either(condition string) string {
	if every {
		return "1"
	}
	return condition
}
