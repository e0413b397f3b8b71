package clickhouse

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// orderShape is a table with two key columns, whose names and comments need quoting.
func orderShape() *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: "shop", Table: "orders"}, Version: 1, Key: []int{1, 0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Uint, Bits: 32}, Native: "int unsigned"},
		{Name: "day", Type: schema.Type{Kind: schema.Date}, Native: "date"},
		{Name: "size", Type: schema.Type{Kind: schema.Enum}, Nullable: true, Native: `enum('s','it''s \\ "l"')`},
		{Name: "a `b` c", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}},
	}}
}

const orderColumns = "(\n    `id` UInt32 COMMENT 'Uint32 int unsigned',\n    `day` Date32 COMMENT 'Date date',\n" +
	"    `size` LowCardinality(Nullable(String)) COMMENT 'Enum enum(\\'s\\',\\'it\\'\\'s \\\\\\\\ \"l\"\\')',\n" +
	"    `a \\`b\\` c` Decimal(12, 2) COMMENT 'Decimal(12,2)'%CODEC%,\n" +
	"    `_version` UInt64,\n    `_deleted` UInt8\n)\n"

const appendColumns = "    `_op` Enum8('insert' = 1, 'delete' = 2, 'before' = 3, 'after' = 4, 'read' = 5),\n    `_version` UInt64,\n" +
	"    `_position` String,\n    `_time` DateTime64(6, 'UTC'),\n    `_commit` UInt64\n)\n"

// createCases are settings and the end of the statement that they make.
var createCases = map[string]struct { // read-only
	set    func(*Config)
	want   string
	remote bool // it needs a cluster, which the test server has not
}{
	"default": {func(*Config) {}, "CREATE TABLE IF NOT EXISTS `x`.`t`\n" + orderColumns +
		"ENGINE = ReplacingMergeTree(`_version`, `_deleted`)\nORDER BY (`day`, `id`)\nSETTINGS non_replicated_deduplication_window = 1000\nCOMMENT 'it\\'s'", false},
	"soft delete": {func(c *Config) { c.SoftDelete = true }, "CREATE TABLE IF NOT EXISTS `x`.`t`\n" + orderColumns +
		"ENGINE = ReplacingMergeTree(`_version`)\nORDER BY (`day`, `id`)\nSETTINGS non_replicated_deduplication_window = 1000\nCOMMENT 'it\\'s'", false},
	"append": {func(c *Config) { c.Mode = Append }, "CREATE TABLE IF NOT EXISTS `x`.`t`\n" +
		strings.Replace(orderColumns, "    `_version` UInt64,\n    `_deleted` UInt8\n)\n", appendColumns, 1) +
		"ENGINE = MergeTree()\nORDER BY (`day`, `id`, `_version`)\nSETTINGS non_replicated_deduplication_window = 1000\nCOMMENT 'it\\'s'", false},
	"all options": {func(c *Config) {
		c.TableSettings = map[string]string{"index_granularity": "1024", "non_replicated_deduplication_window": "5"}
		c.Tables = map[string]string{
			"shop.*.order.by": "id, day", "shop.orders.order.by": "toYear(day), id, day", "*.partition.by": "toYYYYMM(day)",
			"shop.orders.ttl": "toDate(day) + INTERVAL 50 YEAR", "shop.o*s.codecs": "a `b` c: Delta, ZSTD(3); other: LZ4",
			"shop.orders.settings": "index_granularity = 2048, merge_with_ttl_timeout = 7200, storage_policy = 'default'", "shop.other.engine": "nonsense",
		}
	}, "CREATE TABLE IF NOT EXISTS `x`.`t`\n" + strings.Replace(orderColumns, "%CODEC%", " CODEC(Delta, ZSTD(3))", 1) +
		"ENGINE = ReplacingMergeTree(`_version`, `_deleted`)\nPARTITION BY toYYYYMM(day)\nORDER BY (toYear(day), id, day)\nTTL toDate(day) + INTERVAL 50 YEAR\n" +
		"SETTINGS index_granularity = 2048, merge_with_ttl_timeout = 7200, non_replicated_deduplication_window = 5, storage_policy = 'default'\nCOMMENT 'it\\'s'", false},
	"cluster": {func(c *Config) {
		c.Cluster, c.Engine = "my cluster", "ReplicatedMergeTree('/ch/{shard}/{database}/{table}', '{replica}')"
	},
		"CREATE TABLE IF NOT EXISTS `x`.`t` ON CLUSTER `my cluster`\n" + orderColumns +
			"ENGINE = ReplicatedReplacingMergeTree('/ch/{shard}/{database}/{table}', '{replica}', `_version`, `_deleted`)\nORDER BY (`day`, `id`)\nCOMMENT 'it\\'s'", true},
	"replicated database": {func(c *Config) { c.Engine = "ReplicatedMergeTree"; c.SoftDelete = true },
		"CREATE TABLE IF NOT EXISTS `x`.`t`\n" + orderColumns + "ENGINE = ReplicatedReplacingMergeTree(`_version`)\nORDER BY (`day`, `id`)\nCOMMENT 'it\\'s'", true},
	"shared": {func(c *Config) { c.Engine = "SharedReplacingMergeTree" },
		"CREATE TABLE IF NOT EXISTS `x`.`t`\n" + orderColumns + "ENGINE = SharedReplacingMergeTree(`_version`, `_deleted`)\nORDER BY (`day`, `id`)\nCOMMENT 'it\\'s'", true},
	"prefix": {func(c *Config) { c.Prefix = "cdc " }, "CREATE TABLE IF NOT EXISTS `x`.`t`\n" + strings.ReplaceAll(orderColumns, "`_", "`cdc ") +
		"ENGINE = ReplacingMergeTree(`cdc version`, `cdc deleted`)\nORDER BY (`day`, `id`)\nSETTINGS non_replicated_deduplication_window = 1000\nCOMMENT 'it\\'s'", false},
}

// Each statement is exactly so, and the server makes of it the table that the layout says.
func TestLayout_Create(t *testing.T) {
	for name, c := range createCases {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			cfg := testConfig()
			c.set(&cfg)
			l, err := newLayout(orderShape(), &cfg)
			if err != nil {
				t.Fatal(err)
			}
			target := schema.Name{Namespace: "x", Table: "t"}
			if got, want := l.createSQL(target, &cfg, "it's"), strings.Replace(c.want, "%CODEC%", "", 1); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := l.stagingSQL(target, &cfg, ""); strings.Contains(got, "\nTTL ") || strings.Contains(got, "\nCOMMENT ") {
				t.Errorf("a staging table has a TTL or no other comment: %s", got)
			}
			if !c.remote {
				expectCreated(t, l, &cfg)
			}
		})
	}
}

func expectCreated(t *testing.T, l *layout, cfg *Config) {
	t.Helper()
	s := servers.SharedClickHouse(t)
	b := &benchTable{server: s, layout: l, name: schema.Name{Namespace: s.Database(t), Table: "a `t`\\'"}, cfg: cfg}
	staging := schema.Name{Namespace: b.name.Namespace, Table: "staging"}
	s.Exec(t, createDatabaseSQL(b.name.Namespace, cfg), l.createSQL(b.name, cfg, "it's"), l.createSQL(b.name, cfg, "again"), l.stagingSQL(staging, cfg, ""))
	types := b.types(t)
	for _, c := range l.columns {
		if types[c.name] != c.text {
			t.Errorf("column %s: got type %s, want %s", c.name, types[c.name], c.text)
		}
	}
	for _, k := range technicalsOf[l.mode] {
		if got := types[l.technical(k)]; got != technicals[k].text {
			t.Errorf("column %s: got type %s, want %s", l.technical(k), got, technicals[k].text)
		}
	}
	if got := s.Value(t, "SELECT comment FROM system.tables WHERE database = "+quoteText(b.name.Namespace)+" AND name = "+quoteText(b.name.Table)); got != `it\'s` {
		t.Errorf("got comment %q", got)
	}
	comments := s.Value(t, "SELECT hex(comment) FROM system.columns WHERE database = "+quoteText(b.name.Namespace)+" AND table = "+quoteText(b.name.Table)+" AND name = 'size'")
	if got := unhex(t, comments); got != l.columns[2].comment {
		t.Errorf("got comment %q of column size, want %q", got, l.columns[2].comment)
	}
	s.Exec(t, "INSERT INTO "+quoteTable(staging)+" (id, day) VALUES (1, '2020-02-01')")
	part := s.Value(t, "SELECT DISTINCT partition_id FROM system.parts WHERE database = "+quoteText(staging.Namespace)+" AND table = 'staging'")
	s.Exec(t, alterSQL(staging, cfg, moveClause(part, b.name)))
	if got := s.Value(t, "SELECT count() FROM "+quoteTable(b.name)); got != "1" {
		t.Errorf("got %s rows after the partition was moved, want 1", got)
	}
}

// The clauses of ALTER TABLE and the other statements do what their names say.
func TestLayout_Alter(t *testing.T) {
	cfg := testConfig()
	cfg.View = true
	table := newBenchTable(t, noteShape(), &cfg)
	s, l := table.server, table.layout
	s.Exec(t, "INSERT INTO "+quoteTable(table.name)+" VALUES (1, 'a', 'x', 1, 1, 0), (2, 'b', 'x', 2, 1, 1)")
	changed := noteShape()
	changed.Columns = []schema.Column{
		{Name: "d `", Type: schema.Type{Kind: schema.Datetime, Precision: 3}, Nullable: true}, changed.Columns[0], changed.Columns[2], changed.Columns[3],
		{Name: "text", Type: schema.Type{Kind: schema.String}, Nullable: true}, {Name: "v", Type: schema.Type{Kind: schema.Int, Bits: 16}},
	}
	changed.Columns[3].Type.Bits = 64
	changed.Key = []int{2, 1}
	next, err := newLayout(changed, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	view, ok := l.view(table.name, &cfg)
	if !ok {
		t.Fatal("got no view")
	}
	s.Exec(t, l.viewSQL(table.name, view, &cfg),
		alterSQL(table.name, &cfg, renameClause("note", "text")),
		alterSQL(table.name, &cfg, next.addClause(0, ""), next.modifyClause(3), next.modifyClause(4), next.addClause(5, "7")),
		alterSQL(table.name, &cfg, "MATERIALIZE COLUMN `v`")+" SETTINGS mutations_sync = 2", alterSQL(table.name, &cfg, plainClause("v")),
		next.viewSQL(table.name, view, &cfg))
	if got, want := s.Value(t, "SELECT * FROM "+quoteTable(view)), `\N`+"\t1\tx\t1\ta\t7"; got != want {
		t.Errorf("got %q through the view, want %q", got, want)
	}
	var names []string
	for line := range strings.SplitSeq(s.Value(t, "DESCRIBE "+quoteTable(table.name)), "\n") {
		names = append(names, strings.Split(line, "\t")[0])
	}
	if want := []string{"d `", "id", "part", "n", "text", "v", "_version", "_deleted"}; !slices.Equal(names, want) {
		t.Errorf("got columns %q, want %q", names, want)
	}
	other, third := table.name, table.name
	other.Table, third.Table = "other", "third"
	s.Exec(t, next.createSQL(other, &cfg, ""), exchangeSQL(table.name, other, &cfg), renameSQL(&cfg, [2]schema.Name{other, third}),
		alterSQL(third, &cfg, dropClause("d `")), truncateSQL(third, &cfg), dropTableSQL(table.name, &cfg), dropViewSQL(view, &cfg))
	if got := s.Value(t, "SELECT name, total_rows FROM system.tables WHERE database = "+quoteText(third.Namespace)); got != "third\t0" {
		t.Errorf("got tables %q, want third without rows", got)
	}
}

func TestStatements_OnCluster(t *testing.T) {
	cfg := testConfig()
	cfg.Cluster, cfg.DatabaseEngine = "c", "Replicated('/clickhouse/databases/{uuid}', '{shard}', '{replica}')"
	a, b := schema.Name{Namespace: "x", Table: "a"}, schema.Name{Namespace: "x", Table: "b"}
	l, err := newLayout(noteShape(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		createDatabaseSQL("x", &cfg):                                      "CREATE DATABASE IF NOT EXISTS `x` ON CLUSTER `c` ENGINE = Replicated('/clickhouse/databases/{uuid}', '{shard}', '{replica}')",
		alterSQL(a, &cfg, dropClause("y"), renameClause("v", "w")):        "ALTER TABLE `x`.`a` ON CLUSTER `c` DROP COLUMN `y`, RENAME COLUMN `v` TO `w`",
		dropTableSQL(a, &cfg):                                             "DROP TABLE IF EXISTS `x`.`a` ON CLUSTER `c` SYNC",
		truncateSQL(a, &cfg):                                              "TRUNCATE TABLE `x`.`a` ON CLUSTER `c` SYNC",
		renameSQL(&cfg, [2]schema.Name{a, b}, [2]schema.Name{b, a}):       "RENAME TABLE `x`.`a` TO `x`.`b`, `x`.`b` TO `x`.`a` ON CLUSTER `c`",
		exchangeSQL(a, b, &cfg):                                           "EXCHANGE TABLES `x`.`a` AND `x`.`b` ON CLUSTER `c`",
		dropViewSQL(b, &cfg):                                              "DROP VIEW IF EXISTS `x`.`b` ON CLUSTER `c` SYNC",
		l.viewSQL(a, b, &cfg):                                             "CREATE OR REPLACE VIEW `x`.`b` ON CLUSTER `c` AS SELECT `id`, `note`, `part`, `n` FROM `x`.`a` FINAL WHERE `_deleted` = 0",
		alterSQL(a, &cfg, l.addClause(1, "NULL"), l.addClause(0, "'\\'")): "ALTER TABLE `x`.`a` ON CLUSTER `c` ADD COLUMN `note` Nullable(String) DEFAULT NULL COMMENT 'String' AFTER `id`, ADD COLUMN `id` Int32 DEFAULT '\\' COMMENT 'Int32' FIRST",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
