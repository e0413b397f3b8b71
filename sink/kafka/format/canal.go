package format

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// NewCanal returns the format canal-json: what Alibaba's Canal writes with flat messages, and Flink reads as canal-json.
//
// data has the row as it is after the change, or the row that is gone; old has of an update the columns that it changed,
// as they were. All values are strings or null. Instants are in UTC, labels of enums and sets are told rather than their
// numbers, id is the change's Seq. The key is the key's columns as a JSON object.
func NewCanal(c CanalConfig) (Format, error) {
	if c.BinaryMode != "" {
		if err := oneOf("binary.handling.mode", &c.BinaryMode, BinaryBase64, BinaryBytes, BinaryBase64URLSafe, BinaryHex); err != nil {
			return nil, err
		}
	}
	return &canal{c}, nil
}

var _ Format = (*canal)(nil)

type canal struct{ c CanalConfig }

// Encoder makes the encoder of a table.
func (f *canal) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	name := t.SourceName()
	e := &canalEncoder{
		database: `,"database":` + quote(name.Namespace) + `,"es":`,
		table:    `,"table":` + quote(name.Table) + `,"ts":`,
		truncate: quote("TRUNCATE TABLE `" + strings.ReplaceAll(name.Table, "`", "``") + "`"),
	}
	var native, numbers, keys []string
	for i := range t.Columns {
		c, err := f.c.column(t, i)
		if err != nil {
			return nil, err
		}
		e.columns = append(e.columns, c)
		native = append(native, c.label[1:]+quote(t.Columns[i].Native))
		numbers = append(numbers, c.label[1:]+strconv.Itoa(canalType(&t.Columns[i])))
	}
	for _, k := range t.Key {
		keys = append(keys, quote(t.Columns[k].Name))
	}
	e.key, e.keys = keyColumns(t, e.columns), "null"
	e.native, e.numbers = "{"+strings.Join(native, ",")+"}", "{"+strings.Join(numbers, ",")+"}"
	if len(keys) > 0 {
		e.keys = "[" + strings.Join(keys, ",") + "]"
	}
	return e, nil
}

// A canalEncoder writes the records of one version of a table.
type canalEncoder struct {
	columns, key          []jsonColumn
	database, table       string // up to es, and up to ts
	native, numbers, keys string
	truncate              string // the statement that stands for a Truncate
}

// AppendKey appends the key's columns as an object.
func (e *canalEncoder) AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error) {
	if len(e.key) == 0 {
		return dst, nil
	}
	return appendObject(dst, e.key, b, i, noNull)
}

// AppendValue appends the flat message of a change.
func (e *canalEncoder) AppendValue(dst []byte, c *Change) ([]byte, error) {
	dst, err := e.appendData(append(dst, `{"data":`...), c)
	if err != nil {
		return dst, err
	}
	at, seq := c.place()
	dst = strconv.AppendInt(append(dst, e.database...), floorDiv(at, 1000), 10)
	dst = c.Batch.Origin.AppendGTID(append(dst, `,"gtid":"`...))
	dst = strconv.AppendUint(append(dst, `","id":`...), seq, 10)
	dst = strconv.AppendBool(append(dst, `,"isDdl":`...), c.Op == Truncate)
	dst = append(append(dst, `,"mysqlType":`...), e.native...)
	if dst, err = e.appendOld(append(dst, `,"old":`...), c); err != nil {
		return dst, err
	}
	dst = append(append(append(dst, `,"pkNames":`...), e.keys...), `,"sql":`...)
	if c.Op == Truncate {
		dst = append(dst, e.truncate...)
	} else {
		dst = append(dst, '"', '"')
	}
	dst = append(append(append(dst, `,"sqlType":`...), e.numbers...), e.table...)
	dst = strconv.AppendInt(dst, floorDiv(c.Now, 1000), 10)
	return append(append(append(dst, `,"type":"`...), canalOps[c.Op]...), '"', '}'), nil
}

// canalOps are Canal's words for ops; it is read only.
var canalOps = [...]string{Create: "INSERT", Read: "INSERT", Update: "UPDATE", Delete: "DELETE", Truncate: "TRUNCATE"}

// appendData appends a list of the one row that a change has. Of a row that is gone not all need be known.
func (e *canalEncoder) appendData(dst []byte, c *Change) ([]byte, error) {
	i, allowed := c.Row(), noAbsent
	if i < 0 {
		return append(dst, "null"...), nil
	}
	if c.After < 0 {
		allowed = anyAbsent
	}
	dst, err := appendObject(append(dst, '['), e.columns, c.Batch, i, allowed)
	return append(dst, ']'), err
}

// appendOld appends what an update changed, as it was. What the log did not carry is left out.
func (e *canalEncoder) appendOld(dst []byte, c *Change) (_ []byte, err error) {
	if c.Before < 0 || c.After < 0 {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '[', '{')
	first := 1
	for k := range e.columns {
		d := &e.columns[k]
		v := &c.Batch.Cols[d.index]
		if v.IsAbsent(c.Before) || same(v, c.Before, c.After) {
			continue
		}
		dst = append(dst, d.label[first:]...)
		first = 0
		if v.Null(c.Before) {
			dst = append(dst, "null"...)
		} else if dst, err = d.append(dst, v, c.Before); err != nil {
			return dst, err
		}
	}
	return append(dst, '}', ']'), nil
}

// same says that two values of a column are equal, bit by bit.
func same(v *row.Vector, i, j int) bool {
	switch {
	case v.Null(i) || v.Null(j):
		return v.Null(i) && v.Null(j)
	case v.Offsets == nil:
		return v.Words[i] == v.Words[j]
	}
	return bytes.Equal(v.Value(i), v.Value(j))
}

// column resolves how a column is spelled: as MySQL prints it, in quotes.
func (c *CanalConfig) column(t *schema.Table, i int) (jsonColumn, error) {
	col := &t.Columns[i]
	d := jsonColumn{
		label: "," + quote(col.Name) + ":", name: col.Name, index: i, scale: int(col.Type.Scale), digits: uint8(col.Type.Precision),
		op: sqlOp(col.Type), text: true,
	}
	if col.Type.Kind == schema.Binary || col.Type.Kind == schema.Geometry {
		d.op = binaryOp(c.BinaryMode)
	}
	if d.op == 0 {
		return d, fmt.Errorf("column %s: canal-json has no form for %v (%s)", col.Name, col.Type, col.Native)
	}
	return d, nil
}

// canalTypes are the numbers of java.sql.Types that Canal gives other than Debezium does. Labels are texts here.
var canalTypes = map[string]int{
	"tinyint": -6, "float": 7, "timestamp": 93, "year": 12, "enum": 12, "set": 12, "json": 12,
	"tinytext": 2005, "text": 2005, "mediumtext": 2005, "longtext": 2005,
}

// canalType is the number of a column's type.
func canalType(c *schema.Column) int {
	n := nativeOf(c)
	if number, ok := canalTypes[n.base]; ok {
		return number
	}
	if number := n.jdbcType(); number != otherJDBC {
		return number
	}
	if c.Type.Kind == schema.Geometry {
		return -2 // BINARY
	}
	return 12 // VARCHAR
}
