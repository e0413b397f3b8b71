package clickhouse

import (
	"context"
	"fmt"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A control runs statements and small queries.
type control struct {
	conn     driver.Conn
	deadline time.Duration // of one query
}

// openControl makes no connection yet.
func openControl(e endpoint, cfg *Config) (*control, error) {
	opts := &clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{e.addr}, Auth: clickhouse.Auth{Username: e.user, Password: e.password}, TLS: e.tls,
		DialTimeout: cfg.ConnectTimeout, ReadTimeout: cfg.RequestTimeout, MaxOpenConns: 2 * committers, MaxIdleConns: committers,
		Settings:   clickhouse.Settings{},
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "cdcsync"}}},
	}
	if e.protocol == Native {
		opts.Protocol = clickhouse.Native
	}
	for _, s := range e.settings {
		opts.Settings[s.name] = s.value
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("set up client: %w", translate(err))
	}
	return &control{conn: conn, deadline: cfg.RequestTimeout}, nil
}

// exec runs a statement under a query id.
func (c *control) exec(ctx context.Context, id, statement string, settings ...setting) error {
	ctx, done := context.WithTimeout(ctx, c.deadline)
	defer done()
	own := clickhouse.Settings{}
	for _, s := range settings {
		own[s.name] = s.value
	}
	return translate(c.conn.Exec(clickhouse.Context(ctx, clickhouse.WithQueryID(id), clickhouse.WithSettings(own)), statement))
}

// texts runs a query whose columns are all String, and returns its rows.
func (c *control) texts(ctx context.Context, id, query string) ([][]string, error) {
	ctx, done := context.WithTimeout(ctx, c.deadline)
	defer done()
	rows, err := c.conn.Query(clickhouse.Context(ctx, clickhouse.WithQueryID(id)), query)
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	var all [][]string
	for rows.Next() {
		r := make([]string, len(rows.Columns()))
		to := make([]any, len(r))
		for i := range r {
			to[i] = &r[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, fmt.Errorf("read answer: %w", translate(err))
		}
		all = append(all, r)
	}
	return all, translate(rows.Err())
}

func (c *control) close() error { return c.conn.Close() }
