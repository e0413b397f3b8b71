package format

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A protobufEarlier is what an earlier version of a message had.
type protobufEarlier struct {
	columns       map[string]earlierField // by the name of their column; nil: there is no earlier version
	reserved      map[int32]bool
	reservedNames map[string]bool
}

// An earlierField is one field of an earlier version.
type earlierField struct {
	name, kind string
	number     int32
}

// protobufHistory reads a message of a registered file: only what tells its fields apart.
func protobufHistory(text, message string) (*protobufEarlier, error) {
	e := &protobufEarlier{reserved: map[int32]bool{}, reservedNames: map[string]bool{}}
	if text == "" {
		return e, nil
	}
	tokens, err := protobufTokens(text)
	if err != nil {
		return nil, err
	}
	for i := 0; i+2 < len(tokens); i++ {
		switch {
		case tokens[i] == "{": // of another message, or of what else has a body
			i = closing(tokens, i)
		case tokens[i] == "message" && tokens[i+1] == message && tokens[i+2] == "{":
			e.columns = map[string]earlierField{}
			return e, e.read(tokens[i+3 : closing(tokens, i+2)])
		}
	}
	return e, nil
}

// closing is the place of the brace that ends the block which begins at i.
func closing(tokens []string, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch tokens[i] {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(tokens)
}

// read takes the statements of a message.
func (e *protobufEarlier) read(tokens []string) error {
	from := 0
	for i := 0; i < len(tokens); i++ {
		switch tokens[i] {
		case "{": // a type within the message, or a choice, which cdcsync writes none of
			i = closing(tokens, i)
			from = i + 1
		case ";":
			if err := e.statement(tokens[from:i]); err != nil {
				return err
			}
			from = i + 1
		}
	}
	return nil
}

func (e *protobufEarlier) statement(tokens []string) error {
	equals := slices.Index(tokens, "=")
	switch {
	case len(tokens) == 0 || tokens[0] == "option" && equals != 2:
		return nil
	case tokens[0] == "reserved" && equals < 0:
		return e.reserve(tokens[1:])
	case equals < 2 || equals+1 == len(tokens):
		return nil
	}
	n, err := strconv.ParseInt(tokens[equals+1], 0, 32)
	if err != nil {
		return fmt.Errorf("read the registered Protobuf: %q is no field number", tokens[equals+1])
	}
	f := earlierField{name: tokens[equals-1], number: int32(n), kind: tokens[equals-2]}
	f.kind = f.kind[strings.LastIndexByte(f.kind, '.')+1:]
	column := f.name
	if at := slices.Index(tokens, "json_name"); at > equals && at+2 < len(tokens) {
		if column, err = protobufUnquote(tokens[at+2]); err != nil {
			return err
		}
	}
	e.columns[column] = f
	return nil
}

// reserve takes the list of a reserved statement: numbers, ranges, names.
func (e *protobufEarlier) reserve(tokens []string) error {
	var last int32
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t == ",":
		case t[0] == '"' || t[0] == '\'':
			name, err := protobufUnquote(t)
			if err != nil {
				return err
			}
			e.reservedNames[name] = true
		case t == "to" && i+1 < len(tokens) && tokens[i+1] == "max":
			return fmt.Errorf("read the registered Protobuf: all numbers from %d on are reserved: none is left for new columns", last)
		default:
			n, err := strconv.ParseInt(t, 0, 32)
			if t == "to" && i+1 < len(tokens) {
				i++
				n, err = strconv.ParseInt(tokens[i], 0, 32)
			} else {
				last = int32(n)
			}
			if err != nil || n > maxFieldNumber || n-int64(last) > maxReserved {
				return fmt.Errorf("read the registered Protobuf: %q is nothing that can be reserved", t)
			}
			for k := last; k <= int32(n); k++ {
				e.reserved[k] = true
			}
			last = int32(n)
		}
	}
	return nil
}

// Field numbers that Protobuf keeps for itself, and the largest that it has.
const (
	firstKept      = 19000
	lastKept       = 19999
	maxFieldNumber = math.MaxInt32 >> 2
	maxReserved    = 100_000 // the longest range that is read: cdcsync writes none
)

// number gives the fields of rows their numbers: those they had, or new ones. Numbers and names that are gone are
// reserved.
func (e *protobufEarlier) number(m *descriptorpb.DescriptorProto, cols []binaryColumn) {
	gone, top := maps.Clone(e.columns), int32(0)
	for n := range e.reserved {
		top = max(top, n)
	}
	for _, f := range e.columns {
		top = max(top, f.number)
	}
	var added []int
	for i, d := range m.Field {
		f, ok := e.columns[cols[i].name]
		if !ok || !readable(f.kind, typeOf(d)) {
			added = append(added, i)
			continue
		}
		d.Number, d.Name = &f.number, &f.name
		delete(gone, cols[i].name)
	}
	for _, f := range gone {
		e.reserved[f.number], e.reservedNames[f.name] = true, true
	}
	e.name(m, added, top)
	e.describe(m, cols)
}

// name gives added fields new numbers, and another name where theirs is reserved, or is the same in JSON as that of another
// column: compilers refuse that.
func (e *protobufEarlier) name(m *descriptorpb.DescriptorProto, added []int, top int32) {
	taken := map[string]bool{}
	for i, d := range m.Field {
		if !slices.Contains(added, i) {
			taken[jsonName(d.GetName())] = true
		}
	}
	for _, i := range added {
		if top++; top == firstKept {
			top = lastKept + 1
		}
		d := m.Field[i]
		d.Number = proto.Int32(top)
		if e.reservedNames[d.GetName()] || taken[jsonName(d.GetName())] {
			d.Name = proto.String(fmt.Sprintf("%s_%d", d.GetName(), top))
		}
		taken[jsonName(d.GetName())] = true
	}
}

// jsonName is the name that a field has in JSON, if it is given no other: without '_', and with a capital after it.
func jsonName(name string) string {
	var b strings.Builder
	up := false
	for _, r := range name {
		switch {
		case r == '_':
			up = true
			continue
		case up:
			r = unicode.ToUpper(r)
		}
		b.WriteRune(r)
		up = false
	}
	return b.String()
}

// describe gives fields the names of their columns in JSON, and says what is reserved.
func (e *protobufEarlier) describe(m *descriptorpb.DescriptorProto, cols []binaryColumn) {
	for i, d := range m.Field {
		if jsonName(d.GetName()) != cols[i].name {
			d.JsonName = &cols[i].name
		}
		if d.OneofIndex != nil {
			m.OneofDecl[d.GetOneofIndex()].Name = proto.String("_" + d.GetName())
		}
	}
	for _, n := range slices.Sorted(maps.Keys(e.reserved)) {
		m.ReservedRange = append(m.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{Start: proto.Int32(n), End: proto.Int32(n + 1)})
	}
	m.ReservedName = slices.Sorted(maps.Keys(e.reservedNames))
}

// readable says that what was written as one type is read whole as another.
func readable(from, to string) bool { return from == to || from == "int32" && to == "int64" }
