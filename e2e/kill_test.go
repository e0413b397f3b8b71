package e2e

import (
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestKill9_Random kills the program at random moments of its snapshot, beside writers and schema changes.
func TestKill9_Random(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) { KillAtRandom(t, Iceberg{}, s, 10) })
}
