package workload

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

func TestLoad(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		l := New(t, s, s.Database(t), Config{Seed: 7, Rows: 100, DDL: 20 * time.Millisecond})
		l.Start()
		deadline := time.Now().Add(30 * time.Second)
		enough := func(c Counts) bool {
			return c.Transactions > 300 && c.Rollbacks > 5 && c.Rows > 1000 && c.Changes > 15
		}
		for !enough(l.Counts()) && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		c := l.Stop()
		t.Logf("%+v", c)
		if !enough(c) {
			t.Errorf("too little was done: %+v", c)
		}
		if err := l.Err(); err != nil {
			t.Errorf("a statement of the workload is wrong: %v", err)
		}
		if c.Broken > 0 {
			t.Errorf("%d connections broke on a healthy server", c.Broken)
		}
		for _, name := range l.Tables(t) {
			s.Exec(t, "SELECT 1 FROM "+l.database+"."+name+" LIMIT 1")
		}
		if before, after := c, l.Counts(); before != after {
			t.Errorf("writes after Stop: %+v, then %+v", before, after)
		}
	})
}

// TestStatements_Seeded holds that a seed gives the same statements each time.
func TestStatements_Seeded(t *testing.T) {
	some := func(seed uint64) (out []string) {
		all := tables(&servers.Server{Flavour: servers.FlavourMySQL})
		w := &writer{load: &Load{}, tables: all, r: rand.New(rand.NewPCG(seed, 1))}
		for i := range 500 {
			out = append(out, w.sql(all[i%len(all)])...)
		}
		return out
	}
	a, b, c := some(1), some(1), some(2)
	differ := len(a) != len(c)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("statement %d: %q, then %q", i, a[i], b[i])
		}
		differ = differ || a[i] != c[min(i, len(c)-1)]
	}
	if !differ {
		t.Error("two seeds give the same statements")
	}
}
