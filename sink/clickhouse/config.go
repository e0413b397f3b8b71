package clickhouse

import (
	"time"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// Protocol is how blocks of rows travel.
type Protocol string

// The settings of Config.Protocol.
const (
	HTTP   Protocol = "http"   // HTTP, or HTTPS with Config.TLS
	Native Protocol = "native" // ClickHouse's own protocol
)

// Compression is how blocks of rows are packed on their way.
type Compression string

// The settings of Config.Compression.
const (
	Auto         Compression = "auto" // none to this machine itself, lz4 to others
	Uncompressed Compression = "none"
	LZ4          Compression = "lz4"
	ZSTD         Compression = "zstd"
)

// Mode says what the rows of a table with a key are.
type Mode string

// The settings of Config.Mode.
const (
	Replacing Mode = "replacing" // the rows of the source as they are now, under FINAL
	Append    Mode = "append"    // the changes, each a row for ever
)

// Drop says what a dropped source table does.
type Drop string

// The settings of Config.Drop.
const (
	KeepTable Drop = "keep" // the ClickHouse table stays with its rows, until another table of the source takes the name
	DropTable Drop = "drop" // it is dropped
)

// Dates says what happens to a date that the server's types cannot hold: older than 1900, or younger than 2299.
type Dates string

// The settings of Config.Dates. Zero dates come from the source as NULL. A server of 26.7 or later holds all the years of
// a DATETIME, one of 26.8 or later those of a DATE too: then nothing of this is out of range.
const (
	StopTable  Dates = "stop"   // the table stops, and says so; so it does for a NULL in a column that has none
	NullDate   Dates = "null"   // it becomes NULL; all date columns outside of the key are Nullable then
	StringDate Dates = "string" // date columns are String, and Nullable outside of the key
)

// TimeMode says what a TIME becomes.
type TimeMode string

// The settings of Config.Time.
const (
	TimeMicros TimeMode = "microseconds" // Int64
	TimeString TimeMode = "string"       // String: -838:59:59.000000
	Time64     TimeMode = "time64"       // Time64, of ClickHouse 25.6 and later
)

// EnumMode says what an ENUM becomes.
type EnumMode string

// The settings of Config.Enum.
const (
	EnumLowCardinality EnumMode = "low-cardinality" // LowCardinality(String)
	EnumString         EnumMode = "string"          // String
)

// SetMode says what a SET becomes.
type SetMode string

// The settings of Config.Set.
const (
	SetString SetMode = "string" // String: a,b
	SetArray  SetMode = "array"  // Array(LowCardinality(String)) where it is NOT NULL: ClickHouse has no NULL arrays
)

// JSONMode says what a JSON document becomes.
type JSONMode string

// The settings of Config.JSON.
const (
	JSONString JSONMode = "string" // String: the text as the source prints it
	JSONType   JSONMode = "json"   // JSON, of ClickHouse 25.3 and later: it refuses documents that are no objects
)

// GeometryMode says what a geometry becomes, always in a String.
type GeometryMode string

// The settings of Config.Geometry.
const (
	WKB  GeometryMode = "wkb"      // well-known binary, without the SRID
	SRID GeometryMode = "srid-wkb" // the SRID in 4 bytes, little-endian, then well-known binary: as MySQL stores it
)

// Config configures the sink.
type Config struct {
	// Hostname and Port are the server's. Port 0 is the protocol's own: 8123 and 9000, with TLS 8443 and 9440.
	Hostname string        `yaml:"hostname"`
	Port     uint16        `yaml:"port"`
	Username string        `yaml:"username"`
	Password option.Secret `yaml:"password"`
	Protocol Protocol      `yaml:"protocol"`
	// TLS encrypts the connection. CA is a file with the certificates to trust, instead of the system's.
	TLS        bool   `yaml:"tls"`
	CA         string `yaml:"tls.ca"`
	ServerName string `yaml:"tls.server.name"` // in the server's certificate, if that is not Hostname
	// Certificate and Key are files for a server that asks for a client's certificate.
	Certificate string      `yaml:"tls.certificate"`
	Key         string      `yaml:"tls.key"`
	Compression Compression `yaml:"compression"`

	ConnectTimeout time.Duration `yaml:"connect.timeout"`
	RequestTimeout time.Duration `yaml:"request.timeout"` // of one insert or statement
	// RetryTimeout is for how long a request that fails for a passing reason is tried again, before the pipeline goes back
	// to its checkpoint.
	RetryTimeout time.Duration `yaml:"retry.timeout"`
	// Settings are ClickHouse settings of all the sink's queries.
	Settings map[string]string `yaml:"settings.*"`

	// BlockSize and BlockRows are how large a block of a table may grow before it is sent, in bytes before compression and
	// in rows. A commit that is larger than that goes through a staging table.
	BlockSize option.Bytes `yaml:"block.size"`
	BlockRows int          `yaml:"block.rows"`
	// StateDatabase has the table with the pipelines' marks.
	StateDatabase string `yaml:"state.database"`

	// Cluster is the cluster on which tables are made: ON CLUSTER. Empty: on the server only, or wherever a Replicated or
	// Shared database makes them.
	Cluster string `yaml:"on.cluster"`
	// DatabaseEngine is the engine of created databases, like "Replicated('/clickhouse/databases/{uuid}', '{shard}', '{replica}')".
	DatabaseEngine string `yaml:"database.engine"`
	// Engine is MergeTree, ReplicatedMergeTree, ReplicatedMergeTree('PATH', 'REPLICA') or SharedMergeTree. The mode of a table
	// decides whether it is the Replacing one of the family.
	Engine string `yaml:"engine"`
	Mode   Mode   `yaml:"table.mode"`
	// SoftDelete keeps deleted rows visible, with 1 in the column _deleted.
	SoftDelete bool `yaml:"soft.delete"`
	// View makes a view beside each table that shows the present rows without the technical columns. ViewSuffix follows
	// the table's name in its name.
	View       bool   `yaml:"view"`
	ViewSuffix string `yaml:"view.suffix"`
	// Prefix begins the names of the technical columns: _version, _deleted and others.
	Prefix string `yaml:"columns.prefix"`
	// TableSettings are MergeTree settings that created tables get.
	TableSettings map[string]string `yaml:"table.settings.*"`
	// Tables overrides for single tables what follows the last of their name: "tables.shop.orders.ttl: ...". A * in the name
	// stands for any characters. See [tableOptions].
	Tables map[string]string `yaml:"tables.*"`
	Drop   Drop              `yaml:"drop.table"`

	Dates    Dates        `yaml:"out.of.range.dates"`
	Time     TimeMode     `yaml:"time.mode"`
	Enum     EnumMode     `yaml:"enum.mode"`
	Set      SetMode      `yaml:"set.mode"`
	JSON     JSONMode     `yaml:"json.mode"`
	Geometry GeometryMode `yaml:"geometry.mode"`

	server dateRange // what the server can hold, of which the file says nothing
}

// DefaultConfig returns the settings of a pipeline that says nothing.
func DefaultConfig() Config {
	return Config{
		Username: "default", Protocol: HTTP, Compression: Auto,
		ConnectTimeout: 10 * time.Second, RequestTimeout: 5 * time.Minute, RetryTimeout: 2 * time.Minute,
		BlockSize: 32 << 20, BlockRows: 1_000_000, StateDatabase: "cdcsync",
		Engine: "MergeTree", Mode: Replacing, ViewSuffix: "_current", Prefix: "_", Drop: KeepTable,
		Dates: StopTable, Time: TimeMicros, Enum: EnumLowCardinality, Set: SetString, JSON: JSONString, Geometry: WKB,
	}
}
