// Package format makes the keys and values of Kafka records of rows: Debezium's envelope, canal-json, plain JSON, Avro
// and Protobuf.
//
// A Format is chosen once for the values and once for the keys of a sink. For each version of a table it makes an
// encoder, which has all that can be known before the first row; what is left per row is appending bytes.
package format

import (
	"context"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// An Op is what a record says of its row, by the letters of Debezium's envelope.
type Op byte

// The ops of records.
const (
	Create   Op = 'c'
	Update   Op = 'u'
	Delete   Op = 'd'
	Read     Op = 'r' // a row of a snapshot
	Truncate Op = 't'
)

// A Change is one change of one row, or a row of a snapshot. Before and After are rows of Batch; -1: there is none.
type Change struct {
	Op            Op
	Batch         *row.Batch
	Before, After int
	Now           int64  // when it is made a record, microseconds since the epoch
	TableOrder    uint64 // number of the change among those of its table in its transaction, from 1 on; 0: not asked for
}

// Row is the row that has the key of the change: the one after it, or the one that is gone.
func (c *Change) Row() int {
	if c.After >= 0 {
		return c.After
	}
	return c.Before
}

// An Encoder makes records of one version of one table. It is used by one goroutine at a time.
type Encoder interface {
	// AppendKey appends the key of row i of b. A table without a key has none: nothing is appended.
	AppendKey(dst []byte, b *row.Batch, i int) ([]byte, error)
	// AppendValue appends the value of a change. An error names the column; it concerns the table.
	AppendValue(dst []byte, c *Change) ([]byte, error)
}

// A Format makes encoders.
type Format interface {
	// Encoder returns the encoder of a table whose records go to a topic. It may ask a schema registry, and registers what
	// is missing there. Errors of the registry that a retry may mend wrap sink.ErrTransient; all others concern the table.
	Encoder(ctx context.Context, t *schema.Table, topic string) (Encoder, error)
}
