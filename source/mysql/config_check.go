package mysql

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// Check returns all that is wrong with the configuration by itself; no server is asked.
func (c *Config) Check() []option.Problem {
	var problems []option.Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, option.Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	c.checkServer(add)
	c.checkStart(add)
	c.checkTLS(add)
	if c.ChunkRows < 0 {
		add("scan.incremental.snapshot.chunk.size", "%d is negative; leave it out to size chunks by bytes and time", c.ChunkRows)
	}
	if c.SignalTable != "" {
		if _, err := splitName(c.SignalTable); err != nil {
			add("signal.table", "%v", err)
		}
	}
	c.checkFlinks(add)
	return problems
}

// checkFlinks refuses the settings of Flink CDC that ask for something else than an equal copy.
func (c *Config) checkFlinks(add adder) {
	if c.TinyintIsBool {
		add("treat-tinyint1-as-boolean.enabled", "true is not supported: tinyint(1) holds -128 to 127 and keeps its number; set false, and cast in a transform where a boolean is wanted")
	}
	if !c.SchemaChanges {
		add("schema-change.enabled", "false is not supported: rows that come after a schema change do not fit the former shape, and what is left out of them would be lost; remove the key")
	}
	if !c.Incremental {
		add("scan.incremental.snapshot.enabled", "false is not supported: tables are always copied by chunks, which lock nothing; remove the key")
	}
	if c.AppendOnly {
		add("scan.read-changelog-as-append-only.enabled", "true is not supported: updates and deletes are made in the sink, so that its tables equal the source's; remove the key")
	}
}

type adder func(key, format string, args ...any)

func (c *Config) checkServer(add adder) {
	if c.Hostname == "" {
		add("hostname", "required: the name or address of the server, like db.example.com")
	}
	if c.Username == "" {
		add("username", "required: the user to log in as")
	}
	if c.Port < 1 || c.Port > 65535 {
		add("port", "%d is no port: 1 to 65535, usually 3306", c.Port)
	}
	if c.ConnectTimeout <= 0 {
		add("connect.timeout", "%v is no time to wait; write one like 30s", c.ConnectTimeout)
	}
	if c.HeartbeatInterval < shortestHeartbeat {
		add("heartbeat.interval", "%v is too short: at least %v; write an interval like 30s", c.HeartbeatInterval, shortestHeartbeat)
	}
}

const (
	// Servers take no less than a millisecond as the period of heartbeats; this leaves them time for something else.
	shortestHeartbeat = 10 * time.Millisecond
	// Copies wait for the log to be told up to their chunks, however long the user lets an idle log be silent.
	longestHeartbeat = 500 * time.Millisecond
)

// heartbeat is how often an idle server is to say where its log ends.
func (c *Config) heartbeat() time.Duration { return min(c.HeartbeatInterval, longestHeartbeat) }

func (c *Config) checkStart(add adder) {
	const offset = "scan.startup.specific-offset"
	hasOffset := c.OffsetFile != "" || c.OffsetPos != 0 || c.OffsetGTIDs != ""
	switch {
	case c.StartupMode == SpecificOffset && !hasOffset:
		add("scan.startup.mode", "specific-offset needs %s.gtid-set, or %s.file and %s.pos", offset, offset, offset)
	case c.StartupMode != SpecificOffset && hasOffset:
		add(offset, "set, but scan.startup.mode is %s: it would be ignored; remove it or set scan.startup.mode: specific-offset", c.StartupMode)
	case c.OffsetFile == "" && c.OffsetPos != 0:
		add(offset+".pos", "%d is a place in a file, but %s.file is not set", c.OffsetPos, offset)
	case c.OffsetFile != "" && c.OffsetGTIDs != "":
		add(offset, "file and gtid-set name two positions: give one")
	}
	if c.OffsetPos < 0 || c.OffsetPos > 0 && c.OffsetPos < 4 {
		add(offset+".pos", "%d is no place in a log file: they begin at 4", c.OffsetPos)
	}
	if c.SkipEvents != 0 || c.SkipRows != 0 {
		add(offset, "skip-events and skip-rows are not supported: a start inside a transaction would lose its first rows")
	}
	switch {
	case c.StartupMode == FromTimestamp && c.TimestampMillis == 0:
		add("scan.startup.timestamp-millis", "required by scan.startup.mode: timestamp; milliseconds since 1970-01-01 UTC")
	case c.StartupMode != FromTimestamp && c.TimestampMillis != 0:
		add("scan.startup.timestamp-millis", "set, but scan.startup.mode is %s: it would be ignored; remove it or set scan.startup.mode: timestamp", c.StartupMode)
	case c.TimestampMillis < 0:
		add("scan.startup.timestamp-millis", "%d is before 1970", c.TimestampMillis)
	}
}

func (c *Config) checkTLS(add adder) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		add("tls.cert", "tls.cert and tls.key belong together: one is set, the other is not")
	}
	if c.TLSMode == Disable && (c.TLSCA != "" || c.TLSCert != "" || c.TLSKey != "") {
		add("tls.mode", "disable, but certificates are configured: they would be ignored; use verify-full, or remove them")
	}
	if c.TLSCA != "" && (c.TLSMode == Prefer || c.TLSMode == Require) {
		add("tls.ca", "set, but tls.mode: %s does not verify the server; use verify-ca or verify-full", c.TLSMode)
	}
}

// Warnings names the keys that are set and have no effect here.
func (c *Config) Warnings() []string {
	var warnings []string
	for prefix, keys := range map[string]map[string]string{"jdbc.properties.": c.JDBC, "debezium.": c.Debezium} {
		for key := range keys {
			warnings = append(warnings, prefix+key+" has no effect: there is no JDBC driver and no Debezium here")
		}
	}
	if c.MetadataList != "" {
		warnings = append(warnings, "metadata.list has no effect: rows carry their commit time always")
	}
	if tz := strings.ToUpper(c.ServerTimeZone); tz != "" && tz != "UTC" && tz != "+00:00" {
		warnings = append(warnings, "server-time-zone has no effect: TIMESTAMP values are read as instants, whatever the server's zone")
	}
	if c.BackfillSkip {
		warnings = append(warnings, "scan.incremental.snapshot.backfill.skip has no effect: chunks need no backfill, and are exact")
	}
	if c.NewlyAdded != "" {
		warnings = append(warnings, "scan.newly-added-table.enabled has no effect: a restart always copies the tables that a change of tables has added")
	}
	if c.NewlyAddedInLog != "" {
		warnings = append(warnings, "scan.binlog.newly-added-table.enabled has no effect: matching tables that are created meanwhile are always captured, from their first row on")
	}
	if c.HeartbeatInterval > longestHeartbeat && c.HeartbeatInterval != DefaultConfig().HeartbeatInterval {
		warnings = append(warnings, fmt.Sprintf("heartbeat.interval has no effect above %v: so often is the position of an idle log known anyway, as copies of tables need it", longestHeartbeat))
	}
	if c.ChunkKeyColumn != "" {
		warnings = append(warnings, "scan.incremental.snapshot.chunk.key-column has no effect: chunks are cut by the whole primary key, or unique key of NOT NULL columns")
	}
	sort.Strings(warnings)
	return warnings
}
