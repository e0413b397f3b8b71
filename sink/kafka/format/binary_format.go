package format

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/cdcsync/cdcsync/schema"
)

// A dialect is what Avro and Protobuf do each in its own way.
type dialect interface {
	wire() wire
	// schema writes the schema of keys or values of a table, one that can follow an earlier version of it if there is one, and
	// returns the columns of its rows with all that the schema says of them.
	schema(part Part, t *binaryTable, history string) (text string, cols []binaryColumn, err error)
	// index is what stands in a record after the number of its schema.
	index() []byte
}

// A binaryFormat makes encoders whose schemas are in a registry.
type binaryFormat struct {
	config   DebeziumConfig
	subjects RegistryConfig
	envelope Envelope
	part     Part
	registry *registry
	dialect  dialect
}

var _ Format = (*binaryFormat)(nil)

// newBinary completes a configuration. key is the setting of the envelope.
func newBinary(c AvroConfig, kind sr.SchemaType, d dialect, key string) (Format, error) {
	f := &binaryFormat{envelope: c.Envelope, part: c.Part, dialect: d}
	var err error
	if f.config, err = c.complete(); err != nil {
		return nil, err
	}
	if err = oneOf(key, &f.envelope, EnvelopeDebezium, EnvelopeFlat); err != nil {
		return nil, err
	}
	if f.subjects, err = c.Registry.complete(); err != nil {
		return nil, err
	}
	f.registry, err = newRegistry(f.subjects, kind)
	return f, err
}

// Encoder makes the encoder of a table, and sees to it that the registry has its schemas.
func (f *binaryFormat) Encoder(ctx context.Context, t *schema.Table, topic string) (Encoder, error) {
	table, err := f.config.binaryTable(t, f.envelope)
	if err != nil {
		return nil, err
	}
	w := f.dialect.wire()
	e := &binaryEncoder{wire: w, flat: f.envelope == EnvelopeFlat, transactions: f.config.Transactions, source: newBinarySource(w, &f.config, t.SourceName())}
	if f.part != PartKeys {
		if e.columns, e.head, err = f.resolve(ctx, PartValues, table, topic); err != nil {
			return nil, err
		}
	}
	if f.part != PartValues && len(t.Key) > 0 {
		if e.key, e.keyHead, err = f.resolve(ctx, PartKeys, table, topic); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// resolve returns the columns of a part, and what its records begin with: Confluent's zero byte, and the schema's number.
func (f *binaryFormat) resolve(ctx context.Context, part Part, t *binaryTable, topic string) ([]binaryColumn, []byte, error) {
	v, err := f.registry.resolve(ctx, f.subjects.subject(topic, t.record(part), part), func(history string) (string, error) {
		text, _, err := f.dialect.schema(part, t, history)
		return text, err
	})
	if err != nil {
		return nil, nil, err
	}
	_, cols, err := f.dialect.schema(part, t, v.history)
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(v.id))
	return cols, append(head, f.dialect.index()...), err
}

// A binaryTable is a table as the schemas of Avro and Protobuf name it.
type binaryTable struct {
	config   *DebeziumConfig
	envelope Envelope
	prefix   string         // of the names of its records
	fields   []connectField // named as the encodings allow
	columns  []binaryColumn
	key      []int
}

func (c *DebeziumConfig) binaryTable(t *schema.Table, envelope Envelope) (*binaryTable, error) {
	name := t.SourceName()
	b := &binaryTable{config: c, envelope: envelope, prefix: legalPath(c.Name + "." + legalName(name.Namespace) + "." + legalName(name.Table)), key: t.Key}
	taken := map[string]string{}
	for i := range t.Columns {
		s, d, err := c.column(t, i)
		if err != nil {
			return nil, err
		}
		legal := legalName(d.name)
		if other, ok := taken[legal]; ok {
			return nil, fmt.Errorf("columns %s and %s are both %s in a schema, whose names have letters, digits and '_' only: rename one, or leave it out", other, d.name, legal)
		}
		taken[legal] = d.name
		b.fields = append(b.fields, connectField{legal, s})
		b.columns = append(b.columns, binaryColumn{jsonColumn: d, form: formOf(&s, &d), optional: s.optional})
	}
	return b, nil
}

// record is the full name of a part's record.
func (t *binaryTable) record(part Part) string {
	switch {
	case part == PartKeys:
		return t.prefix + ".Key"
	case t.envelope == EnvelopeFlat:
		return t.prefix + ".Value"
	}
	return t.prefix + ".Envelope"
}

// rows are the fields and columns of a part's rows. A key has no nulls.
func (t *binaryTable) rows(part Part) (fields []connectField, cols []binaryColumn) {
	if part == PartValues {
		return append(fields, t.fields...), append(cols, t.columns...)
	}
	for _, k := range t.key {
		field, col := t.fields[k], t.columns[k]
		field.schema.optional, col.optional = false, false
		fields, cols = append(fields, field), append(cols, col)
	}
	return fields, cols
}

// whole is the schema of a part whose rows have these fields.
func (t *binaryTable) whole(part Part, fields []connectField) connectSchema {
	if part == PartKeys || t.envelope == EnvelopeFlat {
		return structOf(t.record(part), 0, fields...)
	}
	return t.config.envelopeSchema(t.prefix, fields)
}

// legalName is a name made of letters, digits and '_', as Debezium does by field.name.adjustment.mode=avro.
func legalName(name string) string {
	var legal []byte
	for i, r := range name {
		digit := '0' <= r && r <= '9'
		if i == 0 && digit {
			legal = append(legal, '_')
		}
		if digit || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			legal = append(legal, byte(r))
		} else {
			legal = append(legal, '_')
		}
	}
	if len(legal) == 0 {
		return "_"
	}
	return string(legal)
}

// legalPath is a name of several parts, each of them legal.
func legalPath(path string) string {
	parts := strings.Split(path, ".")
	for i := range parts {
		parts[i] = legalName(parts[i])
	}
	return strings.Join(parts, ".")
}
