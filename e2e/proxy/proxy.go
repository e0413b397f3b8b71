// Package proxy owns the network faults of the end-to-end tests: a TCP proxy inside the test process that cuts, stalls
// and loses what passes through it.
package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// A Proxy forwards connections to one address. Its methods may be called concurrently.
type Proxy struct {
	Host string
	Port int

	listener net.Listener
	wait     sync.WaitGroup

	mu      sync.Mutex
	target  string
	changed *sync.Cond // what follows has changed
	conns   map[*conn]struct{}
	refuse  bool
	stalled bool
	lose    []byte // a request with these bytes loses its reply
	losses  int    // how often that is still to happen
	lost    int    // how often it has
	closed  bool
}

// A conn is one connection and its other half.
type conn struct {
	client, server *net.TCPConn
	doomed         bool // the next bytes from the server are lost, and the connection with them
	dead           bool // all bytes vanish, and nobody is told
}

// New starts a proxy for host:port that ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	p := &Proxy{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, target: target, listener: l, conns: map[*conn]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.wait.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// Cut resets all connections and returns how many there were. New ones are accepted.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns)
	for c := range p.conns {
		p.reset(c)
	}
	return n
}

// Refuse resets all connections, and every new one as soon as it is made, until Refuse(false).
func (p *Proxy) Refuse(on bool) {
	p.set(func() { p.refuse = on })
	if on {
		p.Cut()
	}
}

// Redirect has new connections go to another host:port.
func (p *Proxy) Redirect(target string) { p.set(func() { p.target = target }) }

// Stall stops all bytes in both directions without closing anything, as a broken network does, until Stall(false). What
// was underway is delivered then.
func (p *Proxy) Stall(on bool) { p.set(func() { p.stalled = on }) }

// Sink lets all bytes of the present connections vanish for ever without closing them, as when a firewall forgets them,
// and returns how many there were. New connections work.
func (p *Proxy) Sink() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.dead = true
	}
	return len(p.conns)
}

// LoseReply lets the next n requests that contain text reach the server, and resets their connections when the server
// answers.
func (p *Proxy) LoseReply(text string, n int) {
	p.set(func() { p.lose, p.losses = []byte(text), n })
}

// Lost is how many replies were lost.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Connections is how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

func (p *Proxy) close() {
	p.set(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.wait.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		abort(client)
		return
	}
	c := &conn{client: client, server: server.(*net.TCPConn)}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	if p.refuse || p.closed {
		p.reset(c)
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.forward(c, c.client, c.server, true) })
	both.Go(func() { p.forward(c, c.server, c.client, false) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_, _ = c.client.Close(), c.server.Close()
}

// forward copies one direction until it ends; the other end is then told so.
func (p *Proxy) forward(c *conn, from, to *net.TCPConn, request bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			verdict := p.judge(c, buf[:n], request)
			if verdict == end || verdict == pass && write(to, buf[:n]) != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) && p.judge(c, nil, request) == pass {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			p.mu.Lock()
			p.reset(c)
			p.mu.Unlock()
			return
		}
	}
}

func write(to *net.TCPConn, b []byte) error {
	_, err := to.Write(b)
	return err
}

// A verdict says what happens to bytes.
type verdict uint8

const (
	pass verdict = iota
	drop
	end // with the connection
)

// judge waits while the proxy is stalled, and says what is to happen to the bytes.
func (p *Proxy) judge(c *conn, b []byte, request bool) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled && !p.closed {
		p.changed.Wait()
	}
	switch {
	case c.dead:
		return drop
	case request && p.losses > 0 && bytes.Contains(b, p.lose):
		p.losses--
		c.doomed = true
	case !request && c.doomed && len(b) > 0:
		p.lost++
		p.reset(c)
		return end
	}
	return pass
}

// reset ends a connection with RST on both sides. The caller holds the lock.
func (p *Proxy) reset(c *conn) {
	delete(p.conns, c)
	abort(c.client)
	abort(c.server)
}

func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
