package iceberg

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// CatalogName is the name of the catalog within a SQL catalog's tables. Other engines must give the same one.
const CatalogName = "cdcsync"

// Incompatible says what a column's change to a type outside Iceberg's promotions does.
type Incompatible string

// The settings of Config.Incompatible.
const (
	Stop      Incompatible = "stop"       // the table stops, and says so
	NewColumn Incompatible = "new-column" // later rows fill a new column NAME_v2, the old one stays as it is
)

// Drop says what a dropped source table does.
type Drop string

// The settings of Config.Drop.
const (
	KeepTable Drop = "keep" // the Iceberg table stays with its rows, until another table of the source takes the name
	DropTable Drop = "drop" // it is removed from the catalog; its files stay
)

// Config configures the sink.
type Config struct {
	// Catalog are iceberg-go's catalog properties. type is sql, rest, glue or hive. For sql without a uri, warehouse is a
	// local folder, and the catalog is the SQLite file catalog.db in it.
	Catalog map[string]string `yaml:"catalog.properties.*"`
	// Table are properties that created tables get.
	Table map[string]string `yaml:"table.properties.*"`
	// PartitionKey gives created tables a partition spec: "shop.orders:day(created_at),bucket[16](id);shop.users:id".
	PartitionKey string       `yaml:"partition.key"`
	Incompatible Incompatible `yaml:"schema.incompatible"`
	Drop         Drop         `yaml:"drop.table"`
	// Buffer is the memory for rows that wait to be collapsed and written, of all tables together.
	Buffer option.Bytes `yaml:"write.buffer"`

	// Flink's own, without effect here.
	Compaction  map[string]string `yaml:"sink.compaction.*"`
	Hadoop      map[string]string `yaml:"hadoop.conf.*"`
	JobIDPrefix string            `yaml:"job.id.prefix"`
}

// DefaultConfig returns the settings of a pipeline that says nothing.
func DefaultConfig() Config {
	return Config{Incompatible: Stop, Drop: KeepTable, Buffer: 24 << 20}
}

// catalogTypes are the catalogs that this program is linked with.
var catalogTypes = []string{"sql", "rest", "glue", "hive"}

// Check returns what is wrong with the configuration.
func (c *Config) Check() []option.Problem {
	var ps []option.Problem
	say := func(key, format string, args ...any) {
		ps = append(ps, option.Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	kind := c.Catalog["type"]
	switch {
	case kind == "":
		say("catalog.properties.type", "required: the catalog that the tables are in. Write sql for a local folder, or one of %s", strings.Join(catalogTypes, ", "))
	case !slices.Contains(catalogTypes, kind):
		say("catalog.properties.type", "%q is not a catalog: write one of %s", kind, strings.Join(catalogTypes, ", "))
	case kind == "sql" && c.Catalog["warehouse"] == "":
		say("catalog.properties.warehouse", "required: the folder that the tables' files go to")
	case kind == "sql" && !localFolder(c.Catalog["warehouse"]) && c.Catalog["uri"] == "":
		say("catalog.properties.uri", "required: the warehouse is no local folder that could hold the catalog; write sqlite:///PATH, or a database with sql.driver and sql.dialect")
	case kind == "rest" && c.Catalog["uri"] == "":
		say("catalog.properties.uri", "required: the address of the REST catalog, like https://host/iceberg")
	case kind == "hive" && c.Catalog["uri"] == "":
		say("catalog.properties.uri", "required: the address of the Hive metastore, like thrift://host:9083")
	}
	if w := c.Catalog["warehouse"]; kind == "sql" && localFolder(w) && !plainPath(strings.TrimPrefix(w, "file:")) {
		say("catalog.properties.warehouse", "%q: %s", w, oddPath)
	}
	if _, err := parsePartitionKey(c.PartitionKey); err != nil {
		say("partition.key", "%v", err)
	}
	if c.Incompatible != Stop && c.Incompatible != NewColumn {
		say("schema.incompatible", "%q: write %s or %s", c.Incompatible, Stop, NewColumn)
	}
	if c.Drop != KeepTable && c.Drop != DropTable {
		say("drop.table", "%q: write %s or %s", c.Drop, KeepTable, DropTable)
	}
	if c.Buffer < 1<<20 {
		say("write.buffer", "%v: at least 1MiB", c.Buffer)
	}
	return append(ps, c.checkTableProperties()...)
}

// Warnings names the keys that are set and have no effect here.
func (c *Config) Warnings() []string {
	var ws []string
	for _, key := range slices.Sorted(maps.Keys(c.Compaction)) {
		ws = append(ws, "sink.compaction."+key+" has no effect: cdcsync does not compact; run your engine's compaction")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Hadoop)) {
		ws = append(ws, "hadoop.conf."+key+" has no effect: there is no Hadoop here; object stores are set by catalog.properties, like s3.endpoint")
	}
	if c.JobIDPrefix != "" {
		ws = append(ws, "job.id.prefix has no effect: commits are marked with the pipeline's name")
	}
	return ws
}

// owned are the table properties that the sink's own commits depend on.
var owned = map[string]string{
	table.CommitNumRetriesKey:          "the sink retries by itself, after it has looked for its commit",
	table.WriteDeleteIsolationLevelKey: "only the sink writes to its tables",
	"write.format.default":             "the sink writes Parquet",
}

func (c *Config) checkTableProperties() (ps []option.Problem) {
	for _, key := range slices.Sorted(maps.Keys(c.Table)) {
		why, ok := owned[key]
		if !ok && strings.HasPrefix(key, "cdcsync.") {
			why, ok = "the sink keeps its own state there", true
		}
		if ok {
			ps = append(ps, option.Problem{Key: "table.properties." + key, Text: "cannot be set: " + why})
		}
	}
	if v := c.Table[table.PropertyFormatVersion]; v != "" && v != "2" {
		ps = append(ps, option.Problem{Key: "table.properties.format-version", Text: fmt.Sprintf("%q: the sink writes version 2, which every engine reads", v)})
	}
	if _, err := writerProperties(c.Table, nil); err != nil {
		ps = append(ps, option.Problem{Key: "table.properties", Text: err.Error()})
	}
	return ps
}

// tableProperties are the properties of a new table.
func (c *Config) tableProperties() iceberg.Properties {
	p := iceberg.Properties{
		table.PropertyFormatVersion:               "2",
		table.ParquetCompressionKey:               "zstd",
		table.ParquetCompressionLevelKey:          "1", // 2 % larger files than level 3 for two thirds of the time
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "10",
		table.ManifestMergeEnabledKey:             "true",
		table.MaxSnapshotAgeMsKey:                 "3600000", // an hour: each commit writes down all snapshots
		table.MinSnapshotsToKeepKey:               "20",
		table.CommitNumRetriesKey:                 "0",
		table.WriteDeleteIsolationLevelKey:        string(table.IsolationSnapshot),
		table.WriteDeleteModeKey:                  table.WriteModeMergeOnRead,
		table.WriteTargetFileSizeBytesKey:         "134217728", // 128 MiB
		table.ReadManifestListCacheEnabledKey:     "false",
		"write.update.mode":                       table.WriteModeMergeOnRead,
		"write.merge.mode":                        table.WriteModeMergeOnRead,
	}
	maps.Copy(p, c.Table)
	return p
}

// localFolder says that a warehouse is a path of this machine.
func localFolder(warehouse string) bool {
	return strings.HasPrefix(warehouse, "file:") || !strings.Contains(warehouse, "://")
}

// localPath returns the absolute path of a local warehouse.
func localPath(warehouse string) (string, error) {
	p := strings.TrimPrefix(warehouse, "file:")
	if strings.HasPrefix(p, "//") {
		p = "/" + strings.TrimLeft(p, "/")
	}
	return filepath.Abs(p)
}
