package binlog

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// A Flavor is a family of servers. They share the log's framing, and differ in their GTIDs.
type Flavor uint8

// The flavors.
const (
	MySQL   Flavor = iota + 1 // MySQL and Percona Server
	MariaDB                   // MariaDB
)

// String returns the flavor's name as positions spell it.
func (f Flavor) String() string {
	switch f {
	case MySQL:
		return "mysql"
	case MariaDB:
		return "mariadb"
	}
	return fmt.Sprintf("Flavor(%d)", uint8(f))
}

// A GTID names one transaction of a server's history.
type GTID struct {
	Server   [16]byte // MySQL: the UUID of the server that committed it first
	Tag      string   // MySQL 8.3 and later: the tag, empty for most
	Domain   uint32   // MariaDB
	ServerID uint32   // MariaDB: the server that committed it first
	Number   uint64
}

// An Order is how two GTID sets stand to each other.
type Order uint8

// The orders.
const (
	Incomparable Order = iota // each has what the other lacks: two histories
	Same
	Before // the first is contained in the second
	After  // the first contains the second
)

// A GTIDSet is a set of transactions. MySQL's is a set of numbers for each server and tag. MariaDB's has one position
// for each domain, and holds all that precedes it: server ids play no part in it (they change when a replica is promoted).
// Sets of different flavors are not comparable: Contains and Equal are false.
type GTIDSet interface {
	// Add adds one transaction, the newest of its log. It is cheap: nothing is copied.
	Add(g GTID)
	ContainsGTID(g GTID) bool
	Contains(other GTIDSet) bool
	Equal(other GTIDSet) bool
	// Union and Subtract return new sets. Of MariaDB's sets, Subtract returns the positions of the domains in which the
	// set is ahead of the other.
	Union(other GTIDSet) GTIDSet
	Subtract(other GTIDSet) GTIDSet
	Empty() bool
	Clone() GTIDSet
	// String spells the set as the server does, without line breaks. AppendText appends the same.
	String() string
	AppendText(dst []byte) []byte
}

// ParseGTIDSet reads a set as servers and users write it. The empty text is the empty set.
func ParseGTIDSet(f Flavor, text string) (GTIDSet, error) {
	switch f {
	case MySQL:
		return ParseMySQLSet(text)
	case MariaDB:
		return ParseMariaDBSet(text)
	}
	return nil, fmt.Errorf("parse GTID set: unknown flavor %v", f)
}

// Compare says how a stands to b.
func Compare(a, b GTIDSet) Order {
	switch ab, ba := a.Contains(b), b.Contains(a); {
	case ab && ba:
		return Same
	case ab:
		return After
	case ba:
		return Before
	}
	return Incomparable
}

var errUUID = errors.New("not a UUID")

// parseUUID reads 8-4-4-4-12 hexadecimal digits.
func parseUUID(text string) (u [16]byte, err error) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, errUUID
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return u, errUUID
	}
	return u, nil
}

func appendUUID(dst []byte, u [16]byte) []byte {
	for i, part := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			dst = append(dst, '-')
		}
		start := [...]int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, u[start:start+part])
	}
	return dst
}
