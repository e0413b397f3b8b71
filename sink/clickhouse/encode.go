package clickhouse

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A block column holds the values of one column as a Native block has them, so that a block is built by joining buffers,
// and a client of the native protocol can send them as they are:
//
//	nulls    one byte per row, 1 for NULL          (Nullable)
//	offsets  where the array of each row ends      (Array)
//	values   the values: of one width, or led by their length
type blockColumn struct {
	name     string
	wire     string
	nullable bool
	nulls    []byte
	offsets  []byte
	values   []byte
	rows     int
}

var _ proto.ColInput = (*blockColumn)(nil)

// Type is the column's type in the block.
func (c *blockColumn) Type() proto.ColumnType { return proto.ColumnType(c.wire) }

// Rows is the number of values.
func (c *blockColumn) Rows() int { return c.rows }

// EncodeColumn appends the column to a buffer.
func (c *blockColumn) EncodeColumn(b *proto.Buffer) { b.Buf = c.appendTo(b.Buf) }

// WriteColumn hands the column's memory to a writer, which sends it before the column changes.
func (c *blockColumn) WriteColumn(w *proto.Writer) {
	for _, p := range [][]byte{c.nulls, c.offsets, c.values} {
		if len(p) > 0 {
			w.ChainWrite(p)
		}
	}
}

func (c *blockColumn) appendTo(dst []byte) []byte {
	return append(append(append(dst, c.nulls...), c.offsets...), c.values...)
}

func (c *blockColumn) size() int { return len(c.nulls) + len(c.offsets) + len(c.values) }

func (c *blockColumn) reset() {
	c.nulls, c.offsets, c.values, c.rows = c.nulls[:0], c.offsets[:0], c.values[:0], 0
}

// An encoder collects rows of one layout as a block for ClickHouse. Its buffers are used again after reset. One goroutine
// at a time uses it.
type encoder struct {
	layout  *layout
	columns []blockColumn // the source's, then the technical ones
	count   int
	chosen  chosen
	place   []byte // the text of a position
}

func newEncoder(l *layout) *encoder {
	e := &encoder{layout: l}
	for _, c := range l.columns {
		e.columns = append(e.columns, blockColumn{name: c.name, wire: c.wire, nullable: c.nullable})
	}
	for _, k := range technicalsOf[l.mode] {
		e.columns = append(e.columns, blockColumn{name: l.technical(k), wire: technicals[k].text})
	}
	return e
}

// add appends the rows of b, in order. b stays the caller's. An error is a *schema.TableError that names the column; the
// encoder then holds nothing of use until reset.
func (e *encoder) add(b *row.Batch) error {
	if err := e.chosen.choose(b, e.layout.mode); err != nil {
		return &schema.TableError{Table: b.Table.Name, Err: err}
	}
	for i := range e.layout.columns {
		if err := e.addColumn(i, b); err != nil {
			return &schema.TableError{Table: b.Table.Name, Err: err}
		}
	}
	e.addTechnicals(b)
	e.count += len(e.chosen.rows)
	return nil
}

// rows is the number of rows of the block, which is less than that of the batches where rows say nothing.
func (e *encoder) rows() int { return e.count }

// bytes is the size of the block before compression.
func (e *encoder) bytes() int64 {
	n := 0
	for i := range e.columns {
		n += e.columns[i].size() + len(e.columns[i].name) + len(e.columns[i].wire)
	}
	if e.layout.mode == appendOnly {
		n += 8*e.count - e.columns[len(e.columns)-1].size() // setCommit comes last
	}
	return int64(n)
}

// reset empties the block and keeps its memory.
func (e *encoder) reset() {
	for i := range e.columns {
		e.columns[i].reset()
	}
	e.count = 0
}

// sizes are the bytes of the columns' values.
func (e *encoder) sizes() []int {
	sizes := make([]int, len(e.columns))
	for i := range e.columns {
		sizes[i] = len(e.columns[i].values)
	}
	return sizes
}

// reserve makes room for values of these sizes and a little more.
func (e *encoder) reserve(sizes []int) {
	for i, n := range sizes {
		e.columns[i].values = make([]byte, 0, n+n/16)
	}
}

// setCommit names the commit of all rows in the block, where the table has a column for that. It is called when the block is
// whole, and may be called again.
func (e *encoder) setCommit(epoch uint64) {
	if e.layout.mode != appendOnly {
		return
	}
	c := &e.columns[len(e.columns)-1] // columnCommit is the last of technicalsOf
	c.rows, c.values = e.count, slices.Grow(c.values[:0], 8*e.count)
	for range e.count {
		c.values = binary.LittleEndian.AppendUint64(c.values, epoch)
	}
}

// native appends the rows as one block of ClickHouse's Native format, as HTTP takes it, in parts: the columns where they
// are in memory, valid until the encoder changes, and before each what leads it, which is appended to head.
func (e *encoder) native(parts [][]byte, head []byte) (allParts [][]byte, grown []byte) {
	head = binary.AppendUvarint(head, uint64(len(e.columns)))
	head = binary.AppendUvarint(head, uint64(e.count))
	from := 0
	for i := range e.columns {
		c := &e.columns[i]
		head = appendString(head, c.name)
		head = appendString(head, c.wire)
		parts = append(parts, head[from:], c.nulls, c.offsets, c.values)
		from = len(head)
	}
	return parts, head
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// input is the block for ch-go. It is valid until the encoder changes.
func (e *encoder) input() proto.Input {
	input := make(proto.Input, len(e.columns))
	for i := range e.columns {
		input[i] = proto.InputColumn{Name: e.columns[i].name, Data: &e.columns[i]}
	}
	return input
}

// columnList are the block's columns for INSERT INTO t (...).
func (e *encoder) columnList() string {
	names := make([]string, len(e.columns))
	for i := range e.columns {
		names[i] = quoteName(e.columns[i].name)
	}
	return strings.Join(names, ", ")
}

// addTechnicals appends the sink's own columns, but for columnCommit.
func (e *encoder) addTechnicals(b *row.Batch) {
	for i, k := range technicalsOf[e.layout.mode] {
		c := &e.columns[len(e.layout.columns)+i]
		switch k {
		case columnVersion:
			c.values = appendWords8(c.values, b.Seqs, e.chosen.rows)
		case columnDeleted:
			c.values = append(c.values, e.chosen.tombs...)
		case columnOp:
			c.values = appendOps(c.values, b)
		case columnPosition:
			c.values = e.appendPositions(c.values, b)
		case columnTime:
			for _, t := range b.Times {
				c.values = binary.LittleEndian.AppendUint64(c.values, uint64(t))
			}
		case columnCommit:
			continue // setCommit
		}
		c.rows += len(e.chosen.rows)
	}
}

func appendOps(dst []byte, b *row.Batch) []byte {
	for _, op := range b.Ops {
		n := ops[op]
		if b.Origin.Seq == 0 {
			n = opRead
		}
		dst = append(dst, n)
	}
	return dst
}

// offsetBits are the low bits of a Seq of a log with files: the place in the file.
const offsetBits = 40

// appendPositions appends where the batch's transaction is in the log, for each row.
func (e *encoder) appendPositions(dst []byte, b *row.Batch) []byte {
	text := e.place[:0]
	if o := &b.Origin; o.Seq != 0 {
		text = o.AppendGTID(text)
		if len(text) == 0 {
			text = append(append(text, o.File...), ':')
			text = strconv.AppendUint(text, o.Seq&(1<<offsetBits-1), 10)
		}
	}
	e.place = text
	for range b.Ops {
		dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
	}
	return dst
}
