package binlog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A MariaDBSet is a GTID position of MariaDB: the last transaction of each domain.
type MariaDBSet struct{ domains map[uint32]mariaPosition }

type mariaPosition struct {
	server uint32
	number uint64
}

// ParseMariaDBSet reads domain-server-number,domain-server-number. A domain may stand there once only.
func ParseMariaDBSet(text string) (*MariaDBSet, error) {
	s := &MariaDBSet{domains: map[uint32]mariaPosition{}}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		g, err := parseMariaDBGTID(part)
		if err != nil {
			return nil, fmt.Errorf("parse GTID position: %q: %w", part, err)
		}
		if _, found := s.domains[g.Domain]; found {
			return nil, fmt.Errorf("parse GTID position: domain %d stands twice in %q", g.Domain, text)
		}
		s.domains[g.Domain] = mariaPosition{g.ServerID, g.Number}
	}
	return s, nil
}

func parseMariaDBGTID(text string) (GTID, error) {
	fields := strings.Split(text, "-")
	if len(fields) != 3 {
		return GTID{}, fmt.Errorf("want domain-server-number")
	}
	domain, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return GTID{}, fmt.Errorf("%q is not a domain", fields[0])
	}
	server, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil {
		return GTID{}, fmt.Errorf("%q is not a server id", fields[1])
	}
	number, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return GTID{}, fmt.Errorf("%q is not a sequence number", fields[2])
	}
	return GTID{Domain: uint32(domain), ServerID: uint32(server), Number: number}, nil
}

// Add moves the domain of g to g, which is the newest of the domain in the log. Its number may be a lower one, if the server
// does not insist on their order (gtid_strict_mode): servers find a place in the log by the GTID before it, not by numbers.
func (s *MariaDBSet) Add(g GTID) {
	if s.domains == nil {
		s.domains = map[uint32]mariaPosition{}
	}
	s.domains[g.Domain] = mariaPosition{g.ServerID, g.Number}
}

// All are the last transactions of the domains, by domain.
func (s *MariaDBSet) All() []GTID {
	all := make([]GTID, 0, len(s.domains))
	for _, domain := range s.sorted() {
		p := s.domains[domain]
		all = append(all, GTID{Domain: domain, ServerID: p.server, Number: p.number})
	}
	return all
}

// ContainsGTID says that g's domain has come to g.
func (s *MariaDBSet) ContainsGTID(g GTID) bool {
	p, found := s.domains[g.Domain]
	return found && p.number >= g.Number
}

// Contains says that each domain of other has come at least as far here.
func (s *MariaDBSet) Contains(other GTIDSet) bool {
	o, ok := other.(*MariaDBSet)
	if !ok {
		return false
	}
	for domain, p := range o.domains {
		if !s.ContainsGTID(GTID{Domain: domain, Number: p.number}) {
			return false
		}
	}
	return true
}

// Equal says that all domains have come equally far.
func (s *MariaDBSet) Equal(other GTIDSet) bool { return s.Contains(other) && other.Contains(s) }

// Empty says that there is no domain.
func (s *MariaDBSet) Empty() bool { return len(s.domains) == 0 }

// Clone returns a copy.
func (s *MariaDBSet) Clone() GTIDSet {
	c := &MariaDBSet{domains: maps.Clone(s.domains)}
	return c
}

// Union returns the further position of each domain.
func (s *MariaDBSet) Union(other GTIDSet) GTIDSet {
	u := &MariaDBSet{domains: map[uint32]mariaPosition{}}
	maps.Copy(u.domains, s.domains)
	if o, ok := other.(*MariaDBSet); ok {
		for _, g := range o.All() {
			if !u.ContainsGTID(g) {
				u.Add(g)
			}
		}
	}
	return u
}

// Subtract returns the positions of the domains in which s is ahead.
func (s *MariaDBSet) Subtract(other GTIDSet) GTIDSet {
	d := &MariaDBSet{domains: map[uint32]mariaPosition{}}
	for domain, p := range s.domains {
		g := GTID{Domain: domain, ServerID: p.server, Number: p.number}
		if _, ok := other.(*MariaDBSet); !ok || !other.ContainsGTID(g) {
			d.Add(g)
		}
	}
	return d
}

// String returns domain-server-number,..., by domain.
func (s *MariaDBSet) String() string { return string(s.AppendText(nil)) }

// AppendText appends String.
func (s *MariaDBSet) AppendText(dst []byte) []byte {
	for i, domain := range s.sorted() {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := s.domains[domain]
		dst = strconv.AppendUint(dst, uint64(domain), 10)
		dst = strconv.AppendUint(append(dst, '-'), uint64(p.server), 10)
		dst = strconv.AppendUint(append(dst, '-'), p.number, 10)
	}
	return dst
}

func (s *MariaDBSet) sorted() []uint32 {
	keys := slices.Collect(maps.Keys(s.domains))
	slices.Sort(keys)
	return keys
}

// A MariaDBState is what a server's log has, as gtid_binlog_state says: the last transaction of each domain and server.
type MariaDBState []GTID

// ParseMariaDBState reads domain-server-number,domain-server-number.
func ParseMariaDBState(text string) (MariaDBState, error) {
	var s MariaDBState
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		g, err := parseMariaDBGTID(part)
		if err != nil {
			return nil, fmt.Errorf("parse GTID state: %q: %w", part, err)
		}
		s = append(s, g)
	}
	return s, nil
}

// Has says that the log has g, or had it before it was purged.
func (s MariaDBState) Has(g GTID) bool {
	return slices.ContainsFunc(s, func(h GTID) bool { return h.Domain == g.Domain && h.ServerID == g.ServerID && h.Number >= g.Number })
}

// Covers says that it has all of a set. Of a replica's position that means the domains whose last transaction it applied from
// the server that the set names.
func (s MariaDBState) Covers(set GTIDSet) bool {
	m, ok := set.(*MariaDBSet)
	return ok && !slices.ContainsFunc(m.All(), func(g GTID) bool { return !s.Has(g) })
}

// Last is the highest number that the log has of a domain; 0: none.
func (s MariaDBState) Last(domain uint32) uint64 {
	n := uint64(0)
	for _, h := range s {
		if h.Domain == domain {
			n = max(n, h.Number)
		}
	}
	return n
}
