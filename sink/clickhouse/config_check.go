package clickhouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// A check collects what is wrong with a configuration.
type check []option.Problem

func (ps *check) say(key, format string, args ...any) {
	*ps = append(*ps, option.Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// oneOf says that value must be one of a few.
func (ps *check) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		ps.say(key, "%q: write %s", value, strings.Join(allowed[:len(allowed)-1], ", ")+" or "+allowed[len(allowed)-1])
	}
}

// Check returns what is wrong with the configuration, all of it.
func (c *Config) Check() []option.Problem {
	var ps check
	c.checkConnection(&ps)
	c.checkSizes(&ps)
	c.checkTables(&ps)
	ps.oneOf("out.of.range.dates", string(c.Dates), string(StopTable), string(NullDate), string(StringDate))
	ps.oneOf("time.mode", string(c.Time), string(TimeMicros), string(TimeString), string(Time64))
	ps.oneOf("enum.mode", string(c.Enum), string(EnumLowCardinality), string(EnumString))
	ps.oneOf("set.mode", string(c.Set), string(SetString), string(SetArray))
	ps.oneOf("json.mode", string(c.JSON), string(JSONString), string(JSONType))
	ps.oneOf("geometry.mode", string(c.Geometry), string(WKB), string(SRID))
	return ps
}

func (c *Config) checkConnection(ps *check) {
	if c.Hostname == "" {
		ps.say("hostname", "required: the ClickHouse server")
	} else if strings.ContainsAny(c.Hostname, "/ ,") {
		ps.say("hostname", "%q: write the name or address of one server, without http:// and port", c.Hostname)
	}
	if c.Username == "" {
		ps.say("username", "required: who the sink logs in as")
	}
	ps.oneOf("protocol", string(c.Protocol), string(HTTP), string(Native))
	ps.oneOf("compression", string(c.Compression), string(Auto), string(Uncompressed), string(LZ4), string(ZSTD))
	for _, f := range []struct{ key, value string }{
		{"tls.ca", c.CA}, {"tls.server.name", c.ServerName}, {"tls.certificate", c.Certificate}, {"tls.key", c.Key},
	} {
		if f.value != "" && !c.TLS {
			ps.say(f.key, "has no meaning without tls: true")
		}
	}
	if c.TLS && (c.Certificate == "") != (c.Key == "") {
		ps.say("tls.certificate", "the certificate and tls.key go together: give both, or none")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		if why := ownSettings[name]; why != "" {
			ps.say("settings."+name, "cannot be set: %s", why)
		}
	}
}

// ownSettings are settings of queries that the sink sets itself.
var ownSettings = map[string]string{ // read-only
	"async_insert":                               asyncInsert,
	"wait_for_async_insert":                      asyncInsert,
	"insert_deduplicate":                         deduplication,
	"insert_deduplication_token":                 deduplication,
	"async_insert_deduplicate":                   deduplication,
	"max_insert_threads":                         oneBlock,
	"max_insert_block_size":                      oneBlock,
	"min_insert_block_size_rows":                 oneBlock,
	"min_insert_block_size_bytes":                oneBlock,
	"max_partitions_per_insert_block":            oneBlock,
	"input_format_native_allow_types_conversion": "blocks carry labels and documents as String, which the server converts",
	"query_id":       "the sink finds its own queries by it",
	"final":          "the sink's own queries say where they need it",
	"readonly":       "the sink writes",
	"database":       "the sink names the database of each table",
	"mutations_sync": "a change of a table must be done when the next rows come",
	"alter_sync":     "a change of a table must be done when the next rows come",
}

const (
	asyncInsert   = "rows that wait in the server's memory are lost with it"
	deduplication = "an insert whose reply was lost must not come twice, and the sink names each insert"
	oneBlock      = "a block is inserted whole, or a reader could see half of a commit"
)

func (c *Config) checkSizes(ps *check) {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"connect.timeout", c.ConnectTimeout}, {"request.timeout", c.RequestTimeout}} {
		if d.value < 100*time.Millisecond {
			ps.say(d.key, "%v: at least 100ms", d.value)
		}
	}
	if c.RetryTimeout < 0 {
		ps.say("retry.timeout", "%v: at least 0s, which means no second try", c.RetryTimeout)
	}
	if c.BlockSize < 64<<10 || c.BlockSize > 1<<30 {
		ps.say("block.size", "%v: write a size from 64KiB to 1GiB", c.BlockSize)
	}
	if c.BlockRows < 1 || c.BlockRows > 100_000_000 {
		ps.say("block.rows", "%d: write a number from 1 to 100000000", c.BlockRows)
	}
}

func (c *Config) checkTables(ps *check) {
	if c.StateDatabase == "" {
		ps.say("state.database", "required: the database for the pipelines' marks")
	}
	if c.DatabaseEngine != "" {
		if err := checkSQL(c.DatabaseEngine); err != nil {
			ps.say("database.engine", "%v", err)
		}
	}
	if _, err := parseEngine(c.Engine); err != nil {
		ps.say("engine", "%v", err)
	}
	ps.oneOf("table.mode", string(c.Mode), string(Replacing), string(Append))
	ps.oneOf("drop.table", string(c.Drop), string(KeepTable), string(DropTable))
	if c.ViewSuffix == "" {
		ps.say("view.suffix", "required: a view cannot be called like its table")
	}
	if c.Prefix == "" {
		ps.say("columns.prefix", "required: without it the sink's version and deleted would soon meet columns of the source")
	}
	for _, name := range slices.Sorted(maps.Keys(c.TableSettings)) {
		if err := checkTableSetting(name, c.TableSettings[name]); err != nil {
			ps.say("table.settings."+name, "%v", err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tables)) {
		o, err := parseOverride(key, c.Tables[key])
		if err == nil {
			err = new(tableOptions).set(o.option, o.value)
		}
		if err != nil {
			ps.say("tables."+key, "%v", err)
		}
	}
}
