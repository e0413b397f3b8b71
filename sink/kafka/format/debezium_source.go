package format

import (
	"strconv"

	"github.com/cdcsync/cdcsync/schema"
)

// offsetBits are the low bits of a Seq that are the place within its log file.
const offsetBits = 40

// offset is the place within its log file that a Seq names.
func offset(seq uint64) uint64 { return seq & (1<<offsetBits - 1) }

// A sourceBlock writes the source of records of one table. All that is of the transaction is kept as text, and made anew
// only when the next one begins.
//
// pos is the place of the row itself in the log, where Debezium has that of the event that holds the row; so row is
// always 0, and (file, pos, row) orders the changes and tells them apart as it does with Debezium. Only the rows of a
// compressed event that has more rows than bytes share a place. Rows of a snapshot have an empty file, and the place at
// which they were put in the order of the log.
type sourceBlock struct {
	head, names string // up to ts_ms; db up to ts_us
	table       string // table up to server_id

	origin schema.Origin
	time   int64
	made   bool
	text   []byte // up to pos
	tail   []byte // after pos
	block  []byte // the transaction block up to total_order
	spare  []byte
}

// newSourceBlock prepares the parts that never change.
func newSourceBlock(c *DebeziumConfig, name schema.Name) sourceBlock {
	return sourceBlock{
		head:  `{"version":` + quote(c.Version) + `,"connector":` + quote(c.Connector) + `,"name":` + quote(c.Name) + `,"ts_ms":`,
		names: `,"db":` + quote(name.Namespace) + `,"sequence":null,"ts_us":`,
		table: `,"table":` + quote(name.Table) + `,"server_id":`,
	}
}

// append appends the source of a row.
func (s *sourceBlock) append(dst []byte, o *schema.Origin, time int64, seq uint64) []byte {
	if !s.made || s.time != time || s.origin != *o {
		s.make(o, time)
	}
	dst = strconv.AppendUint(append(dst, s.text...), offset(seq), 10)
	return append(dst, s.tail...)
}

func (s *sourceBlock) make(o *schema.Origin, time int64) {
	s.origin, s.time, s.made = *o, time, true
	p := strconv.AppendInt(append(s.text[:0], s.head...), floorDiv(time, 1000), 10)
	p = append(append(append(p, `,"snapshot":`...), snapshotText(o)...), s.names...)
	p = strconv.AppendInt(p, time, 10)
	p = strconv.AppendInt(append(p, `,"ts_ns":`...), time*1000, 10)
	p = strconv.AppendUint(append(p, s.table...), uint64(o.ServerID), 10)
	p = append(p, `,"gtid":`...)
	if s.spare = o.AppendGTID(s.spare[:0]); len(s.spare) > 0 {
		p = appendString(p, s.spare)
	} else {
		p = append(p, "null"...)
	}
	s.spare = append(s.spare[:0], o.File...)
	s.text = append(appendString(append(p, `,"file":`...), s.spare), `,"pos":`...)

	p = append(s.tail[:0], `,"row":0,"thread":`...)
	if o.Thread != 0 {
		p = strconv.AppendUint(p, uint64(o.Thread), 10)
	} else {
		p = append(p, "null"...)
	}
	s.tail = append(p, `,"query":null}`...)

	s.spare = AppendTransactionID(s.spare[:0], o)
	s.block = append(appendString(append(s.block[:0], `{"id":`...), s.spare), `,"total_order":`...)
}

// snapshotText is Debezium's word for whether a row is of a snapshot.
func snapshotText(o *schema.Origin) string {
	if o.Seq == 0 {
		return `"true"`
	}
	return `"false"`
}

// AppendTransactionID appends what Debezium calls a transaction: its GTID, or where it begins when it has none.
func AppendTransactionID(dst []byte, o *schema.Origin) []byte {
	if o.Number != 0 {
		return o.AppendGTID(dst)
	}
	dst = append(append(append(dst, "file="...), o.File...), ",pos="...)
	return strconv.AppendUint(dst, offset(o.Seq), 10)
}
