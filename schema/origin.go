package schema

import (
	"encoding/hex"
	"strconv"
)

// An Origin is a place in a source's log: the transaction that rows or a schema change belong to. The zero Origin is none:
// rows of a snapshot, and shapes that were found rather than changed.
type Origin struct {
	Seq      uint64   // where the transaction begins, in the order of the log; 0: none
	File     string   // MySQL, MariaDB: the log file
	Server   [16]byte // MySQL: the UUID of its GTID, zero without one
	Tag      string   // MySQL: the tag of its GTID
	Domain   uint32   // MariaDB: the domain of its GTID
	Number   uint64   // the number in its GTID; 0: it has none
	ServerID uint32   // MySQL, MariaDB: the server that wrote it first
	Thread   uint32   // MySQL, MariaDB: the connection that wrote it; 0: not known
}

// AppendGTID appends the transaction's GTID as its server spells it (MySQL uuid:tag:number, MariaDB
// domain-server-number); nothing when it has none.
func (o *Origin) AppendGTID(dst []byte) []byte {
	switch {
	case o.Number == 0:
		return dst
	case o.Server == [16]byte{}:
		dst = strconv.AppendUint(dst, uint64(o.Domain), 10)
		dst = strconv.AppendUint(append(dst, '-'), uint64(o.ServerID), 10)
	default:
		dst = appendUUID(dst, &o.Server)
		if o.Tag != "" {
			dst = append(append(dst, ':'), o.Tag...)
		}
	}
	sep := byte(':')
	if o.Server == [16]byte{} {
		sep = '-'
	}
	return strconv.AppendUint(append(dst, sep), o.Number, 10)
}

// appendUUID spells a UUID in lower case, in its five groups.
func appendUUID(dst []byte, u *[16]byte) []byte {
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		begin := [...]int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, u[begin:end])
	}
	return dst
}
