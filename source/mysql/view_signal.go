package mysql

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// signalOracle is for MySQL without GTIDs: a row is committed before the view opens. With binlog_order_commits=ON all
// transactions that stand before it in the log are visible when its commit returns.
type signalOracle struct{ table schema.Name }

type signalView struct{ low, shift uint64 }

func (o signalOracle) open(ctx context.Context, s *Source, c *conn, barrier binlog.Position) (view, error) {
	low, err := s.high(ctx, c, barrier.Shift)
	if err != nil {
		return nil, err
	}
	// One row for each connection, so that readers do not wait for each other. The columns are those of Debezium's table.
	err = c.exec(ctx, fmt.Sprintf("INSERT INTO %s (id, type, data) VALUES ('cdcsync-%d', 'watermark', UUID()) ON DUPLICATE KEY UPDATE data = UUID()",
		quoteTable(o.table), c.id))
	if err != nil {
		return nil, fmt.Errorf("write a watermark to signal.table %s: %w", o.table, err)
	}
	return signalView{low, barrier.Shift}, nil
}

func (v signalView) close(ctx context.Context, s *Source, c *conn) (source.View, uint64, error) {
	high, err := s.high(ctx, c, v.shift)
	return binlog.LogView{Low: v.low, High: high}, high, err
}
