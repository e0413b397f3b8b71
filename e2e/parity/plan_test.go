package parity

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

// column is the column that a type makes, by its text alone.
func (c *columnType) column(t testing.TB) schema.Column {
	t.Helper()
	native, charset := c.split()
	typ, labels, err := ddl.ParseType(native, charset)
	if err != nil {
		t.Fatal(err)
	}
	return schema.Column{Name: "v", Type: typ, Labels: labels, Native: native, Nullable: true, Flags: ddl.TypeFlags(native)}
}

// split parts a type from its character set.
func (c *columnType) split() (native, charset string) {
	if c.as != "" {
		return c.as, "utf8mb4"
	}
	native, charset, ok := strings.Cut(c.native, " character set ")
	if !ok {
		charset = "utf8mb4"
	}
	return native, charset
}
