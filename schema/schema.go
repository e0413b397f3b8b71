// Package schema describes tables, their columns, and how they change.
//
// It knows nothing of any database: sources translate their types into these, sinks translate from them. The rows
// themselves are in package row.
package schema

import (
	"fmt"
	"slices"
	"strings"
)

// A Name names a table: the namespace is a MySQL database or a PostgreSQL schema. It is data, never SQL: whoever puts it
// into a statement quotes it.
type Name struct{ Namespace, Table string }

// String returns namespace.table, unquoted, for people.
func (n Name) String() string { return n.Namespace + "." + n.Table }

// Compare orders names by namespace, then table.
func (n Name) Compare(m Name) int {
	if c := strings.Compare(n.Namespace, m.Namespace); c != 0 {
		return c
	}
	return strings.Compare(n.Table, m.Table)
}

// A Column is one column of one version of a table.
type Column struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Nullable bool   `json:"nullable,omitempty"`
	// Native is the type as the source spells it, in full ("int(10) unsigned", "enum('a','b')"); a source may need it
	// to decode rows, everybody else shows it to people.
	Native string `json:"native,omitempty"`
	// Charset is the source's character set of a text column ("latin1"), empty otherwise. Decoded text is UTF-8 always.
	Charset string `json:"charset,omitempty"`
	// Labels are the labels of an Enum or Set, in the source's order.
	Labels []string `json:"labels,omitempty"`
	// Flags say what a source must know of a column to read it.
	Flags ColumnFlags `json:"flags,omitempty"`
}

// ColumnFlags are facts of a column that only its source cares for.
type ColumnFlags uint8

// The flags of a column.
const (
	Generated  ColumnFlags = 1 << iota // computed by the server, virtual or stored
	Invisible                          // left out of SELECT *
	Compressed                         // MariaDB COMPRESSED: packed in the log
)

// A Table is one version of a table's shape. Tables are immutable: who changes one makes a new one.
type Table struct {
	Name    Name     `json:"name"`
	Version uint32   `json:"version"` // 1 for the first shape known, +1 for each change
	Columns []Column `json:"columns"`
	// Source is the table's name at the source, if it is called otherwise here; see SourceName.
	Source Name `json:"source,omitzero"`
	// Key has the indexes of the key columns, in key order; empty when the table has no usable key.
	Key []int `json:"key,omitempty"`
	// Unique says that the key is a unique key of the source's, and no primary key: it may be dropped like any index.
	Unique bool `json:"unique,omitempty"`
	// Charset is the source's character set of text columns to come that name none; empty: it is not known, and taken to be
	// that of the database.
	Charset string `json:"charset,omitempty"`
}

// Column returns the index of the column of that name, -1 if there is none. Names are compared without regard to ASCII
// case, as MySQL does.
func (t *Table) Column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

// SourceName is the name of the table at the source. Routes may give it another one in the sink.
func (t *Table) SourceName() Name {
	if t.Source == (Name{}) {
		return t.Name
	}
	return t.Source
}

// String describes the shape in one line, for people: shop.orders v2 (id Int64, note String).
func (t *Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d (", t.Name, t.Version)
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name + " " + c.Type.String())
		if slices.Contains(t.Key, i) {
			b.WriteString(" key")
		}
	}
	return b.String() + ")"
}

// An EditKind says what one Edit did.
type EditKind uint8

// The kinds of edit.
const (
	AddColumn    EditKind = iota + 1
	DropColumn            // Column was its name
	RenameColumn          // Column became To
	ModifyColumn          // Column has another type or nullability
	MoveColumn            // Column stands elsewhere
	RenameTable           // Before.Name became After.Name
	TruncateTable
	ChangeKey
	// BeginCopy says that all rows are to come anew, and that those which are there are not to be trusted; EndCopy that they
	// have come, and are durable. Between the two a sink may show the old rows. Only a pipeline makes them.
	BeginCopy
	EndCopy
)

var editNames = [...]string{"", "add column", "drop column", "rename column", "modify column", "move column", "rename table", "truncate table", "change key", "begin copy", "end copy"}

func (k EditKind) String() string {
	if int(k) < len(editNames) {
		return editNames[k]
	}
	return fmt.Sprintf("EditKind(%d)", uint8(k))
}

// An Edit is one step of a Change, in the statement's order. Without the edits a rename could not be told from a drop
// and an add.
type Edit struct {
	Kind   EditKind `json:"kind"`
	Column string   `json:"column,omitempty"` // as named before this edit (AddColumn: the new name)
	To     string   `json:"to,omitempty"`     // RenameColumn: the new name
	// Fill is what the rows that are there get in an added column, of which no event of the log tells; nil: NULL.
	Fill *Value `json:"fill,omitempty"`
}

// A Value is one value outside of any batch, held as package row holds it: as a word or as bytes, by its Type.
type Value struct {
	Word  uint64 `json:"word,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

// A Change replaces one version of a table by the next. A nil Before means created, a nil After dropped.
type Change struct {
	Before, After *Table
	Edits         []Edit
	Statement     string // as the source logged it; empty for the first shape seen
	Origin        Origin // the transaction of the log that made it; zero for the first shape seen
	Time          int64  // when that was committed, microseconds since the epoch; 0: not known
}

// Name is the table's name after the change, or its last one.
func (c *Change) Name() Name {
	if c.After != nil {
		return c.After.Name
	}
	return c.Before.Name
}
