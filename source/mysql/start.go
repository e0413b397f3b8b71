package mysql

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

func (s *Source) Start(ctx context.Context) (source.Start, error) {
	p, err := s.Head(ctx)
	return source.Start{Position: p, Snapshot: s.cfg.StartupMode.copies(), Bounded: s.cfg.StartupMode == SnapshotOnly}, err
}

func (s *Source) Stream(ctx context.Context, from source.Position, tables []*schema.Table, match func(schema.Name) bool) (source.Stream, error) {
	return nil, errors.New("not yet")
}
