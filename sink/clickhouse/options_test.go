package clickhouse

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// Options under which rows would be lost, stay or come back are refused with the reason.
func TestLayout_RefusesUnsafeOptions(t *testing.T) {
	for name, c := range map[string]struct{ key, value, want string }{
		"order without key":   {"order.by", "id", "key column day is missing: rows that differ in it only would replace each other"},
		"order by others":     {"order.by", "day, id, size", "size is no column of the key: an update of it would not replace the row but add one"},
		"order by function":   {"order.by", "day, id % 10", "key column id is missing"},
		"partition by others": {"partition.by", "cityHash64(size)", "size is not part of the key: when an update changes it, the row's old version stays in another partition"},
		"expire by others":    {"ttl", "day + INTERVAL 1 DAY, `a \\`b\\` c` + INTERVAL 1 DAY DELETE", "a `b` c is not part of the key: after an update"},
		"expire by group":     {"ttl", "day + INTERVAL 1 DAY GROUP BY day SET size = any(size)", "GROUP BY makes other rows"},
		"summing":             {"engine", "SummingMergeTree", "SummingMergeTree: it adds up rows of one key"},
		"collapsing":          {"engine", "ReplicatedCollapsingMergeTree('/{table}', 'r', sign)", "loses rows when one is written twice"},
		"coalescing":          {"engine", "CoalescingMergeTree", "would show an old value"},
		"memory":              {"engine", "Memory", "no engine that keeps the sink's rows"},
		"engine's version":    {"engine", "ReplacingMergeTree(ts)", "the sink adds those of ReplacingMergeTree"},
		"one path for all":    {"engine", "ReplicatedMergeTree('/ch/t', '{replica}')", "the path must have {table} or {uuid} in it"},
		"engine's arguments":  {"engine", "ReplicatedMergeTree('/ch/{table}')", "write ReplicatedMergeTree('PATH', 'REPLICA')"},
		"no deduplication":    {"settings", "index_granularity = 1, non_replicated_deduplication_window = 0", "would be there twice"},
		"cleanup":             {"settings", "allow_experimental_replacing_merge_with_cleanup = 1", "merges would remove tombstones"},
		"nullable key":        {"settings", "allow_nullable_key = 1", "key columns that are never NULL"},
		"odd setting":         {"settings", "index granularity = 1", "no name of a setting"},
		"no setting":          {"settings", "index_granularity", "write NAME = VALUE"},
		"statement":           {"partition.by", "day; DROP TABLE x", "neither ; nor comments can be here"},
		"comment":             {"ttl", "day -- ", "neither ; nor comments can be here"},
		"open quote":          {"partition.by", "concat(day, 'x)", "a quote is not closed"},
		"open parenthesis":    {"order.by", "(day, id", "a parenthesis is not closed"},
		"closed parenthesis":  {"partition.by", "day) ORDER BY (id", "closes a parenthesis that is not open"},
		"empty":               {"partition.by", " ", "write an expression, or leave the key out"},
		"empty part":          {"order.by", "day,, id", "a part is empty"},
		"codecs":              {"codecs", "size ZSTD", "write COLUMN: CODEC"},
		"mode":                {"mode", "Append", "write replacing or append"},
		"view":                {"view", "yes", "write true or false"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			cfg := testConfig()
			cfg.Tables = map[string]string{"shop.orders." + c.key: c.value}
			if _, err := newLayout(orderShape(), &cfg); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.key) {
				t.Errorf("got %v, want an error of %s with %q", err, c.key, c.want)
			}
		})
	}
}

// What is unsafe for versions of rows is no danger to a table of changes, nor is where rows lie.
func TestLayout_AllowsSafeOptions(t *testing.T) {
	for name, tables := range map[string]map[string]string{
		"append": {"shop.orders.mode": "append", "shop.orders.order.by": "size, id", "shop.orders.partition.by": "toYYYYMM(_time)",
			"shop.orders.ttl": "toDateTime(_time) + INTERVAL 1 YEAR"},
		"key only": {"shop.orders.order.by": "`id`, toMonth(day), day", "shop.orders.partition.by": "(toYYYYMM(day), id % 10)",
			"shop.orders.ttl": "day + INTERVAL 1 YEAR DELETE"},
		"volumes": {"shop.orders.ttl": "toDate(size) + INTERVAL 1 MONTH TO VOLUME 'cold', day + INTERVAL 1 DAY RECOMPRESS CODEC(ZSTD(17))"},
	} {
		cfg := testConfig()
		cfg.Tables = tables
		if _, err := newLayout(orderShape(), &cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayout_RefusesNames(t *testing.T) {
	cfg, shape := testConfig(), orderShape()
	shape.Columns[2].Name = "_deleted"
	if _, err := newLayout(shape, &cfg); err == nil || !strings.Contains(err.Error(), "column _deleted is called like one that the sink adds: set columns.prefix") {
		t.Errorf("got %v, want an error about _deleted", err)
	}
	cfg.Mode = Append // has no such column
	if _, err := newLayout(shape, &cfg); err != nil {
		t.Error(err)
	}
}

func TestLayout_RefusesTypes(t *testing.T) {
	for _, k := range []schema.Type{{Kind: schema.Decimal, Precision: 77}, {Kind: schema.Invalid}} {
		cfg, shape := testConfig(), orderShape()
		shape.Columns[2].Type = k
		if _, err := newLayout(shape, &cfg); err == nil || !strings.Contains(err.Error(), "column size: "+k.String()) {
			t.Errorf("%s: got %v, want an error about column size", k, err)
		}
	}
}

// An exact name counts more than a pattern, and a longer pattern more than a shorter one.
func TestConfig_OptionsOf(t *testing.T) {
	cfg := testConfig()
	cfg.TableSettings = map[string]string{"a": "1", "b": "1", "c": "1", "d": "1"}
	cfg.Tables = map[string]string{
		"*.settings": "b = 2, c = 2, d = 2", "shop.*.settings": "c = 3, d = 3", "shop.orders.settings": "d = 4", "shop.orders.items.settings": "d = 5",
		"*.soft.delete": "true", "shop.o*.mode": "append", "*.view": "true", "shop.orders.view": "false",
	}
	for table, want := range map[string]string{"orders": "a = 1, b = 2, c = 3, d = 4", "others": "a = 1, b = 2, c = 3, d = 3", "orders.items": "a = 1, b = 2, c = 3, d = 5"} {
		opts, err := cfg.optionsOf(schema.Name{Namespace: "shop", Table: table})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(opts.sortedSettings(), func(s string) bool { return strings.HasPrefix(s, "non_replicated") })
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got settings %q, want %q", table, got, want)
		}
		if !opts.softDelete || opts.mode != Append || opts.view != (table != "orders") {
			t.Errorf("%s: got %+v", table, opts)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.bc", false}, {"a.b", "xa.b", false}, {"*", "", true}, {"*", "a.b", true}, {"a.*", "a.", true}, {"a.*", "b.a", false},
		{"*.b", "a.b", true}, {"*.b", "a.bb", false}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"a*b*b", "ab", false}, {"a**b", "ab", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q of %q: got %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

// Why expiry by other columns is refused: what a server makes of it.
func TestClickHouse_ExpiryShowsOldVersions(t *testing.T) {
	s := servers.SharedClickHouse(t)
	at := quoteTable(schema.Name{Namespace: s.Database(t), Table: "t"})
	s.Exec(t, "CREATE TABLE "+at+" (id Int32, created Date32, v UInt64, d UInt8) ENGINE = ReplacingMergeTree(v, d) ORDER BY id TTL created + INTERVAL 1 YEAR "+
		"SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1", // the parts stay two
		"INSERT INTO "+at+" VALUES (1, '2200-01-01', 1, 0)", "INSERT INTO "+at+" VALUES (1, '2000-01-01', 2, 0)",
		"ALTER TABLE "+at+" MATERIALIZE TTL SETTINGS mutations_sync = 2")
	if got := s.Value(t, "SELECT created FROM "+at+" FINAL"); got != "2200-01-01" {
		t.Errorf("got %q: the server has learned to expire versions together, and checkTTL can be dropped", got)
	}
}
