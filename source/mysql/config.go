package mysql

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// Config says which server to read and where to start, in Flink CDC's words. Keys marked "no effect" are accepted so
// that a pipeline file of Flink CDC runs as it is; Warnings names those that are set.
type Config struct {
	Hostname string        `yaml:"hostname"`
	Port     int           `yaml:"port"`
	Username string        `yaml:"username"`
	Password option.Secret `yaml:"password"`

	ServerID ServerIDs `yaml:"server-id"` // what the log reader calls itself; one number or a range 5400-5403

	TLSMode TLSMode `yaml:"tls.mode"` // disable, prefer, require, verify-ca, verify-full
	TLSCA   string  `yaml:"tls.ca"`   // file of PEM certificates; empty: the system's
	TLSCert string  `yaml:"tls.cert"` // file of the client's PEM certificate
	TLSKey  string  `yaml:"tls.key"`  // file of its key

	StartupMode     StartupMode `yaml:"scan.startup.mode"`
	OffsetFile      string      `yaml:"scan.startup.specific-offset.file"`
	OffsetPos       int64       `yaml:"scan.startup.specific-offset.pos"`
	OffsetGTIDs     string      `yaml:"scan.startup.specific-offset.gtid-set"`
	SkipEvents      int64       `yaml:"scan.startup.specific-offset.skip-events"` // only 0
	SkipRows        int64       `yaml:"scan.startup.specific-offset.skip-rows"`   // only 0
	TimestampMillis int64       `yaml:"scan.startup.timestamp-millis"`

	ChunkRows           int           `yaml:"scan.incremental.snapshot.chunk.size"` // at most so many rows; 0: by bytes and time only
	SignalTable         string        `yaml:"signal.table"`                         // database.table for written watermarks
	ConnectTimeout      time.Duration `yaml:"connect.timeout"`
	HeartbeatInterval   time.Duration `yaml:"heartbeat.interval"`                         // at most so long is an idle log silent
	TinyintIsBool       bool          `yaml:"treat-tinyint1-as-boolean.enabled"`          // only false: the number is kept
	SchemaChanges       bool          `yaml:"schema-change.enabled"`                      // only true: rows follow their table's shape
	Incremental         bool          `yaml:"scan.incremental.snapshot.enabled"`          // only true: there is no other way to copy
	AppendOnly          bool          `yaml:"scan.read-changelog-as-append-only.enabled"` // only false: tables are kept equal
	OnlineSchemaChanges bool          `yaml:"scan.parse.online.schema.changes.enabled"`   // the swap of gh-ost and pt-online-schema-change is an ALTER
	Cascades            Cascades      `yaml:"foreign-key.cascades"`                       // what befalls tables that these change without a trace

	// No effect.
	ServerTimeZone  string            `yaml:"server-time-zone"` // sessions are UTC always
	NewlyAdded      Switch            `yaml:"scan.newly-added-table.enabled"`
	NewlyAddedInLog Switch            `yaml:"scan.binlog.newly-added-table.enabled"`
	ChunkKeyColumn  string            `yaml:"scan.incremental.snapshot.chunk.key-column"`
	FetchSize       int               `yaml:"scan.snapshot.fetch.size"`
	UnboundedFirst  bool              `yaml:"scan.incremental.snapshot.unbounded-chunk-first.enabled"`
	BackfillSkip    bool              `yaml:"scan.incremental.snapshot.backfill.skip"`
	EvenFactorUpper float64           `yaml:"chunk-key.even-distribution.factor.upper-bound"`
	EvenFactorLower float64           `yaml:"chunk-key.even-distribution.factor.lower-bound"`
	MetaGroupSize   int               `yaml:"chunk-meta.group.size"`
	CloseIdleReader bool              `yaml:"scan.incremental.close-idle-reader.enabled"`
	IncludeComments bool              `yaml:"include-comments.enabled"`
	LegacyJSON      bool              `yaml:"use.legacy.json.format"`
	MetadataList    string            `yaml:"metadata.list"`
	ConnectRetries  int               `yaml:"connect.max-retries"`
	PoolSize        int               `yaml:"connection.pool.size"`
	JDBC            map[string]string `yaml:"jdbc.properties.*"`
	Debezium        map[string]string `yaml:"debezium.*"`
}

// DefaultConfig is the configuration before the file is read.
func DefaultConfig() Config {
	return Config{
		Port:              3306,
		StartupMode:       Initial,
		TLSMode:           Prefer,
		ConnectTimeout:    30 * time.Second,
		HeartbeatInterval: 30 * time.Second,
		SchemaChanges:     true,
		Incremental:       true,
		Cascades:          CascadesRefuse,
	}
}

func (c *Config) address() string { return net.JoinHostPort(c.Hostname, strconv.Itoa(c.Port)) }

// A StartupMode says where a pipeline without a checkpoint begins.
type StartupMode string

// The modes.
const (
	Initial        StartupMode = "initial"         // copy, then follow
	SnapshotOnly   StartupMode = "snapshot"        // copy, then end
	LatestOffset   StartupMode = "latest-offset"   // follow from now on
	EarliestOffset StartupMode = "earliest-offset" // follow from the oldest log file there is
	SpecificOffset StartupMode = "specific-offset" // follow from a position
	FromTimestamp  StartupMode = "timestamp"       // follow from a time
)

// copies says that the mode reads the rows that tables already have.
func (m StartupMode) copies() bool { return m == Initial || m == SnapshotOnly }

// UnmarshalText reads a mode, in any case.
func (m *StartupMode) UnmarshalText(text []byte) error {
	switch v := StartupMode(strings.ToLower(string(text))); v {
	case Initial, SnapshotOnly, LatestOffset, EarliestOffset, SpecificOffset, FromTimestamp:
		*m = v
		return nil
	}
	return fmt.Errorf("%q is none of initial, latest-offset, earliest-offset, specific-offset, timestamp, snapshot", text)
}

// A TLSMode says how much of the server's identity is to be proven.
type TLSMode string

// The modes, from none to all.
const (
	Disable    TLSMode = "disable"
	Prefer     TLSMode = "prefer" // encrypted when the server can; nothing is proven
	Require    TLSMode = "require"
	VerifyCA   TLSMode = "verify-ca"
	VerifyFull TLSMode = "verify-full"
)

// UnmarshalText reads a mode, in any case.
func (m *TLSMode) UnmarshalText(text []byte) error {
	switch v := TLSMode(strings.ToLower(string(text))); v {
	case Disable, Prefer, Require, VerifyCA, VerifyFull:
		*m = v
		return nil
	}
	return fmt.Errorf("%q is none of disable, prefer, require, verify-ca, verify-full", text)
}

// A Switch is a key without effect that is true or false. The zero Switch is not in the file.
type Switch string

// UnmarshalText reads true or false.
func (s *Switch) UnmarshalText(text []byte) error {
	*s = Switch(text)
	if *s != "true" && *s != "false" {
		return fmt.Errorf("expected true or false, got %q", text)
	}
	return nil
}

// Cascades says what befalls a table whose rows a foreign key changes without a trace in the log.
type Cascades string

// The settings of Config.Cascades.
const (
	CascadesRefuse Cascades = "refuse" // it is not captured
	CascadesWarn   Cascades = "warn"   // it is, and the log says so at each start
)

// UnmarshalText reads a setting, in any case.
func (c *Cascades) UnmarshalText(text []byte) error {
	switch v := Cascades(strings.ToLower(string(text))); v {
	case CascadesRefuse, CascadesWarn:
		*c = v
		return nil
	}
	return fmt.Errorf("%q is none of refuse, warn", text)
}

// ServerIDs is the range of server ids that the log reader may use. The zero ServerIDs: a random one.
type ServerIDs struct{ First, Last uint32 }

// UnmarshalText reads 5400 or 5400-5403.
func (s *ServerIDs) UnmarshalText(text []byte) error {
	first, last, ranged := strings.Cut(strings.TrimSpace(string(text)), "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
	if errA != nil || errB != nil || a == 0 || b < a {
		return fmt.Errorf("%q is no server id: a number from 1 to 4294967295, or a range like 5400-5403", text)
	}
	*s = ServerIDs{uint32(a), uint32(b)}
	return nil
}

// String is the form that UnmarshalText reads.
func (s ServerIDs) String() string {
	switch {
	case s == ServerIDs{}:
		return "random"
	case s.First == s.Last:
		return strconv.FormatUint(uint64(s.First), 10)
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

// pick returns the id to use: the first of the range, or a random one that is unlikely to be any other replica's.
func (s ServerIDs) pick() (uint32, error) {
	if s.First != 0 {
		return s.First, nil
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("choose a server id: %w", err)
	}
	return binary.BigEndian.Uint32(b[:])>>1 | 1<<20, nil // far above the small numbers that people give to servers
}
