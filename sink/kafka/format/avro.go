package format

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// NewAvro returns the format avro: what Debezium's connectors write through Confluent's AvroConverter, or the rows alone.
func NewAvro(c AvroConfig) (Format, error) {
	return &avro{c}, nil
}

type avro struct{ c AvroConfig }

func (f *avro) Encoder(ctx context.Context, t *schema.Table, topic string) (Encoder, error) {
	return nil, errors.New("avro: being built")
}
