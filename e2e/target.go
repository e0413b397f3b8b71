package e2e

import (
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
