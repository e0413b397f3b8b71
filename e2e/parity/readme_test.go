package parity

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of types into the README")

// The table stands in the README between these lines.
const (
	tableBegins = "<!-- The table is written by: go test ./e2e/parity -run README -update -->\n"
	tableEnds   = "<!-- The end of the table. -->\n"
)

// TestREADME holds that the README's table of types is what the sinks make of each type; -update writes it.
func TestREADME(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	old, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("README.md does not have the lines %q and %q", tableBegins, tableEnds)
	}
	table := typeTable(t)
	switch {
	case table == old:
	case *update:
		if err := os.WriteFile(path, []byte(before+tableBegins+table+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the README's table of types is another than what the sinks make of them: run go test ./e2e/parity -run README -update\nwant\n%s", table)
	}
}

// typeTable is a row for each family.
func typeTable(t *testing.T) string {
	t.Helper()
	p := newPlanner(t)
	var b strings.Builder
	b.WriteString("| MySQL, MariaDB | Iceberg | ClickHouse | Kafka | |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range families() {
		if f.name != "" {
			cells := f.cells(t, p)
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.name, cells[0], cells[1], cells[2], f.note)
		}
	}
	return b.String()
}

// cells are what the sinks make of a family, which must be the same for all its types.
func (f *family) cells(t *testing.T, p *planner) [3]string {
	t.Helper()
	var cells, keys [3]string
	for _, c := range f.types {
		f.join(t, &cells, c, p.types(t, c.column(t), false))
		if c.key == tried {
			f.join(t, &keys, c, p.types(t, c.column(t), true))
		}
	}
	return withKeys(cells, keys)
}

// join takes what the sinks make of the first type, and holds those of the others to it.
func (f *family) join(t *testing.T, cells *[3]string, c columnType, planned [3]string) {
	t.Helper()
	for i := range planned {
		planned[i] = f.general(c.native, planned[i])
	}
	if *cells == [3]string{} {
		*cells = planned
	}
	if *cells != planned {
		t.Errorf("%s is not of the family %s: %q, not %q", c.native, f.name, planned, *cells)
	}
}

// withKeys adds what a sink makes of keys where that is another type.
func withKeys(cells, keys [3]string) [3]string {
	for i := range cells {
		switch {
		case keys[i] == none:
			cells[i] += "; refused in a key"
		case keys[i] != "" && keys[i] != cells[i]:
			cells[i] += "; in a key " + keys[i]
		}
	}
	return cells
}
