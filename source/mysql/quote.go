package mysql

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// quote makes an identifier of a name: all names in statements pass through here.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// quoteTable makes an identifier of a table's name.
func quoteTable(n schema.Name) string { return quote(n.Namespace) + "." + quote(n.Table) }

// literal makes a string literal. Sessions run with NO_BACKSLASH_ESCAPES, so that a quote is all that needs care.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// literals makes a list of string literals for IN.
func literals(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = literal(n)
	}
	return strings.Join(quoted, ", ")
}

// splitName reads database.table.
func splitName(s string) (schema.Name, error) {
	database, table, ok := strings.Cut(s, ".")
	if !ok || database == "" || table == "" {
		return schema.Name{}, fmt.Errorf("%q is no table: write database.table", s)
	}
	return schema.Name{Namespace: database, Table: table}, nil
}
