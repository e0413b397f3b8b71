package proxy

import (
	"bufio"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo is a server that answers each line with the same line.
func echo(t *testing.T) (addr string, lines *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for in := bufio.NewReader(c); ; {
					s, err := in.ReadString('\n')
					if err != nil {
						return
					}
					lines.Add(1)
					if _, err := c.Write([]byte(s)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), lines
}

// say sends a line and reads the answer within a second.
func say(t *testing.T, c net.Conn, line string) (string, error) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(s), err
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if got, err := say(t, c, "hello"); err != nil || got != "hello" {
		t.Fatalf("healthy proxy: %q, %v", got, err)
	}
	return c
}

func TestProxy_Cut(t *testing.T) {
	addr, _ := echo(t)
	p := New(t, addr)
	c := dial(t, p)
	if n := p.Cut(); n != 1 {
		t.Errorf("cut %d connections, want 1", n)
	}
	if got, err := say(t, c, "x"); err == nil {
		t.Errorf("a cut connection answers %q", got)
	}
	dial(t, p)
	p.Refuse(true)
	r, err := net.Dial("tcp", p.Addr())
	if err == nil {
		if got, err := say(t, r, "x"); err == nil {
			t.Errorf("a refusing proxy answers %q", got)
		}
	}
	p.Refuse(false)
	dial(t, p)
}

func TestProxy_Stall(t *testing.T) {
	addr, _ := echo(t)
	p := New(t, addr)
	c := dial(t, p)
	p.Stall(true)
	if got, err := say(t, c, "late"); err == nil {
		t.Fatalf("a stalled connection answers %q", got)
	}
	p.Stall(false)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != "late\n" {
		t.Errorf("after the stall: %q, %v; want what was underway", got, err)
	}
}

func TestProxy_Sink(t *testing.T) {
	addr, lines := echo(t)
	p := New(t, addr)
	c := dial(t, p)
	if n := p.Sink(); n != 1 {
		t.Errorf("sank %d connections, want 1", n)
	}
	if got, err := say(t, c, "lost"); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a sunk connection: %q, %v; want silence", got, err)
	}
	dial(t, p)
	if n := lines.Load(); n != 2 {
		t.Errorf("the server saw %d lines, want the two of healthy connections", n)
	}
}

func TestProxy_LoseReply(t *testing.T) {
	addr, lines := echo(t)
	p := New(t, addr)
	p.LoseReply("commit", 1)
	c := dial(t, p)
	if got, err := say(t, c, "commit 1"); err == nil {
		t.Fatalf("a lost reply arrived: %q", got)
	}
	if lines.Load() != 2 || p.Lost() != 1 {
		t.Errorf("the server saw %d lines, want 2; %d replies lost, want 1", lines.Load(), p.Lost())
	}
	if got, err := say(t, dial(t, p), "commit 2"); err != nil || got != "commit 2" {
		t.Errorf("the next request: %q, %v", got, err)
	}
}
