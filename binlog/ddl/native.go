package ddl

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// native spells the type as information_schema of the server does, as far as the text of a statement tells.
func (n *nativeType) native() string {
	var b strings.Builder
	b.WriteString(n.serverName())
	args := n.shownArgs()
	switch {
	case n.labels != nil:
		b.WriteString("(" + quoteLabels(n.labels) + ")")
	case len(args) == 1:
		fmt.Fprintf(&b, "(%d)", args[0])
	case len(args) == 2:
		fmt.Fprintf(&b, "(%d,%d)", args[0], args[1])
	}
	if n.unsigned {
		b.WriteString(" unsigned")
	}
	if n.zerofill {
		b.WriteString(" zerofill")
	}
	switch {
	case n.compressed && n.mode.Version != 0 && n.mode.Version < 100600:
		b.WriteString(" /*!100301 COMPRESSED*/")
	case n.compressed:
		b.WriteString(" /*M!100301 COMPRESSED*/")
	}
	return b.String()
}

// quoteLabels spells labels as the server does.
func quoteLabels(labels []string) string {
	r := strings.NewReplacer("'", "''", "\\", "\\\\", "\n", "\\n", "\r", "\\r", "\x00", "\\0")
	quoted := make([]string, len(labels))
	for i, l := range labels {
		quoted[i] = "'" + r.Replace(l) + "'"
	}
	return strings.Join(quoted, ",")
}

// serverName is the name of the type; that of TEXT(n) and BLOB(n) depends on n.
func (n *nativeType) serverName() string {
	switch {
	case n.name == "geomcollection" && (n.mode.MariaDB || n.mode.Version != 0 && n.mode.Version < 80000):
		return "geometrycollection"
	case (n.name == "text" || n.name == "blob") && len(n.args) == 1:
		return lobName(n.args[0]*mostBytes(n.charset), n.name)
	}
	return n.name
}

// lobName is the smallest TEXT or BLOB that holds so many bytes.
func lobName(bytes int, name string) string {
	switch {
	case bytes < 1<<8:
		return "tiny" + name
	case bytes < 1<<16:
		return name
	case bytes < 1<<24:
		return "medium" + name
	}
	return "long" + name
}

// widths says that the server shows how wide integers are displayed. MySQL stopped that in 8.0.19.
func (m Mode) widths() bool {
	return m.MariaDB || m.Version != 0 && m.Version < 80019
}

// shownArgs are the arguments that the server shows, with those that it adds.
func (n *nativeType) shownArgs() []int {
	switch n.name {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return n.integerArgs()
	case "text", "blob", "tinytext", "tinyblob", "mediumtext", "mediumblob", "longtext", "longblob":
		return nil
	case "year":
		if n.mode.widths() {
			return []int{4}
		}
		return nil
	case "bit", "char", "binary":
		return []int{n.arg(0, 1)}
	case "decimal":
		t, _ := n.decimal()
		return []int{int(t.Precision), int(t.Scale)}
	case "vector":
		return []int{n.arg(0, 2048)}
	case "time", "datetime", "timestamp":
		if n.arg(0, 0) == 0 {
			return nil
		}
	}
	return n.args
}

func (n *nativeType) integerArgs() []int {
	switch {
	case n.mode.widths(), n.zerofill:
		return []int{n.arg(0, n.displayWidth())}
	case n.name == "tinyint" && n.arg(0, 0) == 1 && !n.unsigned:
		return n.args
	}
	return nil
}

// displayWidth is how wide the widest value is, with its sign.
func (n *nativeType) displayWidth() int {
	widths := map[string]int{"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "bigint": 20}
	w := widths[n.name]
	if !n.unsigned && n.name != "bigint" {
		w++
	}
	return w
}

// mostBytes is the most bytes that a character takes.
func mostBytes(charset string) int {
	switch charset {
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return 4
	case "utf8mb3", "ujis", "eucjpms":
		return 3
	case "ucs2", "gbk", "big5", "sjis", "cp932", "euckr", "gb2312":
		return 2
	}
	return 1
}

// convert gives a text column another character set.
func convert(c *schema.Column, charset string) error {
	n, err := parseNative(c.Native)
	if err != nil {
		return err
	}
	n.charset = charset
	n.settle()
	if n.isText() && strings.HasSuffix(n.name, "text") && mostBytes(charset) > mostBytes(c.Charset) {
		n.name = grown(n.name)
	}
	if c.Type, err = n.schemaType(); err != nil {
		return err
	}
	c.Native, c.Charset = n.native(), n.shownCharset()
	return nil
}

// grown is the type that holds as many characters when each takes more bytes.
func grown(name string) string {
	switch name {
	case "tinytext":
		return "text"
	case "text":
		return "mediumtext"
	}
	return "longtext"
}
