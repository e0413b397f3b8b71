package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A tally counts what was done.
type tally struct {
	mu    sync.Mutex // guards what follows
	done  map[string]int64
	wrong error // the first error that nothing in the run explains
}

func newTally() *tally { return &tally{done: map[string]int64{}} }

func (t *tally) did(what string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[what] += n
}

func (t *tally) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wrong == nil {
		t.wrong = err
	}
}

func (t *tally) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}

// String lists all that was done, by name.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := make([]string, 0, len(t.done))
	for _, name := range slices.Sorted(maps.Keys(t.done)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, t.done[name]))
	}
	return strings.Join(parts, ", ")
}
