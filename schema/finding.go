package schema

// A Level says how bad a Finding is.
type Level uint8

// The levels.
const (
	Fine    Level = iota // the prerequisite holds
	Warning              // it works, with less than the full promise
	Problem              // it cannot work
)

// A Finding is what a check found of one prerequisite: of a server, a table or a catalog.
type Finding struct {
	Level Level
	What  string // "binlog_row_image is MINIMAL"
	Why   string // "updates carry only the changed columns: ..."; empty when fine
	Fix   string // the exact statement or setting that mends it; empty when fine
}
