package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/cdcsync/cdcsync/schema"
)

// Check looks whether the brokers answer, what they promise, and whether the topics that exist are safe. It leaves nothing
// behind.
func (s *Sink) Check(ctx context.Context) []schema.Finding {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	found, ok := s.checkBrokers(ctx)
	findings := []schema.Finding{found}
	if !ok {
		return findings
	}
	findings = append(findings, s.checkTransactions(ctx), s.checkPositions(ctx))
	return append(findings, s.checkTopics(ctx)...)
}

func (s *Sink) checkBrokers(ctx context.Context) (schema.Finding, bool) {
	meta, err := kadm.NewClient(s.admin).BrokerMetadata(ctx)
	if err != nil {
		return schema.Finding{Level: schema.Problem, What: "Kafka at " + s.cfg.property("bootstrap.servers") + " does not answer", Why: err.Error(),
			Fix: "correct properties.bootstrap.servers, properties.security.protocol and the user; ask the broker's log"}, false
	}
	f := schema.Finding{What: fmt.Sprintf("Kafka answers: %d brokers", len(meta.Brokers))}
	if n := int(s.cfg.Replication); n > len(meta.Brokers) {
		f = schema.Finding{Level: schema.Problem, What: f.What, Why: fmt.Sprintf("topic.replication.factor %d needs as many brokers", n), Fix: "lower topic.replication.factor"}
	}
	return f, true
}

// checkTransactions says what exactly-once is worth here.
func (s *Sink) checkTransactions(ctx context.Context) schema.Finding {
	if s.cfg.Guarantee == AtLeastOnce {
		return schema.Finding{Level: schema.Warning, What: "delivery.guarantee is at-least-once", Why: "after a restart the newest changes come again",
			Fix: "set delivery.guarantee: exactly-once, or have consumers drop what they have seen by the header " + headerSeq}
	}
	safe, err := s.safeTransactions(ctx)
	switch {
	case err != nil:
		return schema.Finding{Level: schema.Warning, What: "the brokers do not tell their features", Why: err.Error(), Fix: "ask again"}
	case !safe:
		return schema.Finding{Level: schema.Warning, What: "transactions: " + oldBroker, Why: "a delayed request can end a later transaction (KIP-890): in rare cases of a " +
			"broken connection changes come twice or not at all", Fix: "upgrade to Kafka 4.0 and run kafka-features.sh upgrade --feature transaction.version=2"}
	}
	if s.timeout > 0 {
		if longest, err := s.longestTransaction(ctx); err == nil && longest < s.timeout {
			return schema.Finding{Level: schema.Warning, What: "transactions are ended by the broker after " + longest.String(),
				Why: fmt.Sprintf("transaction.timeout is %v: the copy of a table without a key must be done before", s.timeout), Fix: "raise the broker's transaction.max.timeout.ms"}
		}
	}
	return schema.Finding{What: "transactions are safe: read_committed consumers see each change once"}
}

const oldBroker = "the brokers have a transaction.version below 2, so exactly-once is not more than at-least-once"

// checkPositions looks whether the Marks are safe.
func (s *Sink) checkPositions(ctx context.Context) schema.Finding {
	t, err := s.lookUp(ctx, s.positionsTopic)
	if err != nil {
		return unreadable(s.positionsTopic, err)
	}
	if t == nil {
		return schema.Finding{What: "topic " + s.positionsTopic + " will be created"}
	}
	if t.partitions != 1 {
		return schema.Finding{Level: schema.Problem, What: fmt.Sprintf("topic %s has %d partitions", s.positionsTopic, t.partitions),
			Why: "the positions of tables have one order", Fix: "set positions.topic to the name of a topic of one partition, or of none"}
	}
	configs, err := s.topicConfigs(ctx, s.positionsTopic)
	if err != nil {
		return unreadable(s.positionsTopic, err)
	}
	if why := unsafePositions(configs); why != "" {
		return schema.Finding{Level: schema.Problem, What: "topic " + s.positionsTopic + " is not safe", Why: why,
			Fix: "kafka-configs.sh --alter --topic " + s.positionsTopic + " --add-config cleanup.policy=compact"}
	}
	return s.checkCopies(ctx, s.positionsTopic, configs)
}

func unreadable(topic string, err error) schema.Finding {
	f := schema.Finding{Level: schema.Problem, What: "topic " + topic + " cannot be looked at", Why: err.Error(), Fix: "ask again; look at the broker's log"}
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		f.Fix = "allow the user Describe, DescribeConfigs, Read, Write and Create on topic " + topic
	}
	return f
}

// unsafePositions says why Marks could be lost.
func unsafePositions(configs map[string]string) string {
	if policy := configs["cleanup.policy"]; policy != "compact" {
		return "cleanup.policy is " + policy + ": the positions of tables that do not change would be deleted, and the tables copied anew"
	}
	return ""
}

// checkCopies looks whether a topic survives a broker.
func (s *Sink) checkCopies(ctx context.Context, name string, configs map[string]string) schema.Finding {
	fine := schema.Finding{What: "topic " + name + " is safe"}
	found, err := kadm.NewClient(s.admin).ListTopics(ctx, name)
	if err != nil {
		return unreadable(name, err)
	}
	copies := found[name].Partitions.NumReplicas()
	least, _ := strconv.Atoi(configs["min.insync.replicas"])
	switch {
	case copies > 1 && least < 2:
		return schema.Finding{Level: schema.Warning, What: fmt.Sprintf("topic %s has %d replicas and min.insync.replicas=%d", name, copies, least),
			Why: "what one broker alone has acknowledged is lost with it", Fix: "set min.insync.replicas=2"}
	case configs["unclean.leader.election.enable"] == "true":
		return schema.Finding{Level: schema.Warning, What: "topic " + name + " has unclean.leader.election.enable=true",
			Why: "a broker that missed acknowledged records may become the leader: they are lost", Fix: "set it to false"}
	}
	return fine
}

// checkTopics compares the topics that were written to with what they were.
func (s *Sink) checkTopics(ctx context.Context) []schema.Finding {
	state, err := s.readPositions(ctx)
	if err != nil {
		return []schema.Finding{unreadable(s.positionsTopic, err)}
	}
	var findings []schema.Finding
	for _, name := range sortedKeys(state.topics) {
		if f := s.checkTopic(ctx, name, state.topics[name]); f.Level != schema.Fine {
			findings = append(findings, f)
		}
	}
	return findings
}

func (s *Sink) checkTopic(ctx context.Context, name string, was topicRecord) schema.Finding {
	t, err := s.lookUp(ctx, name)
	switch {
	case err != nil:
		return unreadable(name, err)
	case t == nil || t.id != was.ID:
		return schema.Finding{Level: schema.Problem, What: "topic " + name + " was deleted", Why: "its tables stop", Fix: "resync its tables"}
	case t.partitions != was.Partitions:
		return schema.Finding{Level: schema.Warning, What: fmt.Sprintf("topic %s has %d partitions, and had %d", name, t.partitions, was.Partitions),
			Why: "keys stay in the partitions that they had, so that the order of their changes holds", Fix: "resync its tables to have the keys spread over all"}
	}
	configs, err := s.topicConfigs(ctx, name)
	if err != nil {
		return unreadable(name, err)
	}
	if strings.Contains(configs["cleanup.policy"], "delete") && configs["retention.ms"] != "-1" && s.cfg.TopicProperties["retention.ms"] == "" {
		return schema.Finding{Level: schema.Warning, What: fmt.Sprintf("topic %s deletes records after %s ms", name, configs["retention.ms"]),
			Why: "a consumer that comes later does not see all rows", Fix: "set retention.ms=-1, or topic.properties.retention.ms if that is meant"}
	}
	return s.checkCopies(ctx, name, configs)
}
