package binlog

import "github.com/cdcsync/cdcsync/source"

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
	gtids GTIDSet // MySQL's; nil: where a transaction begins tells
	seq   uint64
}

// Sees answers by GTID where the transaction has one, else by where it begins.
func (v reached) Sees(t source.TxnID) source.Visibility {
	in := t.Seq < v.seq
	if v.gtids != nil && t.Number != 0 {
		in = v.gtids.ContainsGTID(GTID{Server: t.Server, Tag: t.Tag, Number: t.Number})
	}
	if in {
		return source.Yes
	}
	return source.No
}

// Reached is the view of a position: exactly the transactions at or before it.
func Reached(p Position) source.View {
	if p.Flavor == MySQL && p.GTIDs != nil && !p.GTIDs.Empty() {
		return reached{p.GTIDs, p.Seq()}
	}
	return reached{nil, p.Seq()}
}
