package clickhouse

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzNote holds that a note survives a table's comment, and that no other comment is one.
func FuzzNote(f *testing.F) {
	f.Add("shop", "a1b2", "c3", 2, "no'te", true, `{"pipeline":"x"}`)
	f.Add("", "", "", 0, "", false, noteLead+`{"pipeline":"x","steps":"no number"}`)
	f.Fuzz(func(t *testing.T, pipeline, shape, toward string, steps int, clear string, flag bool, comment string) {
		n := note{Pipeline: pipeline, Shape: shape, Toward: toward, Steps: steps, Clear: clear, Copy: flag, Dropped: !flag}
		valid := utf8.ValidString(pipeline + "|" + shape + "|" + toward + "|" + clear)
		if got := readNote(n.text()); got != n && valid {
			t.Errorf("%q is read as %+v", n.text(), got)
		}
		if got := readNote(comment); got != (note{}) && !strings.HasPrefix(comment, noteLead) {
			t.Errorf("%q is read as %+v", comment, got)
		}
	})
}

// FuzzTableOptions holds that the values of options are refused or read, that what is read of an engine can be read again,
// and that no list loses a part.
func FuzzTableOptions(f *testing.F) {
	for _, seed := range [][2]string{
		{"engine", "ReplicatedMergeTree('/p/{uuid}', '{replica}')"}, {"order.by", "a, cityHash64(b, 'x,y')"}, {"codecs", "note: ZSTD(3); created: Delta, LZ4"},
		{"settings", "index_granularity = 4096, storage_policy = 'hot,cold'"}, {"ttl", "at + INTERVAL 1 DAY"}, {"partition.by", "toYYYYMM(at)"}, {"mode", "append"}, {"view", "true"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, option, value string) {
		if e, err := parseEngine(value); err == nil {
			text := e.family + "MergeTree"
			if e.args != "" {
				text += "(" + e.args + ")"
			}
			if back, err := parseEngine(text); err != nil || back != e {
				t.Errorf("engine %q is %+v, which is read as %+v: %v", value, e, back, err)
			}
		}
		if items, err := splitList(value); err == nil {
			back, err := splitList(strings.Join(items, ", "))
			if err != nil || strings.Join(back, "|") != strings.Join(items, "|") {
				t.Errorf("list %q is %q, which is read as %q: %v", value, items, back, err)
			}
		}
		var o tableOptions
		_ = o.set(option, value)
		_, _ = parseOverride(option, value)
	})
}
