package mysql

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

func (s *Source) Stream(ctx context.Context, from source.Position, tables []*schema.Table, match func(schema.Name) bool) (source.Stream, error) {
	return nil, errors.New("not yet")
}
