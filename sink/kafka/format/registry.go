package format

import (
	"crypto/tls"
	"errors"
	"net/url"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// An Envelope says what a record of Avro or Protobuf holds.
type Envelope string

// The envelopes.
const (
	EnvelopeDebezium Envelope = "debezium" // before, after, source, op and times, as Debezium has them. The default.
	// EnvelopeFlat is the row alone, as it is now. It has no place for the op: a delete is told by the tombstone alone, and
	// AppendValue appends nothing for it.
	EnvelopeFlat Envelope = "flat"
)

// A SubjectStrategy says which subject of the registry a schema is a version of, by the names of Confluent's serializers.
type SubjectStrategy string

// The strategies. Where several tables share a topic, only the last two give each table a subject of its own.
const (
	TopicNameStrategy       SubjectStrategy = "TopicNameStrategy"       // TOPIC-key and TOPIC-value. The default.
	RecordNameStrategy      SubjectStrategy = "RecordNameStrategy"      // the full name of the record
	TopicRecordNameStrategy SubjectStrategy = "TopicRecordNameStrategy" // TOPIC-NAME
)

// A Part says which part of records a format is used for: schemas of the other one are not registered.
type Part string

// The parts.
const (
	PartBoth   Part = ""
	PartKeys   Part = "keys"
	PartValues Part = "values"
)

// A RegistryConfig says where the schemas are registered: in a registry that speaks Confluent's API.
type RegistryConfig struct {
	URL        string // http://host:8081; several with commas between them are tried in order
	Username   string // of basic authorisation
	Password   option.Secret
	Token      option.Secret // of bearer authorisation
	TLS        *tls.Config   // nil: as the system trusts
	Subjects   SubjectStrategy
	LookupOnly bool // never register: all schemas must be there (auto.register.schemas=false)
}

// An AvroConfig says how Avro records are made. IncludeSchema of the embedded DebeziumConfig has no effect.
type AvroConfig struct {
	DebeziumConfig
	Registry RegistryConfig
	Envelope Envelope // avro.envelope
	Part     Part
}

// A ProtobufConfig says how Protobuf records are made. IncludeSchema of the embedded DebeziumConfig has no effect.
type ProtobufConfig struct {
	DebeziumConfig
	Registry RegistryConfig
	Envelope Envelope // protobuf.envelope
	Part     Part
}

// complete sets the defaults, and names the first value that cannot be.
func (c RegistryConfig) complete() (RegistryConfig, error) {
	if c.Token != "" && c.Username != "" {
		return c, errors.New("schema.registry.token: it goes without schema.registry.username: a registry has one kind of authorisation")
	}
	if strings.TrimSpace(c.URL) == "" {
		return c, errors.New("schema.registry.url: required, the address of the schema registry, like http://host:8081")
	}
	for address := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https": // the error would have the whole address
			return c, errors.New("schema.registry.url: write http://HOST:PORT or https://HOST:PORT, several with commas between them")
		case u.User != nil:
			return c, errors.New("schema.registry.url: write the user as schema.registry.username and schema.registry.password")
		}
	}
	return c, oneOf("schema.registry.subject.name.strategy", &c.Subjects, TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy)
}

// subject is the subject of a record's schema.
func (c *RegistryConfig) subject(topic, record string, part Part) string {
	switch c.Subjects {
	case RecordNameStrategy:
		return record
	case TopicRecordNameStrategy:
		return topic + "-" + record
	default:
		return topic + map[Part]string{PartKeys: "-key", PartValues: "-value"}[part]
	}
}
