package kafka

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// A Guarantee says what a reader of the topics may rely on.
type Guarantee string

// The settings of Config.Guarantee.
const (
	ExactlyOnce Guarantee = "exactly-once"  // Kafka transactions: a read_committed consumer sees each change once
	AtLeastOnce Guarantee = "at-least-once" // no transactions: after a restart the newest changes come again
)

// A Strategy says which partition a record goes to.
type Strategy string

// The settings of Config.Strategy.
const (
	HashByKey Strategy = "hash-by-key" // murmur2 of the key, as Java's clients do; by the table's name without a key
	AllToZero Strategy = "all-to-zero" // the first partition: one order for all
)

// TooLarge says what happens to a record that the topic would refuse for its size.
type TooLarge string

// The settings of Config.TooLarge.
const (
	Fail       TooLarge = "fail"        // the table stops, and says so
	ClaimCheck TooLarge = "claim-check" // the value goes to a file, the record has the key columns and the file's address
	KeyOnly    TooLarge = "key-only"    // the record has the key columns only
)

// Drop says what a dropped source table does.
type Drop string

// The settings of Config.Drop.
const (
	KeepTopic Drop = "keep" // the topic stays with its records
	DropTopic Drop = "drop" // it is deleted, if no other table was ever written to it by this run
)

// None switches a topic off.
const None = "none"

// Config configures the sink.
type Config struct {
	// Properties are those of Kafka's Java producer that have a meaning here: bootstrap.servers, security.protocol,
	// sasl.mechanism, sasl.jaas.config, ssl.*, compression.type, linger.ms, batch.size, max.request.size and others.
	Properties map[string]option.Secret `yaml:"properties.*"`
	Guarantee  Guarantee                `yaml:"delivery.guarantee"`

	// SASLUsername and SASLPassword are the user of PLAIN and SCRAM, instead of sasl.jaas.config.
	SASLUsername string        `yaml:"sasl.username"`
	SASLPassword option.Secret `yaml:"sasl.password"`
	// SASLToken is the bearer token of OAUTHBEARER. SASLTokenFile is a file that has it, read anew for each login.
	SASLToken     option.Secret `yaml:"sasl.token"`
	SASLTokenFile string        `yaml:"sasl.token.file"`

	// TopicPrefix goes before NAMESPACE.TABLE in the names of topics, and is the server's name in Debezium's records.
	TopicPrefix string `yaml:"topic.prefix"`
	// Topic is one topic for all tables.
	Topic string `yaml:"topic"`
	// Mapping names the topics of single tables: "shop.orders:orders;shop.users:people".
	Mapping string `yaml:"sink.tableId-to-topic.mapping"`
	// Partitions and Replication are those of topics that the sink creates. Replication -1 is the broker's default.
	Partitions  int32 `yaml:"topic.partitions"`
	Replication int16 `yaml:"topic.replication.factor"`
	// CleanupPolicy is delete or compact. With delete nothing is ever deleted, unless TopicProperties has a retention.
	CleanupPolicy   string            `yaml:"topic.cleanup.policy"`
	TopicProperties map[string]string `yaml:"topic.properties.*"`
	Drop            Drop              `yaml:"drop.table"`

	// PositionsTopic holds the Marks; empty: cdcsync.PIPELINE.positions.
	PositionsTopic string `yaml:"positions.topic"`
	// SchemaTopic gets the schema changes; empty: TopicPrefix, or the pipeline's name. None: they are not written.
	SchemaTopic string `yaml:"schema-change.topic"`

	ValueFormat string `yaml:"value.format"` // debezium-json, canal-json, json, avro, protobuf
	KeyFormat   string `yaml:"key.format"`   // json, debezium-json, avro, protobuf; empty: what fits ValueFormat
	// IncludeSchema writes Kafka Connect's schema beside each payload.
	IncludeSchema bool                      `yaml:"debezium-json.include-schema.enabled"`
	Decimal       format.DecimalMode        `yaml:"decimal.handling.mode"`
	Time          format.TimeMode           `yaml:"time.precision.mode"`
	Binary        format.BinaryMode         `yaml:"binary.handling.mode"`
	Bigint        format.BigintUnsignedMode `yaml:"bigint.unsigned.handling.mode"`
	// Registry is the address of a Confluent-compatible schema registry, for avro and protobuf.
	Registry         string        `yaml:"schema.registry.url"`
	RegistryUsername string        `yaml:"schema.registry.username"`
	RegistryPassword option.Secret `yaml:"schema.registry.password"`
	// RegistryToken is for a registry that asks for a bearer token. RegistryCA is a file with the certificates that signed
	// the registry's, in PEM; empty: those that the system trusts.
	RegistryToken option.Secret          `yaml:"schema.registry.token"`
	RegistryCA    string                 `yaml:"schema.registry.ssl.truststore.location"`
	Subjects      format.SubjectStrategy `yaml:"schema.registry.subject.name.strategy"`
	Register      bool                   `yaml:"auto.register.schemas"` // false: all schemas must be there
	AvroEnvelope  format.Envelope        `yaml:"avro.envelope"`         // debezium or flat
	ProtoEnvelope format.Envelope        `yaml:"protobuf.envelope"`     // debezium or flat

	Strategy Strategy `yaml:"partition.strategy"`
	// KeyColumns are the record keys of tables that shall not have their primary key: "shop.orders:region,id;shop.log:id".
	KeyColumns string `yaml:"key.columns"`
	// Tombstones writes a record without a value after each delete, which compaction needs.
	Tombstones bool `yaml:"tombstones.on.delete"`
	// Skipped is "t", or none: then a record of op t is written when a table loses all rows, also before a new copy.
	Skipped string `yaml:"skipped.operations"`
	// Headers adds cdcsync.pipeline, cdcsync.position, cdcsync.seq and cdcsync.schema to each record.
	Headers       bool   `yaml:"headers"`
	TableIDHeader bool   `yaml:"sink.add-tableId-to-header-enabled"`
	CustomHeader  string `yaml:"sink.custom-header"` // "key:value;key:value"

	// TooLarge is about a record larger than its topic's max.message.bytes, or properties.max.request.size.
	TooLarge TooLarge `yaml:"record.too.large"`
	// ClaimURI is the folder for values of ClaimCheck: a path, or s3://BUCKET/PATH with ClaimProperties (s3.endpoint ...).
	ClaimURI        string                   `yaml:"claim-check.uri"`
	ClaimProperties map[string]option.Secret `yaml:"claim-check.properties.*"`

	// MaxBytes splits a source transaction that is larger into several Kafka transactions.
	MaxBytes option.Bytes `yaml:"transaction.max.bytes"`
	// Timeout is after how long the broker ends a Kafka transaction by itself; the broker may allow less.
	Timeout time.Duration `yaml:"transaction.timeout"`
	// Buffer is the memory for records that wait to be sent, or for their acknowledgement.
	Buffer option.Bytes `yaml:"write.buffer"`

	// Transactions writes BEGIN and END of the source's transactions to TransactionTopic, and fills the transaction block.
	Transactions     bool   `yaml:"provide.transaction.metadata"`
	TransactionTopic string `yaml:"topic.transaction"` // empty: PREFIX.transaction
	// HeartbeatMillis is how often a heartbeat is written at most, in milliseconds; 0: never.
	HeartbeatMillis int64  `yaml:"heartbeat.interval.ms"`
	HeartbeatPrefix string `yaml:"heartbeat.topics.prefix"`

	Connector string `yaml:"debezium.connector"` // mysql or mariadb: who Debezium's records say has made them
	Version   string `yaml:"-"`                  // of this program, told in Debezium's records
}

// DefaultConfig returns the settings of a pipeline that says nothing.
func DefaultConfig() Config {
	return Config{
		Guarantee: ExactlyOnce, Partitions: 4, Replication: -1, CleanupPolicy: "delete", Drop: KeepTopic,
		ValueFormat: "debezium-json", Strategy: HashByKey, Tombstones: true, Skipped: "t", Headers: true, Register: true, TooLarge: Fail,
		MaxBytes: 256 << 20, Timeout: 10 * time.Minute, Buffer: 32 << 20, HeartbeatPrefix: "__debezium-heartbeat", Connector: "mysql",
	}
}

// smallestBuffer has room for the slabs that two lanes fill, and for as many that are on their way.
const smallestBuffer = 8 * slabBytes

// Check returns what is wrong with the configuration.
func (c *Config) Check() []option.Problem {
	var ps problems
	ps.oneOf("delivery.guarantee", string(c.Guarantee), string(ExactlyOnce), string(AtLeastOnce))
	ps.oneOf("partition.strategy", string(c.Strategy), string(HashByKey), string(AllToZero))
	ps.oneOf("record.too.large", string(c.TooLarge), string(Fail), string(ClaimCheck), string(KeyOnly))
	ps.oneOf("drop.table", string(c.Drop), string(KeepTopic), string(DropTopic))
	ps.oneOf("topic.cleanup.policy", c.CleanupPolicy, "delete", "compact", "compact,delete")
	ps.oneOf("skipped.operations", c.Skipped, "t", None)
	ps.oneOf("value.format", c.ValueFormat, valueFormats...)
	ps.oneOf("key.format", c.KeyFormat, append([]string{""}, keyFormats...)...)
	ps.oneOf("debezium.connector", c.Connector, "mysql", "mariadb")
	ps.text("key.columns", c.KeyColumns, parseKeyColumns)
	ps.text("sink.tableId-to-topic.mapping", c.Mapping, parseMapping)
	ps.text("sink.custom-header", c.CustomHeader, parseHeaders)
	c.checkSizes(&ps)
	c.checkTopics(&ps)
	c.checkRegistry(&ps)
	c.checkProperties(&ps)
	return ps
}

func (c *Config) checkSizes(ps *problems) {
	if c.Partitions < 1 {
		ps.say("topic.partitions", "%d: at least 1", c.Partitions)
	}
	if c.Replication < 1 && c.Replication != -1 {
		ps.say("topic.replication.factor", "%d: at least 1, or -1 for the broker's default", c.Replication)
	}
	if c.MaxBytes < 1<<20 {
		ps.say("transaction.max.bytes", "%v: at least 1MiB", c.MaxBytes)
	}
	if c.Timeout < 10*time.Second {
		ps.say("transaction.timeout", "%v: at least 10s, for a transaction that a slow broker takes long for", c.Timeout)
	}
	if c.Buffer < smallestBuffer {
		ps.say("write.buffer", "%v: at least %v", c.Buffer, option.Bytes(smallestBuffer))
	}
	if c.HeartbeatMillis < 0 {
		ps.say("heartbeat.interval.ms", "%d: 0 for none, or the milliseconds between two", c.HeartbeatMillis)
	}
	if (c.TooLarge == ClaimCheck) != (c.ClaimURI != "") {
		ps.say("claim-check.uri", "goes with record.too.large: claim-check: the folder that large values are written to")
	}
	if c.TooLarge != Fail && usesRegistry(c.ValueFormat) {
		ps.say("record.too.large", "%s needs value.format debezium-json, canal-json or json: a record without its columns has another schema", c.TooLarge)
	}
}

func (c *Config) checkTopics(ps *problems) {
	for key, name := range map[string]string{"topic": c.Topic, "topic.prefix": c.TopicPrefix, "positions.topic": c.PositionsTopic,
		"schema-change.topic": c.SchemaTopic, "topic.transaction": c.TransactionTopic, "heartbeat.topics.prefix": c.HeartbeatPrefix} {
		if name != legalTopic(name) {
			ps.say(key, "%q: a topic's name has letters, digits, '.', '_' and '-' only, and at most %d of them", name, maxTopic)
		}
	}
	for key := range c.TopicProperties {
		if key == "cleanup.policy" {
			ps.say("topic.properties.cleanup.policy", "write it as topic.cleanup.policy")
		}
	}
}

func (c *Config) checkRegistry(ps *problems) {
	needed := usesRegistry(c.ValueFormat) || usesRegistry(c.KeyFormat)
	_, err := c.registryTLS()
	switch {
	case needed && err != nil:
		ps.say("schema.registry.ssl.truststore.location", "%v", err)
	case needed && c.Registry == "":
		ps.say("schema.registry.url", "required for avro and protobuf: the address of the schema registry, like http://host:8081")
	case !needed && c.Registry != "":
		ps.say("schema.registry.url", "has no use: value.format %s needs no registry", c.ValueFormat)
	}
}

// usesRegistry says that records of a format refer to schemas by their number.
func usesRegistry(name string) bool { return name == "avro" || name == "protobuf" }

// Warnings names the keys that are set and have no effect here.
func (c *Config) Warnings() []string {
	var ws []string
	for _, key := range sortedKeys(c.Properties) {
		if why, ok := ignoredProperties[key]; ok {
			ws = append(ws, "properties."+key+" has no effect: "+why)
		}
	}
	if c.Guarantee == AtLeastOnce {
		ws = append(ws, "delivery.guarantee at-least-once: the newest changes come again after a restart")
	}
	return ws
}

// Problems of a configuration, as they are found.
type problems []option.Problem

func (ps *problems) say(key, text string, args ...any) {
	*ps = append(*ps, option.Problem{Key: key, Text: fmt.Sprintf(text, args...)})
}

func (ps *problems) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		allowed = slices.DeleteFunc(allowed, func(s string) bool { return s == "" })
		ps.say(key, "%q: write %s", value, strings.Join(allowed, ", "))
	}
}

// text checks a value that parse reads.
func (ps *problems) text(key, value string, parse func(string) ([]entry, error)) {
	if _, err := parse(value); err != nil {
		ps.say(key, "%v", err)
	}
}
