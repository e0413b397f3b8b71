//go:build !fault

package fault

import "testing"

// TestOff holds the promise to callers that a crash point costs nothing in an ordinary build.
func TestOff(t *testing.T) {
	t.Setenv("CDCSYNC_FAULT", "a:1,b:1:error")
	n := testing.AllocsPerRun(100, func() {
		Point("a")
		if err := Error("b"); err != nil || Enabled {
			t.Fatalf("an ordinary build has faults: %v", err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
