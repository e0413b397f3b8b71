package format

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cdcsync/cdcsync/schema"
)

// Field numbers that Protobuf keeps for itself, and the largest that it has.
const (
	firstKept      = 19000
	lastKept       = 19999
	maxFieldNumber = math.MaxInt32 >> 2
	maxReserved    = 100_000 // the longest range that is read: cdcsync writes none
)

// number gives the fields of rows their numbers: those they had, or new ones. Fields whose columns are gone stay, and
// nothing is written to them any more: so their numbers are not given to others, and the new version only adds to the one
// before, which is compatible with it by the rules of all registries.
func (f *protobufFile) number(m *descriptorpb.DescriptorProto, e *protobufEarlier, cols []binaryColumn) {
	gone, top := maps.Clone(e.columns), int32(0)
	for n := range e.reserved {
		top = max(top, n)
	}
	for _, old := range e.columns {
		top = max(top, old.number)
	}
	var added []int
	for i, d := range m.Field {
		old, ok := e.columns[cols[i].name]
		if !ok || !readable(old.kind, typeOf(d)) {
			added = append(added, i)
			continue
		}
		d.Number, d.Name = &old.number, &old.name
		delete(gone, cols[i].name)
	}
	for _, column := range slices.Sorted(maps.Keys(gone)) {
		f.keep(m, e, column, slices.ContainsFunc(cols, func(c binaryColumn) bool { return c.name == column }))
	}
	e.nameAdded(m, added, top)
	for i := range cols {
		m.Field[i].JsonName = jsonNameOf(m.Field[i].GetName(), cols[i].name)
	}
	e.reserve(m)
}

// keep adds a field whose column is gone, or has another field now. One of a type that cdcsync does not write is reserved.
func (f *protobufFile) keep(m *descriptorpb.DescriptorProto, e *protobufEarlier, column string, replaced bool) {
	old := e.columns[column]
	s, ok := kindSchema(old.kind)
	if !ok {
		e.reserved[old.number], e.reservedNames[old.name] = true, true
		return
	}
	if replaced { // '#' is in no name of a field: no column of today is called like that
		column = fmt.Sprintf("%s#%d", column, old.number)
	}
	d := f.addField(m, connectField{old.name, s.orNull()})
	d.Number, d.JsonName, d.Options = &old.number, jsonNameOf(old.name, column), &descriptorpb.FieldOptions{Deprecated: new(true)}
}

// kindSchema is the schema of a type that fields of rows have.
func kindSchema(kind string) (connectSchema, bool) {
	switch kind {
	case "Decimal":
		return decimalMessage, true
	case "FloatVector":
		return vectorMessage, true
	case "Geometry", "Point":
		return geometry(&schema.Column{Native: kind}, &jsonColumn{}), true
	case "bool":
		return required("boolean"), true
	case "int32", "int64", "float", "double", "string", "bytes":
		return required(kind), true
	}
	return connectSchema{}, false
}

// nameAdded gives added fields new numbers, and another name where theirs is taken, or is the same in JSON as that of
// another field: compilers refuse that.
func (e *protobufEarlier) nameAdded(m *descriptorpb.DescriptorProto, added []int, top int32) {
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
		d.Number = new(top)
		if e.reservedNames[d.GetName()] || taken[jsonName(d.GetName())] {
			d.Name = new(fmt.Sprintf("%s_%d", d.GetName(), top))
		}
		taken[jsonName(d.GetName())] = true
	}
	for _, d := range m.Field {
		if d.OneofIndex != nil {
			m.OneofDecl[d.GetOneofIndex()].Name = new("_" + d.GetName())
		}
	}
}

// reserve says which numbers and names are not to be used.
func (e *protobufEarlier) reserve(m *descriptorpb.DescriptorProto) {
	for _, n := range slices.Sorted(maps.Keys(e.reserved)) {
		m.ReservedRange = append(m.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{Start: new(n), End: new(n + 1)})
	}
	m.ReservedName = slices.Sorted(maps.Keys(e.reservedNames))
}

// readable says that what was written as one type is read whole as another.
func readable(from, to string) bool { return from == to || from == "int32" && to == "int64" }

// jsonNameOf is what to say of a field's name in JSON, so that it is that of the column: nothing when it is already.
func jsonNameOf(name, column string) *string {
	if jsonName(name) == column {
		return nil
	}
	return &column
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
