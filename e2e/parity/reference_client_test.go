package parity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// readClient reads log files by what the servers' client prints of them: a line for each value, behind lines that say
// what happened to the row.
//
//	### UPDATE `db`.`table`
//	### WHERE
//	###   @1=-1 (255) /* TINYINT meta=0 nullable=0 is_null=0 */
//	### SET
//	###   @1='it\x27s' /* VARSTRING(80) meta=80 nullable=1 is_null=0 */
func readClient(t *testing.T, s *servers.Server, files []string, database string, tables map[string]*schema.Table) reading {
	t.Helper()
	c := clientReader{t: t, all: reading{}, database: database, tables: tables, mariadb: s.Flavour == servers.FlavourMariaDB}
	for line := range bytes.SplitSeq(s.PrintLog(t, files...), []byte("\n")) {
		if err := c.line(string(line)); err != nil {
			t.Fatalf("read the client's line %.300q: %v", line, err)
		}
	}
	return c.all
}

// A clientReader is how far in the client's text a reader is.
type clientReader struct {
	t        *testing.T
	all      reading
	database string
	tables   map[string]*schema.Table
	mariadb  bool
	table    *schema.Table // nil: of another database
	where    string        // what WHERE and SET mean of the current row
	set      string
}

func (r *clientReader) line(line string) error {
	text, ok := strings.CutPrefix(line, "### ")
	if !ok {
		return nil
	}
	for head, ops := range map[string][2]string{"INSERT INTO ": {"", "insert"}, "DELETE FROM ": {"delete", ""}, "UPDATE ": {"before", "after"}} {
		if name, ok := strings.CutPrefix(text, head); ok {
			namespace, table, _ := strings.Cut(strings.Trim(name, "`"), "`.`")
			r.table, r.where, r.set = nil, ops[0], ops[1]
			if namespace == r.database {
				r.table = r.tables[table]
			}
			return nil
		}
	}
	switch {
	case r.table == nil:
		return nil
	case text == "WHERE":
		return r.begin(r.where)
	case text == "SET":
		return r.begin(r.set)
	}
	return r.value(strings.TrimPrefix(text, "  @"))
}

func (r *clientReader) begin(op string) error {
	if op == "" {
		return fmt.Errorf("it belongs to no row")
	}
	name := r.table.Name.Table
	r.all[name] = append(r.all[name], image{op: op})
	return nil
}

// value takes a line "1=VALUE /* TYPE meta=... */".
func (r *clientReader) value(text string) error {
	images := r.all[r.table.Name.Table]
	number, rest, ok := strings.Cut(text, "=")
	i, err := strconv.Atoi(number)
	if strings.HasPrefix(rest, "!! Don't know how to handle column type=") && i <= len(r.table.Columns) {
		r.unknown(&r.table.Columns[i-1])
		return nil
	}
	end := strings.LastIndex(rest, " /* ")
	if !ok || err != nil || end < 0 || len(images) == 0 {
		return fmt.Errorf("it is no value")
	}
	im := &images[len(images)-1]
	if i != len(im.values)+1 || i > len(r.table.Columns) {
		return fmt.Errorf("it is not column %d", len(im.values)+1)
	}
	im.values = append(im.values, fromClient(&r.table.Columns[i-1], rest[:end], r.mariadb))
	return nil
}

// unknown takes that the client cannot read a column: then it prints no more of the event, nor can its images be compared.
func (r *clientReader) unknown(c *schema.Column) {
	if c.Type.Kind != schema.Geometry && c.Type.Kind != schema.Vector || r.mariadb {
		r.t.Errorf("the client does not know column %s of %s: %s", c.Name, r.table.Name, c.Native)
	}
	r.all[r.table.Name.Table], r.table = nil, nil
}

// fromClient spells a value that the client printed as this program's values are spelled.
func fromClient(c *schema.Column, text string, mariadb bool) string {
	if text == null {
		return null
	}
	quoted := strings.HasPrefix(text, "'")
	switch c.Type.Kind {
	case schema.Decimal:
		return decimalText(c, text)
	case schema.Date:
		return dateText(c, strings.ReplaceAll(strings.Trim(text, "'"), ":", "-"))
	case schema.Datetime:
		return dateText(c, strings.Trim(text, "'"))
	case schema.Timestamp:
		return instantText(text)
	case schema.Time:
		return timeText(strings.Trim(text, "'"))
	case schema.Float:
		return text
	case schema.Vector:
		if !quoted {
			return text
		}
	}
	if quoted {
		return logged(c, unescaped(text[1:len(text)-1], mariadb))
	}
	n, err := number(text)
	if digits := len(text) - len("b''"); c.Type.Kind == schema.Set && digits > 0 { // the lowest byte comes first
		n = binary.LittleEndian.Uint64(binary.BigEndian.AppendUint64(nil, n<<(64-digits)))
	}
	switch {
	case err != nil:
		return "no number: " + text
	case c.Type.Kind == schema.Enum || c.Type.Kind == schema.Set:
		return labelled(c, n)
	}
	return wordText(c, n)
}

// number reads -1, -1 (255) and b'1011'.
func number(text string) (uint64, error) {
	if digits, ok := strings.CutPrefix(text, "b'"); ok {
		return strconv.ParseUint(strings.TrimSuffix(digits, "'"), 2, 64)
	}
	text, _, _ = strings.Cut(text, " ")
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(n), nil
	}
	return strconv.ParseUint(text, 10, 64)
}

// instantText spells seconds since the epoch, with a fraction; NULL for the zero date.
func instantText(text string) string {
	whole, part, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	micros, err2 := strconv.ParseInt((part + "000000")[:6], 10, 64)
	if err != nil || err2 != nil {
		return "no instant: " + text
	}
	if seconds == 0 && micros == 0 {
		return null
	}
	return time.Unix(seconds, micros*1000).UTC().Format("2006-01-02 15:04:05.000000")
}

// unescaped resolves what a client prints for characters below the blank: \x0a. MySQL's also has \n and its like, and puts a
// backslash before quotes and backslashes, of which MariaDB's takes no care.
func unescaped(text string, mariadb bool) []byte {
	short := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', '\'': '\'', '\\': '\\'}
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out = append(out, text[i])
			continue
		}
		n, err := strconv.ParseUint(text[min(i+2, len(text)):min(i+4, len(text))], 16, 8)
		plain, known := short[text[i+1]]
		switch {
		case text[i+1] == 'x' && err == nil && n < ' ':
			out, i = append(out, byte(n)), i+3
		case known && !mariadb:
			out, i = append(out, plain), i+1
		default:
			out = append(out, text[i])
		}
	}
	return out
}
