// Package ddl reads the statements of MySQL and MariaDB that change tables, as their binary logs have them, and works out
// the shape that a table has afterwards.
//
// It is tolerant: it reads what matters for the shape of a table, and skips what is known not to. What it does not know
// it says it does not understand, with the names of the tables that are at stake; it never guesses. It knows nothing of
// the log itself, and asks no server.
package ddl

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A Mode says how the server reads the text of a statement. The zero Mode is the newest MySQL with its defaults.
type Mode struct {
	Database string // the default database: unqualified names are in it
	MariaDB  bool
	// Version decides over versioned comments: 80036 is 8.0.36, 101106 is 10.11.6. 0 is newer than all others.
	Version            int
	ANSIQuotes         bool // sql_mode ANSI_QUOTES: double quotes are around names
	NoBackslashEscapes bool // sql_mode NO_BACKSLASH_ESCAPES
	// LowerNames is lower_case_table_names=1: names of databases and tables are folded to lower case.
	LowerNames bool
	// ImplicitTimestamps is explicit_defaults_for_timestamp=OFF, the default before MySQL 8.0.2 and MariaDB 10.10: a
	// TIMESTAMP column is NOT NULL unless it says NULL, and has a default.
	ImplicitTimestamps bool
}

// executes says that the server reads the contents of a versioned comment. own is /*M! ... */, version is 0 when the
// comment has none.
func (m Mode) executes(own bool, version int) bool {
	switch {
	case own && !m.MariaDB:
		return false
	case m.MariaDB && !own && version >= 50700 && version <= 99999:
		// Features of MySQL 5.7 and later that MariaDB does not have under the same number.
		return false
	}
	return m.Version == 0 || version <= m.Version
}

// A Kind is what a statement does.
type Kind uint8

// The kinds of statement.
const (
	// Other touches no table: transactions, users, views, routines, and what only maintains tables.
	Other Kind = iota
	CreateTable
	DropTable
	RenameTable // Table becomes To
	TruncateTable
	AlterTable
	CreateDatabase // Table.Namespace is the database
	AlterDatabase
	DropDatabase  // with all its tables
	CreateTrigger // Trigger, on Table
	DropTrigger   // Trigger has its name, Table.Namespace its database
	AnalyzeTable  // neither shape nor rows; tools do it when they are done with a table
	// DML changes rows by its text: the server or the session logs by statement. No row events tell of it. The tables
	// are those that the text names as targets; triggers and routines may change others.
	DML
	// NotUnderstood is anything else. The tables are all that it may touch, some of them perhaps no tables at all.
	NotUnderstood
)

var kindNames = [...]string{
	"other", "create table", "drop table", "rename table", "truncate table", "alter table", "create database",
	"alter database", "drop database", "create trigger", "drop trigger", "analyze table", "dml", "not understood",
}

func (k Kind) String() string { return kindNames[k] }

// A Statement is what a statement does to one table. A text that does things to several tables is several Statements, to
// be taken in order: RENAME TABLE a TO b, c TO a is two.
type Statement struct {
	Kind Kind
	// Table is the table. It is zero where the kind has none; where DML or NotUnderstood name none, any table may be
	// touched.
	Table schema.Name
	To    schema.Name // RenameTable
	// Temporary says that the statement is about a table that is private to a session, which the log does not have: it
	// leaves a table of the same name alone. Apply changes nothing then.
	Temporary   bool
	IfExists    bool // no error, and no effect, without the table
	IfNotExists bool // no effect when there is one
	Create      *Create
	Clauses     []Clause // AlterTable, in the order of the text
	Charset     string   // CreateDatabase, AlterDatabase: the default that it sets; empty: not said
	Trigger     *Trigger // CreateTrigger, DropTrigger
	Reason      string   // NotUnderstood: what, quoted from the text
	Creates     bool     // NotUnderstood: the table is there after the statement, and was perhaps not before
}

// A Create is the body of a CREATE TABLE.
type Create struct {
	OrReplace bool        // an older table of that name is dropped first
	Like      schema.Name // a copy of that table's shape; nothing else is set then
	// Select is CREATE TABLE ... AS SELECT: the table has the columns of the query too, which the text does not tell.
	Select bool
	// Versioned is MariaDB's WITH SYSTEM VERSIONING: the table keeps deleted rows, in columns of its own.
	Versioned bool
	Columns   []Column
	Primary   []KeyPart
	Unique    [][]KeyPart // in the order of the text
	Charset   string      // the table's default, empty when it does not say

	refuses bool // a foreign key or a check is among the keys
}

// A Column is a column as a statement defines it.
type Column struct {
	schema.Column
	Default Default
	// SaysNull and SaysNotNull tell what Nullable cannot: that the text says NULL or NOT NULL, rather than nothing.
	SaysNull, SaysNotNull bool
	Updates               bool // ON UPDATE: the server sets it when another column of a row changes

	def             nativeType
	primary, unique bool
	counts          bool // AUTO_INCREMENT
	refuses         bool // CHECK, REFERENCES
}

// A DefaultKind is what a column has when a row does not say.
type DefaultKind uint8

// The kinds of default.
const (
	NoDefault  DefaultKind = iota // NULL, or for a column that is NOT NULL, the zero of its type
	Literal                       // Text is the value
	Expression                    // Text is the expression: what a row gets is not known
)

// A Default is the default of a column. Rows that are there when ADD COLUMN comes get it, without an event in the log.
type Default struct {
	Kind DefaultKind
	Text string
}

// A KeyPart is one column of a key.
type KeyPart struct {
	Column string
	Prefix bool // only the beginning of the column, or an expression: such a key identifies nothing
}

// A ClauseKind is what one clause of an ALTER TABLE does.
type ClauseKind uint8

// The kinds of clause.
const (
	Harmless      ClauseKind = iota // nothing to shape and rows
	Add                             // Column
	Drop                            // Name
	Rename                          // Name becomes Column.Name, all else stays
	Modify                          // Name becomes Column; MODIFY has the same name in both
	RenameTo                        // the table becomes To
	AddPrimaryKey                   // Key
	DropPrimaryKey
	AddUnique      // Key
	DropIndex      // Name; it may have been the key of a table without primary key
	SetCharset     // the default for columns to come is Charset; "" is the database's
	ConvertCharset // the same, and all text columns become Charset
	Hide           // Name is left out of SELECT *
	Show           // Name is no longer left out
	SetDefault     // rows to come that do not say have another value in Name
	DataChange     // rows change without an event in the log, for Reason
)

// A Clause is one clause of an ALTER TABLE.
type Clause struct {
	Kind        ClauseKind
	Name        string
	Column      Column
	First       bool
	After       string      // after that column; empty: not said
	IfExists    bool        // no effect without the column
	IfNotExists bool        // no effect with the column
	To          schema.Name // RenameTo; DataChange: another table that takes part
	Becomes     Kind        // DataChange: CreateTable or DropTable if that table comes or goes; else its rows change
	Key         []KeyPart
	Charset     string
	// Refuses says that rows may not fit: a foreign key, a check, partitions. The statement fails then; who fills the table
	// with INSERT IGNORE loses them.
	Refuses bool
	// Reason says why rows change without an event in the log. It stands with any kind: adding a column with a volatile
	// default is both.
	Reason string
}

// DataChanges returns why rows of the table change without an event in the log, one reason for each such clause.
func (s *Statement) DataChanges() []string {
	var reasons []string
	for i := range s.Clauses {
		if r := s.Clauses[i].Reason; r != "" {
			reasons = append(reasons, r)
		}
	}
	return reasons
}

// Constrains says that an ALTER TABLE has rules that rows must fit: a check, partitions, perhaps a foreign key.
func (s *Statement) Constrains() bool {
	return slices.ContainsFunc(s.Clauses, func(c Clause) bool { return c.Refuses })
}

// DropsIndex says that an ALTER TABLE drops an index that may have been a unique key.
func (s *Statement) DropsIndex() bool {
	return slices.ContainsFunc(s.Clauses, func(c Clause) bool { return c.Kind == DropIndex })
}

// Charset returns the one name that this package has for a character set: utf8 is utf8mb3, as newer servers say.
func Charset(name string) string {
	name = strings.ToLower(name)
	if name == "utf8" {
		return "utf8mb3"
	}
	return name
}

// CollationCharset returns the character set of a collation, empty for MariaDB's collations that fit several.
func CollationCharset(collation string) string {
	charset, _, _ := strings.Cut(strings.ToLower(collation), "_")
	if charset == "uca1400" {
		return ""
	}
	return Charset(charset)
}
