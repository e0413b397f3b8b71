package binlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
)

// A savepoint is where in the log a transaction set one.
type savepoint struct {
	name string
	seq  uint64
}

// start begins a transaction at its first event.
func (a *assembler) start(e *event) error {
	if a.txn.phase == named {
		// A group without a statement: its GTID is used up all the same.
		if err := a.commit(e.start); err != nil {
			return err
		}
	}
	if a.txn.phase != idle {
		return a.fatal(e, "a transaction begins inside another one")
	}
	a.skipped(e.start)
	if a.unplaced {
		a.pos.Offset, a.unplaced = e.start, false
	}
	a.txn.phase = named
	a.txn.time = int64(e.time) * second
	a.txn.origin = schema.Origin{Seq: a.seq(e.start), File: a.pos.File, ServerID: e.server}
	return nil
}

// mysqlGTID begins a transaction of MySQL, anonymous or not.
func (a *assembler) mysqlGTID(e *event) error {
	if err := a.start(e); err != nil {
		return err
	}
	if e.kind == replication.GTID_TAGGED_LOG_EVENT {
		return a.taggedGTID(e)
	}
	c := cursor{p: e.body}
	c.bytes(1)
	server, number := c.bytes(16), c.uint(8)
	c.bytes(17) // logical clock, with its type
	// Microseconds, with a bit that says that the time of the first server follows. MySQL 5.7 has none.
	if micros := c.uint(7); !c.short && micros != 0 {
		a.txn.time = int64(micros &^ (1 << 55))
	}
	if len(server) < 16 {
		return a.fatal(e, errShort.Error())
	}
	if e.kind != replication.GTID_EVENT {
		return nil
	}
	if number == 0 || number > maxNumber {
		return a.fatal(e, fmt.Sprintf("a GTID has the number %d, which no server gives", number))
	}
	a.name(GTID{Server: [16]byte(server), Number: number})
	return nil
}

// taggedGTID reads the GTIDs of MySQL 8.3 and later that may have a tag.
func (a *assembler) taggedGTID(e *event) (err error) {
	defer func() {
		// go-mysql reads this self-describing form without regard to its end.
		if p := recover(); p != nil {
			err = a.fatal(e, errShort.Error())
		}
	}()
	var g replication.GtidTaggedLogEvent
	if err := g.Decode(bytes.Clone(e.body)); err != nil {
		return a.fatal(e, err.Error())
	}
	if len(g.SID) != 16 || g.GNO <= 0 || g.GNO > maxNumber || g.Tag.String() != "" && !isTag(g.Tag.String()) {
		return a.fatal(e, "a tagged GTID without server or number, or with a tag that is none")
	}
	if g.ImmediateCommitTimestamp != 0 {
		a.txn.time = int64(g.ImmediateCommitTimestamp)
	}
	a.name(GTID{Server: [16]byte(g.SID), Tag: g.Tag.String(), Number: uint64(g.GNO)})
	return nil
}

func (a *assembler) name(g GTID) {
	o := &a.txn.origin
	o.Server, o.Tag, o.Domain, o.Number = g.Server, g.Tag, g.Domain, g.Number
}

// MariaDB's flags of a group.
const (
	standalone = 1  // one statement, without an event that ends it
	preparing  = 64 // an XA transaction whose outcome is another group
)

// mariadbGTID begins a transaction of MariaDB: it stands for BEGIN as well.
func (a *assembler) mariadbGTID(e *event) error {
	if err := a.start(e); err != nil {
		return err
	}
	c := cursor{p: e.body}
	number, domain, flags := c.uint(8), c.uint(4), c.uint(1)
	if c.short {
		return a.fatal(e, errShort.Error())
	}
	a.name(GTID{Domain: uint32(domain), ServerID: e.server, Number: number})
	a.txn.xa = flags&preparing != 0
	if flags&standalone == 0 {
		a.txn.phase = begun
	}
	return nil
}

// query takes a statement: the ends of transactions, which come by the thousand, and all else.
func (a *assembler) query(e *event) error {
	text := queryText(e.body)
	switch string(text) {
	case "BEGIN":
		return a.beginQuery(e)
	case "COMMIT":
		return a.commit(e.stop)
	case "ROLLBACK":
		return a.rollback(e)
	}
	switch {
	case hasPrefix(text, "SAVEPOINT "):
		a.txn.saves = append(a.txn.saves, savepoint{name: string(text[10:]), seq: a.place(e)})
		return nil
	case hasPrefix(text, "ROLLBACK TO "):
		return a.rollbackTo(e, string(text[12:]))
	case hasPrefix(text, "RELEASE SAVEPOINT "):
		return nil
	case hasPrefix(text, "XA "):
		return a.xa(e, text)
	}
	if a.txn.phase == idle { // a log without GTIDs
		if err := a.start(e); err != nil {
			return err
		}
	}
	if err := a.statement(e); err != nil {
		return err
	}
	if a.txn.phase == named {
		return a.commit(e.stop)
	}
	return nil
}

func (a *assembler) beginQuery(e *event) error {
	if a.txn.phase == idle {
		if err := a.start(e); err != nil {
			return err
		}
	}
	a.txn.phase = begun
	if len(e.body) >= 4 {
		a.txn.origin.Thread = u32(e.body)
	}
	return nil
}

// rollback ends a transaction that left no trace; its GTID is used up all the same.
func (a *assembler) rollback(e *event) error {
	origin := a.txn.origin
	if !a.discard() {
		return a.fatal(e, "a transaction was rolled back of which rows or schema changes are delivered: resync")
	}
	a.txn.origin = origin
	return a.commit(e.stop)
}

// rollbackTo drops the rows since a savepoint.
func (a *assembler) rollbackTo(e *event, name string) error {
	for i, s := range slices.Backward(a.txn.saves) {
		if !sameSavepoint(s.name, name) {
			continue
		}
		a.txn.saves = a.txn.saves[:i+1]
		return a.undo(e, s.seq)
	}
	return a.fatal(e, fmt.Sprintf("ROLLBACK TO %s: there is no such savepoint in the transaction", name))
}

// sameSavepoint compares names as they are logged: in backticks or not, without regard to case.
func sameSavepoint(a, b string) bool {
	trim := func(s string) []byte { return bytes.Trim([]byte(s), "` ;") }
	return bytes.EqualFold(trim(a), trim(bytesAfterSavepoint(b)))
}

// bytesAfterSavepoint steps over the optional word in ROLLBACK TO SAVEPOINT name.
func bytesAfterSavepoint(s string) string {
	const word = "SAVEPOINT "
	if len(s) > len(word) && bytes.EqualFold([]byte(s[:len(word)]), []byte(word)) {
		return s[len(word):]
	}
	return s
}

// undo drops the rows from seq on.
func (a *assembler) undo(e *event, seq uint64) error {
	if a.txn.ahead {
		return a.fatal(e, "part of a transaction was rolled back of which rows are delivered: resync")
	}
	for i := range a.txn.items {
		if b := a.txn.items[i].Rows; b != nil {
			n := b.Len()
			for n > 0 && b.Seqs[n-1] >= seq {
				n--
			}
			b.Truncate(n)
		}
	}
	a.txn.orders = 0
	for _, it := range a.txn.items {
		if it.Rows != nil && it.Rows.Len() > 0 {
			a.txn.orders = max(a.txn.orders, it.Rows.Orders[it.Rows.Len()-1])
		}
	}
	return nil
}

func hasPrefix(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && bytes.EqualFold(text[:len(prefix)], []byte(prefix))
}
