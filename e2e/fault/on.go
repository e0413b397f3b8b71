//go:build fault

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled says whether this build has crash points.
const Enabled = true

// Point kills the process when an action says so for this hit of name.
func Point(name string) { loaded().hit(name, false) }

// Error is as Point, and may also return an error, for the caller to take as the failure of what it is about to do
// or has just done.
func Error(name string) error { return loaded().hit(name, true) }

// kill ends the process as a power cut would: nothing is flushed, no deferred function runs.
func kill() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) }

var loaded = sync.OnceValue(func() *plan {
	p, err := parse(os.Getenv("CDCSYNC_FAULT"))
	if err != nil {
		panic("CDCSYNC_FAULT: " + err.Error())
	}
	p.log, p.kill = os.Getenv("CDCSYNC_FAULT_LOG"), kill
	return p
})

// An action happens at the at-th hit of its point.
type action struct {
	at   uint64
	fail bool // return an error instead of killing
}

// A plan counts the hits of each point and knows what to do at which.
type plan struct {
	mu      sync.Mutex
	actions map[string][]action
	points  map[string]uint64 // hits of Point and Error together
	errors  map[string]uint64 // hits of Error alone
	log     string            // path, or empty
	kill    func()
}

// parse reads the actions of CDCSYNC_FAULT.
func parse(text string) (*plan, error) {
	p := &plan{actions: map[string][]action{}, points: map[string]uint64{}, errors: map[string]uint64{}}
	for _, item := range strings.Split(text, ",") {
		if item == "" {
			continue
		}
		part := strings.Split(item, ":")
		if len(part) < 2 || len(part) > 3 || len(part) == 3 && part[2] != "error" {
			return nil, fmt.Errorf("%q: want NAME:N or NAME:N:error", item)
		}
		n, err := strconv.ParseUint(part[1], 10, 64)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q: the hit must be a number from 1 on", item)
		}
		p.actions[part[0]] = append(p.actions[part[0]], action{at: n, fail: len(part) == 3})
	}
	return p, nil
}

func (p *plan) hit(name string, mayFail bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.points[name]++
	if p.points[name] == 1 {
		p.note(name)
	}
	if mayFail {
		p.errors[name]++
	}
	for _, a := range p.actions[name] {
		switch {
		case a.fail && mayFail && p.errors[name] == a.at:
			return fmt.Errorf("fault %s: hit %d fails on demand", name, a.at)
		case !a.fail && p.points[name] == a.at:
			p.kill()
		}
	}
	return nil
}

// note appends name to the log: one short write, so that it is there even when the process dies next.
func (p *plan) note(name string) {
	if p.log == "" {
		return
	}
	f, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic("CDCSYNC_FAULT_LOG: " + err.Error())
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(name + "\n"); err != nil {
		panic("CDCSYNC_FAULT_LOG: " + err.Error())
	}
}
