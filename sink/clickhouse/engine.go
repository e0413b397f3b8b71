package clickhouse

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An engine is what Config.Engine names: MergeTree, in one of the families that share its data in their ways.
type engine struct {
	family string // "", Replicated or Shared
	args   string // of Replicated: 'PATH', 'REPLICA'; empty: the server's default
}

// others are engines of MergeTree's kin, and why the sink cannot write to them.
var others = map[string]string{ // read-only
	"SummingMergeTree":             "it adds up rows of one key",
	"AggregatingMergeTree":         "it merges rows of one key into one",
	"CoalescingMergeTree":          "it fills a row from older ones of its key, so that a NULL would show an old value",
	"CollapsingMergeTree":          "it needs each row's old version in full, and loses rows when one is written twice",
	"VersionedCollapsingMergeTree": "it needs each row's old version in full, and loses rows when one is written twice",
	"GraphiteMergeTree":            "it thins rows out",
}

// parseEngine reads an engine's name, with or without Replacing, which follows from the table's mode.
func parseEngine(text string) (engine, error) {
	kind, args, parens := strings.Cut(strings.TrimSpace(text), "(")
	kind = strings.TrimSpace(kind)
	var e engine
	for _, family := range []string{"Replicated", "Shared"} {
		if rest, ok := strings.CutPrefix(kind, family); ok {
			e.family, kind = family, rest
		}
	}
	if why, ok := others[kind]; ok {
		return e, fmt.Errorf("%s: %s; write MergeTree, ReplicatedMergeTree or SharedMergeTree", text, why)
	}
	if kind != "MergeTree" && kind != "ReplacingMergeTree" {
		return e, fmt.Errorf("%q is no engine that keeps the sink's rows: write one of MergeTree, ReplicatedMergeTree, SharedMergeTree", text)
	}
	if !parens {
		return e, nil
	}
	args, ok := strings.CutSuffix(args, ")")
	e.args = strings.TrimSpace(args)
	if !ok {
		return e, fmt.Errorf("%q: the parenthesis is not closed at the end", text)
	}
	return e, e.checkArgs(text)
}

func (e engine) checkArgs(text string) error {
	if e.args == "" {
		return nil
	}
	if e.family != "Replicated" {
		return fmt.Errorf("%q: only ReplicatedMergeTree has arguments here, which are 'PATH', 'REPLICA'; the sink adds those of ReplacingMergeTree", text)
	}
	args, err := splitList(e.args)
	if err != nil {
		return err
	}
	if len(args) != 2 || slices.ContainsFunc(args, func(a string) bool { return !strings.HasPrefix(a, "'") || !strings.HasSuffix(a, "'") }) {
		return fmt.Errorf("%q: write ReplicatedMergeTree('PATH', 'REPLICA'); the sink adds the arguments of ReplacingMergeTree", text)
	}
	if !strings.Contains(args[0], "{table}") && !strings.Contains(args[0], "{uuid}") {
		return fmt.Errorf("%q: the path must have {table} or {uuid} in it: each table, and the sink's staging tables, need one of their own", text)
	}
	return nil
}

// clause spells the engine of a table.
func (e engine) clause(l *layout) string {
	kind, args := "MergeTree", e.args
	add := func(column technical) {
		if args != "" {
			args += ", "
		}
		args += quoteName(l.technical(column))
	}
	if l.mode.keyed() {
		kind = "ReplacingMergeTree"
		add(columnVersion)
	}
	if l.mode == replacing {
		add(columnDeleted)
	}
	return e.family + kind + "(" + args + ")"
}

// unsafeSettings are MergeTree settings under which rows could be lost, come twice or come back.
var unsafeSettings = map[string]string{ // read-only
	"allow_nullable_key":                                             "the sink makes key columns that are never NULL",
	"allow_experimental_replacing_merge_with_cleanup":                cleanup,
	"enable_replacing_merge_with_cleanup_for_min_age_to_force_merge": cleanup,
}

const cleanup = "merges would remove tombstones, and rows that a restart writes again would be back for as long as their tombstone is not"

// checkTableSetting refuses MergeTree settings that break the promise.
func checkTableSetting(name, value string) error {
	switch name {
	case "non_replicated_deduplication_window", "replicated_deduplication_window", "replicated_deduplication_window_seconds":
		if value == "0" {
			return fmt.Errorf("%s = 0 cannot be set: an insert whose reply was lost would be there twice", name)
		}
	}
	if why := unsafeSettings[name]; why != "" {
		return fmt.Errorf("%s cannot be set: %s", name, why)
	}
	if slices.ContainsFunc([]byte(name), func(c byte) bool { return !isWord(c) }) {
		return fmt.Errorf("%q is no name of a setting", name)
	}
	return checkSQL(value)
}

// sortingKey returns the expressions that the table is ordered by.
func (l *layout) sortingKey() ([]string, error) {
	given := l.opts.orderBy
	if len(given) == 0 {
		return l.defaultSortingKey(), nil
	}
	if !l.mode.keyed() {
		return given, nil
	}
	whole := map[string]bool{}
	for _, item := range given {
		columns, err := l.columnsOf(item)
		if err != nil {
			return nil, fmt.Errorf("order.by: %w", err)
		}
		if other := l.outsideKey(columns); other != "" {
			return nil, fmt.Errorf("order.by: %s is no column of the key: an update of it would not replace the row but add one; "+
				"write the key's columns, and functions of them", other)
		}
		if len(columns) == 1 && (item == columns[0] || item == quoteName(columns[0])) {
			whole[columns[0]] = true
		}
	}
	for _, k := range l.keyNames() {
		if !whole[k] {
			return nil, fmt.Errorf("order.by: key column %s is missing: rows that differ in it only would replace each other", k)
		}
	}
	return given, nil
}

func (l *layout) defaultSortingKey() []string {
	var items []string
	for _, k := range l.keyNames() {
		items = append(items, quoteName(k))
	}
	if !l.mode.keyed() {
		items = append(items, quoteName(l.technical(columnVersion)))
	}
	return items
}

// outsideKey returns the first column that is not of the key, "" for none.
func (l *layout) outsideKey(columns []string) string {
	keys := l.keyNames()
	for _, c := range columns {
		if !slices.Contains(keys, c) {
			return c
		}
	}
	return ""
}

// checkOptions refuses options under which rows of a keyed table would come twice or come back.
func (l *layout) checkOptions() error {
	if !l.mode.keyed() {
		return nil
	}
	columns, err := l.columnsOf(l.opts.partitionBy)
	if err != nil {
		return fmt.Errorf("partition.by: %w", err)
	}
	if other := l.outsideKey(columns); other != "" {
		return fmt.Errorf("partition.by: %s is not part of the key: when an update changes it, the row's old version stays in another partition, "+
			"and no merge ever brings them together; partition by key columns, like %s", other, l.keyNames()[0])
	}
	return l.checkTTL()
}

// checkTTL allows rows to expire by their key only, so that all versions of a row expire together.
func (l *layout) checkTTL() error {
	if l.opts.ttl == "" {
		return nil
	}
	items, err := splitList(l.opts.ttl)
	if err != nil {
		return fmt.Errorf("ttl: %w", err)
	}
	for _, item := range items {
		upper := strings.Join(strings.Fields(strings.ToUpper(item)), " ")
		if strings.Contains(upper, " GROUP BY ") {
			return errors.New("ttl: GROUP BY makes other rows of the source's: it cannot be had here")
		}
		if strings.Contains(upper, " TO DISK ") || strings.Contains(upper, " TO VOLUME ") || strings.Contains(upper, " RECOMPRESS ") {
			continue // no row goes away
		}
		columns, err := l.columnsOf(item)
		if err != nil {
			return fmt.Errorf("ttl: %w", err)
		}
		if other := l.outsideKey(columns); other != "" {
			return fmt.Errorf("ttl: %s is not part of the key: after an update of it the newest version of a row could expire before an older one, "+
				"which would be shown again; let rows expire by key columns, or set the table's mode to append", other)
		}
	}
	return nil
}

// sortedSettings returns the table's settings as NAME = VALUE.
func (o *tableOptions) sortedSettings() []string {
	settings := map[string]string{"non_replicated_deduplication_window": "1000"}
	if o.engine.family != "" {
		settings = map[string]string{}
	}
	maps.Copy(settings, o.settings)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		list = append(list, name+" = "+settingValue(settings[name]))
	}
	return list
}

// settingValue leaves numbers as they are and quotes the rest.
func settingValue(v string) string {
	if strings.Trim(v, "0123456789.") == "" && v != "" {
		return v
	}
	return quoteText(v)
}
