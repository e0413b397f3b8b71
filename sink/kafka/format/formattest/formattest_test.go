package formattest

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ schema, value, want string }{
		{`{"type":"int32","name":"io.debezium.time.Date"}`, `-719162`, "0001-01-01"},
		{`{"type":"int64","name":"io.debezium.time.Timestamp"}`, `-1`, "1969-12-31T23:59:59.999000"},
		{`{"type":"string","name":"io.debezium.time.ZonedTimestamp"}`, `"2018-06-20T13:37:03Z"`, "2018-06-20T13:37:03.000000"},
		{`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}`, `"/w=="`, "-0.01"},
		{`{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"20"}}`, `"AQID"`, "197121"},
		{`{"type":"boolean"}`, `true`, "1"},
		{`{"type":"int16","optional":true}`, `null`, "NULL"},
	} {
		if got, err := Text(field(t, c.schema), json.RawMessage(c.value)); err != nil || got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.value, got, err, c.want)
		}
	}
}

func TestText_Refusals(t *testing.T) {
	for _, c := range []struct{ schema, value, want string }{
		{`{"type":"int16"}`, `null`, "null"},
		{`{"type":"int16"}`, `32768`, "fit"},
		{`{"type":"int32"}`, `1.5`, "1.5"},
		{`{"type":"int64","name":"io.debezium.time.Hour"}`, `1`, "Hour"},
		{`{"type":"string","name":"io.debezium.data.Enum","parameters":{"allowed":"a,b"}}`, `"c"`, `"c"`},
		{`{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"20"}}`, `"AQ=="`, "bits"},
		{`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"}`, `"AQ=="`, "scale"},
		{`{"type":"map"}`, `{}`, "map"},
	} {
		if got, err := Text(field(t, c.schema), json.RawMessage(c.value)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q (%v), want an error of %s", c.value, got, err, c.want)
		}
	}
}

func field(t *testing.T, schema string) *Field {
	t.Helper()
	f := &Field{}
	if err := json.Unmarshal([]byte(schema), f); err != nil {
		t.Fatal(err)
	}
	return f
}
