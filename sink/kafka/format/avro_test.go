package format

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/twmb/avro"

	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
)

// readAvro decodes with a library. Logical types are left out: formattest reads the types that Connect knows.
func readAvro(text string, payload []byte) (*formattest.Field, any, error) {
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		return nil, nil, err
	}
	bare, err := json.Marshal(withoutLogical(root))
	if err != nil {
		return nil, nil, err
	}
	s, err := avro.Parse(string(bare))
	if err != nil {
		return nil, nil, err
	}
	var value any
	rest, err := s.Decode(payload, &value)
	if err != nil || len(rest) > 0 {
		return nil, nil, fmt.Errorf("decode: %w, %d bytes left", err, len(rest))
	}
	field, err := avroField(root, map[string]*formattest.Field{})
	return field, value, err
}

func withoutLogical(node any) any {
	switch node := node.(type) {
	case []any:
		for i := range node {
			node[i] = withoutLogical(node[i])
		}
	case map[string]any:
		node = maps.Clone(node)
		delete(node, "logicalType")
		for k := range node {
			node[k] = withoutLogical(node[k])
		}
		return node
	}
	return node
}

// avroField is what a schema says to Connect.
func avroField(node any, defined map[string]*formattest.Field) (*formattest.Field, error) {
	types := map[string]string{"int": "int32", "long": "int64", "record": "struct", "boolean": "boolean", "float": "float", "double": "double", "string": "string", "bytes": "bytes", "array": "array"}
	switch node := node.(type) {
	case string:
		if f := defined[node]; f != nil {
			return f, nil
		}
		return &formattest.Field{Type: types[node]}, nil
	case []any: // a union with null
		one := node[0]
		if one == "null" {
			one = node[1]
		}
		f, err := avroField(one, defined)
		if err != nil {
			return nil, err
		}
		optional := *f
		optional.Optional = true
		return &optional, nil
	case map[string]any:
		return definedField(node, types, defined)
	}
	return nil, fmt.Errorf("%v is no schema", node)
}

func definedField(node map[string]any, types map[string]string, defined map[string]*formattest.Field) (*formattest.Field, error) {
	name, _ := node["connect.name"].(string)
	f := &formattest.Field{Type: types[node["type"].(string)], Name: name, Parameters: map[string]string{}}
	if exact, ok := node["connect.type"].(string); ok {
		f.Type = exact
	}
	parameters, _ := node["connect.parameters"].(map[string]any)
	for k, v := range parameters {
		f.Parameters[k] = v.(string)
	}
	if items, ok := node["items"]; ok {
		var err error
		if f.Items, err = avroField(items, defined); err != nil {
			return nil, err
		}
	}
	fields, _ := node["fields"].([]any)
	for _, x := range fields {
		x := x.(map[string]any)
		inner, err := avroField(x["type"], defined)
		if err != nil {
			return nil, err
		}
		named := *inner
		named.Field = x["name"].(string)
		f.Fields = append(f.Fields, named)
	}
	if node["type"] == "record" {
		defined[fmt.Sprintf("%s.%s", node["namespace"], node["name"])] = f
	}
	return f, nil
}
