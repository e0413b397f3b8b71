package format

import (
	"context"
	"strconv"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// NewDebezium returns the format debezium-json: what Debezium's MySQL and MariaDB connectors write through Kafka Connect's
// JsonConverter. Where Debezium would change a value, as it does with a TIME of more than a day in some modes and with
// years below 100, a record has the value as it is, or the table stops.
//
// Columns that the log did not carry (binlog_row_image=MINIMAL) are null in before, also where the schema says that a
// column is never null, which Connect's own reader refuses; after must have them all.
func NewDebezium(c DebeziumConfig) (Format, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return &debezium{c}, nil
}

var _ Format = (*debezium)(nil)

type debezium struct{ c DebeziumConfig }

// Encoder makes the encoder of a table. The schemas are named after the source's table, not after the topic: several
// tables may share one.
func (f *debezium) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	name := t.SourceName()
	prefix := f.c.Name + "." + name.Namespace + "." + name.Table
	e := &debeziumEncoder{transactions: f.c.Transactions, source: newSourceBlock(&f.c, name)}
	columns := make([]connectField, len(t.Columns))
	e.columns = make([]jsonColumn, len(t.Columns))
	for i := range t.Columns {
		var err error
		columns[i].name = t.Columns[i].Name
		if columns[i].schema, e.columns[i], err = f.c.column(t, i); err != nil {
			return nil, err
		}
	}
	var key []connectField
	for _, k := range t.Key {
		if err := f.c.checkKey(&t.Columns[k]); err != nil {
			return nil, err
		}
		field := columns[k]
		field.schema.optional = false
		key = append(key, field)
	}
	e.key = keyColumns(t, e.columns)
	e.keyOpen, e.keyEnd = f.c.wrap(structOf(prefix+".Key", 0, key...))
	e.open, e.end = f.c.wrap(f.c.envelopeSchema(prefix, columns))
	e.open += `{"before":`
	return e, nil
}

// A debeziumEncoder writes the records of one version of a table.
type debeziumEncoder struct {
	columns, key    []jsonColumn
	open, end       string // around a value; open reaches up to the row before
	keyOpen, keyEnd string
	source          sourceBlock
	transactions    bool

	now   int64
	clock []byte // now as the end of an envelope
}

// AppendKey appends the key's columns as an object.
func (e *debeziumEncoder) AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error) {
	if len(e.key) == 0 {
		return dst, nil
	}
	dst, err := appendObject(append(dst, e.keyOpen...), e.key, b, i, noNull)
	return append(dst, e.keyEnd...), err
}

// AppendValue appends the envelope of a change. A Truncate has no rows, and is placed where its transaction begins.
func (e *debeziumEncoder) AppendValue(dst []byte, c *Change) ([]byte, error) {
	dst, err := e.appendImage(append(dst, e.open...), c.Batch, c.Before, anyAbsent)
	if err != nil {
		return dst, err
	}
	if dst, err = e.appendImage(append(dst, `,"after":`...), c.Batch, c.After, noAbsent); err != nil {
		return dst, err
	}
	at, seq := c.place()
	dst = e.source.append(append(dst, `,"source":`...), &c.Batch.Origin, at, seq)
	dst = e.appendTransaction(append(dst, `,"transaction":`...), c)
	dst = append(append(dst, `,"op":"`...), byte(c.Op))
	if c.Now != e.now || e.clock == nil {
		e.tick(c.Now)
	}
	return append(append(dst, e.clock...), e.end...), nil
}

func (e *debeziumEncoder) appendImage(dst []byte, b *row.Batch, i int, allowed gaps) ([]byte, error) {
	if i < 0 {
		return append(dst, "null"...), nil
	}
	return appendObject(dst, e.columns, b, i, allowed)
}

// place is when a change was committed, microseconds since the epoch, and its Seq.
func (c *Change) place() (time int64, seq uint64) {
	switch i := c.Row(); {
	case i >= 0:
		return c.Batch.Times[i], c.Batch.Seqs[i]
	case c.Batch.Len() > 0:
		return c.Batch.Times[0], c.Batch.Seqs[0]
	}
	return c.Now, c.Batch.Origin.Seq
}

// appendTransaction appends the transaction block: null in a snapshot, and when the numbers are not known.
func (e *debeziumEncoder) appendTransaction(dst []byte, c *Change) []byte {
	i := c.Row()
	if !e.transactions || c.TableOrder == 0 || c.Batch.Orders == nil || i < 0 {
		return append(dst, "null"...)
	}
	dst = strconv.AppendUint(append(dst, e.source.block...), uint64(c.Batch.Orders[i]), 10)
	dst = strconv.AppendUint(append(dst, `,"data_collection_order":`...), c.TableOrder, 10)
	return append(dst, '}')
}

// tick spells the time at which records are made; it is the same for many of them.
func (e *debeziumEncoder) tick(now int64) {
	e.now = now
	p := strconv.AppendInt(append(e.clock[:0], `","ts_ms":`...), floorDiv(now, 1000), 10)
	p = strconv.AppendInt(append(p, `,"ts_us":`...), now, 10)
	e.clock = append(strconv.AppendInt(append(p, `,"ts_ns":`...), now*1000, 10), '}')
}
