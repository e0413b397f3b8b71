package items

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A matrix is what has come of the scenarios on one server.
type matrix struct {
	server string
	mu     sync.Mutex  // guards the field below
	rows   [][3]string // item, name, result
}

// set notes what has come of a scenario. Scenarios of one name are variants for different servers: the one that the server
// has counts.
func (m *matrix) set(c *scenario, result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.rows {
		if r[0] == c.item && r[1] == c.name {
			if strings.HasPrefix(r[2], "n.a.") {
				m.rows[i][2] = result
			}
			return
		}
	}
	m.rows = append(m.rows, [3]string{c.item, c.name, result})
}

// writing is held by who changes the matrix's file.
var writing sync.Mutex

// write adds the matrix to the table of the file that CDCSYNC_MATRIX_OUT names: a column for each server.
func (m *matrix) write(t testing.TB) {
	t.Helper()
	path := os.Getenv("CDCSYNC_MATRIX_OUT")
	if path == "" || len(m.rows) == 0 {
		return
	}
	writing.Lock()
	defer writing.Unlock()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(m.merge(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
}

// merge puts the column of this server into a Markdown table.
func (m *matrix) merge(text string) string {
	table := parseTable(text)
	if len(table) == 0 {
		table = [][]string{{"item", "scenario"}}
	}
	column := slices.Index(table[0], m.server)
	if column < 0 {
		column = len(table[0])
		table[0] = append(table[0], m.server)
	}
	for _, r := range m.rows {
		i := slices.IndexFunc(table, func(row []string) bool { return row[0] == r[0] && row[1] == r[1] })
		if i < 0 {
			i = len(table)
			table = append(table, []string{r[0], r[1]})
		}
		for len(table[i]) <= column {
			table[i] = append(table[i], "")
		}
		table[i][column] = strings.NewReplacer("|", "/", "\n", " ").Replace(r[2])
	}
	slices.SortStableFunc(table[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return printTable(table)
}

func parseTable(text string) (table [][]string) {
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line = strings.Trim(line, "|"); i == 1 || line == "" {
			continue
		}
		var row []string
		for field := range strings.SplitSeq(line, "|") {
			row = append(row, strings.TrimSpace(field))
		}
		table = append(table, row)
	}
	return table
}

func printTable(table [][]string) string {
	var b strings.Builder
	for i, row := range table {
		for len(row) < len(table[0]) {
			row = append(row, "")
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	return b.String()
}
