//go:build !fault

package fault

// Enabled says whether this build has crash points.
const Enabled = false

// Point is a place where the process may be killed. This build never does.
func Point(string) {}

// Error is a place where the process may be killed or an operation may fail. In this build it is always nil.
func Error(string) error { return nil }
