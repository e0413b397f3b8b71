package ddl

import (
	"fmt"
	"testing"
)

// FuzzType holds that a column's type is the same whether it is read from a statement or, in the server's spelling, from
// the catalogue: a shape that was followed in the log must be the one that a restart reads.
func FuzzType(f *testing.F) {
	for _, s := range []string{
		"int(11) unsigned zerofill", "decimal(12, 2)", "enum('a''b', \"c\", 'd\\\\e') charset latin1", "set('x','y')", "varchar(9) binary", "char(5) character set binary",
		"double precision", "float(30)", "bit", "long varchar", "national character varying(5)", "serial", "year(4)", "datetime(6)", "vector(3)", "varchar(5) compressed",
		"blob(70000)", "text(100) character set ucs2", "uuid", "inet6", "json", "geometrycollection", "bool", "dec", "character(3) byte",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, mariadb bool) {
		for _, st := range Parse("create table t (c "+text+")", Mode{Database: "d", MariaDB: mariadb}) {
			if st.Kind != CreateTable || st.Create.Select {
				continue
			}
			for _, c := range st.Create.Columns {
				typ, labels, err := ParseType(c.Native, c.Charset)
				if err != nil || typ != c.Type || fmt.Sprint(labels) != fmt.Sprint(c.Labels) {
					t.Errorf("%q: %v %q, spelled %q, which is read as %v %q: %v", text, c.Type, c.Labels, c.Native, typ, labels, err)
				}
			}
		}
	})
}
