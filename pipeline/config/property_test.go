package config_test

import (
	"reflect"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/pipeline/option"
)

// What a struct prints as YAML, key by key, decodes to the same struct.
func TestSection_DecodesWhatIsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -#%-~äß☃]{1,20}`) // no $: that is a variable
		want := connector{
			Hostname: text.Draw(t, "hostname"),
			Port:     rapid.Uint16().Draw(t, "port"),
			Timeout:  time.Duration(rapid.Int64().Draw(t, "timeout")),
			Buffer:   option.Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "buffer")),
			Factor:   rapid.Float64Range(-1e300, 1e300).Draw(t, "factor"),
			Small:    rapid.Int8().Draw(t, "small"),
			TLS:      rapid.Bool().Draw(t, "tls"),
			Columns:  rapid.SliceOfN(text, 1, 3).Draw(t, "columns"),
			Catalog:  rapid.MapOfN(rapid.StringMatching(`[a-z.-]{1,12}`), text, 1, 3).Draw(t, "catalog"),
		}
		section := map[string]any{
			"type": "x", "hostname": want.Hostname, "port": want.Port, "connect.timeout": want.Timeout.String(), "write.buffer": want.Buffer.String(),
			"factor": want.Factor, "small": want.Small, "tls": want.TLS, "columns": want.Columns,
		}
		for key, value := range want.Catalog {
			section["catalog.properties."+key] = value
		}
		printed, err := yaml.Marshal(map[string]any{"sink": section, "source": map[string]any{"type": "x", "tables": "a.b", "hostname": "h"}})
		if err != nil {
			t.Fatal(err)
		}
		f := config.Parse("p.yaml", printed, env)
		var source, got connector
		f.Source.Decode(&source)
		f.Sink.Decode(&got)
		if want.Catalog["type"] == "sql" && want.Catalog["warehouse"] == "" {
			return // the connector's own check refuses it
		}
		if err := f.Err(); err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v\n%s", got, want, printed)
		}
	})
}
