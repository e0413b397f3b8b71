package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

func TestFindings_ProblemsFirst(t *testing.T) {
	var out bytes.Buffer
	err := printFindings(&out, []schema.Finding{
		{What: "log_bin is ON"},
		{Level: schema.Warning, What: "retention is short", Why: "it is lost", Fix: "SET GLOBAL a = 1;"},
		{Level: schema.Problem, What: "no rights", Why: "nothing can be read", Fix: "GRANT SELECT;"},
	})
	want := `PROBLEM  no rights
         why: nothing can be read
         fix: GRANT SELECT;
warning  retention is short
         why: it is lost
         fix: SET GLOBAL a = 1;
ok       log_bin is ON

1 problems, 1 warnings, 1 fine
`
	if !errors.Is(err, errFailed) || out.String() != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, &out, want)
	}
	if err := printFindings(&out, []schema.Finding{{Level: schema.Warning, What: "only odd"}}); err != nil {
		t.Errorf("warnings alone are fine, got %v", err)
	}
}

// Two tables in one sink table would overwrite each other, also where catalogs fold case.
func TestTargets_Collide(t *testing.T) {
	routes, err := pipeline.NewRoutes([]pipeline.Route{{Source: `shop_[0-9].orders`, Sink: "lake.orders"}}, pipeline.AllMatch)
	if err != nil {
		t.Fatal(err)
	}
	j := &job{routes: routes}
	table := func(ns, name string) *schema.Table {
		return &schema.Table{Name: schema.Name{Namespace: ns, Table: name}}
	}
	for _, c := range []struct {
		tables []*schema.Table
		want   string
	}{
		{[]*schema.Table{table("shop_1", "orders"), table("shop_2", "orders")}, "tables shop_1.orders and shop_2.orders both go to lake.orders"},
		{[]*schema.Table{table("shop", "Items"), table("shop", "items")}, "tables shop.Items and shop.items both go to shop.items"},
		{[]*schema.Table{table("shop_1", "orders"), table("shop", "items")}, ""},
	} {
		_, problems := j.targets(c.tables)
		if c.want == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || problems[0].What != c.want {
			t.Errorf("got %+v, want %q", problems, c.want)
		}
	}
}

// When nothing matches, what there is is named.
func TestNoTable_NamesWhatThereIs(t *testing.T) {
	found := source.Discovered{}
	if f := noTable(found); !strings.Contains(f.Fix, "GRANT") && !strings.Contains(f.Fix, "grant") {
		t.Errorf("got %+v", f)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		found.Tables = append(found.Tables, &schema.Table{Name: schema.Name{Namespace: "shop", Table: name}})
	}
	if f := noTable(found); !strings.Contains(f.Fix, "shop.a, shop.b") || !strings.Contains(f.Fix, "shop.j and 2 more") {
		t.Errorf("got %+v", f)
	}
}

func TestMetrics_Answers(t *testing.T) {
	p := &pipeline.Pipeline{Name: "shop"}
	s := httptest.NewServer(metricsHandler(p))
	defer s.Close()
	for _, c := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"GET", "/metrics", 200, `cdcsync_pipeline_up{pipeline="shop"} 0`},
		{"GET", "/healthz", 200, "starting"},
		{"GET", "/readyz", 503, "starting"},
		{"POST", "/metrics", 405, ""},
		{"GET", "/debug/pprof/", 404, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if cerr := resp.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if resp.StatusCode != c.code || !strings.Contains(string(body), c.text) {
			t.Errorf("%s %s: got %d and %s, want %d and %q", c.method, c.path, resp.StatusCode, body, c.code, c.text)
		}
	}
}

// Without a host the metrics are for this machine only.
func TestListen_Loopback(t *testing.T) {
	for _, address := range []string{"0", ":0"} {
		m, err := listen(address, &pipeline.Pipeline{Name: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.address(), "127.0.0.1:") {
			t.Errorf("%s: got %s", address, m.address())
		}
		if err := m.listener.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := listen("nowhere:port", &pipeline.Pipeline{}); err == nil {
		t.Error("want an error for an address that is none")
	}
}

func TestState_Text(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	orders := pipeline.SavedName{Namespace: "shop", Table: "orders"}
	lake := pipeline.SavedName{Namespace: "lake", Table: "orders"}
	var out bytes.Buffer
	err := printState(&out, &pipeline.SavedState{
		Pipeline: "shop", File: "s/shop.db", Run: 2, Epoch: 17, Position: "p:4", Time: &at,
		Tables: []pipeline.SavedTable{
			{Source: orders, Sink: &lake, State: pipeline.Following, Rows: 20000, Chunks: 3, Columns: 5, Shape: 1, Epoch: 17},
			{Source: pipeline.SavedName{Namespace: "shop", Table: "log"}, State: pipeline.Stopped, Reason: "no key", StoppedAt: "p:3"},
			{Source: pipeline.SavedName{Namespace: "shop", Table: "tag"}, State: pipeline.Copying, Resync: true, Shape: 1},
		},
		Changes: []pipeline.SavedChange{{At: at, Table: orders, State: "applied", Statement: "ALTER TABLE\n orders ADD x int"}, {At: at, Table: orders}},
	})
	want := `pipeline  shop
file      s/shop.db
position  p:4  of 2026-11-21T10:00:00Z
start     2
commit    17

TABLE        SINK         STATE      COPIED  CHUNKS  COLUMNS  SHAPE  COMMIT
shop.orders  lake.orders  following  20,000  3       5        v1     17
shop.log     -            stopped    0       0       0        v0     0
shop.tag     -            copying    0       0       0        v1     0

shop.log stopped at p:3: no key

shop.tag is copied anew by the next run

SCHEMA CHANGES
2026-11-21 10:00:00  shop.orders  applied  ALTER TABLE orders ADD x int
`
	if err != nil || out.String() != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, &out, want)
	}
}

func TestChosen_ByNameAtTheSource(t *testing.T) {
	all := []pipeline.SavedTable{
		{Source: pipeline.SavedName{Namespace: "shop", Table: "a"}, State: pipeline.Stopped},
		{Source: pipeline.SavedName{Namespace: "shop", Table: "b.c"}, State: pipeline.Following},
	}
	got, err := chosen(all, []string{"shop.a", "shop.b.c"})
	if want := []schema.Name{{Namespace: "shop", Table: "a"}, {Namespace: "shop", Table: "b.c"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := chosen(all, []string{"shop.a", "shop.c"}); err == nil || !strings.Contains(err.Error(), "shop.c is not one of the pipeline's") {
		t.Errorf("got %v, want that shop.c is not known", err)
	}
}

func TestLocalFolder_FindsTheCatalogFile(t *testing.T) {
	for _, c := range []struct {
		kind, uri, warehouse, want string
		local                      bool
	}{
		{"sql", "", "warehouse", "warehouse", true},
		{"sql", "", "/w", "/w", true},
		{"sql", "", "file:///w/x", "/w/x", true},
		{"sql", "", "file:/w", "/w", true},
		{"sql", "", "s3://bucket/w", "s3://bucket/w", false},
		{"sql", "postgres://db", "/w", "", false},
		{"rest", "", "lake", "", false},
	} {
		got, local := localFolder(map[string]string{"type": c.kind, "uri": c.uri, "warehouse": c.warehouse})
		if got != c.want || local != c.local {
			t.Errorf("%+v: got %q, %v", c, got, local)
		}
	}
}
