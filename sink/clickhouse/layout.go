package clickhouse

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A mode says what the rows of a ClickHouse table are.
type mode uint8

const (
	replacing  mode = iota // versions of rows, the highest counts; a tombstone hides itself and all below
	softDelete             // the same, but the newest version of a deleted row stays visible
	appendOnly             // changes
)

// keyed says that the table has one row for each key, under FINAL.
func (m mode) keyed() bool { return m != appendOnly }

// A technical column is one that the sink adds. Its name has Config.Prefix before it.
type technical uint8

const (
	columnVersion  technical = iota // the change's place in the log
	columnDeleted                   // 1: the row is gone
	columnOp                        // what happened to the row
	columnPosition                  // of its transaction: the GTID, or FILE:OFFSET; empty in a snapshot
	columnTime                      // of its commit
	columnCommit                    // the epoch of the sink's commit that wrote the row
)

// technicals names the technical columns and types. Enum8 travels as the numbers that ops has.
var technicals = [...]struct{ name, text string }{ // read-only
	columnVersion: {"version", "UInt64"}, columnDeleted: {"deleted", "UInt8"},
	columnOp:       {"op", "Enum8('insert' = 1, 'delete' = 2, 'before' = 3, 'after' = 4, 'read' = 5)"},
	columnPosition: {"position", "String"}, columnTime: {"time", "DateTime64(6, 'UTC')"}, columnCommit: {"commit", "UInt64"},
}

// opRead is a row of a snapshot.
const opRead = 5

// ops are the numbers of columnOp by row.Op.
var ops = [...]byte{row.Insert: 1, row.Delete: 2, row.Before: 3, row.After: 4, row.Upsert: opRead} // read-only

// technicalsOf are the technical columns by mode.
var technicalsOf = [...][]technical{ // read-only
	replacing: {columnVersion, columnDeleted}, softDelete: {columnVersion, columnDeleted},
	appendOnly: {columnOp, columnVersion, columnPosition, columnTime, columnCommit},
}

// A layout says how one version of a source table is kept in ClickHouse. It is immutable.
type layout struct {
	table   *schema.Table
	mode    mode
	prefix  string       // of the technical columns' names
	columns []columnType // the source's
	opts    tableOptions
	orderBy []string // expressions
}

// newLayout plans the ClickHouse table of a source table. The error names the column or option that is in the way.
func newLayout(t *schema.Table, cfg *Config) (*layout, error) {
	opts, err := cfg.optionsOf(t.Name)
	if err != nil {
		return nil, err
	}
	l := &layout{table: t, prefix: cfg.Prefix, opts: opts, mode: modeOf(t, opts)}
	for i, c := range t.Columns {
		m, err := typeOf(c, slices.Contains(t.Key, i), cfg)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		m.index = i
		l.columns = append(l.columns, m)
	}
	if err := l.checkNames(); err != nil {
		return nil, err
	}
	if l.orderBy, err = l.sortingKey(); err != nil {
		return nil, err
	}
	return l, l.checkOptions()
}

// modeOf is the mode of a table: without a key there is nothing that a row could replace.
func modeOf(t *schema.Table, opts tableOptions) mode {
	switch {
	case len(t.Key) == 0 || opts.mode == Append:
		return appendOnly
	case opts.softDelete:
		return softDelete
	}
	return replacing
}

// checkNames finds a column of the source that is called as a technical one.
func (l *layout) checkNames() error {
	for _, k := range technicalsOf[l.mode] {
		if l.column(l.technical(k)) >= 0 {
			return fmt.Errorf("column %s is called like one that the sink adds: set columns.prefix to another beginning than %q", l.technical(k), l.prefix)
		}
	}
	return nil
}

// technical is the name of a technical column.
func (l *layout) technical(k technical) string { return l.prefix + technicals[k].name }

// column returns the index of the source's column that is called exactly so in ClickHouse, -1 for none.
func (l *layout) column(name string) int {
	return slices.IndexFunc(l.columns, func(c columnType) bool { return c.name == name })
}

// keyNames are the names of the key columns, in key order.
func (l *layout) keyNames() []string {
	names := make([]string, len(l.table.Key))
	for i, k := range l.table.Key {
		names[i] = l.columns[k].name
	}
	return names
}
