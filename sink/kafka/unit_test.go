package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// murmur2 is Kafka's hash, written down anew from org.apache.kafka.common.utils.Utils.
func murmur2(p []byte) int32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(p))
	for ; len(p) >= 4; p = p[4:] {
		k := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	for i, c := range slices.Backward(p) {
		h ^= uint32(c) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h = (h ^ h>>13) * m
	return int32(h ^ h>>15)
}

// TestPartition_AsJava compares with the vectors of Kafka's own UtilsTest, and with the partition of Java's default
// partitioner.
func TestPartition_AsJava(t *testing.T) {
	for text, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := murmur2([]byte(text)); got != want {
			t.Errorf("murmur2 of %q: got %d, want %d", text, got, want)
		}
		hash := kgo.StickyKeyPartitioner(nil).ForTopic("t")
		for _, n := range []int{1, 2, 7, 100} {
			got := hash.Partition(&kgo.Record{Key: []byte(text)}, n)
			if java := int(want&0x7fffffff) % n; got != java {
				t.Errorf("partition of %q among %d: got %d, want %d", text, n, got, java)
			}
		}
	}
}

func problemKeys(cfg *Config) (keys []string) {
	for _, p := range cfg.Check() {
		keys = append(keys, p.Key)
	}
	slices.Sort(keys)
	return keys
}

// set is a configuration with bootstrap.servers and more properties.
func set(properties map[string]string, change func(*Config)) *Config {
	cfg := DefaultConfig()
	cfg.Properties = map[string]option.Secret{"bootstrap.servers": "a:1, b:2"}
	for k, v := range properties {
		cfg.Properties[k] = option.Secret(v)
	}
	if change != nil {
		change(&cfg)
	}
	return &cfg
}

// All that is wrong is said at once, each by its key.
func TestConfig_Check(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  *Config
		want string
	}{
		"default":      {set(nil, nil), ""},
		"nothing":      {&Config{}, ""},
		"no brokers":   {set(map[string]string{"bootstrap.servers": ""}, nil), "properties.bootstrap.servers"},
		"unknown":      {set(map[string]string{"group.id": "x", "linger.msec": "5"}, nil), "properties.group.id properties.linger.msec"},
		"acks":         {set(map[string]string{"acks": "1", "enable.idempotence": "false"}, nil), "properties.acks properties.enable.idempotence"},
		"number":       {set(map[string]string{"linger.ms": "soon", "max.request.size": "1"}, nil), "properties.linger.ms properties.max.request.size"},
		"no mechanism": {set(map[string]string{"security.protocol": "SASL_PLAINTEXT"}, nil), "properties.sasl.mechanism"},
		"no user":      {set(map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}, nil), "sasl.username"},
		"no token":     {set(map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}, nil), "sasl.token"},
		"plain user":   {set(nil, func(c *Config) { c.SASLUsername = "u" }), "properties.security.protocol"},
		"jaas":         {set(map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.jaas.config": "u:p"}, nil), "properties.sasl.jaas.config sasl.username"},
		"no TLS":       {set(map[string]string{"ssl.truststore.location": "/ca.pem"}, nil), "properties.security.protocol"},
		"no file":      {set(map[string]string{"ssl.truststore.location": "/none.pem", "security.protocol": "SSL"}, nil), "properties.security.protocol"},
		"values": {set(nil, func(c *Config) {
			c.Guarantee, c.Strategy, c.TooLarge, c.Drop, c.CleanupPolicy, c.Skipped, c.ValueFormat, c.KeyFormat = "x", "x", "x", "x", "x", "x", "x", "x"
		}), "delivery.guarantee drop.table key.format partition.strategy record.too.large skipped.operations topic.cleanup.policy value.format"},
		"sizes": {set(nil, func(c *Config) {
			c.Partitions, c.Replication, c.MaxBytes, c.Timeout, c.Buffer, c.HeartbeatMillis = 0, 0, 1, 1, 1, -1
		}), "heartbeat.interval.ms topic.partitions topic.replication.factor transaction.max.bytes transaction.timeout write.buffer"},
		"claim":    {set(nil, func(c *Config) { c.TooLarge = ClaimCheck }), "claim-check.uri"},
		"registry": {set(nil, func(c *Config) { c.ValueFormat = "avro" }), "schema.registry.url"},
		"useless":  {set(nil, func(c *Config) { c.Registry = "http://r:1" }), "schema.registry.url"},
		"names":    {set(nil, func(c *Config) { c.Topic, c.TopicPrefix = "a b", "ä" }), "topic topic.prefix"},
		"lists": {set(nil, func(c *Config) {
			c.Mapping, c.CustomHeader, c.KeyColumns = "orders:x", "a", "shop.orders:a,"
		}), "key.columns sink.custom-header sink.tableId-to-topic.mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(problemKeys(c.cfg), " ")
			if name == "nothing" {
				if !strings.Contains(got, "properties.bootstrap.servers") {
					t.Errorf("got %q", got)
				}
				return
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestParseJAAS(t *testing.T) {
	got, err := parseJAAS(`org.apache.kafka.common.security.scram.ScramLoginModule required username="u ser" password='p' token=x;`)
	if err != nil || got["username"] != "u ser" {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = parseJAAS(`org.apache.kafka.common.security.plain.PlainLoginModule required username="a\"b" password="c\\d;e";`)
	if err != nil || got["username"] != `a"b` || got["password"] != `c\d;e` {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNaming(t *testing.T) {
	cfg := set(nil, func(c *Config) { c.TopicPrefix, c.Mapping = "p", "shop.orders:mine; shop.users : people" })
	n := newNaming(cfg)
	for table, want := range map[string]string{"orders": "mine", "users": "people", "ünï": "p.shop._n_", "a b": "p.shop.a_b"} {
		if got := n.topic(schema.Name{Namespace: "shop", Table: table}); got != want {
			t.Errorf("%s: got %s, want %s", table, got, want)
		}
	}
	if got := legalTopic(strings.Repeat("x", 300)); len(got) != maxTopic {
		t.Errorf("got %d characters", len(got))
	}
}

// A record of a table that an older run wrote after a later one has begun is void.
func TestPositions_OldRunIsVoid(t *testing.T) {
	s := &Sink{positionsTopic: "p"}
	p := newPositions()
	for _, r := range []kgo.Record{
		s.record(runRecord{Run: 4}, runKind),
		s.record(tableRecord{Run: 4, Epoch: 1, By: 4}, tableKind, "shop", "a"),
		s.record(runRecord{Run: 5}, runKind),
		s.record(tableRecord{Run: 4, Epoch: 9, By: 4}, tableKind, "shop", "a"),
		s.record(tableRecord{Run: 5, Epoch: 2, By: 5}, tableKind, "shop", "b"),
		s.record(uint64(7), numberKind),
		s.record(nil, tableKind, "shop", "none"),
	} {
		if err := p.apply(&r); err != nil {
			t.Fatal(err)
		}
	}
	a, b := p.tables[schema.Name{Namespace: "shop", Table: "a"}], p.tables[schema.Name{Namespace: "shop", Table: "b"}]
	if a.Epoch != 1 || b.Epoch != 2 || p.number != 7 || p.run.Run != 5 {
		t.Errorf("got %+v", p)
	}
	if err := p.apply(&kgo.Record{Key: []byte(`["new kind"]`)}); err == nil {
		t.Error("a record of an unknown kind is passed over")
	}
}

// A split is made up for by counting rows; a log that brings others is found out.
func TestTxn_Skip(t *testing.T) {
	table := shape("orders")
	origin := schema.Origin{Seq: 100, File: "f", Number: 3}
	rows := func(o schema.Origin, seqs ...uint64) *row.Batch {
		b := row.New(table)
		b.Origin = o
		for _, q := range seqs {
			b.Append(row.Insert, q, 1)
			b.Cols[0].AppendWord(q)
			b.Cols[1].AppendNull()
		}
		return b
	}
	for name, c := range map[string]struct {
		batches []*row.Batch
		first   []int
		fails   bool
	}{
		"same":         {[]*row.Batch{rows(origin, 101, 102, 103, 104)}, []int{3}, false},
		"cut":          {[]*row.Batch{rows(origin, 101), rows(origin, 102, 103), rows(origin, 104)}, []int{1, 2, 0}, false},
		"snapshot":     {[]*row.Batch{rows(schema.Origin{}, 90, 91), rows(origin, 101, 102, 103)}, []int{0, 3}, false},
		"other place":  {[]*row.Batch{rows(schema.Origin{Seq: 7, File: "g", Number: 3}, 8, 9, 10, 11)}, []int{3}, false},
		"other one":    {[]*row.Batch{rows(schema.Origin{Seq: 100, File: "f", Number: 4}, 101, 102, 103)}, []int{3}, true},
		"without GTID": {[]*row.Batch{rows(schema.Origin{Seq: 100, File: "f"}, 101, 102, 109)}, []int{3}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Sink{skips: map[schema.Name]*skip{table.Name: {Rows: 3, Seq: 103, Origin: origin}}}
			x, pt := &Txn{s: s}, &part{}
			for i, b := range c.batches {
				first, err := x.skip(b, pt)
				if first != c.first[i] || (err != nil) != c.fails {
					t.Errorf("batch %d: got %d, %v, want %d", i, first, err, c.first[i])
				}
			}
			if pt.left != nil || len(s.skips) != 0 {
				t.Errorf("rows are left to skip: %s", fmt.Sprint(pt.left))
			}
		})
	}
}
