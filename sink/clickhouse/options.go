package clickhouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// tableOptions are the settings of one table. In the configuration each is a key of Config.Tables, after the table's name:
//
//	engine        as Config.Engine                          tables.shop.orders.engine: ReplicatedMergeTree
//	mode          as Config.Mode                            tables.shop.log_*.mode: append
//	soft.delete   as Config.SoftDelete
//	view          as Config.View
//	order.by      the sorting key, in which the key's columns must be: "toDate(created), id"
//	partition.by  the partitioning expression: "toYYYYMM(created)"
//	ttl           when rows expire: "created + INTERVAL 1 YEAR"
//	codecs        compression of columns: "note: ZSTD(3); created: Delta, LZ4"
//	settings      MergeTree settings: "index_granularity = 1024, min_bytes_for_wide_part = 0"
type tableOptions struct {
	engine      engine
	mode        Mode
	softDelete  bool
	view        bool
	orderBy     []string
	partitionBy string
	ttl         string
	codecs      map[string]string // by column
	settings    map[string]string
}

// optionKeys are the keys of tableOptions, the longer first where one ends like another.
var optionKeys = []string{"engine", "mode", "soft.delete", "view", "order.by", "partition.by", "ttl", "codecs", "settings"} // read-only

// An override is one entry of Config.Tables.
type override struct {
	key     string // in Config.Tables
	pattern string
	option  string
	value   string
}

// overrides are the entries of Config.Tables, those that count more later: an exact name after patterns, and of patterns
// the longer later.
func (c *Config) overrides() ([]override, error) {
	var all []override
	for _, key := range slices.Sorted(maps.Keys(c.Tables)) {
		o, err := parseOverride(key, c.Tables[key])
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b override) int { return a.weight() - b.weight() })
	return all, nil
}

// weight grows with how much an override says of the name.
func (o *override) weight() int {
	if !strings.Contains(o.pattern, "*") {
		return 1 << 20
	}
	return len(o.pattern)
}

func parseOverride(key, value string) (override, error) {
	for _, option := range optionKeys {
		if pattern, ok := strings.CutSuffix(key, "."+option); ok && pattern != "" {
			return override{key: key, pattern: pattern, option: option, value: value}, nil
		}
	}
	return override{}, fmt.Errorf("tables.%s: ends with no option: write tables.DATABASE.TABLE.OPTION with one of %s", key, strings.Join(optionKeys, ", "))
}

// optionsOf returns the options of a table of the sink.
func (c *Config) optionsOf(n schema.Name) (tableOptions, error) {
	opts := tableOptions{mode: c.Mode, softDelete: c.SoftDelete, view: c.View, settings: maps.Clone(c.TableSettings)}
	var err error
	if opts.engine, err = parseEngine(c.Engine); err != nil {
		return opts, fmt.Errorf("engine: %w", err)
	}
	all, err := c.overrides()
	if err != nil {
		return opts, err
	}
	for _, o := range all {
		if !matches(o.pattern, n.String()) {
			continue
		}
		if err := opts.set(o.option, o.value); err != nil {
			return opts, fmt.Errorf("tables.%s: %w", o.key, err)
		}
	}
	return opts, nil
}

// set gives one option its value from the configuration.
func (o *tableOptions) set(option, value string) (err error) {
	switch option {
	case "engine":
		o.engine, err = parseEngine(value)
	case "mode":
		o.mode, err = parseMode(value)
	case "soft.delete":
		o.softDelete, err = parseBool(value)
	case "view":
		o.view, err = parseBool(value)
	case "order.by":
		o.orderBy, err = splitList(value)
	case "partition.by":
		o.partitionBy, err = value, checkSQL(value)
	case "ttl":
		o.ttl, err = value, checkSQL(value)
	case "codecs":
		o.codecs, err = parseCodecs(value)
	default:
		err = o.addSettings(value)
	}
	return err
}

func parseMode(value string) (Mode, error) {
	if m := Mode(value); m == Replacing || m == Append {
		return m, nil
	}
	return "", fmt.Errorf("%q: write %s or %s", value, Replacing, Append)
}

func parseBool(value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q: write true or false", value)
}

// addSettings reads "NAME = VALUE, NAME = VALUE".
func (o *tableOptions) addSettings(value string) error {
	items, err := splitList(value)
	if err != nil {
		return err
	}
	if o.settings == nil {
		o.settings = map[string]string{}
	}
	for _, item := range items {
		name, v, ok := strings.Cut(item, "=")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		if !ok || name == "" || v == "" {
			return fmt.Errorf("%q: write NAME = VALUE", item)
		}
		if err := checkTableSetting(name, v); err != nil {
			return err
		}
		o.settings[name] = strings.Trim(v, "'")
	}
	return nil
}

// parseCodecs reads "COLUMN: CODECS; COLUMN: CODECS".
func parseCodecs(value string) (map[string]string, error) {
	codecs := map[string]string{}
	for item := range strings.SplitSeq(value, ";") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		column, codec, ok := strings.Cut(item, ":")
		column, codec = strings.TrimSpace(column), strings.TrimSpace(codec)
		if !ok || column == "" || codec == "" {
			return nil, fmt.Errorf("%q: write COLUMN: CODEC, as in \"note: ZSTD(3); created: Delta, LZ4\"", item)
		}
		if err := checkSQL(codec); err != nil {
			return nil, err
		}
		codecs[column] = codec
	}
	return codecs, nil
}

// matches says that the pattern, in which * stands for any characters, is the whole name.
func matches(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	if !ok {
		return false
	}
	for i := range len(name) + 1 {
		if matches(rest, name[i:]) {
			return true
		}
	}
	return false
}
