package e2e

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/workload"
)

// TestCatalog_ReplyLost commits to a REST catalog whose replies are lost again and again after the commit was made, and
// whose connections are cut. No row may come twice, and none be missing.
func TestCatalog_ReplyLost(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	r, seed := Seeded(t)
	db := s.Database(t)
	load := workload.New(t, s, db, workload.Config{Seed: seed, Rows: 300, Rate: 100, DDL: 700 * time.Millisecond})
	catalog := servers.IcebergREST(t)
	px := proxy.New(t, catalog)
	p := NewPipeline(t, s, db, Settings{
		"sink.catalog.properties.type":      "rest",
		"sink.catalog.properties.uri":       "http://" + px.Addr(),
		"sink.catalog.properties.warehouse": "",
	})
	load.Start()
	d := p.Run(t)
	rounds := Count(t, "CDCSYNC_CUTS", 12)
	late := time.Now().Add(2 * time.Minute) // on a busy machine the first commit takes its time
	for i := 0; i < rounds || px.Lost() < rounds/4 && time.Now().Before(late); i++ {
		if d.Ended(time.Duration(200+r.IntN(500)) * time.Millisecond) {
			t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(40))
		}
		if i%4 == 3 {
			px.Cut()
		} else {
			px.LoseReply("POST /v1/namespaces/"+db+"/tables/", 1+r.IntN(2))
		}
	}
	px.LoseReply("", 0)
	t.Logf("%d replies lost", px.Lost())
	if px.Lost() < rounds/4 {
		t.Errorf("only %d replies were lost", px.Lost())
	}
	Settle(t, p, d, load)
}
