package iceberg

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/sink"
)

// FuzzMark holds that a Mark survives a table's properties, and that damaged properties are an error or no mark.
func FuzzMark(f *testing.F) {
	f.Add(uint64(3), uint64(7), "mysql/x/binlog.000001:4", []byte(`{"position":"x"}`), "run", "12x")
	f.Add(uint64(0), uint64(1), "", []byte{0, 0xff}, "state", "!")
	f.Fuzz(func(t *testing.T, run, epoch uint64, position string, state []byte, property, damage string) {
		s := &Sink{pipeline: "shop"}
		m := sink.Mark{Run: run, Epoch: epoch, Position: position, State: state}
		props := s.properties(m)
		get := func(name string) string { return props[s.own(name)] }
		got, ok, err := s.readMark(get)
		if err != nil || !ok || got.Run != run || got.Epoch != epoch || got.Position != position || !bytes.Equal(got.State, state) || got.id != s.commitID(m) {
			t.Fatalf("%+v is read as %+v, %t, %v", m, got, ok, err)
		}
		props[s.own(property)] = damage
		if got, ok, err := s.readMark(get); err == nil && ok && fmt.Sprint(got.Run) != strings.TrimLeft(get("run"), "0+") && got.Run != 0 {
			t.Errorf("run %q is read as %d", get("run"), got.Run)
		}
	})
}

// FuzzPartitionKey holds that partition.key is read or refused, and that what is read is read the same again.
func FuzzPartitionKey(f *testing.F) {
	f.Add("shop.orders:day(created_at),bucket[16](id);shop.users:id")
	f.Add("a.b: truncate[4](c) , hour(d)")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parsePartitionKey(text)
		if err != nil {
			return
		}
		for name, fields := range all {
			var parts []string
			for _, field := range fields {
				parts = append(parts, field.transform.String()+"("+field.column+")")
			}
			back, err := parsePartitionKey(name + ":" + strings.Join(parts, ","))
			if err != nil || fmt.Sprint(back[name]) != fmt.Sprint(fields) {
				t.Errorf("%q: %s has %v, which is read as %v: %v", text, name, fields, back, err)
			}
		}
	})
}
