package format

import (
	"fmt"
	"slices"
)

// A DecimalMode says how DECIMAL is written, by the words of Debezium's decimal.handling.mode.
type DecimalMode string

// The modes of decimals.
const (
	DecimalPrecise DecimalMode = "precise" // the unscaled value's bytes, big-endian; the scale is in the schema. The default.
	DecimalDouble  DecimalMode = "double"  // a number; digits past the 15th or so are lost
	DecimalString  DecimalMode = "string"  // its digits
)

// A TimeMode says how dates and times are written, by the words of Debezium's time.precision.mode.
type TimeMode string

// The modes of dates and times. Debezium's "adaptive" is not there, as its MySQL connectors have none, nor is "structured".
const (
	// TimeAdaptive is the default: TIME in microseconds, DATETIME in milliseconds up to three digits and in microseconds
	// beyond.
	TimeAdaptive     TimeMode = "adaptive_time_microseconds"
	TimeConnect      TimeMode = "connect"      // Kafka Connect's own types: milliseconds, what is finer is cut off
	TimeISO          TimeMode = "isostring"    // texts
	TimeMicroseconds TimeMode = "microseconds" // TIME and DATETIME in microseconds
	TimeNanoseconds  TimeMode = "nanoseconds"  // TIME and DATETIME in nanoseconds
)

// A BinaryMode says how bytes are written, by the words of Debezium's binary.handling.mode.
type BinaryMode string

// The modes of bytes. JSON has no bytes, there BinaryBytes is base64 too, and only the schema says another type.
const (
	BinaryBytes         BinaryMode = "bytes" // the default
	BinaryBase64        BinaryMode = "base64"
	BinaryBase64URLSafe BinaryMode = "base64-url-safe"
	BinaryHex           BinaryMode = "hex"
)

// A BigintUnsignedMode says how BIGINT UNSIGNED is written, by the words of Debezium's bigint.unsigned.handling.mode.
type BigintUnsignedMode string

// The modes of BIGINT UNSIGNED.
const (
	BigintUnsignedLong    BigintUnsignedMode = "long"    // a signed number: 2^63 and above turn negative. The default.
	BigintUnsignedPrecise BigintUnsignedMode = "precise" // as a precise decimal of scale 0
)

// A DebeziumConfig says how Debezium's records are made. Empty modes are the defaults.
type DebeziumConfig struct {
	Name               string // the logical name of the server: Debezium's topic.prefix
	Connector          string // "mysql" or "mariadb"
	Version            string // told in the source block
	DecimalMode        DecimalMode
	TimeMode           TimeMode
	BinaryMode         BinaryMode
	BigintUnsignedMode BigintUnsignedMode
	IncludeSchema      bool // write {"schema":...,"payload":...}: JsonConverter's schemas.enable
	Transactions       bool // fill the transaction block: provide.transaction.metadata
}

// complete sets the defaults, and names the first value that is none of those allowed.
func (c DebeziumConfig) complete() (DebeziumConfig, error) {
	if c.Name == "" {
		return c, fmt.Errorf("topic.prefix: required, Debezium's records name the server by it")
	}
	if !slices.Contains([]string{"mysql", "mariadb"}, c.Connector) {
		return c, fmt.Errorf("connector %q: want mysql or mariadb", c.Connector)
	}
	if err := oneOf("decimal.handling.mode", &c.DecimalMode, DecimalPrecise, DecimalDouble, DecimalString); err != nil {
		return c, err
	}
	if err := oneOf("time.precision.mode", &c.TimeMode, TimeAdaptive, TimeConnect, TimeISO, TimeMicroseconds, TimeNanoseconds); err != nil {
		return c, err
	}
	if err := oneOf("binary.handling.mode", &c.BinaryMode, BinaryBytes, BinaryBase64, BinaryBase64URLSafe, BinaryHex); err != nil {
		return c, err
	}
	return c, oneOf("bigint.unsigned.handling.mode", &c.BigintUnsignedMode, BigintUnsignedLong, BigintUnsignedPrecise)
}

// oneOf checks the value of a setting; the first of those allowed is the default.
func oneOf[T ~string](key string, value *T, allowed ...T) error {
	if *value == "" {
		*value = allowed[0]
	}
	if !slices.Contains(allowed, *value) {
		return fmt.Errorf("%s %q: want one of %q", key, *value, allowed)
	}
	return nil
}

// A CanalConfig says how canal-json is made.
type CanalConfig struct {
	BinaryMode BinaryMode // empty: latin1, as Canal itself writes bytes
}

// A PlainConfig says how plain JSON is made.
type PlainConfig struct {
	DecimalMode DecimalMode // DecimalString, the default, or DecimalDouble: a number that has all digits
	BinaryMode  BinaryMode  // base64 by default
}
