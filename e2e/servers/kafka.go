package servers

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A KafkaCluster is one running Kafka broker, or three. Topics are not created by using them.
type KafkaCluster struct {
	Brokers    []*KafkaBroker
	SecureAddr string // host:port of the SASL_SSL listener, if it is of [KafkaSecure]
	TLSAddr    string // host:port of the SSL listener, which asks for a client's certificate
}

// A KafkaBroker is one server of a cluster. Its Addr is that of the listener without TLS and login.
type KafkaBroker struct {
	*Process
	ID int
}

// Kafka starts a private broker, which ends with the test. The properties, key=value, are added to server.properties.
func Kafka(t testing.TB, properties ...string) *KafkaCluster {
	t.Helper()
	skipShort(t)
	c, err := startKafka(properties)
	if err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	c.end(t)
	return c
}

var sharedKafka = sync.OnceValues(func() (*KafkaCluster, error) { return startKafka(nil) })

// SharedKafka returns the test binary's broker, started again if it has died. Do not stop it; take topics of your own
// with [KafkaCluster.Topic], and transactional ids and groups that contain their name.
func SharedKafka(t testing.TB) *KafkaCluster {
	t.Helper()
	skipShort(t)
	c, err := sharedKafka()
	if err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	c.Brokers[0].Revive(t)
	return c
}

func startKafka(properties []string) (*KafkaCluster, error) {
	p, err := spawn("kafka.sh", kafkaFiles(properties), nil, 1)
	if err != nil {
		return nil, err
	}
	return &KafkaCluster{Brokers: []*KafkaBroker{{Process: p, ID: 1}}}, nil
}

func kafkaFiles(properties []string) map[string]string {
	return map[string]string{"extra.properties": strings.Join(properties, "\n") + "\n"}
}

// KafkaTrio starts three private brokers, which end with the test, each with a heap of 256 MB. Transactions and group
// offsets need two of them. The properties, key=value, are added to each one's server.properties.
func KafkaTrio(t testing.TB, properties ...string) *KafkaCluster {
	t.Helper()
	skipShort(t)
	if err := run("kafka.sh", nil, "install"); err != nil {
		t.Fatalf("install Kafka: %v", err)
	}
	var c *KafkaCluster
	err := onFreePorts([]int{1, 10, 11, 20, 21}, func(port int) (err error) {
		if c, err = prepareTrio(port, properties); err != nil {
			return err
		}
		return c.start()
	})
	if err != nil {
		t.Fatalf("start three Kafka brokers: %v", err)
	}
	c.end(t)
	return c
}

func prepareTrio(first int, properties []string) (*KafkaCluster, error) {
	c := new(KafkaCluster)
	for id := 1; id <= 3; id++ {
		p, err := newProcess("kafka.sh", first+10*(id-1), "HEAP=256m")
		if err != nil {
			return nil, err
		}
		p.first, p.args = first, []string{strconv.Itoa(id)}
		if err := p.write(kafkaFiles(properties)); err != nil {
			return nil, err
		}
		c.Brokers = append(c.Brokers, &KafkaBroker{Process: p, ID: id})
	}
	return c, nil
}

// start starts all brokers at once: none gets ready before two controllers are up. If one fails, none is left.
func (c *KafkaCluster) start() error {
	failed := make(chan error, len(c.Brokers))
	for _, b := range c.Brokers {
		go func() { failed <- b.start() }()
	}
	var err error
	for range c.Brokers {
		if e := <-failed; e != nil {
			err = fmt.Errorf("start broker: %w", e)
		}
	}
	if err != nil {
		for _, b := range c.Brokers {
			_ = b.halt("KILL")
		}
	}
	return err
}

func (c *KafkaCluster) end(t testing.TB) {
	for _, b := range c.Brokers {
		b.end(t)
	}
}

// Kill9 ends all brokers as a crash would, and returns when they are gone.
func (c *KafkaCluster) Kill9(t testing.TB) {
	t.Helper()
	for _, b := range c.Brokers {
		b.Kill9(t)
	}
}

// Restart starts all brokers again, after [KafkaCluster.Kill9].
func (c *KafkaCluster) Restart(t testing.TB) {
	t.Helper()
	if err := c.start(); err != nil {
		t.Fatalf("restart Kafka: %v", err)
	}
}

// Addrs are the host:port of all brokers' listeners without TLS and login.
func (c *KafkaCluster) Addrs() []string {
	addrs := make([]string, len(c.Brokers))
	for i, b := range c.Brokers {
		addrs[i] = b.Addr
	}
	return addrs
}

// Seeds is Addrs as the value of bootstrap.servers.
func (c *KafkaCluster) Seeds() string { return strings.Join(c.Addrs(), ",") }

// Topic makes a name of the test's for a topic, a new one at each call.
func (c *KafkaCluster) Topic(t testing.TB) string { return databaseName(t) }
