package binlog

import (
	"errors"
	"math"
	"slices"

	"github.com/go-mysql-org/go-mysql/replication"
)

// A position that GTIDs name is no one place in a server's log: a server that applies several transactions at once, or
// several domains, logs them in another order than the server that they were read from. So its log may have transactions
// that were read behind ones that were not. Asked by GTIDs, the server leaves them out; asked for a file and an offset it
// would send them again. Positions stay ragged until the reading has come to where the log ended when it was opened: all
// that had been read before was in the log by then.

// unplace gives up the place in the files: the server finds it by the GTIDs, and says where it is.
func (a *assembler) unplace() {
	a.left = a.pos.Seq()
	a.pos.File, a.pos.Offset, a.unplaced = "", 0, true
	a.pos.Ragged, a.even = true, math.MaxUint64
	a.self, _ = parseUUID(a.facts.id) // MariaDB's servers have none
	if end := a.facts.end; end.File != "" {
		end.Shift = a.pos.Shift
		a.even = end.Seq()
	}
}

// errMixed: a later value of the rows may be in the sink already, and this server's own one would come behind it.
var errMixed = errors.New("transactions that only this server has, from when it was a replica, changed the table before others did " +
	"that were read of another server: which values are the newest is not told: resync the table")

// own notes that the server itself changed a table, nil if it is not captured, in a log that may have transactions behind
// that were read already.
func (a *assembler) own(t *table) {
	if t != nil && a.pos.Ragged && a.facts.named && a.txn.origin.Server == a.self && !slices.Contains(a.mixed, t) {
		a.mixed = append(a.mixed, t)
	}
}

// skipped takes notice of transactions that the server has left out, up to an offset, because they were read of another
// server. A replica carries them out in the order of their server, but that is not so for what was written to the replica.
func (a *assembler) skipped(offset uint64) {
	if len(a.mixed) == 0 || !a.unplaced && offset <= a.pos.Offset {
		return
	}
	if a.unplaced && a.seq(offset) == a.left { // the connection was lost behind those transactions
		return
	}
	for _, t := range a.mixed {
		if a.find(t.shape.Name) == t {
			a.stop(t, a.pos.Offset, errMixed)
		}
	}
	a.mixed = nil
	a.deliver()
}

// previousGTIDs takes what stands at the beginning of a file: the GTIDs of all files before it. They are learned from there
// when they are not known, because the log had none when the reading began, or had transactions without.
func (a *assembler) previousGTIDs(e *event) error {
	atStart := a.txn.phase == idle && !a.unplaced && a.pos.Offset <= e.start
	a.progress(e.stop)
	if !atStart || a.pos.GTIDs != nil {
		return nil
	}
	var err error
	switch {
	case e.kind == replication.MARIADB_GTID_LIST_EVENT:
		a.pos.GTIDs, err = parseGTIDList(e.body)
	case a.facts.named:
		a.pos.GTIDs, err = parsePreviousGTIDs(e.body)
	}
	if err != nil {
		return a.fatal(e, err.Error())
	}
	return nil
}

// parseGTIDList reads MariaDB's list: of several servers of one domain, the newest stands last.
func parseGTIDList(body []byte) (GTIDSet, error) {
	const flagBits = 4
	c := cursor{p: body}
	s := new(MariaDBSet)
	for n := c.uint(4) << (64 - 32 + flagBits) >> (64 - 32 + flagBits); n > 0 && !c.short; n-- {
		s.Add(GTID{Domain: uint32(c.uint(4)), ServerID: uint32(c.uint(4)), Number: c.uint(8)})
	}
	return s, c.err()
}

// parsePreviousGTIDs reads MySQL's set:
//
//	servers 8 | { UUID 16 | [tag: length<<1 1, text] | spans 8 | { start 8 | behind the end 8 } }
//
// With tags, which MySQL 8.3 brought, the first and the last byte of the number of servers are 1, and it is between them.
func parsePreviousGTIDs(body []byte) (GTIDSet, error) {
	c, s := cursor{p: body}, new(MySQLSet)
	servers := c.uint(8)
	tagged := servers>>56 == 1
	if tagged {
		servers = servers << 8 >> 16
	}
	for ; servers > 0 && !c.short; servers-- {
		server, tag := c.bytes(16), ""
		if tagged {
			tag = string(c.bytes(int(c.uint(1) >> 1)))
		}
		for spans := c.uint(8); spans > 0 && !c.short; spans-- {
			first, behind := c.uint(8), c.uint(8)
			if first == 0 || behind <= first || behind-1 > maxNumber || c.short {
				return nil, errShort
			}
			s.of([16]byte(server), tag).add(span{first, behind - 1})
		}
	}
	return s, c.err()
}
