package format

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// An avroSchema writes a schema of Kafka Connect as Confluent's AvroConverter turns it into one of Avro: what Avro has no
// word for is told by properties whose names begin with "connect.".
type avroSchema struct {
	flat    bool            // rows alone: say what values mean in Avro's own words too
	written map[string]bool // records that are defined
}

var avroTypes = map[string]string{
	"boolean": `"boolean"`, "int16": `"int"`, "int32": `"int"`, "int64": `"long"`, "float": `"float"`, "double": `"double"`,
	"string": `"string"`, "bytes": `"bytes"`, "array": `"array"`,
}

// logicalTypes are those that AvroConverter writes. flatLogicalTypes are the others that mean the same as Debezium's types;
// TIME has none: it may be negative or longer than a day.
var (
	logicalTypes = map[string]string{
		"org.apache.kafka.connect.data.Decimal": "decimal", "org.apache.kafka.connect.data.Date": "date",
		"org.apache.kafka.connect.data.Time": "time-millis", "org.apache.kafka.connect.data.Timestamp": "timestamp-millis",
	}
	flatLogicalTypes = map[string]string{
		"io.debezium.time.Date": "date", "io.debezium.time.Timestamp": "local-timestamp-millis",
		"io.debezium.time.MicroTimestamp": "local-timestamp-micros", "io.debezium.time.NanoTimestamp": "local-timestamp-nanos",
		"io.debezium.data.Uuid": "uuid",
	}
)

// appendType appends a schema without regard to whether it is optional.
func (w *avroSchema) appendType(dst []byte, s *connectSchema) []byte {
	if s.kind == "struct" {
		return w.appendRecord(dst, s)
	}
	base := avroTypes[s.kind]
	if s.name == "" && s.kind != "int16" {
		return append(dst, base...)
	}
	dst = append(append(dst, `{"type":`...), base...)
	if s.items != nil {
		dst = w.appendType(append(dst, `,"items":`...), s.items)
	}
	return append(w.appendMeaning(dst, s), '}')
}

func (w *avroSchema) appendRecord(dst []byte, s *connectSchema) []byte {
	if w.written[s.name] {
		return append(dst, quote(s.name)...)
	}
	w.written[s.name] = true
	dot := strings.LastIndexByte(s.name, '.')
	dst = append(append(dst, `{"type":"record","name":`...), quote(s.name[dot+1:])...)
	dst = append(append(dst, `,"namespace":`...), quote(s.name[:dot])...)
	dst = append(dst, `,"fields":[`...)
	for i := range s.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendField(dst, &s.fields[i])
	}
	return append(w.appendMeaning(append(dst, ']'), s), '}')
}

// appendField appends a field. What may be null is a union whose first type is that of its default.
func (w *avroSchema) appendField(dst []byte, f *connectField) []byte {
	dst = append(append(dst, `{"name":`...), quote(f.name)...)
	dst = append(dst, `,"type":`...)
	switch s := &f.schema; {
	case !s.optional:
		return append(w.appendType(dst, s), '}')
	case s.fallback != "":
		dst = append(w.appendType(append(dst, '['), s), `,"null"],"default":`...)
		return append(append(dst, s.fallback...), '}')
	default:
		return append(w.appendType(append(dst, `["null",`...), s), `],"default":null}`...)
	}
}

// appendMeaning appends what Connect knows of a type, in AvroConverter's order.
func (w *avroSchema) appendMeaning(dst []byte, s *connectSchema) []byte {
	property := func(key, value string) { dst = append(dst, ","+quote(key)+":"+value...) }
	logical := logicalTypes[s.name]
	if logical == "decimal" {
		for _, p := range s.parameters {
			property(strings.TrimPrefix(p.key, "connect.decimal."), p.value)
		}
	}
	if s.doc != "" {
		property("connect.doc", quote(s.doc))
	}
	if s.version > 0 {
		property("connect.version", strconv.Itoa(s.version))
	}
	var pairs []string
	for _, p := range s.parameters {
		pairs = append(pairs, quote(p.key)+":"+quote(p.value))
	}
	if len(pairs) > 0 {
		property("connect.parameters", "{"+strings.Join(pairs, ",")+"}")
	}
	if s.fallback != "" {
		property("connect.default", s.fallback)
	}
	if s.name != "" {
		property("connect.name", quote(s.name))
	}
	if s.kind == "int16" {
		property("connect.type", `"int16"`)
	}
	if logical == "" && w.flat {
		logical = flatLogicalTypes[s.name]
	}
	if logical != "" {
		property("logicalType", quote(logical))
	}
	return dst
}

// relax lets values be null of columns that came after the first version, or could be null in an earlier one: readers of
// the new schema also read records of the old, which have no value. was says of each earlier field whether it could be
// null.
func relax(fields []connectField, cols []binaryColumn, was map[string]bool) {
	for i := range fields {
		if could, present := was[fields[i].name]; was != nil && (could || !present) {
			fields[i].schema.optional, cols[i].optional = true, true
		}
	}
}

// avroHistory finds the record of that full name in a schema, and says which of its fields may be null; nil when there is
// no such record. Registries spell schemas anew: a namespace is left out where it is that of the record around.
func avroHistory(text, record string) map[string]bool {
	var root any
	if json.Unmarshal([]byte(text), &root) != nil {
		return nil
	}
	return findRecord(root, "", record)
}

func findRecord(node any, namespace, record string) map[string]bool {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			if found := findRecord(n, namespace, record); found != nil {
				return found
			}
		}
	case map[string]any:
		if own, ok := node["namespace"].(string); ok {
			namespace = own
		}
		fields, _ := node["fields"].([]any)
		if name, ok := node["name"].(string); ok && node["type"] == "record" && (name == record || namespace+"."+name == record) {
			return fieldsThatMayBeNull(fields)
		}
		if found := findRecord(fields, namespace, record); found != nil {
			return found
		}
		return findRecord(node["type"], namespace, record)
	}
	return nil
}

func fieldsThatMayBeNull(fields []any) map[string]bool {
	may := map[string]bool{}
	for _, f := range fields {
		if f, ok := f.(map[string]any); ok {
			name, _ := f["name"].(string)
			union, _ := f["type"].([]any)
			may[name] = slices.Contains(union, any("null"))
		}
	}
	return may
}
