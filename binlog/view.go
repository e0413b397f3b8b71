package binlog

import (
	"math"

	"github.com/cdcsync/cdcsync/source"
)

// LogView is a view known by positions of the log: it holds all transactions that begin before Low and none that begins
// at High or later. Of the others it knows nothing; MariaDB's consistent snapshot has Low equal to High, and knows all. Of
// XA transactions it never knows that it holds them: MariaDB commits these in its engines some time after it has logged
// their outcome.
type LogView struct{ Low, High uint64 }

var _ source.View = LogView{}

// Sees answers by where the transaction begins.
func (v LogView) Sees(t source.TxnID) source.Visibility {
	switch {
	case t.Seq >= v.High:
		return source.No
	case t.Seq < v.Low && t.Tag != lateTag:
		return source.Yes
	}
	return source.Unknown
}

// GTIDView is a view known by the GTIDs that were executed before it was opened, and by the log's end after its last
// read. MySQL records a GTID as executed only after the transaction has become visible, so what is recorded is seen;
// what begins at High or later was not yet in the log. Of the transactions between it knows nothing.
type GTIDView struct {
	executed GTIDSet
	high     uint64
}

var _ source.View = (*GTIDView)(nil)

// NewGTIDView makes a view. It keeps executed, which nobody may change any more.
func NewGTIDView(executed GTIDSet, high uint64) *GTIDView { return &GTIDView{executed, high} }

// Sees answers by GTID, then by where the transaction begins.
func (v *GTIDView) Sees(t source.TxnID) source.Visibility {
	switch {
	case v.executed.ContainsGTID(GTID{Server: t.Server, Tag: t.Tag, Number: t.Number}):
		return source.Yes
	case t.Seq >= v.high:
		return source.No
	}
	return source.Unknown
}

// reached is the view of a position: exact.
type reached struct {
	gtids  GTIDSet // nil: where a transaction begins tells
	seq    uint64
	since  uint64 // before it is what was read of other servers: GTIDs tell
	ragged bool   // transactions behind seq are among the GTIDs
}

// Sees answers by GTID where that can be relied on, else by where the transaction begins.
func (v reached) Sees(t source.TxnID) source.Visibility {
	in := t.Seq < v.seq
	if v.gtids != nil && t.Number != 0 && (t.Seq < v.since || v.ragged && !in) {
		in = v.gtids.ContainsGTID(GTID{Server: t.Server, Tag: t.Tag, Domain: t.Domain, Number: t.Number})
	}
	if in {
		return source.Yes
	}
	return source.No
}

// Reached is the view of a position, for the transactions of a stream that began at from: exactly those at or before it.
//
// MySQL's GTIDs tell always. MariaDB's have an order that only the whole replication keeps to: without gtid_strict_mode a
// server may log a lower number after a higher one. So they tell only of transactions of another server than the position's.
func Reached(p, from Position) source.View {
	v := reached{gtids: p.GTIDs, seq: p.Seq(), since: p.Shift << offsetBits, ragged: !p.even()}
	if p.GTIDs == nil || p.GTIDs.Empty() {
		return reached{seq: v.seq}
	}
	if p.Flavor == MySQL || p.Server != from.Server || p.Shift != from.Shift {
		v.since = math.MaxUint64
	}
	return v
}

// Join returns the position at which all up to p and all up to at is read, where at is a boundary of the stream that runs.
// When at is not ragged, all that had been read before the stream was opened is behind it.
func Join(p, at Position) Position {
	same := p.Server == at.Server && p.Shift == at.Shift
	switch {
	case same && (p.even() && at.even() || p.GTIDs == nil):
		if p.Seq() > at.Seq() {
			return p
		}
		return at
	case at.even() || p.GTIDs == nil || at.GTIDs.Contains(p.GTIDs):
		return at
	}
	at.GTIDs, at.Ragged = at.GTIDs.Union(p.GTIDs), true
	return at
}
