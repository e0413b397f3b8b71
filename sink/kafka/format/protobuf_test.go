package format

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
)

// compile compiles a .proto file.
func compile(text string) (protoreflect.FileDescriptor, error) {
	c := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"table.proto": text})},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), "table.proto")
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", text, err)
	}
	return files[0], nil
}

// readProtobuf decodes with the official library, by the first message of a file. Nothing may be left that the message does
// not know.
func readProtobuf(text string, payload []byte) (*formattest.Field, any, error) {
	file, err := compile(text)
	if err != nil {
		return nil, nil, err
	}
	m := dynamicpb.NewMessage(file.Messages().Get(0))
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, nil, err
	}
	f := &formattest.Field{Type: "struct"}
	value, err := messageField(m, f)
	return f, value, err
}

// messageField fills the field of a message by its fields, and returns the value.
func messageField(m protoreflect.Message, f *formattest.Field) (map[string]any, error) {
	if len(m.GetUnknown()) > 0 {
		return nil, fmt.Errorf("message %s has unknown fields: % x", m.Descriptor().Name(), m.GetUnknown())
	}
	values := map[string]any{}
	for i := range m.Descriptor().Fields().Len() {
		d := m.Descriptor().Fields().Get(i)
		inner := formattest.Field{Field: string(d.Name()), Optional: d.HasPresence()}
		if name := m.Descriptor().Name(); name == "Value" || name == "Key" {
			inner.Field = d.JSONName() // the column's
		}
		inner.Name = strings.TrimSpace(m.Descriptor().ParentFile().SourceLocations().ByDescriptor(d).TrailingComments)
		if strings.HasPrefix(inner.Name, "io.debezium.data.Enum") {
			inner.Name = "" // the labels are not told
		}
		value, err := fieldValue(m, d, &inner)
		if err != nil {
			return nil, err
		}
		values[inner.Field] = value
		f.Fields = append(f.Fields, inner)
	}
	return values, nil
}

// fieldValue returns a field's value, and tells f its type.
func fieldValue(m protoreflect.Message, d protoreflect.FieldDescriptor, f *formattest.Field) (any, error) {
	f.Type = map[protoreflect.Kind]string{
		protoreflect.BoolKind: "boolean", protoreflect.Int32Kind: "int32", protoreflect.Int64Kind: "int64", protoreflect.FloatKind: "float",
		protoreflect.DoubleKind: "double", protoreflect.StringKind: "string", protoreflect.BytesKind: "bytes", protoreflect.MessageKind: "struct",
	}[d.Kind()]
	if d.Kind() == protoreflect.MessageKind {
		return messageValue(m, d, f)
	}
	if d.HasPresence() && !m.Has(d) {
		return nil, nil
	}
	value := m.Get(d).Interface()
	if p, ok := value.([]byte); ok && f.Name == "io.debezium.data.Bits" {
		f.Parameters = map[string]string{"length": strconv.Itoa(8 * len(p))}
	}
	return value, nil
}

func messageValue(m protoreflect.Message, d protoreflect.FieldDescriptor, f *formattest.Field) (any, error) {
	inner, name := m.Get(d).Message(), d.Message().Name()
	switch name {
	case "Geometry", "Point":
		f.Name = "io.debezium.data.geometry." + string(name)
	case "Decimal":
		f.Type = "bytes"
		fields := d.Message().Fields()
		f.Parameters = map[string]string{"scale": strconv.FormatInt(inner.Get(fields.ByName("scale")).Int(), 10)}
		if m.Has(d) {
			return inner.Get(fields.ByName("value")).Bytes(), nil
		}
		return nil, nil
	case "FloatVector":
		f.Type, f.Items = "array", &formattest.Field{Type: "float"}
		if !m.Has(d) {
			return nil, nil
		}
		list, floats := inner.Get(d.Message().Fields().Get(0)).List(), []any{}
		for i := range list.Len() {
			floats = append(floats, float32(list.Get(i).Float()))
		}
		return floats, nil
	}
	value, err := messageField(inner, f)
	if err != nil || !m.Has(d) {
		return nil, err
	}
	return value, nil
}

// decodeKnown decodes the fields that a file knows, by their names in JSON; those that are not there are left out.
func decodeKnown(file protoreflect.FileDescriptor, payload []byte) (map[string]any, error) {
	m := dynamicpb.NewMessage(file.Messages().Get(0))
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, err
	}
	values := map[string]any{}
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		values[d.JSONName()] = v.Interface()
		return true
	})
	return values, nil
}
