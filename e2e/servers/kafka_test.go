package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func kafkaClient(t *testing.T, c *KafkaCluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Addrs()...)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func makeTopic(t *testing.T, c *KafkaCluster, replicas int16, configs map[string]*string) string {
	t.Helper()
	topic := c.Topic(t)
	if _, err := kadm.NewClient(kafkaClient(t, c)).CreateTopic(t.Context(), 1, replicas, configs, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	return topic
}

// transact writes a record in a transaction of its own, and commits or aborts that.
func transact(t *testing.T, client *kgo.Client, topic, value string, end kgo.TransactionEndTry) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatalf("begin transaction: %v", err)
	}
	record := &kgo.Record{Topic: topic, Value: []byte(value)}
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatalf("produce %s: %v", value, err)
	}
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatalf("end transaction: %v", err)
	}
}

// committed reads records of the topic, from its start, until it has n.
func committed(t *testing.T, c *KafkaCluster, topic string, n int) []string {
	t.Helper()
	client := kafkaClient(t, c, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read %d records of %d: %q", len(values), n, values)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("records %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("records %q, want %q", got, want)
		}
	}
}

func TestSharedKafka(t *testing.T) {
	c := SharedKafka(t)
	if again := SharedKafka(t); again != c {
		t.Errorf("two shared brokers: %s and %s", c.Seeds(), again.Seeds())
	}
	topic := makeTopic(t, c, 1, nil)
	client := kafkaClient(t, c, kgo.TransactionalID(topic))
	transact(t, client, topic, "a", kgo.TryAbort)
	transact(t, client, topic, "b", kgo.TryCommit)
	transact(t, client, topic, "c", kgo.TryCommit)
	expect(t, committed(t, c, topic, 2), "b", "c")
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	later := kafkaClient(t, c, kgo.TransactionalID(topic))
	transact(t, later, topic, "d", kgo.TryCommit)
	err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("fenced")}).FirstErr()
	if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("an older producer is told %v, want that it is fenced", err)
	}
	expect(t, committed(t, c, topic, 3), "b", "c", "d")
}

func TestKafka_KillAndRestart(t *testing.T) {
	c := Kafka(t, "message.max.bytes=2000000")
	topic := makeTopic(t, c, 1, nil)
	client := kafkaClient(t, c, kgo.TransactionalID(topic))
	var want []string
	for i := range 2 {
		value := strconv.Itoa(i)
		transact(t, client, topic, value, kgo.TryCommit)
		want = append(want, value)
		c.Brokers[0].Kill9(t)
		if c.Brokers[0].listens() {
			t.Fatal("a killed broker answers")
		}
		c.Brokers[0].Restart(t)
		expect(t, committed(t, c, topic, len(want)), want...)
	}
	configs, err := kadm.NewClient(client).DescribeBrokerConfigs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == "message.max.bytes" && config.MaybeValue() != "2000000" {
			t.Errorf("message.max.bytes is %s, want that of the test", config.MaybeValue())
		}
	}
}

func TestKafkaTrio_KillLeader(t *testing.T) {
	c := KafkaTrio(t)
	two := "2"
	topic := makeTopic(t, c, 3, map[string]*string{"min.insync.replicas": &two})
	client := kafkaClient(t, c, kgo.TransactionalID(topic))
	transact(t, client, topic, "before", kgo.TryCommit)
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	leader := c.Brokers[topics[topic].Partitions[0].Leader-1]
	leader.Kill9(t)
	transact(t, client, topic, "without", kgo.TryCommit)
	leader.Restart(t)
	for _, b := range c.Brokers {
		if b != leader {
			b.Stop(t)
			b.Restart(t)
			break
		}
	}
	transact(t, client, topic, "after", kgo.TryCommit)
	expect(t, committed(t, c, topic, 3), "before", "without", "after")
	c.Kill9(t)
	c.Restart(t)
	expect(t, committed(t, c, topic, 3), "before", "without", "after")
}

// trusted is a TLS configuration that verifies the servers' certificate.
func trusted(t *testing.T) *tls.Config {
	t.Helper()
	path, err := CA()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", path)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func mechanisms() map[string]func(password string) sasl.Mechanism {
	login := scram.Auth{User: KafkaUser}
	return map[string]func(string) sasl.Mechanism{
		"PLAIN":         func(p string) sasl.Mechanism { return plain.Auth{User: KafkaUser, Pass: p}.AsMechanism() },
		"SCRAM-SHA-256": func(p string) sasl.Mechanism { login.Pass = p; return login.AsSha256Mechanism() },
		"SCRAM-SHA-512": func(p string) sasl.Mechanism { login.Pass = p; return login.AsSha512Mechanism() },
		"OAUTHBEARER": func(p string) sasl.Mechanism {
			lifetime := time.Hour
			if p != KafkaSecret {
				lifetime = -time.Hour
			}
			return oauth.Auth{Token: UnsecuredJWT(KafkaUser, lifetime)}.AsMechanism()
		},
	}
}

// secured is what a way to log in is tried with.
type secured struct {
	cluster *KafkaCluster
	topic   string
	allowed int // records that must be there
}

func (s *secured) produce(t *testing.T, options ...kgo.Opt) error {
	t.Helper()
	client := kafkaClient(t, s.cluster, options...)
	return client.ProduceSync(t.Context(), &kgo.Record{Topic: s.topic, Value: []byte("x")}).FirstErr()
}

// refuses holds that nobody is logged in with these options.
func (s *secured) refuses(t *testing.T, options ...kgo.Opt) {
	t.Helper()
	if err := s.produce(t, append(options, kgo.RequestRetries(0), kgo.RecordRetries(0))...); err == nil {
		t.Error("a wrong password, an expired token or no certificate is taken")
	}
}

// allows holds that the user of these options may write only while a rule says so.
func (s *secured) allows(t *testing.T, user string, options ...kgo.Opt) {
	t.Helper()
	if err := s.produce(t, options...); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("produce without a rule that allows it: %v, want that it is refused", err)
	}
	admin := kadm.NewClient(kafkaClient(t, s.cluster))
	rule := kadm.NewACLs().Topics(s.topic).ResourcePatternType(kadm.ACLPatternLiteral).
		Operations(kadm.OpWrite, kadm.OpDescribe).Allow("User:" + user).AllowHosts()
	if _, err := admin.CreateACLs(t.Context(), rule); err != nil {
		t.Fatalf("create rule: %v", err)
	}
	if err := s.produce(t, options...); err != nil {
		t.Errorf("produce with a rule that allows it: %v", err)
	}
	s.allowed++
	if _, err := admin.DeleteACLs(t.Context(), rule); err != nil {
		t.Fatalf("delete rule: %v", err)
	}
}

func TestKafkaSecure(t *testing.T) {
	c := KafkaSecure(t)
	s := &secured{cluster: c, topic: makeTopic(t, c, 1, nil)}
	for name, mechanism := range mechanisms() {
		t.Run(name, func(t *testing.T) {
			listener := []kgo.Opt{kgo.SeedBrokers(c.SecureAddr), kgo.DialTLSConfig(trusted(t))}
			s.allows(t, KafkaUser, append(listener, kgo.SASL(mechanism(KafkaSecret)))...)
			s.refuses(t, append(listener, kgo.SASL(mechanism("wrong")))...)
		})
	}
	t.Run("SSL", func(t *testing.T) {
		certificate, key, err := ClientKey()
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		mutual := trusted(t)
		mutual.Certificates = []tls.Certificate{pair}
		s.allows(t, "CN=cdc", kgo.SeedBrokers(c.TLSAddr), kgo.DialTLSConfig(mutual))
		s.refuses(t, kgo.SeedBrokers(c.TLSAddr), kgo.DialTLSConfig(trusted(t)))
	})
	if got := committed(t, c, s.topic, s.allowed); len(got) != 5 {
		t.Errorf("%d records, want one of each way to log in", len(got))
	}
}
