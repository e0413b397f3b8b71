package format

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// NewDebezium returns the format debezium-json: what Debezium's MySQL and MariaDB connectors write through Kafka Connect's
// JsonConverter.
func NewDebezium(c DebeziumConfig) (Format, error) {
	c, err := c.complete()
	return &debezium{c}, err
}

type debezium struct{ c DebeziumConfig }

func (f *debezium) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	return nil, errors.New("debezium-json: being built")
}
