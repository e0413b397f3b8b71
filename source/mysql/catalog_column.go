package mysql

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

// addColumn adds a row of information_schema.COLUMNS: table, name, type, character set, collation, nullable, extra.
func (l *listed) addColumn(r []string) {
	native, cs, extra := r[2], ddl.Charset(r[3]), strings.ToUpper(r[6])
	c := schema.Column{Name: r[1], Native: native, Nullable: r[5] == "YES", Flags: ddl.TypeFlags(native)}
	var err error
	if c.Type, c.Labels, err = ddl.ParseType(native, cs); err != nil && l.problem == nil {
		l.problem = fmt.Errorf("column %s: %w: exclude the table, or change the column", c.Name, err)
	}
	if isText(c.Type.Kind) {
		c.Charset = cs
	}
	if _, ok := charset.For(cs); !ok && c.Type.Kind == schema.String && cs != "" && l.problem == nil {
		l.problem = fmt.Errorf("column %s: text in character set %s cannot be read: ALTER TABLE %s MODIFY it to utf8mb4", c.Name, cs, quoteTable(l.table.Name))
	}
	// MySQL says DEFAULT_GENERATED of defaults that are expressions: those are no generated columns.
	if strings.Contains(extra, "VIRTUAL GENERATED") || strings.Contains(extra, "STORED GENERATED") || extra == "VIRTUAL" || extra == "PERSISTENT" {
		c.Flags |= schema.Generated
	}
	if strings.Contains(extra, "INVISIBLE") {
		c.Flags |= schema.Invisible
	}
	l.table.Columns = append(l.table.Columns, c)
	l.meta.collations = append(l.meta.collations, r[4])
	l.isStored = append(l.isStored, strings.Contains(extra, "STORED"))
}

func isText(k schema.Kind) bool { return k == schema.String || k == schema.Enum || k == schema.Set }
