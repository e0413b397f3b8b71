package clickhouse

import (
	"slices"
	"strings"
	"testing"
)

func TestColumnsOf(t *testing.T) {
	l := &layout{columns: []columnType{{name: "hour"}}}
	for sql, want := range map[string][]string{
		"id":                       {"id"},
		"toYYYYMM(`a b`), \"c\"":   {"a b", "c"},
		"d + INTERVAL 1 DAY":       {"d"},
		"hour + INTERVAL 2 HOUR":   {"hour"},
		"f('x', 12, g(h), 1.5e3)":  {"h"},
		"a.b":                      {"a", "b"},
		"cityHash64 (x) % 16":      {"x"},
		"żółć AND NOT tuple(y, z)": {"żółć", "y", "z"},
		"'it''s', 'a\\'b', ''":     nil,
	} {
		if got, err := l.columnsOf(sql); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", sql, got, err, want)
		}
	}
}

func TestSplitList(t *testing.T) {
	got, err := splitList(" a, f(b, [c, d]), 'e,f' , `g,h`")
	if want := []string{"a", "f(b, [c, d])", "'e,f'", "`g,h`"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// Whatever is let in cannot end the statement, and the parts of a list make up the list.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{"", "a, b", "f(x, 'y;--')", "`a``b`", "'\\", "((", "]", "a -- b", "/* */", "\"\"", "x;y", "12ab,\n\t\r[1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		all, err := tokens(sql)
		if err != nil {
			return
		}
		end := 0
		for _, k := range all {
			if k.begin < end || k.end <= k.begin || k.end > len(sql) || strings.TrimSpace(sql[end:k.begin]) != "" {
				t.Fatalf("%q: token %+v does not follow %d", sql, k, end)
			}
			if end = k.end; k.kind == symbol && (k.text == ";" || k.text == "#") {
				t.Fatalf("%q: let in %q", sql, k.text)
			}
		}
		if items, err := splitList(sql); err == nil {
			if got, want := strings.Join(strings.Fields(strings.Join(items, ",")), ""), strings.Join(strings.Fields(sql), ""); got != want {
				t.Fatalf("%q: got parts %q", sql, items)
			}
		}
	})
}
