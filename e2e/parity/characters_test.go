package parity

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestCharacters decodes every character of each character set, and compares with what the server makes of it. Bytes for
// which the server has no character need not be read.
func TestCharacters(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		database := s.Database(t)
		s.Exec(t, "CREATE TABLE `"+database+"`.octets (n VARBINARY(1) PRIMARY KEY)",
			"INSERT INTO `"+database+"`.octets VALUES "+strings.Join(octets(), ", "))
		for _, name := range characterSets(t, s) {
			if decode, ok := charset.For(name); ok {
				compareCharacters(t, s, database, name, decode)
			}
		}
	})
}

func octets() []string {
	all := make([]string, 256)
	for i := range all {
		all[i] = fmt.Sprintf("(x'%02x')", i)
	}
	return all
}

// characterSets are those that the server has.
func characterSets(t *testing.T, s *servers.Server) []string {
	t.Helper()
	const query = "SELECT GROUP_CONCAT(CHARACTER_SET_NAME ORDER BY 1) FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME != 'binary'"
	names := strings.Split(s.Value(t, query), ",")
	if len(names) < 30 {
		t.Fatalf("got the character sets %q", names)
	}
	return names
}

// compareCharacters asks the server for all codes of one byte, two and, in character sets that have such, three or four.
func compareCharacters(t *testing.T, s *servers.Server, database, name string, decode charset.Append) {
	t.Helper()
	compared, wrong := 0, 0
	for what, query := range codesOf(name, "`"+database+"`.octets") {
		codes, texts := server(t, s, name, query)
		for i, code := range codes {
			if undefined(code, texts[i]) {
				continue
			}
			compared++
			got, err := decode(nil, code)
			if string(got) == texts[i] && err == nil {
				continue
			}
			if wrong++; wrong <= 5 {
				t.Errorf("%s, %s: %x is %q (%+q) to the server, here %q (%+[5]q), %v", name, what, code, texts[i], texts[i], got, err)
			}
		}
	}
	if t.Logf("%s: %d codes, %d of them differ", name, compared, wrong); compared == 0 {
		t.Errorf("%s: nothing was compared", name)
	}
}

// codesOf are the queries for all codes of a character set, by what they are.
func codesOf(name, octets string) map[string]string {
	one, two := " FROM "+octets+" a", " FROM "+octets+" a, "+octets+" b"
	leading := two + " WHERE a.n >= x'80'" // others are characters by themselves
	supplementary := "CONVERT(CONVERT(CONCAT(x'0001', a.n, b.n) USING utf32) USING " + name + ")" + two
	switch name {
	case "ucs2":
		return map[string]string{"units": "CONCAT(a.n, b.n)" + two}
	case "utf16", "utf16le":
		return map[string]string{"units": "CONCAT(a.n, b.n)" + two, "pairs": supplementary}
	case "utf32":
		return map[string]string{"first plane": "CONCAT(x'0000', a.n, b.n)" + two, "second plane": "CONCAT(x'0001', a.n, b.n)" + two}
	case "utf8", "utf8mb3", "utf8mb4":
		return map[string]string{"first plane": "CONVERT(CONVERT(CONCAT(a.n, b.n) USING ucs2) USING " + name + ")" + two}
	case "gbk", "gb2312", "big5", "sjis", "cp932", "euckr":
		return map[string]string{"one byte": "a.n" + one, "two bytes": "CONCAT(a.n, b.n)" + leading}
	case "ujis", "eucjpms":
		return map[string]string{"one byte": "a.n" + one, "two bytes": "CONCAT(a.n, b.n)" + leading, "three bytes": "CONCAT(x'8f', a.n, b.n)" + two}
	case "gb18030":
		return map[string]string{"one byte": "a.n" + one, "two bytes": "CONCAT(a.n, b.n)" + leading, "four bytes": supplementary,
			"first plane": "CONVERT(CONVERT(CONCAT(a.n, b.n) USING ucs2) USING gb18030)" + two}
	}
	return map[string]string{"one byte": "a.n" + one}
}

// undefined says that the server knows no character for a code: it makes a question mark of it, or NULL, which is empty.
// A code of two bytes that is two characters has been compared as these. A lone surrogate, which servers let in, is no UTF-8, and is refused.
func undefined(code []byte, text string) bool {
	return text == "" || strings.ContainsRune(text, '?') && string(code) != "?" || strings.ContainsRune(text, utf8.RuneError)
}

// server returns codes in a character set, and their texts.
func server(t *testing.T, s *servers.Server, name, query string) (codes [][]byte, texts []string) {
	t.Helper()
	rows, err := s.DB(t).QueryContext(t.Context(), fmt.Sprintf(
		"SELECT COALESCE(HEX(code), ''), COALESCE(HEX(CONVERT(CONVERT(code USING %s) USING utf8mb4)), '') FROM (SELECT CAST(%s) AS codes", name, strings.Replace(query, " FROM ", " AS BINARY) AS code FROM ", 1)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var code, text string
		if err := rows.Scan(&code, &text); err != nil {
			t.Fatal(err)
		}
		c, err := hex.DecodeString(code)
		if err != nil {
			t.Fatal(err)
		}
		p, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		codes, texts = append(codes, c), append(texts, string(p))
	}
	return codes, texts
}
