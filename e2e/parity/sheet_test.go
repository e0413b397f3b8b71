package parity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// perSheet is how many types share a table on its way into the sinks: hundreds of tables would take minutes.
const perSheet = 14

// A sheet is a table that has several types beside its key.
type sheet struct {
	table    string
	subjects []*subject
	late     [][]string // what is written once the snapshot is over
}

// sheetsOf spreads the types over tables, and makes them.
func sheetsOf(t *testing.T, s *servers.Server, database string, subjects []*subject) []*sheet {
	t.Helper()
	var all []*sheet
	for len(subjects) > 0 {
		n := min(perSheet, len(subjects))
		sh := &sheet{table: fmt.Sprintf("w%02d", len(all)), subjects: subjects[:n]}
		all, subjects = append(all, sh), subjects[n:]
		var columns strings.Builder
		for _, sub := range sh.subjects {
			name := strings.ReplaceAll(sub.native, "(b", "("+sub.baseName())
			name = strings.ReplaceAll(name, ", b)", ", "+sub.baseName()+")")
			fmt.Fprintf(&columns, ", %s%s %s", sub.dependence(sub.baseName()), sub.columnName(), nullable(name))
		}
		s.Exec(t, fmt.Sprintf("CREATE TABLE `%s`.%s (id INT PRIMARY KEY%s) CHARACTER SET utf8mb4", database, sh.table, columns.String()))
	}
	return all
}

// columnName is what the type's column is called in a sheet.
func (sub *subject) columnName() string { return "v" + sub.plain[1:] }

// baseName is the name of the column that it is generated from.
func (sub *subject) baseName() string { return "b" + sub.plain[1:] }

// names are the columns that are written.
func (sh *sheet) names() []string {
	names := make([]string, len(sh.subjects))
	for i, sub := range sh.subjects {
		names[i] = sub.written(sub.baseName(), sub.columnName())
	}
	return names
}

// insertSheet writes rows into a sheet, as many as its longest list of fixed values takes.
func (w *writer) insertSheet(t *testing.T, sh *sheet, fixed [][]string, random int) {
	t.Helper()
	n := 0
	for _, values := range fixed {
		n = max(n, len(values))
	}
	rows := make([]string, n+random)
	for i := range rows {
		w.next++
		values := []string{fmt.Sprint(w.next)}
		for k, sub := range sh.subjects {
			values = append(values, w.value(sub, fixed[k], i))
		}
		rows[i] = "(" + strings.Join(values, ", ") + ")"
	}
	w.exec(t, fmt.Sprintf("INSERT INTO %s (id, %s) VALUES %s", sh.table, strings.Join(sh.names(), ", "), strings.Join(rows, ", ")))
}

// changeSheet updates and deletes some of the rows that are there.
func (w *writer) changeSheet(t *testing.T, sh *sheet) {
	t.Helper()
	names := sh.names()
	for i, sub := range sh.subjects {
		names[i] += " = " + sub.random(w.r)
	}
	w.exec(t, fmt.Sprintf("UPDATE %s SET %s WHERE id %% 5 = %d; DELETE FROM %[1]s WHERE id %% 7 = %[4]d", sh.table, strings.Join(names, ", "), w.r.IntN(5), w.r.IntN(7)))
}

// early are the values of each type that are written before the snapshot; the others are kept for later.
func (w *writer) early(sh *sheet) [][]string {
	var early [][]string
	for _, sub := range sh.subjects {
		fixed := w.fixed(sub)
		half := (len(fixed) + 1) / 2
		if strings.Contains(sub.native, "🦊") {
			half = len(fixed) // the catalogue cannot spell such labels: rows that have them tell
		}
		early, sh.late = append(early, fixed[:half]), append(sh.late, fixed[half:])
	}
	return early
}
