package format

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// TestAvro_FastAvro has the values of all kinds read in Python, by the schema of the registry as it is there, with its logical
// types.
func TestAvro_FastAvro(t *testing.T) {
	url := servers.SharedSchemaRegistry(t)
	table, b := corpus()
	f, err := NewAvro(AvroConfig{DebeziumConfig: mysqlConfig(), Registry: RegistryConfig{URL: url, Subjects: TopicRecordNameStrategy}})
	e := encoderOf(t, f, err, table)
	r := newReader(t, binaryCases[0], url)
	registered, err := r.client.SchemaByVersion(t.Context(), "topic-dbserver1.inventory.kinds.Envelope", -1)
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	for i := range b.Len() {
		_, value := pairOf(t, e, &Change{Op: Create, Batch: b, Before: -1, After: i, Now: made})
		records = append(records, hex.EncodeToString(value[r.head:]))
	}
	fields, rows := rowFields(t, registered.Schema.Schema), fastavro(t, registered.Schema.Schema, records)
	if len(rows) != b.Len() {
		t.Fatalf("got %d rows, want %d", len(rows), b.Len())
	}
	for i, got := range rows {
		for k := range table.Columns {
			col, text := &table.Columns[k], ""
			field, raw := fields[col.Name], got.After[col.Name]
			var err error
			if col.Type.Kind == schema.Decimal && string(raw) != "null" {
				err = json.Unmarshal(raw, &text) // the library makes a decimal of its bytes, by the logical type
			} else {
				text, err = formattest.Text(&field, raw)
			}
			if err != nil {
				t.Fatalf("column %s: %v", col.Name, err)
			}
			if want := sinktest.Text(col.Type, &b.Cols[k], i); text != want {
				t.Errorf("row %d, column %s (%s): got %q, want %q", i, col.Name, col.Native, text, want)
			}
		}
	}
}

// rowFields are the fields of the rows in an envelope's schema.
func rowFields(t *testing.T, text string) map[string]formattest.Field {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	envelope, err := avroField(root, map[string]*formattest.Field{})
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]formattest.Field{}
	for _, f := range envelope.Fields[1].Fields {
		fields[f.Field] = f
	}
	return fields
}

type fastavroEnvelope struct{ After map[string]json.RawMessage }

// fastavro has records decoded by the Python library of the independent verifier.
func fastavro(t *testing.T, text string, records []string) (envelopes []fastavroEnvelope) {
	t.Helper()
	request, err := json.Marshal(map[string]any{"schema": text, "records": records})
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/fastavro_rows.py")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../../../e2e/tools")
	if err != nil {
		t.Fatal(err)
	}
	tool, err := filepath.Rel(tools, script)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "verify.sh"), "run", tool)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(request), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read by fastavro: %v: %s", err, &said)
	}
	// Python writes a float that is no number as Infinity, which is no JSON.
	out = bytes.ReplaceAll(out, []byte(", Infinity]"), []byte(`, "Infinity"]`))
	if err := json.Unmarshal(out, &envelopes); err != nil {
		t.Fatalf("read by fastavro: %v: %s", err, out)
	}
	return envelopes
}
