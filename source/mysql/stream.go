package mysql

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// Stream follows the log after from, once it is sure that the server still has it. Its connection is its own.
func (s *Source) Stream(ctx context.Context, from source.Position, tables []*schema.Table, match func(schema.Name) bool) (source.Stream, error) {
	p, err := binlog.ParsePosition(from)
	if err != nil {
		return nil, err
	}
	err = s.with(ctx, func(c *conn) error {
		if named(p) && p.Server != "" && p.Server != s.identity() {
			return fmt.Errorf("%w: this is server %s: the place is yet to be found in its log", source.ErrTransient, s.identity())
		}
		return s.checkResume(ctx, c, p)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the log after %s: %w", from, err)
	}
	id, err := s.cfg.ServerID.pick()
	if err != nil {
		return nil, err
	}
	stream, err := binlog.Open(ctx, binlog.Config{
		Addr:            s.cfg.address(),
		User:            s.cfg.Username,
		Password:        s.cfg.Password,
		TLS:             s.tls,
		ServerID:        id,
		HeartbeatPeriod: s.cfg.heartbeat(),
		Shapes:          tables,
		Match:           match,
		Migrations:      s.cfg.OnlineSchemaChanges,
		References:      true,
		Log:             s.log,
	}, from)
	if err != nil {
		return nil, err
	}
	guarded, err := s.guard(ctx, stream, tables)
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return guarded, nil
}
