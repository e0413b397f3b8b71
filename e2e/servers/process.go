package servers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Process is a server of the tests: one process, on 127.0.0.1. What it has acknowledged survives a kill -9, not a power
// cut.
type Process struct {
	Addr string // host:port
	Port int
	Dir  string // has log, pid and the data

	script string
	env    []string
	args   []string // of start, after Dir and the port
	first  int      // the port that start is told, if it is not Port
	mu     sync.Mutex
}

// Kill9 ends the server as a crash would, and returns when it is gone.
func (p *Process) Kill9(t testing.TB) {
	t.Helper()
	if err := p.halt("KILL"); err != nil {
		t.Fatalf("kill server: %v", err)
	}
}

// Stop ends the server in an orderly way, and returns when it is gone.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if err := p.halt("TERM"); err != nil {
		t.Fatalf("stop server: %v", err)
	}
}

// Restart starts a stopped or killed server again, on the same port and data, and returns when it answers.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatalf("restart server: %v", err)
	}
}

// Revive starts the server again if it has died by itself, and says so with the end of its log.
func (p *Process) Revive(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listens() {
		return
	}
	said, _ := os.ReadFile(p.Log())
	t.Logf("%s died by itself; the end of its log:\n%s", p.script, said[max(0, len(said)-6000):])
	p.Kill9(t)
	p.Restart(t)
}

// Log is the path of the file with what the server said.
func (p *Process) Log() string { return filepath.Join(p.Dir, "log") }

func (p *Process) listens() bool {
	conn, err := net.DialTimeout("tcp", p.Addr, 10*time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (p *Process) start() error {
	return run(p.script, p.env, append([]string{"start", p.Dir, strconv.Itoa(p.first)}, p.args...)...)
}

func (p *Process) halt(signal string) error {
	return run(p.script, p.env, "stop", p.Dir, signal)
}

// newProcess makes the folder of a server, which is not started yet.
func newProcess(script string, port int, env ...string) (*Process, error) {
	root, err := keeper()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(root, strings.TrimSuffix(script, ".sh")+"-")
	if err != nil {
		return nil, fmt.Errorf("make folder for server: %w", err)
	}
	return &Process{Addr: loopback(port), Port: port, Dir: dir, script: script, env: env, first: port}, nil
}

// spawn installs and starts a server that takes a port and those at these offsets from it, with files put into its
// folder before.
func spawn(script string, files map[string]string, env []string, offsets ...int) (p *Process, err error) {
	if err := run(script, nil, "install"); err != nil {
		return nil, err
	}
	err = onFreePorts(offsets, func(port int) error {
		if p, err = newProcess(script, port, env...); err != nil {
			return err
		}
		if err = p.write(files); err != nil {
			return err
		}
		return p.startOrKill()
	})
	return p, err
}

// onFreePorts calls start with a free port, those at the offsets from it being free as well. Another process may take
// one of them before the server does: then again with others.
func onFreePorts(offsets []int, start func(port int) error) error {
	var failed error
	for range 3 {
		port, err := freePorts(offsets...)
		if err != nil {
			return err
		}
		if failed = start(port); failed == nil {
			return nil
		}
	}
	return failed
}

// startOrKill leaves nothing behind of a server that does not get ready.
func (p *Process) startOrKill() error {
	err := p.start()
	if err != nil {
		_ = p.halt("KILL")
	}
	return err
}

func (p *Process) write(files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write file of server: %w", err)
		}
	}
	return nil
}

// end ends a private server with its test.
func (p *Process) end(t testing.TB) {
	t.Cleanup(func() {
		if err := p.halt("KILL"); err != nil {
			t.Errorf("stop %s: %v", p.script, err)
		}
		_ = os.RemoveAll(p.Dir)
	})
}

// skipShort skips the test under -short.
func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not with -short")
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts finds a port that nobody listens on, nor on those at these offsets from it.
func freePorts(offsets ...int) (int, error) {
	for range 100 {
		port, err := FreePort()
		if err != nil {
			return 0, err
		}
		if vacant(port, offsets) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports: 100 of them are taken", len(offsets)+1)
}

func vacant(port int, offsets []int) bool {
	for _, offset := range offsets {
		l, err := net.Listen("tcp", loopback(port+offset))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
