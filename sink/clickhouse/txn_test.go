package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// TestTxn_Memory keeps few blocks in memory however many tables a transaction has, and gives all back at its end.
func TestTxn_Memory(t *testing.T) {
	const block, tables = 1 << 16, 12
	r := newRig(t, servers.SharedClickHouse(t), func(c *Config) { c.BlockSize = block })
	var shapes []*schema.Table
	for i := range tables {
		shapes = append(shapes, r.create(fmt.Sprint("t", i)))
	}
	for _, end := range []string{"abort", "commit"} {
		x, err := r.sink.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		marks := map[schema.Name]sink.Mark{}
		for id := range 5 {
			for _, o := range shapes {
				marks[o.Name] = sink.Mark{Run: r.run, Epoch: 1}
				if err := x.Write(t.Context(), r.batch(o, insert(id, strings.Repeat("x", block/4)))); err != nil {
					t.Fatal(err)
				}
				if got, most := r.sink.pending.Load(), int64(block*(memoryBlocks+flights+1)); got > most {
					t.Fatalf("%d bytes wait in memory, want at most %d", got, most)
				}
			}
		}
		if got := x.Bytes(); got < tables*5*block/4 {
			t.Errorf("got %d bytes taken, want all", got)
		}
		if end == "abort" {
			err = errors.Join(x.Abort(), x.Abort())
		} else {
			err = errors.Join(x.Commit(t.Context(), marks), x.Abort())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := r.sink.pending.Load(); got != 0 {
			t.Errorf("%s: %d bytes are left in memory", end, got)
		}
		stages := "SELECT count() FROM system.tables WHERE database = " + quoteText(r.space) + " AND startsWith(name, " + quoteText(r.sink.stagePrefix()) + ")"
		if got := r.server.Value(t, stages); got != "0" {
			t.Errorf("%s: %s staging tables are left", end, got)
		}
		if got, want := r.server.Value(t, "SELECT count() FROM "+quoteTable(shapes[3].Name)), map[string]string{"abort": "0", "commit": "5"}[end]; got != want {
			t.Errorf("%s: got %s rows, want %s", end, got, want)
		}
	}
}

// TestWrite_NoAllocations allocates nothing per row.
func TestWrite_NoAllocations(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	o := r.create("orders")
	many := make([]change, 4096)
	for i := range many {
		many[i] = insert(i, "some text")
	}
	target, err := r.sink.target(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	x, err := r.sink.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, b := newLoad(x.(*Txn), target), r.batch(o, many...)
	got := testing.AllocsPerRun(20, func() {
		l.rows.reset()
		if err := l.add(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	})
	if got > 8 {
		t.Errorf("got %v allocations for %d rows", got, len(many))
	}
}

// TestTxn_Misuse refuses what comes after the end.
func TestTxn_Misuse(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	o := r.create("orders")
	x, err := r.sink.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Write(t.Context(), r.batch(o, insert(1, "a"))); err != nil {
		t.Fatal(err)
	}
	if err := x.Commit(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no mark") {
		t.Errorf("got %v, want that a mark is missing", err)
	}
	if err := x.Commit(t.Context(), nil); err == nil {
		t.Error("a second commit went through")
	}
	if err := x.Write(t.Context(), row.New(o)); err == nil {
		t.Error("a write after the commit went through")
	}
	r.expect(o.Name)
}

// TestClassify says of errors what is to be done about them.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want class
	}{
		{io.ErrUnexpectedEOF, retry}, {&net.OpError{Op: "dial", Err: errReply}, retry}, {context.DeadlineExceeded, retry},
		{context.Canceled, fatal}, {sink.ErrFenced, fatal}, {&serverError{code: 516}, fatal}, {&serverError{code: codeMemoryLimit}, retry},
		{&serverError{code: codeTooManyParts}, retry}, {&serverError{code: codeReadOnly}, retry}, {&serverError{code: 999}, retry},
		{&serverError{code: codeUnknownTable}, ofTable}, {&serverError{code: codeTypeMismatch}, ofTable}, {&serverError{code: 4711}, ofTable},
		{fmt.Errorf("wrapped: %w", &serverError{code: codeAccessDenied}), ofTable}, {&schema.TableError{Err: io.EOF}, ofTable},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

// TestSink_Check finds a server that will do, and says what is wrong with one that will not.
func TestSink_Check(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), nil)
	for _, f := range r.sink.Check(t.Context()) {
		if f.Level != schema.Fine || f.What == "" {
			t.Errorf("got %+v, want all to be fine", f)
		}
	}
	lost := openTest(t, serverConfig(t, "127.0.0.1:1", "none"))
	if got := lost.Check(t.Context()); len(got) != 1 || got[0].Level != schema.Problem || got[0].Fix == "" {
		t.Errorf("got %+v, want one problem", got)
	}
}
