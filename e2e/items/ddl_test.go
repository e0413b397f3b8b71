package items

import (
	"slices"
	"testing"
)

// TestItems_DDL plays what changes the shape of tables.
func TestItems_DDL(t *testing.T) {
	play(t, slices.Concat(columnChanges(), typeChanges(), keyChanges(), charsetChanges(), partitionChanges(), renames(), creations(), ignored(), spellings(), mariadbForms()))
}

// equal is the outcome of most scenarios.
func equal(tables ...string) outcome { return outcome{equal: tables} }

// stops is the outcome of a scenario whose table t cannot go on.
func stops(why string) outcome { return outcome{stops: map[string]string{"t": why}} }

// rows makes a table t of that shape with rows.
func rows(shape string, values string) []step {
	return steps("CREATE TABLE t "+shape, "INSERT INTO t VALUES "+values)
}
