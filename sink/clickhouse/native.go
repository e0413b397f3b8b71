package clickhouse

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/compress"
)

// A nativeInserter sends blocks by ClickHouse's own protocol. Connections that answered are kept.
type nativeInserter struct {
	options ch.Options

	mu   sync.Mutex // guards idle
	idle []*ch.Client
}

func newNativeInserter(e endpoint, connectTimeout time.Duration) *nativeInserter {
	packing := map[compress.Method]ch.Compression{compress.None: ch.CompressionDisabled, compress.LZ4: ch.CompressionLZ4, compress.ZSTD: ch.CompressionZSTD}
	return &nativeInserter{options: ch.Options{
		Address: e.addr, User: e.user, Password: e.password, TLS: e.tls, Compression: packing[e.packing], ClientName: "cdcsync",
		DialTimeout: connectTimeout, HandshakeTimeout: connectTimeout, Dialer: &net.Dialer{Timeout: connectTimeout}, Settings: asSettings(e.settings),
	}}
}

func asSettings(from []setting) []ch.Setting {
	to := make([]ch.Setting, len(from))
	for i, s := range from {
		to[i] = ch.Setting{Key: s.name, Value: s.value, Important: true}
	}
	return to
}

func (n *nativeInserter) insert(ctx context.Context, id string, in *insertion) error {
	c, err := n.take(ctx)
	if err != nil {
		return translate(fmt.Errorf("connect: %w", err))
	}
	err = c.Do(ctx, ch.Query{Body: in.into + " VALUES", QueryID: id, Input: in.block.input(), Settings: asSettings(in.settings())})
	if err != nil {
		_ = c.Close() // it may be in the middle of something
		return translate(err)
	}
	n.mu.Lock()
	n.idle = append(n.idle, c)
	n.mu.Unlock()
	return nil
}

// take returns an idle connection or a new one.
func (n *nativeInserter) take(ctx context.Context) (*ch.Client, error) {
	n.mu.Lock()
	var c *ch.Client
	if last := len(n.idle) - 1; last >= 0 {
		c, n.idle = n.idle[last], n.idle[:last]
	}
	n.mu.Unlock()
	if c != nil && !c.IsClosed() {
		return c, nil
	}
	return ch.Dial(ctx, n.options)
}

func (n *nativeInserter) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.idle {
		_ = c.Close()
	}
	n.idle = nil
	return nil
}
