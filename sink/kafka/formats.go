package kafka

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

var (
	valueFormats = []string{"debezium-json", "canal-json", "json", "avro", "protobuf"} // read-only
	keyFormats   = []string{"json", "debezium-json", "avro", "protobuf"}               // read-only
)

// chooseFormats makes the formats of values and keys.
func (s *Sink) chooseFormats() (err error) {
	if s.values, err = s.format(s.cfg.ValueFormat, format.PartValues); err != nil {
		return fmt.Errorf("value.format: %w", err)
	}
	key := s.cfg.KeyFormat
	switch {
	case key != "":
	case s.cfg.ValueFormat == "canal-json":
		key = "json"
	default:
		key = s.cfg.ValueFormat
	}
	if s.keys, err = s.format(key, format.PartKeys); err != nil {
		return fmt.Errorf("key.format: %w", err)
	}
	s.describe = func(c *schema.Change, now int64) (key, value []byte, err error) {
		return format.SchemaChange(s.debezium(), c, now)
	}
	return nil
}

func (s *Sink) format(name string, part format.Part) (format.Format, error) {
	switch name {
	case "debezium-json":
		return format.NewDebezium(s.debezium())
	case "canal-json":
		return format.NewCanal(format.CanalConfig{BinaryMode: s.cfg.Binary})
	case "json":
		return format.NewPlain(format.PlainConfig{DecimalMode: plainDecimal(s.cfg.Decimal), BinaryMode: plainBinary(s.cfg.Binary)})
	}
	r, err := s.registry()
	if err != nil {
		return nil, err
	}
	switch name {
	case "avro":
		return format.NewAvro(format.AvroConfig{DebeziumConfig: s.debezium(), Registry: r, Envelope: s.cfg.AvroEnvelope, Part: part})
	case "protobuf":
		return format.NewProtobuf(format.ProtobufConfig{DebeziumConfig: s.debezium(), Registry: r, Envelope: s.cfg.ProtoEnvelope, Part: part})
	}
	return nil, fmt.Errorf("%q is no format that is known here", name)
}

// registry says where schemas are registered.
func (s *Sink) registry() (format.RegistryConfig, error) {
	t, err := s.cfg.registryTLS()
	return format.RegistryConfig{
		URL: s.cfg.Registry, Username: s.cfg.RegistryUsername, Password: s.cfg.RegistryPassword, Token: s.cfg.RegistryToken, TLS: t,
		Subjects: s.cfg.Subjects, LookupOnly: !s.cfg.Register,
	}, err
}

// plainDecimal leaves the default to the format: precise has no meaning there.
func plainDecimal(m format.DecimalMode) format.DecimalMode {
	if m == format.DecimalPrecise {
		return ""
	}
	return m
}

func plainBinary(m format.BinaryMode) format.BinaryMode {
	if m == format.BinaryBytes {
		return ""
	}
	return m
}

// debezium is how Debezium's records are made.
func (s *Sink) debezium() format.DebeziumConfig {
	return format.DebeziumConfig{
		Name: cmp.Or(s.cfg.TopicPrefix, s.pipeline), Connector: s.cfg.Connector, Version: s.cfg.Version, DecimalMode: s.cfg.Decimal,
		TimeMode: s.cfg.Time, BinaryMode: s.cfg.Binary, BigintUnsignedMode: s.cfg.Bigint, IncludeSchema: s.cfg.IncludeSchema,
		Transactions: s.cfg.Transactions,
	}
}

// formatError tells what a restart may mend from what concerns the table.
func (s *Sink) formatError(n schema.Name, err error) error {
	if errors.Is(err, sink.ErrTransient) {
		return fmt.Errorf("encode table %s: %w", n, err)
	}
	return tableError(n, err)
}
