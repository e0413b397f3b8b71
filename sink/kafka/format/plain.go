package format

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
)

// NewPlain returns the format json: each value is the row itself as an object, each key its key columns as an object. It
// has no place for the op: a delete is told by the tombstone alone, and AppendValue appends nothing for it.
func NewPlain(c PlainConfig) (Format, error) { return &plain{c}, nil }

type plain struct{ c PlainConfig }

func (f *plain) Encoder(_ context.Context, t *schema.Table, _ string) (Encoder, error) {
	return nil, errors.New("json: being built")
}
