package binlog

import (
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/schema/row"
)

// errNoDocument says why a change of a document cannot be applied.
var errNoDocument = errors.New("an update logs only the changed parts of the JSON document, and not the document that they are of: " +
	"SET GLOBAL binlog_row_image = FULL, or SET GLOBAL binlog_row_value_options = '', and reconnect the writers")

// partialJSON is the value option of an after image that may hold changes of documents instead of documents.
const partialJSON = 1

// appendPartial appends the images of a row whose documents may be logged as changes. The after image begins with its
// value options and, if they say so, a bit for each JSON column of the table: whether the column holds changes.
func (d *plan) appendPartial(b *row.Batch, e *rowsEvent, p []byte, seq uint64, time int64) ([]byte, error) {
	before := partialImage{present: e.present[0], documents: make([][]byte, len(d.cols))}
	b.Append(e.ops[0], seq, time)
	rest, err := before.append(d, b, p)
	if err != nil {
		return nil, err
	}
	c := cursor{p: rest}
	after := partialImage{present: e.present[1], before: before.documents}
	if c.length()&partialJSON != 0 {
		after.changes = c.bytes((d.documents() + 7) / 8)
	}
	if c.short {
		return nil, errShort
	}
	b.Append(e.ops[1], seq+uint64(len(p)-len(rest)), time)
	return after.append(d, b, c.p)
}

// documents counts the columns that hold MySQL's JSON.
func (d *plan) documents() int {
	n := 0
	for i := range d.cols {
		if d.cols[i].op == opJSON {
			n++
		}
	}
	return n
}

// A partialImage is one image of an update that may hold changes of documents.
type partialImage struct {
	present   []byte
	changes   []byte   // which of the JSON columns hold changes
	documents [][]byte // filled with the documents as they stand in the image, unless nil
	before    [][]byte // the documents of the image before
}

// append takes the image off p.
func (m *partialImage) append(d *plan, b *row.Batch, p []byte) ([]byte, error) {
	size := (countBits(m.present, len(d.cols)) + 7) / 8
	if len(p) < size {
		return nil, errShort
	}
	nulls, p := p[:size], p[size:]
	k, document := 0, -1
	var err error
	for i := range d.cols {
		c, v := &d.cols[i], &b.Cols[i]
		if c.op == opJSON {
			document++
		}
		if !bit(m.present, i) {
			if err := d.gap(b, i); err != nil {
				return nil, err
			}
			continue
		}
		null := bit(nulls, k)
		k++
		switch {
		case null && c.key:
			err = errNullKey
		case null:
			v.AppendNull()
		case c.op == opJSON && m.changes != nil && bit(m.changes, document):
			p, err = c.change(v, p, m.before[i])
		default:
			start := p
			if p, err = c.decode(v, p); err == nil && c.op == opJSON && m.documents != nil {
				m.documents[i] = start[c.size : len(start)-len(p)]
			}
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return p, nil
}

// change takes the changes of a document off p, behind their length, and appends the document that they make of the one
// before. No changes at all are no change.
func (d *column) change(v *row.Vector, p, before []byte) ([]byte, error) {
	c := cursor{p: p}
	changes := c.bytes(int(c.uint(4)))
	if c.short {
		return nil, errShort
	}
	if before == nil {
		return nil, errNoDocument
	}
	var err error
	if v.Data, err = appendChangedJSON(v.Data, before, changes); err != nil {
		return nil, err
	}
	v.EndValue()
	return c.p, nil
}
