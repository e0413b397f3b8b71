package chaos

import (
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A fault is something that befalls the program, the server or the network. weight is how often it comes among all.
type fault struct {
	name   string
	weight int
	do     func(c *chaos)
}

func faults() []fault {
	return []fault{
		{"kills", 30, (*chaos).kill},
		{"crash points", 15, (*chaos).crash},
		{"failing operations", 6, (*chaos).fail},
		{"terminations", 12, (*chaos).terminate},
		{"retunings", 6, (*chaos).retune},
		{"pauses", 10, (*chaos).pause},
		{"cuts", 14, (*chaos).cut},
		{"half-open connections", 3, (*chaos).sink},
		{"stalls", 5, (*chaos).stall},
		{"refused connections", 3, (*chaos).refuse},
		{"server restarts", 3, (*chaos).restartServer},
		{"server kills", 4, (*chaos).killServer},
	}
}

// round lets faults happen for a time, beside writers and schema changes.
func (c *chaos) round(seed uint64, length time.Duration) {
	c.load.Start()
	c.racer.start(seed, c.shaping)
	if c.d == nil {
		c.start()
	}
	all := faults()
	weights := 0
	for _, f := range all {
		weights += f.weight
	}
	for began := time.Now(); time.Since(began) < length; {
		c.alive(c.untilNext())
		n := c.r.IntN(weights)
		for _, f := range all {
			if n -= f.weight; n < 0 {
				f.do(c)
				c.tally.did(f.name, 1)
				break
			}
		}
	}
	c.racer.stop()
	c.load.Stop()
}

// untilNext is the time up to the next fault: mostly short, sometimes long enough for the program to catch up.
func (c *chaos) untilNext() time.Duration {
	most := pick(c.r, 300, 1500, 1500, 6000)
	if c.length <= short {
		most = 1000
	}
	return c.slower(time.Duration(c.r.IntN(most)) * time.Millisecond)
}

func (c *chaos) start(env ...string) {
	c.d, c.armed, c.hurt = c.p.Run(c.t, env...), len(env) > 0, c.gone
	c.tally.did("lives", 1)
}

// alive lets the program run for a time, and starts it again when it ends for a reason; without one the test fails.
func (c *chaos) alive(least time.Duration) {
	c.s.Revive(c.t)
	for deadline := time.Now().Add(least); c.d.Ended(time.Until(deadline)); {
		c.excuse()
		c.start()
	}
}

// excuse fails the test unless there is a reason why the program has ended by itself: its crash point, or that there was
// no server when it began. (One that runs lives through that.)
func (c *chaos) excuse() {
	switch said := c.p.Log(1); {
	case c.armed && c.d.Killed():
		c.tally.did("crash points reached", 1)
	case c.hurt && c.d.ExitCode() == 1 && strings.HasPrefix(said, "cdcsync: connect to the source: ") && strings.Contains(said, "transient source error"):
		c.tally.did("starts without a server", 1)
	default:
		c.t.Fatalf("cdcsync ended by itself with code %d:\n%s", c.d.ExitCode(), c.p.Log(60))
	}
}

func (c *chaos) kill() {
	c.d.Kill(c.t)
	c.start()
}

// crash arms a crash point of the next life.
func (c *chaos) crash() {
	c.d.Kill(c.t)
	c.start(fmt.Sprintf("CDCSYNC_FAULT=%s:%d", pick(c.r, c.names...), 1+c.r.IntN(5)))
	c.alive(time.Duration(500+c.r.IntN(2500)) * time.Millisecond)
}

// fail lets operations of the next life fail.
func (c *chaos) fail() {
	c.d.Kill(c.t)
	name := pick(c.r, c.failing...)
	c.start(fmt.Sprintf("CDCSYNC_FAULT=%s:%d:error,%[1]s:%d:error", name, 1+c.r.IntN(3), 4+c.r.IntN(5)))
}

func (c *chaos) terminate() {
	c.end()
	c.start()
}

// end ends the program in an orderly way.
func (c *chaos) end() {
	if c.d.Ended(0) {
		c.excuse()
		return
	}
	said := c.p.Log(1)
	switch code := c.d.Terminate(c.t); {
	case code == 0:
	case code == -1 && c.p.Log(1) == said: // it had not begun yet, so the signal was not its own to handle
	default:
		c.excuse()
	}
}

// retune gives the next life other settings.
func (c *chaos) retune() {
	c.d.Kill(c.t)
	c.p.Set(c.t, c.tuning())
	c.start()
}

func (c *chaos) pause() { c.d.Pause(time.Duration(50+c.r.IntN(2500)) * time.Millisecond) }

func (c *chaos) cut() {
	c.hurt = true
	c.tally.did("connections cut", int64(c.px.Cut()))
}

func (c *chaos) sink() {
	c.hurt = true
	c.tally.did("connections half-open", int64(c.px.Sink()))
}

func (c *chaos) stall() {
	c.hurt = true
	c.px.Stall(true)
	c.alive(time.Duration(100+c.r.IntN(3000)) * time.Millisecond)
	c.px.Stall(false)
}

func (c *chaos) refuse() {
	c.px.Refuse(true)
	c.away(3000)
	c.px.Refuse(false)
	c.gone = false
	c.alive(0)
}

func (c *chaos) restartServer() {
	c.s.Stop(c.t)
	c.away(1500)
	c.s.Restart(c.t)
	c.gone = false
	c.alive(0)
}

// killServer kills the server at a moment from which it recovers: what it leaves half done, nothing can copy.
func (c *chaos) killServer() {
	if c.s.Flavour == servers.FlavourMySQL && c.s.Version == "5.7" {
		c.restartServer() // it cannot recover when two tables have swapped names since its checkpoint: "the target file exists"
		return
	}
	if !atomicDDL(c.s) {
		c.gates.DDL.Lock()
		defer c.gates.DDL.Unlock()
	}
	if c.s.Flavour == servers.FlavourMariaDB {
		c.gates.XA.Lock()
		defer c.gates.XA.Unlock()
	}
	c.s.Kill9(c.t)
	c.away(1500)
	c.s.Restart(c.t)
	c.gone = false
	c.alive(0)
}

// away is what may happen while the server is not there, for at most so many milliseconds.
func (c *chaos) away(most int) {
	c.gone, c.hurt = true, true
	switch c.r.IntN(4) {
	case 0:
		c.kill()
	case 1:
		c.terminate()
	}
	if c.d.Ended(time.Duration(100+c.r.IntN(most)) * time.Millisecond) {
		c.excuse()
	}
}

// atomicDDL says that a server which is killed in a schema change has either done and logged it, or neither.
func atomicDDL(s *servers.Server) bool {
	return s.Version != "5.7" && s.Version != "10.5"
}
