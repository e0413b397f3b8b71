package parity

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/clickhouse"
	"github.com/cdcsync/cdcsync/sink/iceberg"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// column is the column that a type makes, by its text alone.
func (c *columnType) column(t testing.TB) schema.Column {
	t.Helper()
	native, charset := c.split()
	typ, labels, err := ddl.ParseType(native, charset)
	if err != nil {
		t.Fatal(err)
	}
	return schema.Column{Name: "v", Type: typ, Labels: labels, Native: native, Flags: ddl.TypeFlags(native)}
}

// split parts a type from its character set.
func (c *columnType) split() (native, charset string) {
	if c.as != "" {
		return c.as, "utf8mb4"
	}
	native, charset, ok := strings.Cut(c.native, " character set ")
	if !ok {
		charset = "utf8mb4"
	}
	return native, charset
}

// A planner asks the sinks, as they are without settings, what they make of a type.
type planner struct {
	iceberg    *iceberg.Sink
	clickhouse *clickhouse.Sink
	kafka      format.Format
}

func newPlanner(t *testing.T) *planner {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.Hostname = "localhost" // nobody connects
	ch, err := clickhouse.Open(t.Context(), "plan", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ch.Close() })
	debezium, err := format.NewDebezium(format.DebeziumConfig{Name: "plan", Connector: "mysql", IncludeSchema: true})
	if err != nil {
		t.Fatal(err)
	}
	return &planner{new(iceberg.Sink), ch, debezium}
}

// types are what Iceberg, ClickHouse and Kafka make of a column that is or is not the key, in this order.
func (p *planner) types(t *testing.T, c schema.Column, key bool) [3]string {
	t.Helper()
	table := &schema.Table{
		Name: schema.Name{Namespace: "d", Table: "t"}, Version: 1, Key: []int{0},
		Columns: []schema.Column{{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int"}, c},
	}
	if key {
		table.Key = []int{1}
	}
	return [3]string{p.inIceberg(table), p.inClickHouse(t, table), p.inKafka(t, table)}
}

// none is what stands for a type that a sink refuses.
const none = "refused"

func (p *planner) inIceberg(table *schema.Table) string {
	columns, err := p.iceberg.Plan(table)
	if err != nil {
		return none
	}
	return strings.TrimSuffix(columns[1].Type, " required")
}

func (p *planner) inClickHouse(t *testing.T, table *schema.Table) string {
	t.Helper()
	columns, err := p.clickhouse.Plan(table)
	if err != nil {
		t.Fatal(err)
	}
	return columns[1].Type
}

// A connectField is a field of a record's schema.
type connectField struct {
	Field  string
	Type   string
	Name   string
	Items  *connectField
	Fields []connectField
}

// inKafka reads the schema that a record carries.
func (p *planner) inKafka(t *testing.T, table *schema.Table) string {
	t.Helper()
	encoder, err := p.kafka.Encoder(t.Context(), table, "topic")
	if err != nil {
		t.Fatal(err)
	}
	b := row.New(table)
	defer b.Free()
	b.Append(row.Delete, 1, 1)
	b.Cols[0].AppendWord(1)
	b.Cols[1].AppendAbsent()
	value, err := encoder.AppendValue(nil, &format.Change{Op: format.Delete, Batch: b, Before: 0, After: -1})
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Schema connectField }
	if err := json.Unmarshal(value, &record); err != nil {
		t.Fatalf("read %s: %v", value, err)
	}
	return record.Schema.Fields[0].Fields[1].spelled()
}

// spelled is the type and, if it has one, the name without its package.
func (f connectField) spelled() string {
	text := f.Type
	if f.Items != nil {
		text += " of " + f.Items.Type
	}
	if i := strings.LastIndexByte(f.Name, '.'); f.Name != "" {
		text += " " + f.Name[i+1:]
	}
	return text
}

var (
	letters = regexp.MustCompile(`\(([a-z])(?:,([a-z]))?\)`)
	figures = regexp.MustCompile(`\((\d+)(?:,(\d+))?\)`)
)

// general writes the letters of the family's name for the arguments of one of its types.
func (f *family) general(native, planned string) string {
	letter, figure := letters.FindStringSubmatch(f.name), figures.FindStringSubmatch(native)
	switch {
	case letter == nil || figure == nil:
		return planned
	case letter[2] != "":
		return strings.ReplaceAll(planned, fmt.Sprintf("(%s, %s)", figure[1], figure[2]), fmt.Sprintf("(%s, %s)", letter[1], letter[2]))
	}
	planned = strings.ReplaceAll(planned, "("+figure[1]+")", "("+letter[1]+")")
	return strings.ReplaceAll(planned, "("+figure[1]+",", "("+letter[1]+",")
}
