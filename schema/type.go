package schema

import "fmt"

// A Kind is what values of a column mean. The comment says how package row holds one value: as one 8-byte word, or as
// bytes. Both ways into cdcsync, snapshot and log, produce the same bits for the same value: keys are compared by them.
type Kind uint8

// The kinds of values.
const (
	Invalid Kind = iota

	// Words.
	Int       // two's complement; Bits 8, 16, 24, 32, 64
	Uint      // Bits 8, 16, 24, 32, 64
	Float     // Bits 32: math.Float32bits; Bits 64: math.Float64bits
	Year      // the year, 0 or 1901 to 2155
	Bit       // Bits 1 to 64, as an unsigned number
	Date      // days since 1970-01-01, two's complement
	Time      // microseconds, signed, -838:59:59 to 838:59:59.999999; Precision 0 to 6
	Datetime  // a wall clock without zone: microseconds since 1970-01-01 00:00:00 as if it were UTC; Precision 0 to 6
	Timestamp // an instant: microseconds since the epoch, UTC; Precision 0 to 6

	// Words when Precision <= 18: the unscaled value; bytes otherwise: the unscaled value as two's complement,
	// little-endian, 16 bytes when Precision <= 38, else 32.
	Decimal

	// Bytes.
	String   // UTF-8
	Binary   // any bytes; fixed-length BINARY(n) has all its n bytes
	Enum     // the label, UTF-8; the empty string for MySQL's invalid value
	Set      // the labels, UTF-8, comma-separated in the order of definition
	JSON     // the text as the server prints it, UTF-8
	UUID     // 16 bytes, big-endian
	Geometry // 4 bytes SRID little-endian, then WKB, as MySQL stores it
	Vector   // float32 little-endian, Precision of them
)

var kindNames = [...]string{
	Invalid: "Invalid", Int: "Int", Uint: "Uint", Float: "Float", Year: "Year", Bit: "Bit", Date: "Date", Time: "Time",
	Datetime: "Datetime", Timestamp: "Timestamp", Decimal: "Decimal", String: "String", Binary: "Binary", Enum: "Enum",
	Set: "Set", JSON: "JSON", UUID: "UUID", Geometry: "Geometry", Vector: "Vector",
}

// String returns the constant's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// A Type is the type of a column.
type Type struct {
	Kind      Kind   `json:"kind"`
	Bits      uint8  `json:"bits,omitempty"`      // width of Int, Uint, Float and Bit
	Precision uint16 `json:"precision,omitempty"` // digits of Decimal; fractional digits of seconds; length of Vector
	Scale     uint16 `json:"scale,omitempty"`     // Decimal: digits after the point
	Length    uint32 `json:"length,omitempty"`    // Binary: its fixed length, 0 when it varies
}

// MaxWordDigits is the largest Precision whose unscaled Decimal surely fits a word: 10^18 < 2^63.
const MaxWordDigits = 18

// Fixed says that values are held as words rather than bytes.
func (t Type) Fixed() bool {
	return t.Kind < Decimal || t.Kind == Decimal && t.Precision <= MaxWordDigits
}

// Width is the length in bytes of every value of a Decimal held as bytes, 0 for other types.
func (t Type) Width() int {
	switch {
	case t.Kind != Decimal || t.Precision <= MaxWordDigits:
		return 0
	case t.Precision <= 38:
		return 16
	default:
		return 32
	}
}

// String spells the type for people: Int64, Decimal(12,2), Datetime(6).
func (t Type) String() string {
	switch t.Kind {
	case Int, Uint, Float, Bit:
		return fmt.Sprintf("%s%d", t.Kind, t.Bits)
	case Decimal:
		return fmt.Sprintf("Decimal(%d,%d)", t.Precision, t.Scale)
	case Time, Datetime, Timestamp, Vector:
		return fmt.Sprintf("%s(%d)", t.Kind, t.Precision)
	case Binary:
		if t.Length > 0 {
			return fmt.Sprintf("Binary(%d)", t.Length)
		}
	}
	return t.Kind.String()
}
