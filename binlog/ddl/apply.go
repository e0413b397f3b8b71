package ddl

import (
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
)

// Apply works out the shape that a table has after a statement of kind CreateTable, DropTable, RenameTable,
// TruncateTable or AlterTable. before is the shape that it had, nil when there was none. charset is the default character
// set of the table's database: that of new text columns which name none, where the table's own default is not known.
//
// A statement that changes nothing of the shape returns before itself and no edits: IF NOT EXISTS when there is one
// already, a temporary table, or clauses that are harmless. A dropped table is nil. Otherwise the version is the next one,
// and the edits lead from before to after when taken one by one: drops, renames, modifications, additions, moves, the key,
// the table's name. Columns that trade their names are renamed through a third name.
//
// Apply takes the key for the primary key: a MODIFY that says neither NULL nor NOT NULL leaves its columns NOT NULL. Who
// captures a table by another unique key compares the nullability with the log's table map, and takes a DropIndex clause as
// the possible end of the key.
//
// Rows that change without events in the log are not Apply's matter: see Statement.DataChanges, Column.Default and
// Rewrites. An error says that the statement does not fit the shape, which then is not the shape that the server had.
func Apply(before *schema.Table, st *Statement, charset string) (after *schema.Table, edits []schema.Edit, err error) {
	if st.Temporary {
		return before, nil, nil
	}
	switch st.Kind {
	case CreateTable:
		if before != nil && st.IfNotExists {
			return before, nil, nil
		}
		after, err = st.Create.Shape(st.Table, nil, charset)
		return following(before, after), nil, err
	case DropTable:
		return nil, nil, nil
	case RenameTable, TruncateTable, AlterTable:
	default:
		return nil, nil, fmt.Errorf("apply a statement of kind %q: it has no shape", st.Kind)
	}
	if before == nil {
		if st.IfExists {
			return nil, nil, nil
		}
		return nil, nil, fmt.Errorf("%s %s: the table is not known", st.Kind, st.Table)
	}
	switch st.Kind {
	case RenameTable:
		return renamed(before, st.To), []schema.Edit{{Kind: schema.RenameTable}}, nil
	case TruncateTable:
		return renamed(before, before.Name), []schema.Edit{{Kind: schema.TruncateTable}}, nil
	default:
		return altered(before, st, charset)
	}
}

// following numbers the shape after that of the same table before it.
func following(before, after *schema.Table) *schema.Table {
	if before != nil && after != nil {
		after.Version = before.Version + 1
	}
	return after
}

func renamed(t *schema.Table, to schema.Name) *schema.Table {
	return &schema.Table{Name: to, Version: t.Version + 1, Columns: t.Columns, Key: t.Key, Unique: t.Unique, Charset: t.Charset}
}

// Shape is the shape of the table that is created, as version 1. like is the table that it is LIKE, nil when it is not.
func (c *Create) Shape(name schema.Name, like *schema.Table, charset string) (*schema.Table, error) {
	t := &schema.Table{Name: name, Version: 1}
	switch {
	case c.Like != (schema.Name{}) && like == nil:
		return nil, fmt.Errorf("create table %s like %s: the shape of that is not known", name, c.Like)
	case c.Like != (schema.Name{}):
		t.Columns, t.Key, t.Unique, t.Charset = like.Columns, like.Key, like.Unique, like.Charset
		return t, nil
	case c.Select:
		return nil, fmt.Errorf("create table %s as a query: the columns of the query are not known", name)
	case c.Versioned:
		return nil, fmt.Errorf("create table %s: it is system-versioned, and its log tells of history as well as of rows", name)
	case len(c.Columns) == 0:
		return nil, fmt.Errorf("create table %s: it has no columns", name)
	}
	if c.Charset != "" {
		charset = c.Charset
	}
	t.Charset = charset
	for i := range c.Columns {
		col, err := c.Columns[i].shape(charset)
		if err != nil {
			return nil, err
		}
		if t.Column(col.Name) >= 0 {
			return nil, fmt.Errorf("create table %s: column %q stands twice", name, col.Name)
		}
		t.Columns = append(t.Columns, col)
	}
	return t, setKey(t, c.Primary, c.Unique)
}
