package clickhouse

import (
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

// A body is what one request sends: parts that stand where they were made, one after the other. It may be read several
// times, since a request on a connection that the server has just closed is sent again.
type body struct {
	head    []byte // the statement, and what leads the columns
	parts   [][]byte
	size    int64
	readers sync.WaitGroup // that are not closed: the memory is in use

	frame, packed []byte
	packer        *compress.Writer
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
	defer b.readers.Wait() // a request that failed may be read a little longer
	if err := b.build(in, h.endpoint.packing); err != nil {
		return fmt.Errorf("compress block: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.address(id, in), b.open())
	if err != nil {
		return translate(err)
	}
	req.ContentLength = b.size
	req.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }
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
	clear(b.parts) // they are the block's
	if cap(b.packed) <= 128<<20 {
		h.bodies.Put(b)
	}
}

// build makes the parts to send.
func (b *body) build(in *insertion, method compress.Method) error {
	b.head = append(append(b.head[:0], in.into...), " FORMAT Native\n"...)
	b.parts, b.head = in.block.native(b.parts[:0], b.head)
	if method != compress.None {
		if err := b.pack(); err != nil {
			return err
		}
	}
	b.size = 0
	for _, p := range b.parts {
		b.size += int64(len(p))
	}
	return nil
}

// pack makes one part of all, compressed frame by frame.
func (b *body) pack() error {
	b.packed, b.frame = b.packed[:0], b.frame[:0]
	for _, p := range b.parts {
		for len(p) > 0 {
			n := min(len(p), frame-len(b.frame))
			b.frame, p = append(b.frame, p[:n]...), p[n:]
			if len(b.frame) < frame {
				continue
			}
			if err := b.packFrame(); err != nil {
				return err
			}
		}
	}
	clear(b.parts)
	err := b.packFrame()
	b.parts = append(b.parts[:0], b.packed)
	return err
}

func (b *body) packFrame() error {
	if len(b.frame) == 0 {
		return nil
	}
	if err := b.packer.Compress(b.frame); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	b.packed, b.frame = append(b.packed, b.packer.Data...), b.frame[:0]
	return nil
}

// open returns a reader of the whole.
func (b *body) open() *bodyReader {
	b.readers.Add(1)
	return &bodyReader{left: append(net.Buffers(nil), b.parts...), done: sync.OnceFunc(b.readers.Done)}
}

// A bodyReader reads a body once.
type bodyReader struct {
	left net.Buffers
	done func()
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) { return r.left.Read(p) }

// Close implements io.Closer. The transport calls it when it reads no more, which may be after the answer.
func (r *bodyReader) Close() error {
	r.done()
	return nil
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
