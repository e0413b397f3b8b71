package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// The block that ch-go sends has the same rows as the one for HTTP.
func TestEncoder_Input(t *testing.T) {
	cfg, cases := testConfig(), valueCases(false)
	cfg.JSON, cfg.Set = JSONType, SetArray
	byHTTP := newBenchTable(t, caseTable(cases), &cfg)
	byNative := *byHTTP
	byNative.name.Table = "native"
	byHTTP.server.Exec(t, byNative.layout.createSQL(byNative.name, &cfg, ""))
	client, err := ch.Dial(t.Context(), ch.Options{Address: byHTTP.server.Addr, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	e, r := newEncoder(byHTTP.layout), rand.New(rand.NewPCG(3, 4))
	for block := range 2 { // the second in the memory of the first
		b := row.New(byHTTP.layout.table)
		for i := range 50 {
			b.Append(row.Insert, uint64(i+1), 0)
			fillRow(b, r, cases, i+50*block)
		}
		e.reset()
		if err := e.add(b); err != nil {
			t.Fatal(err)
		}
		byHTTP.send(t, e)
		if err := client.Do(t.Context(), ch.Query{Body: "INSERT INTO " + quoteTable(byNative.name) + " (" + e.columnList() + ") VALUES", Input: e.input()}); err != nil {
			t.Fatal(err)
		}
	}
	_, want := byHTTP.read(t, "id")
	_, got := byNative.read(t, "id")
	if len(got) != 100 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d rows by the native protocol, %d others by HTTP", len(got), len(want))
	}
}

// Names are data: in statements, and in the block.
func TestEncoder_OddNames(t *testing.T) {
	cfg, shape := testConfig(), &schema.Table{Name: schema.Name{Namespace: "shop", Table: "odd"}, Version: 1, Key: []int{0}}
	names := []string{"select", "a.b", "a.c", "it's", "back`tick", `back\slash`, "new\nline", `"quoted"`, "żółć 😀", "`); DROP", "?", "{x:Int8}", strings.Repeat("n", 64)}
	for _, n := range names {
		shape.Columns = append(shape.Columns, schema.Column{Name: n, Type: schema.Type{Kind: schema.Int, Bits: 16}, Native: n})
	}
	table := newBenchTable(t, shape, &cfg)
	b := row.New(shape)
	b.Append(row.Insert, 1, 0)
	var want []string
	for i := range names {
		b.Cols[i].AppendWord(uint64(i))
		want = append(want, fmt.Sprint(i))
	}
	table.insert(t, b)
	columns, rows := table.read(t, "`select`")
	expectRows(t, rows, strings.Join(want, "|")+"|1|0")
	if got := columns[:len(names)]; fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("got columns %q, want %q", got, names)
	}
}
