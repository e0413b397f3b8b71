package binlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// maxHeld is how many bytes of changes may wait in memory for the outcome of XA transactions.
const maxHeld = 64 << 20

// lateTag marks, in the tag that MariaDB's transactions do not have, those that may be visible later than the log's
// committed position says.
const lateTag = "xa"

// orderlyXA is the version of MySQL from which on XA COMMIT is recorded as executed only after the engines have committed.
const orderlyXA = 80030

// Why XA transactions stop a table.
var (
	errPrepared = errors.New("an XA transaction in two phases changed it: whether its changes happen is said only later, " +
		"and the server does not say when they are visible (MySQL before 8.0.30), or the table has no key to find its rows by; " +
		"resync the table when the transaction has ended, and exclude it or use one-phase commits")
	errHeldBytes = fmt.Errorf("XA transactions changed it whose outcome is not known yet, and all such changes are more than "+
		"the %d MiB of the log that are held in memory: resync the table when the transactions have ended", maxHeld>>20)
	errHeldShape = errors.New("its shape changed between the XA PREPARE and the XA COMMIT of a transaction that changed its rows: " +
		"resync the table when the transaction has ended")
	errUnknownXA = errors.New("an XA transaction ended whose changes are not known, because they were logged before this pipeline began to read " +
		"or the server no longer has that log: they may have been to this table; resync the table")
)

// held are the changes of XA transactions that wait for their outcome, by XID.
type held struct {
	txns  map[string]*heldTxn
	bytes int
}

// A heldTxn has the rows of captured tables only; it may have none.
type heldTxn struct {
	items []source.Event
	bytes int
}

// has says that rows of a table are held.
func (h *held) has(name schema.Name) bool {
	for _, t := range h.txns {
		if slices.ContainsFunc(t.items, func(ev source.Event) bool { return ev.Rows.Table.Name == name }) {
			return true
		}
	}
	return false
}

// drop forgets the rows of a table that has stopped.
func (h *held) drop(name schema.Name) {
	for _, t := range h.txns {
		t.items = slices.DeleteFunc(t.items, func(ev source.Event) bool {
			gone := ev.Rows.Table.Name == name
			if gone {
				ev.Rows.Free()
			}
			return gone
		})
	}
}

// put takes over what a transaction changed.
func (h *held) put(xid string, t *heldTxn) {
	if h.txns == nil {
		h.txns = map[string]*heldTxn{}
	}
	h.release(xid) // an XID is free again after its outcome, which may stand in log that was not read
	h.txns[xid] = t
	h.bytes += t.bytes
}

// take gives up a transaction; nil if it is not held.
func (h *held) take(xid string) *heldTxn {
	t := h.txns[xid]
	if t != nil {
		delete(h.txns, xid)
		h.bytes -= t.bytes
	}
	return t
}

func (h *held) release(xid string) {
	if t := h.take(xid); t != nil {
		release(t.items)
	}
}

// begin is the offset of the transaction's first event.
func (t *txn) begin() uint64 { return t.origin.Seq & (1<<offsetBits - 1) }

// limitHeld stops the tables of an XA transaction when too much would be held: it is not known yet whether its end will
// also be its outcome, so its rows cannot be delivered ahead.
func (a *assembler) limitHeld() {
	if a.held.bytes+a.txn.bytes <= maxHeld {
		return
	}
	a.stopTouched(a.txn.begin(), func(*table) error { return errHeldBytes })
	a.txn.bytes = 0
}

// stopTouched stops the tables of which the transaction has rows, for the reason that why gives, if it gives one.
func (a *assembler) stopTouched(offset uint64, why func(*table) error) {
	for _, it := range slices.Clone(a.txn.items) {
		if it.Rows == nil {
			continue
		}
		if t := a.find(it.Rows.Table.Name); t != nil && why(t) != nil {
			a.stop(t, offset, why(t))
		}
	}
}

// prepared ends the group of an XA transaction's rows. Its first byte says whether that is its end (one phase), or whether
// XA COMMIT or XA ROLLBACK follows some day.
func (a *assembler) prepared(e *event) error {
	if len(e.body) < 1 {
		return a.fatal(e, errShort.Error())
	}
	if onePhase := e.body[0] != 0; onePhase {
		return a.commit(e.stop)
	}
	xid, err := preparedXID(e.body)
	if err != nil {
		return a.fatal(e, err.Error())
	}
	if a.txn.ahead {
		return a.fatal(e, "rows of a transaction are delivered that turns out to be an XA transaction in two phases: resync")
	}
	a.stopTouched(e.start, func(t *table) error {
		if len(t.shape.Key) == 0 || a.facts.flavor == MySQL && a.facts.version < orderlyXA {
			return errPrepared
		}
		return nil
	})
	a.hold(xid)
	a.outcome(xid)
	a.pos.Prepared = append(a.pos.Prepared, Prepared{XID: xid, File: a.pos.File, Offset: a.txn.begin()})
	return a.commit(e.stop)
}

// hold moves the transaction's rows to those that wait.
func (a *assembler) hold(xid string) {
	h := &heldTxn{bytes: a.txn.bytes}
	rest := a.txn.items[:0]
	for _, it := range a.txn.items {
		if it.Rows != nil && it.Rows.Len() > 0 {
			h.items = append(h.items, it)
		} else {
			rest = append(rest, it)
		}
	}
	clear(a.txn.items[len(rest):])
	a.txn.items, a.txn.bytes = rest, 0
	a.held.put(xid, h)
}

// xa takes the statements of an XA transaction: its outcome ends a group of its own.
func (a *assembler) xa(e *event, text []byte) error {
	switch {
	case hasPrefix(text, "XA START"), hasPrefix(text, "XA BEGIN"):
		a.txn.xa = true
		return a.beginQuery(e)
	case hasPrefix(text, "XA COMMIT "):
		xid := spelledXID(string(text[10:]))
		h := a.held.take(xid)
		if known := a.outcome(xid); !known {
			for _, t := range a.tables {
				if !t.stopped {
					a.stop(t, e.start, errUnknownXA)
				}
			}
		}
		if h != nil {
			a.committed(e, h)
		}
		return a.commit(e.stop)
	case hasPrefix(text, "XA ROLLBACK "):
		xid := spelledXID(string(text[12:]))
		a.held.release(xid)
		a.outcome(xid)
		return a.commit(e.stop)
	}
	return nil
}

// committed makes the rows that waited part of the transaction that is the XA COMMIT: its place, its time, its name. Their
// locks are held up to here, so that no other change of them stands between. Their Seqs are those of the bytes of that
// transaction in the log (invariant I10).
func (a *assembler) committed(e *event, h *heldTxn) {
	if a.facts.flavor == MariaDB {
		a.txn.late = true
	}
	s := newSpread(h, a.txn.origin.Seq, a.seq(e.stop))
	for _, it := range h.items {
		b := it.Rows
		b.Origin = a.txn.origin
		for i := range b.Seqs {
			b.Seqs[i], b.Times[i] = s.seq(b, i), a.txn.time
		}
		it.Txn = a.txn.id()
		a.txn.items = append(a.txn.items, it)
	}
	a.txn.bytes += h.bytes
}

// A spread gives the images of a transaction Seqs from few: each its own if there are enough, else a greater one only when
// a row comes again, so that sinks can still tell which of a row's images is the newest.
type spread struct {
	next, last uint64
	each       bool            // there are enough
	seen       map[string]bool // the rows that have the Seq
	key        []byte
}

// newSpread spreads over the Seqs from first on that are below end.
func newSpread(h *heldTxn, first, end uint64) *spread {
	images := 0
	for _, it := range h.items {
		images += it.Rows.Len()
	}
	s := &spread{next: first, last: max(end, first+1) - 1, seen: map[string]bool{}}
	s.each = uint64(images) <= end-first
	return s
}

// seq returns the Seq of image i of a batch; images are asked for in their order.
func (s *spread) seq(b *row.Batch, i int) uint64 {
	if s.each {
		s.next++
		return s.next - 1
	}
	if b.Ops[i] != row.After { // an update's two images are one change
		again := s.has(b, i)
		if b.Ops[i] == row.Before && i+1 < b.Len() {
			again = s.has(b, i+1) || again
		}
		if again {
			clear(s.seen)
			s.next = min(s.next+1, s.last)
		}
	}
	s.has(b, i)
	s.seen[string(s.key)] = true
	return s.next
}

// has says that the row of image i has the Seq, and leaves its name in key.
func (s *spread) has(b *row.Batch, i int) bool {
	s.key = b.Key(append(s.key[:0], b.Table.Name.String()...), i)
	return s.seen[string(s.key)]
}

// outcome forgets a prepared transaction, and is false if it is not known.
func (a *assembler) outcome(xid string) bool {
	i := slices.IndexFunc(a.pos.Prepared, func(p Prepared) bool { return p.XID == xid })
	if i < 0 {
		return false
	}
	a.pos.Prepared = slices.Delete(a.pos.Prepared, i, i+1)
	return true
}

func spelledXID(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

// preparedXID returns the name of a prepared transaction as statements spell it: x'67',x”,1.
func preparedXID(body []byte) (string, error) {
	c := cursor{p: body}
	c.bytes(1)
	format, global, branch := c.uint(4), int(c.uint(4)), int(c.uint(4))
	g, b := c.bytes(global), c.bytes(branch)
	return SpellXID(int(format), g, b), c.err()
}

// SpellXID spells the name of an XA transaction as positions and the log's statements do: x'67',x'62',1.
func SpellXID(format int, global, branch []byte) string {
	return fmt.Sprintf("x'%x',x'%x',%d", global, branch, format)
}
