package format

import (
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// SchemaChange returns the record of a schema change for the schema change topic, in Debezium's shape. now is when it is
// made, microseconds since the epoch.
func SchemaChange(c DebeziumConfig, change *schema.Change, now int64) (key, value []byte, err error) {
	return nil, nil, errors.New("schema change: being built")
}
