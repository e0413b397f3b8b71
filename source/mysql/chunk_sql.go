package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A shape of chunk statement: how many values its bounds have.
type bounds struct{ after, through int }

// chunkSQL is the statement that reads a chunk of a table, and the order in which it takes its arguments: indexes of
// key values, those of the upper bound after those of the lower, and the limit last.
//
// A bound on several columns is written out, since servers do not find a range of an index for (a, b) > (?, ?):
//
//	a > ? OR (a = ? AND b > ?)
func chunkSQL(t *schema.Table, m *meta, b bounds) (sql string, order []int) {
	w := &chunkWriter{table: t, meta: m}
	w.WriteString("SELECT ")
	w.selectList()
	w.WriteString(" FROM " + quoteTable(t.Name) + " AS t")
	if m.index != "" {
		w.WriteString(" FORCE INDEX (" + quote(m.index) + ")")
	}
	word := " WHERE ("
	if b.after > 0 {
		w.WriteString(word)
		w.bound(b.after, 0, ">", ">")
		w.WriteString(")")
		word = " AND ("
	}
	if b.through > 0 {
		w.WriteString(word)
		w.bound(b.through, b.after, "<", "<=")
		w.WriteString(")")
	}
	if len(t.Key) > 0 {
		w.WriteString(" ORDER BY ")
		for i, c := range t.Key {
			if i > 0 {
				w.WriteString(", ")
			}
			w.key(c)
		}
		w.WriteString(" LIMIT ?")
	}
	return w.String(), w.order
}

type chunkWriter struct {
	strings.Builder
	table *schema.Table
	meta  *meta
	order []int
}

func (w *chunkWriter) column(c int) { w.WriteString("t." + quote(w.table.Columns[c].Name)) }

// maxOrderedSet is how many labels a SET may have whose values the servers compare with numbers rightly: those with the
// highest of 64 labels they take for negative.
const maxOrderedSet = 63

// key writes a column of the key as it is compared and ordered.
func (w *chunkWriter) key(c int) {
	if col := &w.table.Columns[c]; col.Type.Kind == schema.Set && len(col.Labels) > maxOrderedSet {
		w.WriteString("CAST(")
		w.column(c)
		w.WriteString(" AS UNSIGNED)")
		return
	}
	w.column(c)
}

// selectList names all columns. Labels come as their number, of which the shape knows the labels.
func (w *chunkWriter) selectList() {
	for i := range w.table.Columns {
		if i > 0 {
			w.WriteString(", ")
		}
		switch w.table.Columns[i].Type.Kind {
		case schema.Enum, schema.Set:
			w.WriteString("CAST(")
			w.column(i)
			w.WriteString(" AS UNSIGNED)")
		default:
			w.column(i)
		}
	}
}

// bound compares the first n columns of the key with the arguments from first on; last is the operator of the last.
func (w *chunkWriter) bound(n, first int, op, last string) {
	for i := range n {
		if i > 0 {
			w.WriteString(" OR (")
			for j := range i {
				w.compare(j, "=", first)
				w.WriteString(" AND ")
			}
		}
		if i == n-1 {
			w.compare(i, last, first)
		} else {
			w.compare(i, op, first)
		}
		if i > 0 {
			w.WriteString(")")
		}
	}
}

func (w *chunkWriter) compare(i int, op string, first int) {
	w.key(w.table.Key[i])
	w.WriteString(" " + op + " " + w.argument(w.table.Key[i]))
	w.order = append(w.order, first+i)
}

// argument is the place of a key value in the statement. Text is sent as the bytes that the column stores, and given the
// column's own collation: whatever the session's, the server then compares as the key's index is ordered. What is sent as
// text to be read as another type goes through CONCAT: MySQL takes the parameter of a bare CAST to be of that type, and loses
// the fraction of a TIME.
func (w *chunkWriter) argument(c int) string {
	col := &w.table.Columns[c]
	switch col.Type.Kind {
	case schema.String:
		if col.Charset != "" {
			return fmt.Sprintf("CONVERT(CAST(? AS BINARY) USING %s) COLLATE %s", quote(col.Charset), quote(w.meta.collations[c]))
		}
	case schema.Binary:
		return "CAST(? AS BINARY)"
	case schema.Enum, schema.Set: // MySQL before 8.0.22 compares texts instead, if it does not know of the number beforehand
		return "CAST(? AS UNSIGNED)"
	case schema.Date:
		return "CAST(CONCAT(?, '') AS DATE)"
	case schema.Datetime, schema.Timestamp:
		return "CAST(CONCAT(?, '') AS DATETIME(6))"
	case schema.Time:
		return "CAST(CONCAT(?, '') AS TIME(6))"
	case schema.Decimal:
		return fmt.Sprintf("CAST(CONCAT(?, '') AS DECIMAL(%d,%d))", col.Type.Precision, col.Type.Scale)
	}
	return "?"
}

// arguments puts the values of the bounds and the limit into the order of the statement.
func arguments(after, through []param, order []int, limit int) []param {
	values := slices.Concat(after, through)
	args := make([]param, 0, len(order)+1)
	for _, i := range order {
		args = append(args, values[i])
	}
	return append(args, param{wire: typeLonglong, unsigned: true, number: uint64(limit)})
}
