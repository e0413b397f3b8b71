package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// through is a pipeline that reaches its source through a proxy.
func through(t *testing.T, s *servers.Server, db string, chunk string) (*Pipeline, *proxy.Proxy) {
	t.Helper()
	px := proxy.New(t, s.Addr)
	p := NewPipeline(t, s, db, Settings{
		"source.hostname": px.Host, "source.port": itoa(px.Port),
		"source.heartbeat.interval":                   "1s",
		"source.scan.incremental.snapshot.chunk.size": chunk,
	})
	return p, px
}

// TestNetwork_Cut resets every connection to the source again and again, in the snapshot and after it. One process
// must live through all of it.
func TestNetwork_Cut(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, seed := Seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 1000, Rate: 150, DDL: 500 * time.Millisecond})
		Big(t, s, db, 30_000)
		p, px := through(t, s, db, "500")
		load.Start()
		d := p.Run(t)
		cut := 0
		for range Count(t, "CDCSYNC_CUTS", 12) {
			if d.Ended(time.Duration(20+r.IntN(600)) * time.Millisecond) {
				t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(40))
			}
			cut += px.Cut()
		}
		if cut < 3 {
			t.Errorf("only %d connections were cut", cut)
		}
		Settle(t, p, d, load)
	})
}

// TestNetwork_HalfOpen lets the connections die in silence: heartbeats must find out.
func TestNetwork_HalfOpen(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		_, seed := Seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 50})
		p, px := through(t, s, db, "100")
		load.Start()
		d := p.Run(t)
		Until(t, 30*time.Second, "rows in Iceberg", func() bool {
			results, err := verify.Run(t.Context(), p.Catalog(), s, p.Pairs("hot")...)
			return err == nil && results[0].SinkRows > 0
		})
		t.Logf("%d connections sunk", px.Sink())
		Settle(t, p, d, load)
	})
}

// TestNetwork_Down starts the program while the source cannot be reached, and takes the source away for some seconds
// later on.
func TestNetwork_Down(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	_, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 200, Rate: 50})
	p, px := through(t, s, db, "100")
	load.Start()
	d := p.Run(t)
	Until(t, 20*time.Second, "connections to the source", func() bool { return px.Connections() > 0 })
	px.Refuse(true)
	if d.Ended(3 * time.Second) {
		t.Fatalf("cdcsync ended with code %d while the source was away:\n%s", d.ExitCode(), p.Log(40))
	}
	px.Refuse(false)
	Settle(t, p, d, load)
}

// TestServer_Crash kills the source's server and starts it again, under load.
func TestServer_Crash(t *testing.T) {
	servers.EachPrivate(t, func(t *testing.T, s *servers.Server) {
		_, seed := Seeded(t)
		db := s.Database(t)
		load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 1000, Rate: 150, DDL: 300 * time.Millisecond})
		p := NewPipeline(t, s, db, nil)
		load.Start()
		d := p.Run(t)
		Until(t, time.Minute, "the program is connected", func() bool { return strings.Contains(p.Log(1000), "msg=started") }) // without a server it would end
		for range 2 {
			if d.Ended(1500 * time.Millisecond) {
				t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(40))
			}
			s.Kill9(t)
			s.Restart(t)
		}
		Settle(t, p, d, load)
	})
}
