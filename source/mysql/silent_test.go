package mysql

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/cdcsync/cdcsync/source"
)

// A server that takes a query and says nothing is given up after a while, and the pipeline tries again.
func TestConn_SilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		go func() { _, _ = io.Copy(io.Discard, theirs) }() // ends when the pipe is closed
		c := newConn(ours, 1)
		_, err := c.query(t.Context(), "SELECT 1")
		if !errors.Is(err, source.ErrTransient) || !c.broken {
			t.Errorf("got %v, broken %v; want a transient error and a broken connection", err, c.broken)
		}
		_ = ours.Close()
	})
}
