package e2e

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Daemon is one life of `cdcsync run`.
type Daemon struct {
	pipeline *Pipeline
	cmd      *exec.Cmd
	done     chan struct{} // closed when it has ended
	said     int           // bytes of the log before its start
}

// Run starts `cdcsync run` with additional environment variables. It is killed when the test ends, or when the test
// binary does.
func (p *Pipeline) Run(t testing.TB, env ...string) *Daemon {
	t.Helper()
	log, err := os.OpenFile(p.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("open log of cdcsync: %v", err)
	}
	defer func() { _ = log.Close() }()
	said, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatalf("open log of cdcsync: %v", err)
	}
	d := &Daemon{pipeline: p, cmd: exec.Command(Binary(t), "run", p.Config), done: make(chan struct{}), said: int(said)}
	p.newest = d
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Env = append(os.Environ(), env...)
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start cdcsync: %v", err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "pid"), []byte(strconv.Itoa(d.cmd.Process.Pid)), 0o600); err != nil {
		t.Fatalf("write pid of cdcsync: %v", err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended is read from the state of the process
		close(d.done)
	}()
	t.Cleanup(func() {
		d.Kill(t)
		if t.Failed() {
			p.told.Do(func() { t.Logf("the end of cdcsync's log:\n%s", p.Log(80)) })
		}
	})
	return d
}

// begun waits until the program runs, or has ended.
func (d *Daemon) begun(timeout time.Duration) {
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		if text, err := os.ReadFile(d.pipeline.log()); err != nil || strings.Contains(string(text[d.said:]), "msg=started") || d.Ended(20*time.Millisecond) {
			return
		}
	}
}

func (p *Pipeline) log() string { return filepath.Join(p.Dir, "log") }

// Log returns the last lines of what the program said, in all its lives.
func (p *Pipeline) Log(lines int) string {
	text, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Kill ends the program as a power cut would, and waits until it is gone. An ended one stays ended.
func (d *Daemon) Kill(t testing.TB) {
	t.Helper()
	d.signal(syscall.SIGKILL)
	if !d.Ended(time.Minute) {
		t.Fatal("a killed cdcsync is still there")
	}
}

// Terminate asks the program to end, and returns its exit code.
func (d *Daemon) Terminate(t testing.TB) int {
	t.Helper()
	d.signal(syscall.SIGTERM)
	if !d.Ended(time.Minute) { // its grace is shorter, but the machine may be busy
		t.Fatalf("cdcsync did not end within a minute of SIGTERM:\n%s", d.pipeline.Log(40))
	}
	return d.cmd.ProcessState.ExitCode()
}

// Pause stops the program for a time, as a machine does that is suspended. It is told nothing.
func (d *Daemon) Pause(length time.Duration) {
	d.signal(syscall.SIGSTOP)
	time.Sleep(length)
	d.signal(syscall.SIGCONT)
}

func (d *Daemon) signal(s syscall.Signal) {
	select {
	case <-d.done: // its number may be another's by now
	default:
		_ = d.cmd.Process.Signal(s)
	}
}

// Ended waits for the program to end by itself, and says whether it has.
func (d *Daemon) Ended(timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-d.done:
		return true
	case <-timer.C:
		return false
	}
}

// ExitCode is that of an ended program; a killed one has -1.
func (d *Daemon) ExitCode() int {
	<-d.done
	return d.cmd.ProcessState.ExitCode()
}

// Killed says whether an ended program ended by SIGKILL, for instance at a crash point.
func (d *Daemon) Killed() bool {
	<-d.done
	s, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}

// RSS is the largest resident memory that the program has had so far, in bytes.
func (d *Daemon) RSS(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(d.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatalf("read memory of cdcsync: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatal("read memory of cdcsync: it has ended")
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatalf("read memory of cdcsync: %v", err)
	}
	return kb << 10
}
