package e2e

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestKill9_Points kills a new pipeline at the first hit of each crash point, then at a later one, and lets each
// operation that can fail do so, beside writers and schema changes. Each time all tables must be equal in the end. On
// MySQL it tries a third of them, chosen by the seed; CDCSYNC_POINTS=1 tries all.
func TestKill9_Points(t *testing.T) {
	names, failing := Points(t, "iceberg", "pipeline", "snapshot", "binlog")
	if len(names) < 8 {
		t.Fatalf("only the crash points %v were found", names)
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, _ := Seeded(t)
		schedules := Schedules(r, names, failing, 1)
		if Count(t, "CDCSYNC_POINTS", 0) == 0 && s.Flavour == servers.FlavourMySQL {
			schedules = schedules[:len(schedules)/3]
		}
		reached := KillAtPoints(t, Iceberg{}, s, Trial{Schedules: schedules})
		if s.Flavour == servers.FlavourMySQL {
			return // some of the points were not tried
		}
		for _, name := range names {
			if !slices.Contains(reached, name) {
				t.Errorf("crash point %s was never reached", name)
			}
		}
	})
}
