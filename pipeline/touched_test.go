package pipeline

import (
	"testing"

	"github.com/cdcsync/cdcsync/schema"
)

// Touched keys are there as long as their table is copied, in the order in which they were told.
func TestStore_TouchedKeys(t *testing.T) {
	s, err := OpenStore(t.Context(), t.TempDir(), "p")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	a, b := schema.Name{Namespace: "shop", Table: "a"}, schema.Name{Namespace: "shop", Table: "b"}
	shape := &schema.Table{Name: a, Version: 1}
	record := func(n schema.Name, state TableState) *tableRecord {
		return &tableRecord{Name: n, Sink: n, State: state, shape: shape}
	}
	put := func(sv *save) {
		t.Helper()
		sv.position = "here"
		if err := s.save(t.Context(), sv); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want map[schema.Name]string) {
		t.Helper()
		c, err := s.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.tables {
			if got := string(r.touched); got != want[r.Name] {
				t.Errorf("%s: got %q, want %q", r.Name, got, want[r.Name])
			}
		}
	}
	for _, told := range [][]touchedRecord{{{a, []byte("1")}, {b, []byte("x")}}, {{a, []byte("2")}}, nil} {
		if err := s.remember(t.Context(), told); err != nil {
			t.Fatal(err)
		}
	}
	put(&save{tables: []*tableRecord{record(a, Copying), record(b, Copying)}})
	expect(map[schema.Name]string{a: "12", b: "x"})
	put(&save{tables: []*tableRecord{record(b, Following)}})
	expect(map[schema.Name]string{a: "12"})
	put(&save{gone: []schema.Name{a}})
	put(&save{tables: []*tableRecord{record(a, Copying)}})
	expect(nil)

	if err := s.remember(t.Context(), []touchedRecord{{a, []byte("3")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("UPDATE touched SET keys = 'other'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.begin(t.Context()); err == nil {
		t.Error("got no error for keys that were damaged")
	}
}
