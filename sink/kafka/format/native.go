package format

import (
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A native is a column's type as its server spells it, taken apart: int(10) unsigned has the base int, the argument 10
// and the rest unsigned.
type native struct {
	base, rest string // in lower case
	args       []int  // none for labels
}

// nativeOf takes the type of a column apart.
func nativeOf(c *schema.Column) native {
	text := strings.ToLower(c.Native)
	// Comments of MariaDB's own types hide behind this mark: varchar(10) /*M!100301 compressed*/.
	text, _, _ = strings.Cut(text, " /*")
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		base, rest, _ := strings.Cut(text, " ")
		return native{base: base, rest: rest}
	}
	n := native{base: strings.TrimSpace(text[:open]), rest: strings.TrimSpace(text[end+1:])}
	for arg := range strings.SplitSeq(text[open+1:end], ",") {
		v, err := strconv.Atoi(strings.TrimSpace(arg))
		if err != nil {
			n.args = nil
			break
		}
		n.args = append(n.args, v)
	}
	return n
}

// name is the type without its arguments, in upper case: INT UNSIGNED.
func (n native) name() string {
	return strings.ToUpper(strings.TrimSpace(n.base + " " + n.rest))
}

// jdbcTypes are the numbers of java.sql.Types by which Debezium and Canal name columns' types.
var jdbcTypes = map[string]int{
	"bit": -7, "tinyint": 5, "smallint": 5, "mediumint": 4, "int": 4, "bigint": -5, "float": 6, "double": 8, "decimal": 3,
	"date": 91, "time": 92, "datetime": 93, "timestamp": 2014, "year": 4, "char": 1, "enum": 1, "set": 1, "varchar": 12,
	"tinytext": 12, "text": 12, "mediumtext": 12, "longtext": 12, "binary": -2, "varbinary": -3,
	"tinyblob": 2004, "blob": 2004, "mediumblob": 2004, "longblob": 2004,
}

// otherJDBC is the number of types that JDBC does not know: JSON, geometries, vectors, UUIDs, addresses.
const otherJDBC = 1111

// jdbcType is the type's number as Debezium has it up to 3.6.
func (n native) jdbcType() int {
	if number, ok := jdbcTypes[n.base]; ok {
		return number
	}
	return otherJDBC
}
