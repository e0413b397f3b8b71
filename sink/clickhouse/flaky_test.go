package clickhouse

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// faults are the inserts that are still to fail.
type faults struct {
	mu   sync.Mutex // guards the fields below
	left int
	when sinktest.When
}

func (f *faults) set(n int, when sinktest.When) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.when = n, when
}

// now says whether this insert fails, and on which side of its effect.
func (f *faults) now(when sinktest.When) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 || f.when != when {
		return false
	}
	f.left--
	return true
}

// flaky is an inserter whose inserts of rows fail when its faults say so.
type flaky struct {
	inserter
	faults *faults
}

var errReply = errors.New("connection reset by peer")

func (f *flaky) insert(ctx context.Context, id string, in *insertion) error {
	if strings.Contains(in.into, marksTable) {
		return f.inserter.insert(ctx, id, in)
	}
	if f.faults.now(sinktest.BeforeEffect) {
		return errReply
	}
	err := f.inserter.insert(ctx, id, in)
	if err == nil && f.faults.now(sinktest.AfterEffect) {
		return errReply
	}
	return err
}
