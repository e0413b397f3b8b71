package snapshot

import "testing"

// FuzzProgress holds that a table's progress survives being written and read, and that nothing that cannot be read is
// taken for a table that is copied.
func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"planned":true,"ranges":[{"after":"aTE=","through":"aTk="}],"dirty":true,"touched":3}`))
	f.Add(Followed())
	f.Add([]byte(`{"planned":true,"ranges":null}x`))
	f.Fuzz(func(t *testing.T, p []byte) {
		g, err := parseProgress(p)
		if err != nil {
			if Done(p) {
				t.Errorf("%q cannot be read, and is done", p)
			}
			return
		}
		if Done(p) && (!g.Planned || len(g.Ranges) > 0) {
			t.Errorf("%q is done", p)
		}
		back, err := parseProgress([]byte(g.String()))
		if err != nil || back.String() != g.String() || Done([]byte(g.String())) != Done(p) {
			t.Errorf("%q becomes %s, then %s: %v", p, g, back, err)
		}
	})
}
