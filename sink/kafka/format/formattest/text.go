package formattest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// Text spells a value as sinktest.Text spells the value that it was made of, as far as its schema says what it is: texts
// that stand for bytes, by a binary.handling.mode other than bytes, stay texts.
func Text(f *Field, value json.RawMessage) (string, error) {
	if string(value) == "null" {
		if !f.Optional {
			return "", fmt.Errorf("null, which the schema does not allow")
		}
		return sinktest.Null, nil
	}
	switch f.Type {
	case "boolean":
		b, err := decode[bool](value)
		return map[bool]string{true: "1", false: "0"}[b], err
	case "int16", "int32", "int64":
		return intText(f, value)
	case "float":
		x, err := decode[float32](value)
		return sinktest.FloatText(float64(x), 32), err
	case "double":
		x, err := decode[float64](value)
		return sinktest.FloatText(x, 64), err
	case "string":
		s, err := decode[string](value)
		if err != nil {
			return "", err
		}
		return stringText(f, s)
	case "bytes":
		p, err := bytesOf(value)
		if err != nil {
			return "", err
		}
		return bytesText(f, p)
	case "struct":
		return geometryText(f, value)
	case "array":
		return vectorText(f, value)
	}
	return "", fmt.Errorf("type %q is not known", f.Type)
}

func intText(f *Field, value json.RawMessage) (string, error) {
	n, err := decode[int64](value)
	if err != nil {
		return "", err
	}
	limit := map[string]int64{"int16": math.MaxInt16, "int32": math.MaxInt32, "int64": math.MaxInt64}[f.Type]
	if n > limit || n < -limit-1 {
		return "", fmt.Errorf("%d does not fit %s", n, f.Type)
	}
	switch f.Name {
	case "", "io.debezium.time.Year", "io.debezium.time.MicroTime":
		return strconv.FormatInt(n, 10), nil
	case "io.debezium.time.Date", "org.apache.kafka.connect.data.Date":
		return time.Unix(n*86400, 0).UTC().Format(time.DateOnly), nil
	case "org.apache.kafka.connect.data.Time":
		return strconv.FormatInt(n*1000, 10), nil
	case "io.debezium.time.NanoTime":
		return strconv.FormatInt(n/1000, 10), nil
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp":
		return sinktest.InstantText(n * 1000), nil
	case "io.debezium.time.MicroTimestamp":
		return sinktest.InstantText(n), nil
	case "io.debezium.time.NanoTimestamp":
		return sinktest.InstantText(time.Unix(0, n).UnixMicro()), nil
	}
	return "", fmt.Errorf("semantic type %q is not known", f.Name)
}

func stringText(f *Field, s string) (string, error) {
	switch f.Name {
	case "", "io.debezium.data.Json", "io.debezium.data.Uuid":
		return s, nil
	case "io.debezium.data.Enum", "io.debezium.data.EnumSet":
		return s, checkLabels(f, s)
	case "io.debezium.time.ZonedTimestamp", "io.debezium.time.IsoTimestamp":
		at, err := time.Parse(time.RFC3339Nano, s)
		return sinktest.InstantText(at.UnixMicro()), err
	case "io.debezium.time.IsoDate":
		at, err := time.Parse("2006-01-02Z", s)
		return at.Format(time.DateOnly), err
	case "io.debezium.time.IsoTime":
		at, err := time.Parse("15:04:05Z", s)
		return strconv.FormatInt(at.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds(), 10), err
	}
	return "", fmt.Errorf("semantic type %q is not known", f.Name)
}

// checkLabels checks that the schema allows what a value says. The empty text is MySQL's invalid value, or no label.
func checkLabels(f *Field, s string) error {
	labels := strings.Split(f.Parameters["allowed"], ",")
	for l := range strings.SplitSeq(s, ",") {
		if s != "" && !slices.Contains(labels, l) {
			return fmt.Errorf("%q is none of %q", l, labels)
		}
	}
	return nil
}

func bytesText(f *Field, p []byte) (string, error) {
	switch f.Name {
	case "":
		return hex.EncodeToString(p), nil
	case "io.debezium.data.Bits":
		length, err := strconv.Atoi(f.Parameters["length"])
		if err != nil || len(p) != (length+7)/8 {
			return "", fmt.Errorf("%d bytes for %q bits", len(p), f.Parameters["length"])
		}
		return strconv.FormatUint(binary.LittleEndian.Uint64(append(p, make([]byte, 8)...)), 10), nil
	case "org.apache.kafka.connect.data.Decimal":
		scale, err := strconv.Atoi(f.Parameters["scale"])
		if err != nil || len(p) == 0 {
			return "", fmt.Errorf("%d bytes with the scale %q", len(p), f.Parameters["scale"])
		}
		u := new(big.Int).SetBytes(p)
		if p[0]&0x80 != 0 {
			u.Sub(u, new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))))
		}
		return sinktest.DecimalText(u, scale), nil
	}
	return "", fmt.Errorf("semantic type %q is not known", f.Name)
}

// geometryText spells a geometry as MySQL stores it: the SRID, little-endian, and its WKB.
func geometryText(f *Field, value json.RawMessage) (string, error) {
	if f.Name != "io.debezium.data.geometry.Geometry" && f.Name != "io.debezium.data.geometry.Point" {
		return "", fmt.Errorf("semantic type %q is not known", f.Name)
	}
	g, err := decode[struct {
		X, Y *float64
		WKB  []byte
		SRID uint32
	}](value)
	if err != nil {
		return "", err
	}
	if point := strings.HasSuffix(f.Name, "Point"); point && (g.X == nil || g.Y == nil || !slices.Equal(g.WKB[5:], coordinates(*g.X, *g.Y))) {
		return "", fmt.Errorf("x and y of %s are not those of its WKB", value)
	}
	return hex.EncodeToString(append(binary.LittleEndian.AppendUint32(nil, g.SRID), g.WKB...)), nil
}

func coordinates(x, y float64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)), math.Float64bits(y))
}

// vectorText spells a vector as its floats' bytes. Jackson writes what is no number as a text.
func vectorText(f *Field, value json.RawMessage) (string, error) {
	if f.Name != "io.debezium.data.FloatVector" || f.Items == nil || f.Items.Type != "float" {
		return "", fmt.Errorf("semantic type %q is not known", f.Name)
	}
	list, err := decode[[]json.RawMessage](value)
	if err != nil {
		return "", err
	}
	var p []byte
	for _, x := range list {
		f, err := strconv.ParseFloat(strings.Trim(string(x), `"`), 32)
		if err != nil {
			return "", err
		}
		p = append(p, sinktest.VectorBytes(float32(f))...)
	}
	return hex.EncodeToString(p), nil
}
