package kafka

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
)

// FuzzPositions holds that any record of the positions topic is read or refused, that a Mark survives it, and that a record
// of an older run is void.
func FuzzPositions(f *testing.F) {
	f.Add([]byte(`["table","shop","a"]`), []byte(`{"run":3,"epoch":7,"position":"x","state":"e30=","by":3}`), "shop", "a", uint64(7))
	f.Add([]byte(`["run"]`), []byte(`{"run":9}`), "", "", uint64(0))
	f.Add([]byte(`["topic","t"]`), []byte(`null`), "a.b", "c", uint64(1))
	f.Fuzz(func(t *testing.T, key, value []byte, namespace, table string, run uint64) {
		if err := newPositions().apply(&kgo.Record{Key: key, Value: value}); err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error says nothing")
		}
		n := schema.Name{Namespace: strings.ToValidUTF8(namespace, ""), Table: strings.ToValidUTF8(table, "")}
		r := tableRecord{Run: run, Epoch: run + 1, Position: "p", State: value, By: run}
		p := newPositions()
		put := func(kind string, v any, names ...string) {
			if err := p.apply(&kgo.Record{Key: encode(append([]string{kind}, names...)), Value: encode(v)}); err != nil {
				t.Fatal(err)
			}
		}
		put(tableKind, r, n.Namespace, n.Table)
		if got := p.tables[n]; got.Run != run || got.Epoch != run+1 || string(got.State) != string(value) {
			t.Errorf("%+v is read as %+v", r, got)
		}
		if run == ^uint64(0) {
			return
		}
		put(runKind, runRecord{Run: run + 1})
		r.Epoch = 99
		put(tableKind, r, n.Namespace, n.Table)
		if got := p.tables[n]; got.Epoch != run+1 {
			t.Errorf("a record of run %d counts after run %d: %+v", run, run+1, got)
		}
	})
}

// FuzzJAAS holds that a user and a password are read as they were quoted, and that errors do not tell of them.
func FuzzJAAS(f *testing.F) {
	f.Add("cdc", `pass"word\`, "x.PlainLoginModule required username=cdc password=\"a b\";")
	f.Fuzz(func(t *testing.T, user, password, text string) {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
		if !strings.ContainsAny(user+password, "\n\r") {
			all, err := parseJAAS(fmt.Sprintf(`org.ScramLoginModule required username="%s" password="%s";`, quote(user), quote(password)))
			if err != nil || !maps.Equal(all, map[string]string{"username": user, "password": password}) {
				t.Errorf("user %q, password %q: got %q, %v", user, password, all, err)
			}
		}
		if _, err := parseJAAS(text); err != nil && len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("%v tells of %q", err, text)
		}
	})
}

// FuzzEntries holds that lists of the configuration are read or refused, and that what is read is read the same again.
func FuzzEntries(f *testing.F) {
	f.Add("shop.orders:orders;shop.users: people ")
	f.Add("a.b:c,d;;")
	f.Fuzz(func(t *testing.T, text string) {
		es, err := parseEntries(text)
		if err != nil {
			return
		}
		var parts []string
		for _, e := range es {
			parts = append(parts, e.key+":"+e.value)
		}
		back, err := parseEntries(strings.Join(parts, ";"))
		if err != nil || fmt.Sprint(back) != fmt.Sprint(es) {
			t.Errorf("%q is %q, then %q: %v", text, es, back, err)
		}
		if _, err := parseMapping(text); err == nil && len(byTable(es)) > len(es) {
			t.Errorf("%q has %d tables", text, len(byTable(es)))
		}
		_, _ = parseKeyColumns(text)
	})
}
