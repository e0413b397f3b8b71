package verify

import "strings"

// A Sink is a place whose tables can be judged.
type Sink interface {
	// flags tell the judge where the sink is.
	flags() map[string]string
	// pardons says whether a fault that the judge found is not one of the program.
	pardons(fault string) bool
}

// A Catalog is where Iceberg tables are found: one of its fields is set.
type Catalog struct {
	SQLite string // path of a SQL catalog's file
	REST   string // address of a REST catalog
}

func (c Catalog) flags() map[string]string {
	return map[string]string{"sqlite": c.SQLite, "rest": c.REST}
}

// A REST catalog chooses and spells locations itself.
func (c Catalog) pardons(fault string) bool {
	return c.REST != "" && strings.HasPrefix(fault, "location without a scheme")
}

// A ClickHouse is a server whose tables are judged as SELECT ... FINAL shows them.
type ClickHouse struct {
	URL string // of the HTTP interface, with the user: http://user:password@host:port
}

func (c ClickHouse) flags() map[string]string { return map[string]string{"clickhouse": c.URL} }

func (ClickHouse) pardons(string) bool { return false }

// A Kafka is a cluster whose topics are folded into tables, by their records in Debezium's JSON with schemas. Each record
// is held to come once, and to begin where the one before it with the same key has ended.
type Kafka struct {
	Seeds  string // host:port of brokers, separated by commas
	Prefix string // what Debezium calls topic.prefix; the schema changes are in the topic of that name
}

func (k Kafka) flags() map[string]string {
	return map[string]string{"kafka": k.Seeds, "prefix": k.Prefix}
}

func (Kafka) pardons(string) bool { return false }

var (
	_ Sink = Catalog{}
	_ Sink = ClickHouse{}
	_ Sink = Kafka{}
)
