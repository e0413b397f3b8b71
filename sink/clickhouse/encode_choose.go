package clickhouse

import (
	"bytes"
	"errors"

	"github.com/cdcsync/cdcsync/schema/row"
)

// chosen are the rows of a batch that go into the block.
type chosen struct {
	rows  []int32 // their indexes in the batch
	tombs []byte  // 1: it says that the row is gone
	gone  bool    // some do

	before, after []byte // keys being compared
}

var errHalfUpdate = errors.New("an update's old row is not followed by its new one: the stream of rows is broken, copy the table again")

// choose finds the rows that say something: all changes in append mode; else each row as it is now, and a tombstone for
// each key that no row has any more.
func (c *chosen) choose(b *row.Batch, m mode) error {
	c.rows, c.tombs, c.gone = c.rows[:0], c.tombs[:0], false
	for i, op := range b.Ops {
		tomb := byte(0)
		if m.keyed() && (op == row.Delete || op == row.Before) {
			if op == row.Before {
				moved, err := c.moved(b, i)
				if err != nil {
					return err
				}
				if !moved {
					continue
				}
			}
			tomb, c.gone = 1, true
		}
		c.rows, c.tombs = append(c.rows, int32(i)), append(c.tombs, tomb)
	}
	return nil
}

// moved says that the update whose old row is i gave the row another key.
func (c *chosen) moved(b *row.Batch, i int) (bool, error) {
	if i+1 >= len(b.Ops) || b.Ops[i+1] != row.After {
		return false, errHalfUpdate
	}
	if len(b.Table.Key) == 1 { // most tables
		if v := &b.Cols[b.Table.Key[0]]; v.Offsets == nil {
			return v.Words[i] != v.Words[i+1], nil
		} else {
			return !bytes.Equal(v.Value(i), v.Value(i+1)), nil
		}
	}
	c.before, c.after = b.Key(c.before[:0], i), b.Key(c.after[:0], i+1)
	return !bytes.Equal(c.before, c.after), nil
}
