package binlog

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A MySQLSet is a GTID set of MySQL. The zero set is empty.
type MySQLSet struct {
	// series are sorted by UUID, then tag, and none is empty.
	series []*series
	last   *series // the one that Add met last: nearly always the next one too
}

// A series is the numbers of one server and tag.
type series struct {
	server [16]byte
	tag    string
	spans  []span // sorted, disjoint, and with gaps between them
	text   []byte // the spans as text, nil when they changed since
}

// A span is the numbers from start to end, both included.
type span struct{ start, end uint64 }

// maxNumber is the largest number that a GTID can have.
const maxNumber = math.MaxInt64 - 1

// ParseMySQLSet reads uuid:1-5:7,uuid:tag:1-3, with white space anywhere between the parts.
func ParseMySQLSet(text string) (*MySQLSet, error) {
	s := new(MySQLSet)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if err := s.parseServer(part); err != nil {
			return nil, fmt.Errorf("parse GTID set: %q: %w", part, err)
		}
	}
	return s, nil
}

// parseServer reads uuid:1-5:tag:1-3: numbers after a tag belong to the tag.
func (s *MySQLSet) parseServer(part string) error {
	head, rest, found := strings.Cut(part, ":")
	server, err := parseUUID(strings.TrimSpace(head))
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("numbers are missing after the UUID")
	}
	tag, tagged := "", false
	for item := range strings.SplitSeq(rest, ":") {
		item = strings.TrimSpace(item)
		if isTag(item) {
			tag, tagged = strings.ToLower(item), true
			continue
		}
		sp, err := parseSpan(item)
		if err != nil {
			return err
		}
		s.of(server, tag).add(sp)
		tagged = false
	}
	if tagged {
		return fmt.Errorf("numbers are missing after tag %s", tag)
	}
	return nil
}

// isTag says that text is a tag: a letter or underscore, and up to 31 letters, digits and underscores.
func isTag(text string) bool {
	if text == "" || len(text) > 32 || text[0] >= '0' && text[0] <= '9' {
		return false
	}
	for i := range len(text) {
		c := text[i] | 0x20
		if (c < 'a' || c > 'z') && text[i] != '_' && (text[i] < '0' || text[i] > '9') {
			return false
		}
	}
	return true
}

func parseSpan(text string) (span, error) {
	first, last, found := strings.Cut(text, "-")
	start, err := parseNumber(first)
	if err != nil || !found {
		return span{start, start}, err
	}
	end, err := parseNumber(last)
	if err == nil && end < start {
		err = fmt.Errorf("interval %q ends before it starts", text)
	}
	return span{start, end}, err
}

func parseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || n == 0 || n > maxNumber {
		return 0, fmt.Errorf("%q is not a transaction number", text)
	}
	return n, nil
}

// of returns the series of a server and tag, which it makes if there is none.
func (s *MySQLSet) of(server [16]byte, tag string) *series {
	if s.last != nil && s.last.server == server && s.last.tag == tag {
		return s.last
	}
	i, found := s.find(server, tag)
	if !found {
		s.series = slices.Insert(s.series, i, &series{server: server, tag: tag})
	}
	s.last = s.series[i]
	return s.last
}

func (s *MySQLSet) find(server [16]byte, tag string) (int, bool) {
	lo, hi := 0, len(s.series)
	for lo < hi {
		mid := (lo + hi) / 2
		q := s.series[mid]
		c := bytes.Compare(q.server[:], server[:])
		if c == 0 {
			c = cmp.Compare(q.tag, tag)
		}
		switch {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// Add adds one transaction. Number 0 is none.
func (s *MySQLSet) Add(g GTID) {
	if g.Number != 0 {
		s.of(g.Server, g.Tag).add(span{g.Number, g.Number})
	}
}

// add adds a span, and joins the spans that it touches.
func (q *series) add(n span) {
	if k := len(q.spans); k > 0 && q.spans[k-1].end+1 == n.start { // the next number of a server, nearly always
		q.spans[k-1].end, q.text = n.end, nil
		return
	}
	// from i to j stand the spans that overlap n or stand next to it.
	i := q.search(n.start - 1)
	j := i
	for j < len(q.spans) && q.spans[j].start <= n.end+1 {
		n.start, n.end = min(n.start, q.spans[j].start), max(n.end, q.spans[j].end)
		j++
	}
	if j == i+1 && q.spans[i] == n {
		return
	}
	q.spans, q.text = slices.Replace(q.spans, i, j, n), nil
}

// search returns the index of the first span that ends at n or later.
func (q *series) search(n uint64) int {
	lo, hi := 0, len(q.spans)
	for lo < hi {
		if mid := (lo + hi) / 2; q.spans[mid].end < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (q *series) contains(n span) bool {
	i := q.search(n.start)
	return i < len(q.spans) && q.spans[i].start <= n.start && n.end <= q.spans[i].end
}

// ContainsGTID says that the set has g.
func (s *MySQLSet) ContainsGTID(g GTID) bool {
	i, found := s.find(g.Server, g.Tag)
	return found && s.series[i].contains(span{g.Number, g.Number})
}

// Contains says that the set has all of other.
func (s *MySQLSet) Contains(other GTIDSet) bool {
	o, ok := other.(*MySQLSet)
	if !ok {
		return false
	}
	for _, q := range o.series {
		i, found := s.find(q.server, q.tag)
		if !found {
			return false
		}
		for _, sp := range q.spans {
			if !s.series[i].contains(sp) {
				return false
			}
		}
	}
	return true
}

// Equal says that both have the same transactions.
func (s *MySQLSet) Equal(other GTIDSet) bool { return s.Contains(other) && other.Contains(s) }

// Empty says that there is none.
func (s *MySQLSet) Empty() bool { return len(s.series) == 0 }

// Clone returns a copy.
func (s *MySQLSet) Clone() GTIDSet {
	c := &MySQLSet{series: make([]*series, len(s.series))}
	for i, q := range s.series {
		c.series[i] = &series{server: q.server, tag: q.tag, spans: slices.Clone(q.spans)}
	}
	return c
}

// Union returns what either has. A set of another flavor adds nothing.
func (s *MySQLSet) Union(other GTIDSet) GTIDSet {
	u := s.Clone().(*MySQLSet)
	if o, ok := other.(*MySQLSet); ok {
		for _, q := range o.series {
			for _, sp := range q.spans {
				u.of(q.server, q.tag).add(sp)
			}
		}
	}
	return u
}

// Subtract returns what s has and other has not.
func (s *MySQLSet) Subtract(other GTIDSet) GTIDSet {
	d := new(MySQLSet)
	o, ok := other.(*MySQLSet)
	if !ok {
		return s.Clone()
	}
	for _, q := range s.series {
		var less []span
		if i, found := o.find(q.server, q.tag); found {
			less = o.series[i].spans
		}
		if spans := subtract(q.spans, less); len(spans) > 0 {
			d.series = append(d.series, &series{server: q.server, tag: q.tag, spans: spans})
		}
	}
	return d
}

// subtract cuts the spans of b out of those of a.
func subtract(a, b []span) []span {
	var out []span
	for _, sp := range a {
		for len(b) > 0 && b[0].end < sp.start {
			b = b[1:]
		}
		for _, cut := range b {
			if cut.start > sp.end {
				break
			}
			if cut.start > sp.start {
				out = append(out, span{sp.start, cut.start - 1})
			}
			sp.start = cut.end + 1
		}
		if sp.start <= sp.end {
			out = append(out, sp)
		}
	}
	return out
}

// String returns uuid:1-5:7:tag:1-3,uuid:1.
func (s *MySQLSet) String() string { return string(s.AppendText(nil)) }

// AppendText appends String. Only what changed since the last call is rendered anew.
func (s *MySQLSet) AppendText(dst []byte) []byte {
	for i, q := range s.series {
		if i == 0 || s.series[i-1].server != q.server {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendUUID(dst, q.server)
		}
		if q.tag != "" {
			dst = append(append(dst, ':'), q.tag...)
		}
		if q.text == nil {
			q.render()
		}
		dst = append(dst, q.text...)
	}
	return dst
}

func (q *series) render() {
	q.text = make([]byte, 0, 24*len(q.spans))
	for _, sp := range q.spans {
		q.text = strconv.AppendUint(append(q.text, ':'), sp.start, 10)
		if sp.end > sp.start {
			q.text = strconv.AppendUint(append(q.text, '-'), sp.end, 10)
		}
	}
}
