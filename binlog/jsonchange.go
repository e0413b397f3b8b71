package binlog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a change of a document does at its path. A change is its operation, the length and text of the path, and unless
// it removes, the length and binary form of a value.
const (
	jsonReplace = iota
	jsonInsert
	jsonRemove
)

var errChange = errors.New("a change of a JSON document does not fit the document before it")

// appendChangedJSON appends the text of a document after changes, as the server prints it.
func appendChangedJSON(dst, doc, changes []byte) ([]byte, error) {
	if len(changes) == 0 {
		return appendJSON(dst, doc, false)
	}
	if len(doc) == 0 {
		return dst, errChange
	}
	size := len(doc) + len(changes)
	tree := jsonTree{left: size}
	root := jsonNode{kind: doc[0], raw: doc[1:]}
	for c := (cursor{p: changes}); len(c.p) > 0; {
		if err := tree.change(&root, &c); err != nil {
			return dst, err
		}
	}
	w := jsonWriter{dst: dst, values: size, limit: len(dst) + 16*size + 64}
	w.node(&root, 0)
	if w.bad || len(w.dst) > w.limit {
		return dst, errJSON
	}
	return w.dst, nil
}

// A jsonNode is a value of a document. Objects and arrays are taken apart only where changes lead into them.
type jsonNode struct {
	kind    byte
	raw     []byte // behind the type, as far as it may reach; nil when it is taken apart
	members []jsonMember
}

// A jsonMember is a member of an object, or of an array, where it has no key.
type jsonMember struct {
	key   []byte
	value jsonNode
}

func (n *jsonNode) object() bool { return n.kind == jsonSmallObject || n.kind == jsonLargeObject }

func (n *jsonNode) array() bool { return n.kind == jsonSmallArray || n.kind == jsonLargeArray }

// A jsonTree changes nodes. left is how many more values a sound document may have: a damaged one may contain itself.
type jsonTree struct{ left int }

// change takes one change off c and applies it.
func (t *jsonTree) change(root *jsonNode, c *cursor) error {
	operation := c.uint(1)
	path := c.bytes(c.length())
	var value jsonNode
	if operation != jsonRemove {
		binary := c.bytes(c.length())
		if len(binary) == 0 {
			return errChange
		}
		value = jsonNode{kind: binary[0], raw: binary[1:]}
	}
	legs, err := parseJSONPath(path)
	if c.short || err != nil || len(legs) == 0 {
		return errors.Join(errChange, c.err(), err)
	}
	parent := root
	for _, leg := range legs[:len(legs)-1] {
		if parent, err = t.child(parent, leg); err != nil {
			return err
		}
	}
	return t.apply(parent, legs[len(legs)-1], operation, value)
}

// apply changes what the last leg of a path names.
func (t *jsonTree) apply(parent *jsonNode, leg jsonLeg, operation uint64, value jsonNode) error {
	at, found, err := t.find(parent, leg)
	if err != nil {
		return err
	}
	switch {
	case operation == jsonReplace && found:
		parent.members[at].value = value
	case operation == jsonRemove && found:
		parent.members = slices.Delete(parent.members, at, at+1)
	case operation == jsonInsert && (!found || parent.array()):
		parent.members = slices.Insert(parent.members, at, jsonMember{key: leg.key, value: value})
	default:
		return errChange
	}
	return nil
}

func (t *jsonTree) child(parent *jsonNode, leg jsonLeg) (*jsonNode, error) {
	at, found, err := t.find(parent, leg)
	if err != nil || !found {
		return nil, errors.Join(errChange, err)
	}
	return &parent.members[at].value, nil
}

// find looks for a member, or for where it would stand: the keys of an object are ordered by length, then by their bytes.
func (t *jsonTree) find(n *jsonNode, leg jsonLeg) (at int, found bool, err error) {
	if leg.key != nil && !n.object() || leg.key == nil && !n.array() {
		return 0, false, errChange
	}
	if err := t.open(n); err != nil {
		return 0, false, err
	}
	if leg.key == nil {
		at, found = leg.index(len(n.members))
		return at, found, nil
	}
	at, found = slices.BinarySearchFunc(n.members, leg.key, func(m jsonMember, key []byte) int {
		return cmp.Or(cmp.Compare(len(m.key), len(key)), bytes.Compare(m.key, key))
	})
	return at, found, nil
}

// open takes an object or array apart.
func (t *jsonTree) open(n *jsonNode) error {
	if n.raw == nil {
		return nil
	}
	c, ok := openJSON(n.kind, n.raw)
	if t.left -= c.count; !ok || t.left < 0 {
		return errJSON
	}
	n.members = make([]jsonMember, c.count)
	for i := range n.members {
		m := &n.members[i]
		if m.key, m.value.kind, m.value.raw, ok = c.member(i); !ok {
			return errJSON
		}
	}
	n.raw = nil
	return nil
}

// node appends a value that may have been taken apart.
func (w *jsonWriter) node(n *jsonNode, depth int) {
	if n.raw != nil {
		w.value(n.kind, n.raw, depth)
		return
	}
	if w.bad = w.bad || depth > maxJSONDepth; w.bad {
		return
	}
	brackets := "[]"
	if n.object() {
		brackets = "{}"
	}
	w.dst = append(w.dst, brackets[0])
	for i := range n.members {
		m := &n.members[i]
		if i > 0 {
			w.dst = append(w.dst, ", "...)
		}
		if n.object() {
			w.dst = append(appendJSONString(w.dst, m.key), ": "...)
		}
		w.node(&m.value, depth+1)
	}
	w.dst = append(w.dst, brackets[1])
}

// A jsonLeg is one step of a path: to a member of an object, or of an array.
type jsonLeg struct {
	key     []byte // nil: of an array
	n       int
	fromEnd bool // n counts from the last element back
}

// index is the leg's place in an array of that length, and whether there is an element.
func (l jsonLeg) index(length int) (int, bool) {
	if l.fromEnd {
		return max(0, length-1-l.n), l.n < length
	}
	return min(l.n, length), l.n < length
}

// parseJSONPath reads a path as servers write it: $.key."other key"[2][last-1].
func parseJSONPath(p []byte) (legs []jsonLeg, err error) {
	if len(p) == 0 || p[0] != '$' || !utf8.Valid(p) {
		return nil, errChange
	}
	for p = p[1:]; len(p) > 0; {
		var leg jsonLeg
		switch p[0] {
		case '.':
			leg.key, p, err = jsonPathKey(p[1:])
		case '[':
			leg, p, err = jsonPathIndex(p[1:])
		default:
			err = errChange
		}
		if err != nil {
			return nil, err
		}
		legs = append(legs, leg)
	}
	return legs, nil
}

// jsonPathKey takes a key off p: quoted like a JSON string, or a name without what separates legs.
func jsonPathKey(p []byte) (key, rest []byte, err error) {
	if len(p) == 0 || p[0] != '"' {
		n := bytes.IndexAny(p, ".[")
		if n < 0 {
			n = len(p)
		}
		return p[:n:n], p[n:], nil
	}
	end := 1
	for end < len(p) && p[end] != '"' {
		if p[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p) {
		return nil, nil, errChange
	}
	var text string
	if err := json.Unmarshal(p[:end+1], &text); err != nil {
		return nil, nil, errors.Join(errChange, err)
	}
	return []byte(text), p[end+1:], nil
}

// jsonPathIndex takes an index and the bracket behind it off p: 3, last, last-1.
func jsonPathIndex(p []byte) (leg jsonLeg, rest []byte, err error) {
	index, rest, ok := bytes.Cut(p, []byte("]"))
	if !ok {
		return leg, nil, errChange
	}
	text := string(index)
	if text, leg.fromEnd = strings.CutPrefix(text, "last"); leg.fromEnd {
		text = "0" + strings.TrimPrefix(text, "-")
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return leg, nil, errors.Join(errChange, err)
	}
	leg.n = int(n)
	return leg, rest, nil
}
