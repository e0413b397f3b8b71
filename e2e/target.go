package e2e

import (
	"net"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// A Target is a place that a pipeline writes to.
type Target interface {
	// prepare makes room for a new pipeline, and returns the settings that lead there.
	prepare(t testing.TB, p *Pipeline) Settings
	// sink is where its tables are judged.
	sink(p *Pipeline) verify.Sink
	// revive starts a server again that has died by itself.
	revive(t testing.TB)
}

// Iceberg is a warehouse in the pipeline's own folder.
type Iceberg struct{}

func (Iceberg) prepare(_ testing.TB, p *Pipeline) Settings {
	return Settings{
		"sink.type":                         "iceberg",
		"sink.catalog.properties.type":      "sql",
		"sink.catalog.properties.warehouse": p.Warehouse,
	}
}

func (Iceberg) sink(p *Pipeline) verify.Sink { return p.Catalog() }

func (Iceberg) revive(testing.TB) {}

// ClickHouse is a server, with databases named as at the source.
type ClickHouse struct{ Server *servers.ClickHouseServer }

func (c ClickHouse) prepare(t testing.TB, p *Pipeline) Settings {
	c.Server.Exec(t, "DROP DATABASE IF EXISTS `"+p.Database+"` SYNC")
	host, port, err := net.SplitHostPort(c.Server.HTTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	return Settings{
		"sink.type":               "clickhouse",
		"sink.hostname":           host,
		"sink.port":               port,
		"sink.username":           servers.ClickHouseUser,
		"sink.password":           servers.ClickHouseSecret,
		"sink.out.of.range.dates": `"null"`, // the judge expects it
	}
}

func (c ClickHouse) sink(*Pipeline) verify.Sink { return verify.ClickHouse{URL: c.Server.URL} }

// This build of ClickHouse aborts when a native connection breaks at the wrong moment.
func (c ClickHouse) revive(t testing.TB) { c.Server.Revive(t) }

// Kafka is a cluster, with topics of the pipeline's own.
type Kafka struct{ Cluster *servers.KafkaCluster }

func (k Kafka) prepare(_ testing.TB, p *Pipeline) Settings {
	return Settings{
		"sink.type":                                 "kafka",
		"sink.properties.bootstrap.servers":         k.Cluster.Seeds(),
		"sink.topic.prefix":                         p.Name,
		"sink.topic.partitions":                     "3",
		"sink.debezium-json.include-schema.enabled": "true",
		"sink.bigint.unsigned.handling.mode":        "precise",
		"sink.skipped.operations":                   "none",
		"sink.debezium.connector":                   string(p.Server.Flavour),
	}
}

func (k Kafka) sink(p *Pipeline) verify.Sink {
	return verify.Kafka{Seeds: k.Cluster.Seeds(), Prefix: p.Name}
}

func (k Kafka) revive(t testing.TB) {
	for _, b := range k.Cluster.Brokers {
		b.Revive(t)
	}
}

var (
	_ Target = Iceberg{}
	_ Target = ClickHouse{}
	_ Target = Kafka{}
)
