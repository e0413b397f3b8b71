package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/compress"
)

// frame is how much of a body is compressed at once: the size that the server uses itself.
const frame = 1 << 20

// An httpInserter sends blocks by HTTP or HTTPS. The statement stands before the rows in the body, because the length of
// an address is limited on the way.
type httpInserter struct {
	endpoint endpoint
	client   *http.Client
	bodies   sync.Pool // of *body
}

// A body is the memory of one request.
type body struct {
	raw, packed []byte
	packer      *compress.Writer
}

func newHTTPInserter(e endpoint, connectTimeout time.Duration) *httpInserter {
	h := &httpInserter{endpoint: e, client: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext, TLSClientConfig: e.tls,
		TLSHandshakeTimeout: connectTimeout, MaxIdleConnsPerHost: 2 * committers, IdleConnTimeout: time.Minute, DisableCompression: true,
		WriteBufferSize: 64 << 10,
	}}}
	h.bodies.New = func() any { return &body{packer: compress.NewWriter(compress.LevelZero, e.packing)} }
	return h
}

func (h *httpInserter) close() error {
	h.client.CloseIdleConnections()
	return nil
}

func (h *httpInserter) insert(ctx context.Context, id string, in *insertion) error {
	b := h.bodies.Get().(*body)
	defer h.recycle(b)
	data, err := b.build(in, h.endpoint.packing)
	if err != nil {
		return fmt.Errorf("compress block: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.address(id, in), bytes.NewReader(data))
	if err != nil {
		return translate(err)
	}
	req.Header.Set("X-ClickHouse-User", h.endpoint.user)
	if h.endpoint.password != "" {
		req.Header.Set("X-ClickHouse-Key", h.endpoint.password)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return translate(err)
	}
	defer func() { _ = res.Body.Close() }()
	return verdict(res)
}

// recycle keeps the memory of ordinary requests: that of a huge row would stay for ever.
func (h *httpInserter) recycle(b *body) {
	if cap(b.raw) <= 128<<20 {
		h.bodies.Put(b)
	}
}

// build makes the bytes to send.
func (b *body) build(in *insertion, method compress.Method) ([]byte, error) {
	b.raw = append(append(b.raw[:0], in.into...), " FORMAT Native\n"...)
	b.raw = in.block.appendNative(b.raw)
	if method == compress.None {
		return b.raw, nil
	}
	b.packed = b.packed[:0]
	for at := 0; at < len(b.raw); at += frame {
		if err := b.packer.Compress(b.raw[at:min(at+frame, len(b.raw))]); err != nil {
			return nil, fmt.Errorf("pack: %w", err)
		}
		b.packed = append(b.packed, b.packer.Data...)
	}
	return b.packed, nil
}

// address has the settings, and nothing secret.
func (h *httpInserter) address(id string, in *insertion) string {
	q := url.Values{"query_id": {id}, "wait_end_of_query": {"1"}}
	for _, s := range h.endpoint.settings {
		q.Set(s.name, s.value)
	}
	for _, s := range in.settings() {
		q.Set(s.name, s.value)
	}
	if h.endpoint.packing != compress.None {
		q.Set("decompress", "1")
	}
	u := url.URL{Scheme: "http", Host: h.endpoint.addr, Path: "/", RawQuery: q.Encode()}
	if h.endpoint.tls != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// verdict reads what the server says of a request.
func verdict(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	code, _ := strconv.Atoi(res.Header.Get("X-ClickHouse-Exception-Code"))
	switch {
	case code != 0:
		return &serverError{code: code, text: tidy(string(text))}
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("answer %s: %s", res.Status, tidy(string(text)))
	case err != nil:
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
