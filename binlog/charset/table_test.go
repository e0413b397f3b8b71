package charset

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

// sum describes a table in a line: how many characters it has, and a hash over all of its codes.
func sum(t *table, character func(code uint32) uint16) string {
	hash, count := sha256.New(), 0
	for code := range t.codes() {
		if r := character(code); r != none {
			count++
			_, _ = fmt.Fprintf(hash, "%x %x\n", code, r)
		}
	}
	return fmt.Sprintf("%s %d %.16x\n", t.name, count, hash.Sum(nil))
}

// TestTables compares the tables with what a server had when they were generated: another version of x/text may know more.
func TestTables(t *testing.T) {
	want, err := os.ReadFile("testdata/sums")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		name, _, _ := strings.Cut(line, " ")
		table := tableOf(name, "")
		if table == nil {
			t.Fatalf("no table of %q", name)
		}
		got.WriteString(sum(table, func(code uint32) uint16 { return *table.slot(code) }))
	}
	if got.String() != string(want) || len(want) < 1000 {
		t.Errorf("got other tables than the servers':\n%swant\n%s", got.String(), want)
	}
}

// TestTable_Prefix checks that no code is the beginning of another: the first that fits is the right one.
func TestTable_Prefix(t *testing.T) {
	for _, name := range []string{"big5", "cp932", "euckr", "eucjpms", "gb18030", "gb2312", "gbk", "sjis", "ujis"} {
		table := tableOf(name, "")
		for code := range table.codes() {
			for short := code >> 8; *table.slot(code) != none && short != 0; short >>= 8 {
				if short <= 0xff && table.one[short] != none || short > 0x7fff && short <= 0xffff && *table.slot(short) != none {
					t.Errorf("%s: %x is a character, and the beginning of %x", name, short, code)
				}
			}
		}
	}
}
