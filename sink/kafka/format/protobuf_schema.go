package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A protobufFile makes a file of Protobuf of a schema of Kafka Connect.
type protobufFile struct {
	file     *descriptorpb.FileDescriptorProto
	comments map[*descriptorpb.FieldDescriptorProto]string
}

// schema writes the schema of a part. Its message comes first.
func (protobufDialect) schema(part Part, t *binaryTable, history string) (string, []binaryColumn, error) {
	fields, cols := t.rows(part)
	message := map[Part]string{PartKeys: "Key", PartValues: "Value"}[part]
	earlier, err := protobufHistory(history, message)
	if err != nil {
		return "", nil, err
	}
	for i := range fields {
		// A value that is left out is none, for all columns: so nothing changes when a column is added, or may be NULL from now
		// on, and rows need not have all their values.
		fields[i].schema.optional, cols[i].optional = part == PartValues, part == PartValues
	}
	f := &protobufFile{
		file:     &descriptorpb.FileDescriptorProto{Name: new("table.proto"), Package: new(t.prefix), Syntax: new("proto3")},
		comments: map[*descriptorpb.FieldDescriptorProto]string{},
	}
	whole := t.whole(part, fields)
	f.add(&whole)
	rows := f.message(message)
	f.number(rows, earlier, cols)
	for i, d := range rows.Field[:len(cols)] {
		cols[i].tag = protowire.EncodeTag(protowire.Number(d.GetNumber()), wireTypes[d.GetType()])
		cols[i].tail = decimalTail(&fields[i].schema)
	}
	if _, err := protodesc.NewFile(f.file, nil); err != nil {
		return "", nil, fmt.Errorf("the table has no form in Protobuf: %w", err)
	}
	return f.text(), cols, nil
}

var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"boolean": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "int16": descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"float": descriptorpb.FieldDescriptorProto_TYPE_FLOAT, "double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	"uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
}

// wireTypes are those of the types above that are not sent as bytes.
var wireTypes = map[descriptorpb.FieldDescriptorProto_Type]protowire.Type{
	descriptorpb.FieldDescriptorProto_TYPE_BOOL: protowire.VarintType, descriptorpb.FieldDescriptorProto_TYPE_INT32: protowire.VarintType,
	descriptorpb.FieldDescriptorProto_TYPE_INT64: protowire.VarintType, descriptorpb.FieldDescriptorProto_TYPE_FLOAT: protowire.Fixed32Type,
	descriptorpb.FieldDescriptorProto_TYPE_DOUBLE: protowire.Fixed64Type, descriptorpb.FieldDescriptorProto_TYPE_STRING: protowire.BytesType,
	descriptorpb.FieldDescriptorProto_TYPE_BYTES: protowire.BytesType, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE: protowire.BytesType,
}

// Messages of values that Connect has no struct for.
var (
	decimalMessage = structOf("Decimal", 0, connectField{"value", required("bytes")}, connectField{"precision", required("uint32")}, connectField{"scale", required("int32")})
	// A list has no presence of its own in Protobuf: within a message it can be null.
	vectorMessage = structOf("FloatVector", 0, connectField{"values", array(required("float"))})
)

// decimalTail is what follows the value in a decimalMessage; nil for other types.
func decimalTail(s *connectSchema) []byte {
	if logicalTypes[s.name] != "decimal" {
		return nil
	}
	scale, _ := strconv.Atoi(s.parameters[0].value) // both were written by precise
	precision, _ := strconv.Atoi(s.parameters[1].value)
	w := protobufWire{}
	return w.long(w.long(nil, 2, must, int64(precision)), 3, must, int64(scale))
}

// messageName is the last part of a struct's name, with a capital.
func messageName(s *connectSchema) string {
	name := s.name[strings.LastIndexByte(s.name, '.')+1:]
	return strings.ToUpper(name[:1]) + name[1:]
}

func (f *protobufFile) message(name string) *descriptorpb.DescriptorProto {
	i := slices.IndexFunc(f.file.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == name })
	if i < 0 {
		return nil
	}
	return f.file.MessageType[i]
}

// add adds the message of a struct, and of all in it, once.
func (f *protobufFile) add(s *connectSchema) (name string) {
	name = messageName(s)
	if f.message(name) != nil {
		return name
	}
	m := &descriptorpb.DescriptorProto{Name: &name}
	f.file.MessageType = append(f.file.MessageType, m)
	for _, field := range s.fields {
		f.addField(m, field)
	}
	return name
}

// addField adds a field with the next number.
func (f *protobufFile) addField(m *descriptorpb.DescriptorProto, field connectField) *descriptorpb.FieldDescriptorProto {
	d := &descriptorpb.FieldDescriptorProto{Name: new(field.name), Number: new(int32(len(m.Field) + 1)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	f.typed(d, &field.schema)
	if field.schema.optional {
		d.Proto3Optional, d.OneofIndex = new(true), new(int32(len(m.OneofDecl)))
		m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: new("_" + field.name)})
	}
	m.Field = append(m.Field, d)
	return d
}

// typed sets the type of a field.
func (f *protobufFile) typed(d *descriptorpb.FieldDescriptorProto, s *connectSchema) {
	inner := s
	switch {
	case s.kind == "array" && s.name == "":
		d.Label, inner = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), s.items
	case s.kind == "array":
		inner = &vectorMessage
	case logicalTypes[s.name] == "decimal":
		inner = &decimalMessage
	}
	if s.kind != "struct" && s.name != "" {
		f.comments[d] = s.name
	}
	if inner.kind != "struct" {
		d.Type = scalars[inner.kind].Enum()
		return
	}
	d.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	d.TypeName = new("." + f.file.GetPackage() + "." + f.add(inner))
}

// text writes the file as .proto.
func (f *protobufFile) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = \"proto3\";\npackage %s;\n", f.file.GetPackage())
	for _, m := range f.file.MessageType {
		fmt.Fprintf(&b, "\nmessage %s {\n", m.GetName())
		var numbers, names []string
		for _, r := range m.ReservedRange {
			numbers = append(numbers, strconv.Itoa(int(r.GetStart())))
		}
		for _, n := range m.ReservedName {
			names = append(names, strconv.Quote(n))
		}
		for _, list := range [][]string{numbers, names} {
			if len(list) > 0 {
				fmt.Fprintf(&b, "  reserved %s;\n", strings.Join(list, ", "))
			}
		}
		for _, d := range m.Field {
			f.field(&b, d)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func (f *protobufFile) field(b *strings.Builder, d *descriptorpb.FieldDescriptorProto) {
	b.WriteString("  ")
	switch {
	case d.GetProto3Optional():
		b.WriteString("optional ")
	case d.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		b.WriteString("repeated ")
	}
	fmt.Fprintf(b, "%s %s = %d", typeOf(d), d.GetName(), d.GetNumber())
	var options []string
	if d.GetOptions().GetDeprecated() {
		options = append(options, "deprecated = true")
	}
	if d.JsonName != nil {
		options = append(options, "json_name = "+protobufString(d.GetJsonName()))
	}
	if len(options) > 0 {
		fmt.Fprintf(b, " [%s]", strings.Join(options, ", "))
	}
	b.WriteString(";")
	if c := f.comments[d]; c != "" {
		b.WriteString(" // " + c)
	}
	b.WriteString("\n")
}

// typeOf spells the type of a field, as it is called within its package.
func typeOf(d *descriptorpb.FieldDescriptorProto) string {
	if d.TypeName != nil {
		return d.GetTypeName()[strings.LastIndexByte(d.GetTypeName(), '.')+1:]
	}
	return strings.ToLower(strings.TrimPrefix(d.GetType().String(), "TYPE_"))
}

// protobufString quotes a text for .proto: bytes that are no printable ASCII are octal.
func protobufString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}
