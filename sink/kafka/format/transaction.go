package format

import (
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// A TableCount is how many changes of one table a transaction has.
type TableCount struct {
	Table  schema.Name // at the source
	Events uint64
}

// TransactionBegin returns the record that begins a transaction in the transaction topic. time is when it was committed,
// microseconds since the epoch.
func TransactionBegin(c DebeziumConfig, o *schema.Origin, time int64) (key, value []byte, err error) {
	return nil, nil, errors.New("transaction: being built")
}

// TransactionEnd returns the record that ends a transaction in the transaction topic.
func TransactionEnd(c DebeziumConfig, o *schema.Origin, time int64, tables []TableCount) (key, value []byte, err error) {
	return nil, nil, errors.New("transaction: being built")
}

// Heartbeat returns the record of a heartbeat topic: that all is written up to now, microseconds since the epoch.
func Heartbeat(c DebeziumConfig, now int64) (key, value []byte, err error) {
	return nil, nil, errors.New("heartbeat: being built")
}
