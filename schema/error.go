package schema

import "fmt"

// A TableError stops one table, while the others of its pipeline flow on: the promise cannot be kept for this table any
// more, and Err says why, at which position or statement, and what mends it.
type TableError struct {
	Table Name // as the side that found the error names it: the source's name, or the sink's
	Err   error
}

// Error names the table and the reason.
func (e *TableError) Error() string { return fmt.Sprintf("table %s: %v", e.Table, e.Err) }

// Unwrap returns the reason.
func (e *TableError) Unwrap() error { return e.Err }
