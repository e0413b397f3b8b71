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

// Add moves the domain of g forward to g. An older number than the domain has is in the set already.
func (s *MariaDBSet) Add(g GTID) {
	if s.domains == nil {
		s.domains = map[uint32]mariaPosition{}
	}
	if p, found := s.domains[g.Domain]; !found || p.number < g.Number {
		s.domains[g.Domain] = mariaPosition{g.ServerID, g.Number}
	}
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
	u := s.Clone()
	if o, ok := other.(*MariaDBSet); ok {
		for domain, p := range o.domains {
			u.Add(GTID{Domain: domain, ServerID: p.server, Number: p.number})
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
