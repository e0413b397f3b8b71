package binlog

import (
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/schema/row"
)

// A rowsEvent is the head of a WRITE, UPDATE or DELETE_ROWS event, and its row images.
type rowsEvent struct {
	ops     [2]row.Op // of the images of one row
	present [2][]byte // which columns each of the images has
	images  int       // 1, or 2 for updates
	partial bool      // the second image may hold changes of JSON documents
	rows    []byte    // the images, one after the other
}

// parseRows reads the body of a rows event behind its table id. extra says that it is of version 2, which may carry data
// that is not about the rows.
func parseRows(kind rowsKind, extra bool, columns int, p []byte) (rowsEvent, error) {
	e := rowsEvent{images: 1}
	c := cursor{p: p}
	c.bytes(2) // flags
	if extra {
		n := int(c.uint(2)) // counts itself
		c.bytes(n - 2)
	}
	if n := c.length(); n != columns && !c.short {
		return e, fmt.Errorf("the rows have %d columns, their table map %d", n, columns)
	}
	e.present[0] = c.bytes((columns + 7) / 8)
	switch kind {
	case writeRows:
		e.ops[0] = row.Insert
	case deleteRows:
		e.ops[0] = row.Delete
	case updateRows, partialRows:
		e.partial = kind == partialRows
		e.ops, e.images = [2]row.Op{row.Before, row.After}, 2
		e.present[1] = c.bytes((columns + 7) / 8)
	}
	e.rows = c.p
	return e, c.err()
}

// A rowsKind is what a rows event does.
type rowsKind uint8

const (
	writeRows rowsKind = iota + 1
	updateRows
	deleteRows
	partialRows // an update
)

// appendRow takes the images of one row off p and appends them to b. seq is the first image's; the second stands as far
// behind it as it does in the event. On an error b has a half row, and is of no more use.
func (d *plan) appendRow(b *row.Batch, e *rowsEvent, p []byte, seq uint64, time int64) ([]byte, error) {
	if e.partial {
		return d.appendPartial(b, e, p, seq, time)
	}
	for i := range e.images {
		b.Append(e.ops[i], seq, time)
		rest, err := d.appendImage(b, e.present[i], p)
		if err != nil {
			return nil, err
		}
		if len(rest) == len(p) {
			return nil, fmt.Errorf("a row image has no bytes")
		}
		seq += uint64(len(p) - len(rest))
		p = rest
	}
	return p, nil
}

// appendImage takes one row image: a bitmap of which of the present columns are NULL, then the values of the others.
func (d *plan) appendImage(b *row.Batch, present, p []byte) ([]byte, error) {
	carried := countBits(present, len(d.cols))
	size := (carried + 7) / 8
	if len(p) < size {
		return nil, errShort
	}
	nulls, p := p[:size], p[size:]
	all := carried == len(d.cols)
	k := 0 // of the present columns
	var err error
	for i := range d.cols {
		c, v := &d.cols[i], &b.Cols[i]
		if !all && !bit(present, i) {
			if err := d.gap(b, i); err != nil {
				return nil, err
			}
			continue
		}
		if bit(nulls, k) {
			if c.key {
				return nil, fmt.Errorf("column %s: %w", c.name, errNullKey)
			}
			v.AppendNull()
		} else if p, err = c.decode(v, p); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		k++
	}
	return p, nil
}

// errGap says that a row image lacks what it must have. Sinks rely on that: a row as it is now has all its columns, and any
// image those that tell its row from others.
var errGap = errors.New("the log does not have it of a changed row, because binlog_row_image is not FULL for the session that changed it: " +
	"SET GLOBAL binlog_row_image = FULL, and reconnect the writers")

// errNullKey says that a row has no key: no server logs that, so the event is damaged, or the shape is not the table's.
var errNullKey = errors.New("a key column is NULL")

// gap appends the value of a column that the image does not have: that of the image before, or none where the image is of
// a row that is no more.
func (d *plan) gap(b *row.Batch, i int) error {
	v, op := &b.Cols[i], b.Ops[len(b.Ops)-1]
	switch last := v.Len() - 1; {
	case op == row.After && !v.IsAbsent(last):
		v.AppendFrom(v, last)
	case (op == row.Before || op == row.Delete) && !d.cols[i].key && len(d.table.Key) > 0:
		v.AppendAbsent()
	default:
		return fmt.Errorf("column %s: %w", d.cols[i].name, errGap)
	}
	return nil
}

// countBits counts the set ones of the first n bits.
func countBits(bits []byte, n int) int {
	count := 0
	for i, b := range bits {
		if left := n - 8*i; left < 8 {
			b &= 1<<left - 1
		}
		for ; b != 0; b &= b - 1 {
			count++
		}
	}
	return count
}
