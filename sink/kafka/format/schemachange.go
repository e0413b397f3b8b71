package format

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A schemaChange is the value of a schema change record.
type schemaChange struct {
	Source       json.RawMessage `json:"source"`
	Time         int64           `json:"ts_ms"`
	DatabaseName string          `json:"databaseName"`
	SchemaName   *string         `json:"schemaName"` // null: MySQL has none
	DDL          *string         `json:"ddl"`
	TableChanges []tableChange   `json:"tableChanges"`
}

type tableChange struct {
	Type  string      `json:"type"`
	ID    string      `json:"id"`
	Table *tableShape `json:"table"` // null: dropped
}

type tableShape struct {
	DefaultCharset *string       `json:"defaultCharsetName"` // not known
	Key            []string      `json:"primaryKeyColumnNames"`
	Columns        []columnShape `json:"columns"`
	Comment        *string       `json:"comment"` // not known
}

type columnShape struct {
	Name          string   `json:"name"`
	JDBCType      int      `json:"jdbcType"`
	NativeType    *int     `json:"nativeType"` // MySQL has none
	TypeName      string   `json:"typeName"`
	TypeText      string   `json:"typeExpression"`
	Charset       *string  `json:"charsetName"`
	Length        *int     `json:"length"`
	Scale         *int     `json:"scale"`
	Position      int      `json:"position"`
	Optional      bool     `json:"optional"`
	AutoIncrement *bool    `json:"autoIncremented"` // not known
	Generated     bool     `json:"generated"`
	Comment       *string  `json:"comment"`                // not known
	Default       *string  `json:"defaultValueExpression"` // not known
	Labels        []string `json:"enumValues"`
}

// SchemaChange returns the record of a schema change for the schema change topic, in Debezium's shape. now is when it is
// made, microseconds since the epoch. Tables are named as at the source. What cdcsync does not know of a table is null:
// comments, defaults, AUTO_INCREMENT, the table's character set.
func SchemaChange(c DebeziumConfig, change *schema.Change, now int64) (key, value []byte, err error) {
	if c, err = c.complete(); err != nil {
		return nil, nil, err
	}
	table := change.After
	if table == nil {
		table = change.Before
	}
	name, at := table.SourceName(), change.Time
	if at == 0 {
		at = now
	}
	source := newSourceBlock(&c, name)
	s := schemaChange{
		Source: source.append(nil, &change.Origin, at, change.Origin.Seq), Time: floorDiv(now, 1000),
		DatabaseName: name.Namespace, DDL: orNull(change.Statement), TableChanges: tableChanges(change, name),
	}
	keySchema := structOf("io.debezium.connector."+c.Connector+".SchemaChangeKey", 1, connectField{"databaseName", required("string")})
	return c.pair(keySchema, map[string]string{"databaseName": name.Namespace}, c.schemaChangeSchema(), s)
}

// tableChanges says what became of the table's shape; a TRUNCATE leaves it as it is.
func tableChanges(change *schema.Change, name schema.Name) []tableChange {
	t := tableChange{Type: "ALTER", ID: quote(name.Namespace) + "." + quote(name.Table)}
	reshapes := func(e schema.Edit) bool { return e.Kind != schema.TruncateTable }
	switch {
	case change.After == nil:
		t.Type = "DROP"
		return []tableChange{t}
	case change.Before == nil:
		t.Type = "CREATE"
	case len(change.Edits) > 0 && !slices.ContainsFunc(change.Edits, reshapes):
		return []tableChange{}
	}
	t.Table = shapeOf(change.After)
	return []tableChange{t}
}

func shapeOf(t *schema.Table) *tableShape {
	s := &tableShape{Key: []string{}, Columns: make([]columnShape, len(t.Columns))}
	for _, k := range t.Key {
		s.Key = append(s.Key, t.Columns[k].Name)
	}
	for i := range t.Columns {
		s.Columns[i] = columnShapeOf(&t.Columns[i], i+1)
	}
	return s
}

func columnShapeOf(c *schema.Column, position int) columnShape {
	n := nativeOf(c)
	s := columnShape{
		Name: c.Name, JDBCType: n.jdbcType(), TypeName: n.name(), TypeText: n.name(), Charset: orNull(c.Charset),
		Position: position, Optional: c.Nullable, Generated: c.Flags&schema.Generated != 0,
	}
	if len(n.args) > 0 {
		s.Length = &n.args[0]
	}
	if len(n.args) > 1 {
		s.Scale = &n.args[1]
	}
	// Debezium has the labels as the statement spells them.
	for _, l := range c.Labels {
		s.Labels = append(s.Labels, "'"+strings.ReplaceAll(l, "'", "''")+"'")
	}
	return s
}

// orNull is null for what is not known.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// record makes a key or value outside of the stream of rows.
func (c *DebeziumConfig) record(s connectSchema, payload any) ([]byte, error) {
	open, end := c.wrap(s)
	b := bytes.NewBufferString(open)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(payload); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - len("\n"))
	b.WriteString(end)
	return b.Bytes(), nil
}

func (c *DebeziumConfig) schemaChangeSchema() connectSchema {
	column := structOf("io.debezium.connector.schema.Column", 1,
		connectField{"name", required("string")},
		connectField{"jdbcType", required("int32")},
		connectField{"nativeType", optional("int32")},
		connectField{"typeName", required("string")},
		connectField{"typeExpression", optional("string")},
		connectField{"charsetName", optional("string")},
		connectField{"length", optional("int32")},
		connectField{"scale", optional("int32")},
		connectField{"position", required("int32")},
		connectField{"optional", optional("boolean")},
		connectField{"autoIncremented", optional("boolean")},
		connectField{"generated", optional("boolean")},
		connectField{"comment", optional("string")},
		connectField{"defaultValueExpression", optional("string")},
		connectField{"enumValues", array(required("string")).orNull()},
	)
	table := structOf("io.debezium.connector.schema.Table", 1,
		connectField{"defaultCharsetName", optional("string")},
		connectField{"primaryKeyColumnNames", array(required("string")).orNull()},
		connectField{"columns", array(column)},
		connectField{"comment", optional("string")},
	)
	change := structOf("io.debezium.connector.schema.Change", 1,
		connectField{"type", required("string")},
		connectField{"id", required("string")},
		connectField{"table", table.orNull()},
	)
	return structOf("io.debezium.connector."+c.Connector+".SchemaChangeValue", 1,
		connectField{"source", c.sourceSchema()},
		connectField{"ts_ms", required("int64")},
		connectField{"databaseName", optional("string")},
		connectField{"schemaName", optional("string")},
		connectField{"ddl", optional("string")},
		connectField{"tableChanges", array(change)},
	)
}
