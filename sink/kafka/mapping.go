package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// An entry is one "key:value" of a list in the configuration.
type entry struct{ key, value string }

// parseEntries reads "key:value;key:value". Flink's documents say that headers are split at commas, its code splits at
// semicolons.
func parseEntries(text string) ([]entry, error) {
	var es []entry
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, ":")
		e := entry{strings.TrimSpace(key), strings.TrimSpace(value)}
		if !ok || e.key == "" || e.value == "" {
			return nil, fmt.Errorf("%q: write key:value, several with ';' between them", part)
		}
		if slices.ContainsFunc(es, func(o entry) bool { return o.key == e.key }) {
			return nil, fmt.Errorf("%q stands there twice", e.key)
		}
		es = append(es, e)
	}
	return es, nil
}

// parseHeaders reads sink.custom-header.
func parseHeaders(text string) ([]entry, error) { return parseEntries(text) }

// parseMapping reads sink.tableId-to-topic.mapping.
func parseMapping(text string) ([]entry, error) {
	es, err := parseEntries(text)
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		if _, err := tableName(e.key); err != nil {
			return nil, err
		}
		if e.value != legalTopic(e.value) {
			return nil, fmt.Errorf("%q: a topic's name has letters, digits, '.', '_' and '-' only, and at most %d of them", e.value, maxTopic)
		}
	}
	return es, nil
}

// parseKeyColumns reads key.columns.
func parseKeyColumns(text string) ([]entry, error) {
	es, err := parseEntries(text)
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		if _, err := tableName(e.key); err != nil {
			return nil, err
		}
		if slices.Contains(columnNames(e.value), "") {
			return nil, fmt.Errorf("%q: write NAMESPACE.TABLE:COLUMN,COLUMN", e.key+":"+e.value)
		}
	}
	return es, nil
}

// columnNames are those of a list "a, b".
func columnNames(text string) []string {
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// tableName reads NAMESPACE.TABLE.
func tableName(text string) (schema.Name, error) {
	namespace, table, ok := strings.Cut(text, ".")
	if !ok || namespace == "" || table == "" {
		return schema.Name{}, fmt.Errorf("%q is no table: write NAMESPACE.TABLE", text)
	}
	return schema.Name{Namespace: namespace, Table: table}, nil
}

// byTable indexes entries whose keys are tables, and which were checked before.
func byTable(es []entry) map[schema.Name]string {
	m := make(map[schema.Name]string, len(es))
	for _, e := range es {
		if n, err := tableName(e.key); err == nil {
			m[n] = e.value
		}
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
