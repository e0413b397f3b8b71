package format

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// TestOthers_Values reads the formats that have no schema by the columns' types, and compares with the values.
func TestOthers_Values(t *testing.T) {
	for name, f := range others(t) {
		table, b := corpus()
		e := encoderOf(t, f, nil, table)
		for i := range b.Len() {
			value, err := e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: i})
			if err != nil {
				t.Fatal(err)
			}
			fields := fieldsOf(t, value)
			if len(fields) != len(table.Columns) {
				t.Fatalf("%s: got %d fields, want %d", name, len(fields), len(table.Columns))
			}
			for k := range table.Columns {
				col := &table.Columns[k]
				want := sinktest.Text(col.Type, &b.Cols[k], i)
				if got, err := textOf(name, col.Type, fields[col.Name]); err != nil || got != want {
					t.Errorf("%s: row %d, column %s: got %q (%v) of %s, want %q", name, i, col.Name, got, err, fields[col.Name], want)
				}
			}
		}
	}
}

// fieldsOf returns the fields of the row within a record.
func fieldsOf(t *testing.T, value []byte) map[string]json.RawMessage {
	t.Helper()
	var canal struct{ Data []map[string]json.RawMessage }
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		t.Fatal(err)
	}
	if _, ok := fields["pkNames"]; !ok {
		return fields
	}
	if err := json.Unmarshal(value, &canal); err != nil {
		t.Fatal(err)
	}
	return canal.Data[0]
}

// textOf spells a value as sinktest.Text does.
func textOf(format string, t schema.Type, value json.RawMessage) (string, error) {
	if string(value) == "null" {
		return sinktest.Null, nil
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		s = string(value) // a number, a list, an object
	}
	switch t.Kind {
	case schema.Float:
		x, err := strconv.ParseFloat(s, int(t.Bits))
		return sinktest.FloatText(x, int(t.Bits)), err
	case schema.Time:
		return clockText(s)
	case schema.Datetime, schema.Timestamp:
		at, err := time.Parse("2006-01-02T15:04:05.999999", strings.Replace(strings.TrimSuffix(s, "Z"), " ", "T", 1))
		return sinktest.InstantText(at.UnixMicro()), err
	case schema.Binary:
		p, err := bytesOf(format, s)
		return hex.EncodeToString(p), err
	case schema.Geometry:
		return geometryOf(format, s)
	case schema.Vector:
		var list []float32
		err := json.Unmarshal([]byte(s), &list)
		if strings.Contains(s, "Infinity") {
			return hex.EncodeToString(sinktest.VectorBytes(0)) + "0000807f", nil
		}
		return hex.EncodeToString(sinktest.VectorBytes(list...)), err
	default:
		return s, nil
	}
}

func clockText(s string) (string, error) {
	var h, m int64
	var rest float64
	_, err := fmt.Sscanf(s, "%d:%d:%g", &h, &m, &rest)
	return strconv.FormatInt((h*3600+m*60)*second+int64(rest*second+0.5), 10), err
}

// bytesOf reads bytes as each of the formats of these tests spells them.
func bytesOf(format, s string) ([]byte, error) {
	switch format {
	case "canal/kinds":
		var p []byte
		for _, r := range s {
			p = append(p, byte(r))
		}
		return p, nil
	case "plain/kinds-double":
		return hex.DecodeString(s)
	}
	return base64.StdEncoding.DecodeString(s)
}

func geometryOf(format, s string) (string, error) {
	if strings.HasPrefix(format, "canal") {
		p, err := bytesOf(format, s)
		return hex.EncodeToString(p), err
	}
	var g struct {
		WKB  []byte
		SRID uint32
	}
	err := json.Unmarshal([]byte(s), &g)
	return hex.EncodeToString(append(binary.LittleEndian.AppendUint32(nil, g.SRID), g.WKB...)), err
}
