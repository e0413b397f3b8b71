package format

import (
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A wire is one of the binary encodings. Fields have the numbers that Protobuf writes; Avro goes by their order, so they
// are written in it.
type wire interface {
	null(dst []byte) []byte
	long(dst []byte, field int, p presence, n int64) []byte
	text(dst []byte, field int, p presence, s []byte) []byte
	// group appends a record whose fields stand in the three parts.
	group(dst []byte, field int, p presence, head, middle, tail []byte) []byte
	// image appends row i as a record that may be null.
	image(dst []byte, field int, cols []binaryColumn, b *row.Batch, i int, allowed gaps) ([]byte, error)
	// record appends the fields of row i.
	record(dst []byte, cols []binaryColumn, b *row.Batch, i int, allowed gaps) ([]byte, error)
}

// A presence says whether a field may be missing.
type presence uint8

const (
	must presence = iota
	mayNull
	hasDefault // it may be null, and is not by default: that puts null last in a union of Avro
)

// A binaryEncoder writes the records of one version of a table.
type binaryEncoder struct {
	wire         wire
	columns, key []binaryColumn
	head         []byte // of a value: the number of its schema
	keyHead      []byte
	flat         bool
	transactions bool
	source       binarySource

	now   int64
	clock []byte // now as the end of an envelope
	spare []byte
}

// AppendKey appends the key's columns as a record.
func (e *binaryEncoder) AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error) {
	if len(e.key) == 0 {
		return dst, nil
	}
	return e.wire.record(append(dst, e.keyHead...), e.key, b, i, noNull)
}

// AppendValue appends the envelope of a change, or the row alone: nothing when it is gone.
func (e *binaryEncoder) AppendValue(dst []byte, c *Change) ([]byte, error) {
	if !e.flat {
		return e.appendEnvelope(append(dst, e.head...), c)
	}
	if c.After < 0 {
		return dst, nil
	}
	return e.wire.record(append(dst, e.head...), e.columns, c.Batch, c.After, noAbsent)
}

// Numbers of an envelope's fields.
const (
	fieldBefore = iota + 1
	fieldAfter
	fieldSource
	fieldTransaction
	fieldOp
	fieldMillis
	fieldMicros
	fieldNanos
)

func (e *binaryEncoder) appendEnvelope(dst []byte, c *Change) (_ []byte, err error) {
	if dst, err = e.appendImage(dst, fieldBefore, c.Batch, c.Before, anyAbsent); err != nil {
		return dst, err
	}
	if dst, err = e.appendImage(dst, fieldAfter, c.Batch, c.After, noAbsent); err != nil {
		return dst, err
	}
	at, seq := c.place()
	dst = e.source.append(dst, &c.Batch.Origin, at, seq)
	dst = e.appendTransaction(dst, c)
	e.spare = append(e.spare[:0], byte(c.Op))
	dst = e.wire.text(dst, fieldOp, must, e.spare)
	if c.Now != e.now || e.clock == nil {
		e.tick(c.Now)
	}
	return append(dst, e.clock...), nil
}

// appendImage appends a row, or null: for no row, and for one of which the log did not carry a value that the schema
// wants. That is the image before a change with binlog_row_image=MINIMAL, whose key is in the record's key.
func (e *binaryEncoder) appendImage(dst []byte, field int, b *row.Batch, i int, allowed gaps) ([]byte, error) {
	if i < 0 || allowed == anyAbsent && e.partial(b, i) {
		return e.wire.null(dst), nil
	}
	return e.wire.image(dst, field, e.columns, b, i, allowed)
}

// partial says that row i lacks a value that the schema wants.
func (e *binaryEncoder) partial(b *row.Batch, i int) bool {
	for k := range e.columns {
		if c := &e.columns[k]; !c.optional && b.Cols[c.index].IsAbsent(i) {
			return true
		}
	}
	return false
}

// appendTransaction appends the transaction block: null in a snapshot, and when the numbers are not known.
func (e *binaryEncoder) appendTransaction(dst []byte, c *Change) []byte {
	i := c.Row()
	if !e.transactions || c.TableOrder == 0 || c.Batch.Orders == nil || i < 0 {
		return e.wire.null(dst)
	}
	e.spare = e.wire.long(e.spare[:0], 2, must, int64(c.Batch.Orders[i]))
	e.spare = e.wire.long(e.spare, 3, must, int64(c.TableOrder))
	return e.wire.group(dst, fieldTransaction, mayNull, e.source.block, e.spare, nil)
}

// tick writes the time at which records are made; it is the same for many of them.
func (e *binaryEncoder) tick(now int64) {
	e.now = now
	p := e.wire.long(e.clock[:0], fieldMillis, mayNull, floorDiv(now, 1000))
	p = e.wire.long(p, fieldMicros, mayNull, now)
	e.clock = e.wire.long(p, fieldNanos, mayNull, now*1000)
}

// A binarySource writes the source of records of one table, as sourceBlock does. All that is of the transaction is kept,
// and made anew only when the next one begins.
type binarySource struct {
	wire                            wire
	version, connector, name, table []byte
	db                              []byte

	origin schema.Origin
	time   int64
	made   bool
	head   []byte // up to pos
	pos    []byte
	tail   []byte
	block  []byte // the transaction block up to total_order
	spare  []byte
}

// newBinarySource prepares the parts that never change.
func newBinarySource(w wire, c *DebeziumConfig, n schema.Name) binarySource {
	return binarySource{
		wire: w, version: []byte(c.Version), connector: []byte(c.Connector), name: []byte(c.Name), db: []byte(n.Namespace), table: []byte(n.Table),
	}
}

// append appends the source of a row.
func (s *binarySource) append(dst []byte, o *schema.Origin, time int64, seq uint64) []byte {
	if !s.made || s.time != time || s.origin != *o {
		s.make(o, time)
	}
	s.pos = s.wire.long(s.pos[:0], 14, must, int64(offset(seq)))
	return s.wire.group(dst, fieldSource, must, s.head, s.pos, s.tail)
}

// make writes the fields in the order of DebeziumConfig.sourceSchema.
func (s *binarySource) make(o *schema.Origin, time int64) {
	s.origin, s.time, s.made = *o, time, true
	w, snapshot := s.wire, "false"
	if o.Seq == 0 {
		snapshot = "true"
	}
	p := w.text(w.text(w.text(s.head[:0], 1, must, s.version), 2, must, s.connector), 3, must, s.name)
	p = w.long(p, 4, must, floorDiv(time, 1000))
	s.spare = append(s.spare[:0], snapshot...)
	p = w.text(w.text(p, 5, hasDefault, s.spare), 6, must, s.db)
	p = w.null(p) // sequence
	p = w.long(w.long(p, 8, mayNull, time), 9, mayNull, time*1000)
	p = w.long(w.text(p, 10, mayNull, s.table), 11, must, int64(o.ServerID))
	if s.spare = o.AppendGTID(s.spare[:0]); len(s.spare) > 0 {
		p = w.text(p, 12, mayNull, s.spare)
	} else {
		p = w.null(p)
	}
	s.spare = append(s.spare[:0], o.File...)
	s.head = w.text(p, 13, must, s.spare)

	p = w.long(s.tail[:0], 15, must, 0) // row
	if o.Thread != 0 {
		p = w.long(p, 16, mayNull, int64(o.Thread))
	} else {
		p = w.null(p)
	}
	s.tail = w.null(p) // query

	s.spare = AppendTransactionID(s.spare[:0], o)
	s.block = w.text(s.block[:0], 1, must, s.spare)
}
