package format

import "strconv"

// A connectSchema is a schema of Kafka Connect, as JsonConverter writes it beside a payload.
type connectSchema struct {
	kind       string // Connect's type: int32, string, struct, ...
	fields     []connectField
	items      *connectSchema // of an array
	optional   bool
	name       string // the semantic type
	version    int    // 0: none
	doc        string
	parameters []parameter
	fallback   string // the default value, as JSON
}

// A connectField is a named part of a struct.
type connectField struct {
	name   string
	schema connectSchema
}

// A parameter refines a semantic type.
type parameter struct{ key, value string }

// append appends the schema as JSON; field is its name within a struct, empty outside of one.
func (s connectSchema) append(dst []byte, field string) []byte {
	dst = append(append(dst, `{"type":`...), quote(s.kind)...)
	if s.kind == "struct" {
		dst = append(dst, `,"fields":[`...)
		for i := range s.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = s.fields[i].schema.append(dst, s.fields[i].name)
		}
		dst = append(dst, ']')
	}
	if s.items != nil {
		dst = s.items.append(append(dst, `,"items":`...), "")
	}
	dst = strconv.AppendBool(append(dst, `,"optional":`...), s.optional)
	dst = s.appendMeaning(dst)
	if field != "" {
		dst = append(append(dst, `,"field":`...), quote(field)...)
	}
	return append(dst, '}')
}

// appendMeaning appends what is there of the semantic type.
func (s connectSchema) appendMeaning(dst []byte) []byte {
	if s.name != "" {
		dst = append(append(dst, `,"name":`...), quote(s.name)...)
	}
	if s.version > 0 {
		dst = strconv.AppendInt(append(dst, `,"version":`...), int64(s.version), 10)
	}
	if s.doc != "" {
		dst = append(append(dst, `,"doc":`...), quote(s.doc)...)
	}
	for i, p := range s.parameters {
		dst = append(dst, map[bool]string{true: `,"parameters":{`, false: ","}[i == 0]...)
		dst = append(append(append(dst, quote(p.key)...), ':'), quote(p.value)...)
	}
	if len(s.parameters) > 0 {
		dst = append(dst, '}')
	}
	if s.fallback != "" {
		dst = append(append(dst, `,"default":`...), s.fallback...)
	}
	return dst
}

// required and optional are schemas of one of Connect's own types.
func required(kind string) connectSchema { return connectSchema{kind: kind} }
func optional(kind string) connectSchema { return required(kind).orNull() }

// orNull is the schema for values that may be null.
func (s connectSchema) orNull() connectSchema {
	s.optional = true
	return s
}

// semantic is a schema with a meaning; all of these have version 1.
func semantic(kind, name string, parameters ...parameter) connectSchema {
	return connectSchema{kind: kind, name: name, version: 1, parameters: parameters}
}

// array is a schema of a list.
func array(items connectSchema) connectSchema { return connectSchema{kind: "array", items: &items} }

// structOf is a schema of a struct. A version of 0 is none.
func structOf(name string, version int, fields ...connectField) connectSchema {
	return connectSchema{kind: "struct", name: name, version: version, fields: fields}
}

// sourceSchema is the schema of the source block.
func (c *DebeziumConfig) sourceSchema() connectSchema {
	snapshot := semantic("string", "io.debezium.data.Enum",
		parameter{"allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"})
	snapshot.optional, snapshot.fallback = true, `"false"`
	return structOf("io.debezium.connector."+c.Connector+".Source", 1,
		connectField{"version", required("string")},
		connectField{"connector", required("string")},
		connectField{"name", required("string")},
		connectField{"ts_ms", required("int64")},
		connectField{"snapshot", snapshot},
		connectField{"db", required("string")},
		connectField{"sequence", optional("string")},
		connectField{"ts_us", optional("int64")},
		connectField{"ts_ns", optional("int64")},
		connectField{"table", optional("string")},
		connectField{"server_id", required("int64")},
		connectField{"gtid", optional("string")},
		connectField{"file", required("string")},
		connectField{"pos", required("int64")},
		connectField{"row", required("int32")},
		connectField{"thread", optional("int64")},
		connectField{"query", optional("string")},
	)
}

// envelopeVersion is the version of Debezium's envelope since it has ts_us and ts_ns.
const envelopeVersion = 2

// envelopeSchema is the schema of a value. prefix is what the names of the table's schemas begin with.
func (c *DebeziumConfig) envelopeSchema(prefix string, columns []connectField) connectSchema {
	rows := structOf(prefix+".Value", 0, columns...).orNull()
	transaction := structOf("event.block", 1,
		connectField{"id", required("string")},
		connectField{"total_order", required("int64")},
		connectField{"data_collection_order", required("int64")},
	).orNull()
	return structOf(prefix+".Envelope", envelopeVersion,
		connectField{"before", rows},
		connectField{"after", rows},
		connectField{"source", c.sourceSchema()},
		connectField{"transaction", transaction},
		connectField{"op", required("string")},
		connectField{"ts_ms", optional("int64")},
		connectField{"ts_us", optional("int64")},
		connectField{"ts_ns", optional("int64")},
	)
}

// wrap returns what stands before and after a payload.
func (c *DebeziumConfig) wrap(s connectSchema) (open, end string) {
	if !c.IncludeSchema {
		return "", ""
	}
	return string(append(s.append([]byte(`{"schema":`), ""), `,"payload":`...)), "}"
}
