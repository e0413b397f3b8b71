package clickhouse

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A bench table is one on the real server that an encoder's blocks go to, and its rows come back from as text.
type benchTable struct {
	server *servers.ClickHouseServer
	layout *layout
	name   schema.Name
	cfg    *Config
}

// newBenchTable creates the table of a shape on the shared server.
func newBenchTable(t *testing.T, shape *schema.Table, cfg *Config) *benchTable {
	t.Helper()
	s := servers.SharedClickHouse(t)
	l, err := newLayout(shape, cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &benchTable{server: s, layout: l, name: schema.Name{Namespace: s.Database(t), Table: "t"}, cfg: cfg}
	s.Exec(t, l.createSQL(b.name, cfg, "a table's \"comment\""))
	return b
}

// insert encodes the batches into one block and sends it as Native over HTTP.
func (b *benchTable) insert(t *testing.T, batches ...*row.Batch) {
	t.Helper()
	e := newEncoder(b.layout)
	for _, x := range batches {
		if err := e.add(x); err != nil {
			t.Fatal(err)
		}
	}
	e.setCommit(77)
	b.send(t, e)
}

func (b *benchTable) send(t *testing.T, e *encoder) {
	t.Helper()
	query := url.Values{"query": {"INSERT INTO " + quoteTable(b.name) + " (" + e.columnList() + ") FORMAT Native"}, "async_insert": {"0"}}
	parts, _ := e.native(nil, nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/?"+query.Encode(), bytes.NewReader(slices.Concat(parts...)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("insert: %s %s %v", response.Status, answer, err)
	}
}

// read returns the present rows as Peek spells them, in the order of an expression.
func (b *benchTable) read(t *testing.T, order string) (columns []string, rows [][]string) {
	t.Helper()
	var peeks []peekColumn
	var exprs []string
	described := b.server.Value(t, "SELECT hex(name), hex(type), hex(comment) FROM system.columns WHERE database = "+quoteText(b.name.Namespace)+
		" AND table = "+quoteText(b.name.Table)+" ORDER BY position")
	for line := range strings.SplitSeq(described, "\n") {
		f := strings.Split(line, "\t")
		p := peekColumnOf(unhex(t, f[0]), unhex(t, f[1]), unhex(t, f[2]))
		columns, peeks, exprs = append(columns, p.name), append(peeks, p), append(exprs, "hex("+p.expr+")")
	}
	from := quoteTable(b.name)
	if b.layout.mode.keyed() {
		from += " FINAL"
	}
	answer := b.server.Value(t, "SELECT "+strings.Join(exprs, ", ")+" FROM "+from+" ORDER BY "+order)
	if answer == "" && len(exprs) > 1 {
		return columns, nil
	}
	for line := range strings.SplitSeq(answer, "\n") {
		values := strings.Split(line, "\t")
		for i, v := range values {
			if values[i] = "NULL"; v != `\N` {
				values[i] = peeks[i].text(unhex(t, v))
			}
		}
		rows = append(rows, values)
	}
	return columns, rows
}

func unhex(t *testing.T, text string) string {
	t.Helper()
	p, err := hex.DecodeString(text)
	if err != nil {
		t.Fatalf("%q is not hex: %v", text, err)
	}
	return string(p)
}

// types returns name and type of all columns in the server's words.
func (b *benchTable) types(t *testing.T) map[string]string {
	t.Helper()
	types := map[string]string{}
	for line := range strings.SplitSeq(b.server.Value(t, fmt.Sprintf("SELECT name, hex(type) FROM system.columns WHERE database = %s AND table = %s",
		quoteText(b.name.Namespace), quoteText(b.name.Table))), "\n") {
		name, text, _ := strings.Cut(line, "\t")
		types[name] = unhex(t, text)
	}
	return types
}
