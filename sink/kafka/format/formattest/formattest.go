// Package formattest reads the records that package format writes, by nothing but the schema that they carry: it is the
// consumer that tests compare with. It shares no code with the writers.
package formattest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// A Field is a schema of Kafka Connect as JsonConverter writes it: of a whole record, or of a field of a struct.
type Field struct {
	Type       string            `json:"type"`
	Field      string            `json:"field"` // its name within a struct
	Name       string            `json:"name"`  // the semantic type
	Version    int               `json:"version"`
	Optional   bool              `json:"optional"`
	Parameters map[string]string `json:"parameters"`
	Fields     []Field           `json:"fields"`
	Items      *Field            `json:"items"`
}

// Parse takes a key or value that has its schema apart.
func Parse(record []byte) (*Field, json.RawMessage, error) {
	var r struct {
		Schema  *Field
		Payload json.RawMessage
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return nil, nil, fmt.Errorf("parse record: %w", err)
	}
	if r.Schema == nil || r.Payload == nil {
		return nil, nil, errors.New("parse record: it has no schema")
	}
	return r.Schema, r.Payload, nil
}

// An Envelope is the value of a change record.
type Envelope struct {
	Op            string // c, u, d, r, t
	Names         []string
	Before, After []string // by Text; nil: none
	Source        struct {
		Version, Connector, Name, Snapshot, DB, Table, File string
		GTID                                                *string
		Micros                                              int64 `json:"ts_us"`
		ServerID                                            int64 `json:"server_id"`
		Pos, Row                                            int64
		Thread                                              *int64
	}
	Transaction *struct {
		ID              string
		TotalOrder      uint64 `json:"total_order"`
		CollectionOrder uint64 `json:"data_collection_order"`
	}
	Micros int64 // when the record was made
}

// Read reads the value of a change record that has its schema.
func Read(value []byte) (*Envelope, error) {
	s, payload, err := Parse(value)
	if err != nil {
		return nil, err
	}
	e := &Envelope{}
	var raw struct {
		Before, After json.RawMessage
		Op            string
		Micros        int64 `json:"ts_us"`
		Source        json.RawMessage
		Transaction   json.RawMessage
	}
	if err := json.Unmarshal(payload, &raw); err != nil {
		return nil, fmt.Errorf("read envelope: %w", err)
	}
	e.Op, e.Micros = raw.Op, raw.Micros
	if err := errors.Join(json.Unmarshal(raw.Source, &e.Source), json.Unmarshal(raw.Transaction, &e.Transaction)); err != nil {
		return nil, fmt.Errorf("read source and transaction: %w", err)
	}
	for i := range s.Fields {
		switch f := &s.Fields[i]; f.Field {
		case "before":
			_, e.Before, err = Row(f, raw.Before)
		case "after":
			e.Names, e.After, err = Row(f, raw.After)
		}
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Row spells the fields of a struct by Text, in the schema's order. The texts are nil when the struct is null.
func Row(s *Field, value json.RawMessage) (names, texts []string, err error) {
	for i := range s.Fields {
		names = append(names, s.Fields[i].Field)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, nil, fmt.Errorf("read row: %w", err)
	}
	if fields == nil {
		return names, nil, nil
	}
	if len(fields) != len(names) {
		return nil, nil, fmt.Errorf("read row: %d values, the schema has %d", len(fields), len(names))
	}
	for i, name := range names {
		v, ok := fields[name]
		if !ok {
			return nil, nil, fmt.Errorf("read row: no value for %s", name)
		}
		text, err := Text(&s.Fields[i], v)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s of type %s %s: %w", name, s.Fields[i].Type, s.Fields[i].Name, err)
		}
		texts = append(texts, text)
	}
	return names, texts, nil
}

// decode reads a JSON value as a T.
func decode[T any](value json.RawMessage) (T, error) {
	var v T
	err := json.Unmarshal(value, &v)
	return v, err
}

// bytesOf reads what Connect calls bytes.
func bytesOf(value json.RawMessage) ([]byte, error) {
	s, err := decode[string](value)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(s)
}
