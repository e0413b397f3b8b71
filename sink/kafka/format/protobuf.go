package format

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// NewProtobuf returns the format protobuf: messages of Debezium's shape, or of the rows alone.
func NewProtobuf(c ProtobufConfig) (Format, error) {
	return &protobuf{c}, nil
}

type protobuf struct{ c ProtobufConfig }

func (f *protobuf) Encoder(ctx context.Context, t *schema.Table, topic string) (Encoder, error) {
	return nil, errors.New("protobuf: being built")
}
