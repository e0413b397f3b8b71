package format

import "github.com/cdcsync/cdcsync/schema"

// A TableCount is how many changes of one table a transaction has.
type TableCount struct {
	Table  schema.Name // at the source
	Events uint64
}

// A boundary is the value of a transaction record.
type boundary struct {
	Status string       `json:"status"`
	ID     string       `json:"id"`
	Events *uint64      `json:"event_count"`
	Tables []eventCount `json:"data_collections"`
	Time   int64        `json:"ts_ms"`
}

type eventCount struct {
	Table  string `json:"data_collection"`
	Events uint64 `json:"event_count"`
}

// TransactionBegin returns the record that begins a transaction in the transaction topic. time is when it was committed,
// microseconds since the epoch.
func TransactionBegin(c DebeziumConfig, o *schema.Origin, time int64) (key, value []byte, err error) {
	return c.boundary(boundary{Status: "BEGIN", ID: string(AppendTransactionID(nil, o)), Time: floorDiv(time, 1000)})
}

// TransactionEnd returns the record that ends a transaction in the transaction topic. tables has the captured tables
// that it changed, in the order in which they are to be told.
func TransactionEnd(c DebeziumConfig, o *schema.Origin, time int64, tables []TableCount) (key, value []byte, err error) {
	sum := uint64(0)
	b := boundary{Status: "END", ID: string(AppendTransactionID(nil, o)), Events: &sum, Tables: []eventCount{}, Time: floorDiv(time, 1000)}
	for _, t := range tables {
		sum += t.Events
		b.Tables = append(b.Tables, eventCount{t.Table.String(), t.Events})
	}
	return c.boundary(b)
}

func (c DebeziumConfig) boundary(b boundary) (key, value []byte, err error) {
	if c, err = c.complete(); err != nil {
		return nil, nil, err
	}
	count := structOf("event.collection", 1, connectField{"data_collection", required("string")}, connectField{"event_count", required("int64")})
	valueSchema := structOf("io.debezium.connector.common.TransactionMetadataValue", 1,
		connectField{"status", required("string")},
		connectField{"id", required("string")},
		connectField{"event_count", optional("int64")},
		connectField{"data_collections", array(count.orNull()).orNull()},
		connectField{"ts_ms", required("int64")},
	)
	keySchema := structOf("io.debezium.connector.common.TransactionMetadataKey", 1, connectField{"id", required("string")})
	return c.pair(keySchema, map[string]string{"id": b.ID}, valueSchema, b)
}

// Heartbeat returns the record of a heartbeat topic: that all is written up to now, microseconds since the epoch.
func Heartbeat(c DebeziumConfig, now int64) (key, value []byte, err error) {
	if c, err = c.complete(); err != nil {
		return nil, nil, err
	}
	keySchema := structOf("io.debezium.connector.common.ServerNameKey", 1, connectField{"serverName", required("string")})
	valueSchema := structOf("io.debezium.connector.common.Heartbeat", 1, connectField{"ts_ms", required("int64")})
	return c.pair(keySchema, map[string]string{"serverName": c.Name}, valueSchema, map[string]int64{"ts_ms": floorDiv(now, 1000)})
}

// pair makes a key and a value outside of the stream of rows.
func (c *DebeziumConfig) pair(keySchema connectSchema, key any, valueSchema connectSchema, value any) ([]byte, []byte, error) {
	k, err := c.record(keySchema, key)
	if err != nil {
		return nil, nil, err
	}
	v, err := c.record(valueSchema, value)
	return k, v, err
}
