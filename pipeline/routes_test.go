package pipeline

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
)

func name(s string) schema.Name {
	ns, t, _ := strings.Cut(s, ".")
	return schema.Name{Namespace: ns, Table: t}
}

func TestParseTables_Matches(t *testing.T) {
	cases := map[string]struct {
		tables  Tables
		yes, no []string
	}{
		"literal":          {Tables{Include: Patterns{Text: "shop.orders"}}, []string{"shop.orders", "SHOP.Orders"}, []string{"shop.orders2", "xshop.orders", "shop.order"}},
		"any character":    {Tables{Include: Patterns{Text: `shop.\.*`}}, []string{"shop.a", "shop.", "shop.b.c", "shop.x\ny"}, []string{"shops.a"}},
		"list":             {Tables{Include: Patterns{Text: ` shop.a , crm.b `}}, []string{"shop.a", "crm.b"}, []string{"shop.b"}},
		"shards":           {Tables{Include: Patterns{Text: `shop_\.*.orders_[0-9]{1,3}`}}, []string{"shop_1.orders_12"}, []string{"shop.orders_1", "shop_1.orders_1234"}},
		"alternatives":     {Tables{Include: Patterns{Text: `shop.(orders|items)`}}, []string{"shop.orders", "shop.items"}, []string{"shop.orders|items"}},
		"loose bar":        {Tables{Include: Patterns{Text: `shop|crm.a`}}, []string{"shop.a", "crm.a"}, []string{"shop.b"}},
		"dot in a name":    {Tables{Include: Patterns{Text: `shop.a[.]b`}}, []string{"shop.a.b"}, []string{"shop.axb"}},
		"comma in a name":  {Tables{Include: Patterns{Text: `shop.a\,b`}}, []string{"shop.a,b"}, []string{"shop.a"}},
		"any":              {Tables{Include: Patterns{Text: `[\s\S]*.[\s\S]*`}}, []string{"a.b", "x.y.z"}, nil},
		"exclude":          {Tables{Include: Patterns{Text: `shop.\.*`}, Exclude: Patterns{Text: `shop.tmp_\.*`}}, []string{"shop.a"}, []string{"shop.tmp_a"}},
		"globs":            {Tables{Include: Patterns{Globs: []string{"shop.*", "crm.t?"}}, Exclude: Patterns{Globs: []string{"*.x"}}}, []string{"shop.a", "shop.a.b", "crm.t1"}, []string{"shop.x", "crm.t12"}},
		"glob is no regex": {Tables{Include: Patterns{Globs: []string{`shop.(a+)`, `shop.\*`}}}, []string{"shop.(a+)", "shop.*"}, []string{"shop.aa"}},
		"glob with emoji":  {Tables{Include: Patterns{Globs: []string{`shop.🛒?`}}}, []string{"shop.🛒é"}, []string{"shop.🛒"}},
	}
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			match, err := ParseTables(c.tables)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.yes {
				if !match(name(s)) {
					t.Errorf("%s does not match", s)
				}
			}
			for _, s := range c.no {
				if match(name(s)) {
					t.Errorf("%s matches", s)
				}
			}
		})
	}
}

func TestParseTables_Errors(t *testing.T) {
	cases := map[string]struct {
		text string
		want []string
	}{
		"none":          {" ", []string{"no tables are named"}},
		"no dot":        {"a.b,orders", []string{`pattern "orders" at offset 4`, "no dot separates"}},
		"two dots":      {"shop..*", []string{`it has 2 dots`, `shop.\.*`}},
		"star":          {"shop.*", []string{`"any characters" is \.*`}},
		"look-ahead":    {`shop.(?!tmp)\.*`, []string{`"(?!"`, "tables.exclude subtracts"}},
		"open group":    {`shop.(a`, []string{"missing closing )"}},
		"split group":   {`a)|(b.c`, []string{"unexpected )"}},
		"open class":    {`shop.[a`, []string{"missing closing ]"}},
		"empty pattern": {`shop.a,,shop.b`, []string{"at offset 7", "empty"}},
		"no table":      {`shop.`, []string{"a name is missing"}},
		"several":       {`a,b`, []string{`"a" at offset 0`, `"b" at offset 2`}},
	}
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			_, err := ParseTables(Tables{Include: Patterns{Text: c.text}})
			for _, w := range c.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want %q in it", err, w)
				}
			}
		})
	}
}

func TestRoutes_Name(t *testing.T) {
	cases := map[string]struct {
		routes   []Route
		mode     RouteMode
		from, to string
	}{
		"none":              {nil, AllMatch, "shop.a", "shop.a"},
		"literal":           {[]Route{{Source: "shop.a", Sink: "ods.b"}}, AllMatch, "shop.a", "ods.b"},
		"unmatched":         {[]Route{{Source: "shop.a", Sink: "ods.b"}}, AllMatch, "shop.c", "shop.c"},
		"replace symbol":    {[]Route{{Source: `shop.\.*`, Sink: "ods.ods_<>_d", Replace: "<>"}}, AllMatch, "shop.orders", "ods.ods_orders_d"},
		"group":             {[]Route{{Source: `crm.(t[0-9]+)`, Sink: "ods.$1_copy"}}, AllMatch, "crm.t12", "ods.t12_copy"},
		"groups of both":    {[]Route{{Source: `(\.*)_(\d+).(\.*)`, Sink: "$1.${3}_$2"}}, AllMatch, "shop_7.orders", "shop.orders_7"},
		"digit after group": {[]Route{{Source: `shop.(\.*)`, Sink: "ods.$10"}}, AllMatch, "shop.t", "ods.t0"},
		"group as a gap":    {[]Route{{Source: `shop.(\.*)`, Sink: "ods.$1"}}, AllMatch, "shop.$1", "ods.$1"},
		"dot in a name":     {[]Route{{Source: `shop.(\.*)`, Sink: "ods.x_$1"}}, AllMatch, "shop.a.b", "ods.x_a.b"},
		"first":             {[]Route{{Source: "shop.a", Sink: "x.y"}, {Source: `shop.\.*`, Sink: "ods.<>", Replace: "<>"}}, FirstMatch, "shop.a", "x.y"},
		"second":            {[]Route{{Source: "shop.a", Sink: "x.y"}, {Source: `shop.\.*`, Sink: "ods.<>", Replace: "<>"}}, FirstMatch, "shop.b", "ods.b"},
		"one of a list":     {[]Route{{Source: `a.(x),b.(y)`, Sink: "ods.$1"}}, AllMatch, "b.y", "ods.y"},
	}
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			rs, err := NewRoutes(c.routes, c.mode)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := rs.Name(name(c.from)); err != nil || got != name(c.to) {
				t.Errorf("got %s, %v, want %s", got, err, c.to)
			}
		})
	}
}

func TestRoutes_Errors(t *testing.T) {
	cases := map[string]struct {
		route Route
		want  string
	}{
		"no source":       {Route{Sink: "a.b"}, "source-table: required"},
		"bad source":      {Route{Source: "a", Sink: "a.b"}, "no dot separates"},
		"no dot":          {Route{Source: "a.b", Sink: "b"}, "namespace.table"},
		"three parts":     {Route{Source: "a.b", Sink: "a.b.c"}, "namespace.table"},
		"group missing":   {Route{Source: "a.(b)", Sink: "a.$2"}, "has 1 groups"},
		"group zero":      {Route{Source: "a.(b)", Sink: "a.$0"}, "has 1 groups"},
		"lone dollar":     {Route{Source: "a.(b)", Sink: "a.x$"}, "has 1 groups"},
		"both":            {Route{Source: "a.(b)", Sink: "a.$1<>", Replace: "<>"}, "exclude each other"},
		"unused symbol":   {Route{Source: "a.b", Sink: "a.b", Replace: "<>"}, "does not occur"},
		"group of a list": {Route{Source: "a.(b),a.c", Sink: "a.$1"}, "has 0 groups"},
	}
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			_, err := NewRoutes([]Route{{Source: "ok.ok", Sink: "ok.ok"}, c.route}, AllMatch)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "route 2") {
				t.Errorf("got %v, want route 2 and %q in it", err, c.want)
			}
		})
	}
}

func TestRoutes_RefusesFanOut(t *testing.T) {
	rs, err := NewRoutes([]Route{{Source: "shop.a", Sink: "x.y"}, {Source: `shop.\.*`, Sink: "x.z"}}, AllMatch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = rs.Name(name("shop.a")); err == nil || !strings.Contains(err.Error(), "route 1") || !strings.Contains(err.Error(), "FIRST_MATCH") {
		t.Errorf("got %v, want both routes and what to do", err)
	}
}

func FuzzParseTables(f *testing.F) {
	for _, s := range []string{`shop.\.*`, `a.b,c.d`, `(a|b).[.,]{1,2}`, `a)|(b.c`, `\`, `shop.🛒`} {
		f.Add(s, "shop", "orders")
	}
	f.Fuzz(func(t *testing.T, text, ns, table string) {
		n := schema.Name{Namespace: ns, Table: table}
		if match, err := ParseTables(Tables{Include: Patterns{Text: text}}); err == nil {
			match(n)
		}
		if match, err := ParseTables(Tables{Include: Patterns{Globs: []string{text}}}); err == nil {
			match(n)
		}
	})
}

func FuzzNewRoutes(f *testing.F) {
	f.Add(`shop.(\.*)`, `ods.$1`, "", "orders")
	f.Add(`shop.\.*`, `ods.<>`, "<>", "orders")
	f.Fuzz(func(t *testing.T, from, to, replace, table string) {
		rs, err := NewRoutes([]Route{{Source: from, Sink: to, Replace: replace}}, FirstMatch)
		if err != nil {
			return
		}
		n := schema.Name{Namespace: "shop", Table: table}
		if got, err := rs.Name(n); err == nil && got != n && (got.Namespace == "" || got.Table == "") {
			t.Errorf("got the name %q", got)
		}
	})
}
