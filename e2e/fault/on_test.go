//go:build fault

package fault

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPlan(t *testing.T) {
	p, err := parse("a:2,b:1:error,b:3:error,c:1,a:4")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	p.log, p.kill = filepath.Join(t.TempDir(), "log"), func() { killed++ }
	for i, want := range []int{0, 1, 1, 2, 2} {
		if err := p.hit("a", i%2 == 0); err != nil || killed != want {
			t.Errorf("hit %d of a: killed %d times, error %v; want %d, none", i+1, killed, err, want)
		}
	}
	if err := p.hit("b", false); err != nil {
		t.Errorf("Point returned %v", err)
	}
	for i, want := range []bool{true, false, true, false} {
		if err := p.hit("b", true); (err != nil) != want {
			t.Errorf("hit %d of b: error %v, want one: %v", i+1, err, want)
		}
	}
	if got, _ := os.ReadFile(p.log); string(got) != "a\nb\n" {
		t.Errorf("log %q, want each point once, in order", got)
	}
}

func TestParse_BadAction(t *testing.T) {
	for _, text := range []string{"a", "a:0", "a:x", "a:1:panic", "a:1:error:2"} {
		if _, err := parse(text); err == nil {
			t.Errorf("parse(%q): no error", text)
		}
	}
}
