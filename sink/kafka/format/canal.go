package format

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// NewCanal returns the format canal-json: what Alibaba's Canal writes with flat messages, and Flink reads as canal-json.
func NewCanal(c CanalConfig) (Format, error) { return &canal{c}, nil }

type canal struct{ c CanalConfig }

func (f *canal) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	return nil, errors.New("canal-json: being built")
}
