package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// endTxn is the number of the request that ends a transaction.
const endTxn = 26

var errReply = errors.New("connection reset by peer")

// faults makes connections break around requests that end transactions.
type faults struct {
	mu   sync.Mutex // guards the fields below
	left int
	when sinktest.When

	// A process that dies does so around its request number deadline; 0: never.
	deadline int
	after    bool // when the answer has come
	die      context.CancelFunc
	sent     int
	gone     bool
	open     []net.Conn
}

// dead says that the process is.
func (f *faults) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// kill ends all connections at once, as the end of a process does.
func (f *faults) kill() {
	f.mu.Lock()
	f.gone = true
	open := f.open
	f.mu.Unlock()
	f.die()
	for _, c := range open {
		_ = c.Close()
	}
}

// count counts a request, and says whether it is the last of the process.
func (f *faults) count() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	return f.sent == f.deadline
}

func (f *faults) fail(n int, when sinktest.When) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.when = n, when
}

// hit says whether this request fails, and how.
func (f *faults) hit() (sinktest.When, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return 0, false
	}
	f.left--
	return f.when, true
}

func (f *faults) dialer() kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
		if f.dead() {
			return nil, errReply
		}
		c, err := (&net.Dialer{}).DialContext(ctx, network, host)
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.open = append(f.open, c)
		f.mu.Unlock()
		return &flaky{Conn: c, faults: f}, nil
	})
}

// flaky is a connection to a broker.
type flaky struct {
	net.Conn
	faults *faults
	mu     sync.Mutex // guards the fields below
	lost   bool       // the reply to come does not
	last   bool       // the reply to come is the last thing that the process sees
}

func (c *flaky) Write(p []byte) (int, error) {
	if c.faults.dead() {
		return 0, errReply
	}
	if c.faults.count() {
		if !c.faults.after {
			c.faults.kill()
			return 0, errReply
		}
		c.mu.Lock()
		c.last = true
		c.mu.Unlock()
	}
	if len(p) < 6 || binary.BigEndian.Uint16(p[4:]) != endTxn {
		return c.Conn.Write(p)
	}
	when, hit := c.faults.hit()
	if !hit {
		return c.Conn.Write(p)
	}
	if when == sinktest.BeforeEffect {
		_ = c.Close()
		return 0, errReply
	}
	c.mu.Lock()
	c.lost = true
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *flaky) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last {
		c.faults.kill()
	}
	if c.lost || c.last {
		_ = c.Close()
		return 0, errReply
	}
	return n, err
}
