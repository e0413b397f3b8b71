package limits

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestStart_FirstRow measures from the start of the process to the first rows in the catalog. The goal is a second on an
// idle machine; the bound leaves room for a busy one.
func TestStart_FirstRow(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".t (id int PRIMARY KEY, c varchar(20))", "INSERT INTO "+db+".t VALUES (1, 'one'), (2, 'two')")
		p := e2e.NewPipeline(t, s, db, e2e.Settings{"pipeline.commit.interval": ""}) // the default
		e2e.Binary(t)
		began := time.Now()
		d := p.Run(t)
		copied(t, p, d, 1)
		first := time.Since(began)
		t.Logf("first rows after %v", first)
		if first > 3*time.Second {
			t.Errorf("first rows after %v, want less than 3s", first)
		}
		p.Equal(t, 10*time.Second, "t")
		ends(t, p, d)
	})
}
