package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

const maxTopic = 249 // characters of a topic's name, by Kafka

// A topic is what must be known of one to write to it.
type topic struct {
	id         string
	partitions int32 // that there are
	maxMessage int   // bytes of a batch at most
}

// A naming finds the topic of a table.
type naming struct {
	prefix string
	all    string
	mapped map[schema.Name]string
}

func newNaming(c *Config) naming {
	es, _ := parseMapping(c.Mapping) // checked before
	n := naming{all: c.Topic, mapped: byTable(es)}
	if c.TopicPrefix != "" {
		n.prefix = c.TopicPrefix + "."
	}
	return n
}

// topic is the name of a table's topic.
func (n *naming) topic(t schema.Name) string {
	if to, ok := n.mapped[t]; ok {
		return to
	}
	if n.all != "" {
		return n.all
	}
	return legalTopic(n.prefix + t.Namespace + "." + t.Table)
}

// own says that no other table goes to the topic by the configuration.
func (n *naming) own(t schema.Name) bool {
	_, ok := n.mapped[t]
	return !ok && n.all == ""
}

// legalTopic replaces what a topic's name cannot have by '_', as Debezium does.
func legalTopic(name string) string {
	legal := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	return legal[:min(len(legal), maxTopic)]
}

func isUnknownTopic(err error) bool { return errors.Is(err, kerr.UnknownTopicOrPartition) }

// lookUp asks the brokers for a topic; nil: there is none.
func (s *Sink) lookUp(ctx context.Context, name string) (*topic, error) {
	admin := kadm.NewClient(s.admin)
	found, err := admin.ListTopics(ctx, name)
	if err != nil {
		return nil, transient("ask for topic "+name, err)
	}
	d := found[name]
	switch {
	case isUnknownTopic(d.Err), d.Err == nil && len(d.Partitions) == 0:
		return nil, nil
	case d.Err != nil && kerr.IsRetriable(d.Err):
		return nil, transient("ask for topic "+name, d.Err)
	case d.Err != nil:
		return nil, fmt.Errorf("ask for topic %s: %w", name, d.Err)
	}
	t := &topic{id: d.ID.String(), partitions: int32(len(d.Partitions)), maxMessage: defaultRequest}
	configs, err := s.topicConfigs(ctx, name)
	if err != nil {
		s.log.Warn("could not read the topic's settings", "pipeline", s.pipeline, "topic", name, "err", err)
		return t, nil
	}
	if n, err := strconv.Atoi(configs["max.message.bytes"]); err == nil {
		t.maxMessage = n
	}
	return t, nil
}

// topicConfigs are a topic's settings.
func (s *Sink) topicConfigs(ctx context.Context, name string) (map[string]string, error) {
	described, err := kadm.NewClient(s.admin).DescribeTopicConfigs(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := described.On(name, nil)
	if err != nil {
		return nil, err
	}
	return configValues(r)
}

func configValues(r kadm.ResourceConfig) (map[string]string, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	m := map[string]string{}
	for _, c := range r.Configs {
		m[c.Key] = c.MaybeValue()
	}
	return m, nil
}

// longestTransaction is the broker's limit.
func (s *Sink) longestTransaction(ctx context.Context) (time.Duration, error) {
	described, err := kadm.NewClient(s.admin).DescribeBrokerConfigs(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range described {
		m, err := configValues(r)
		if err != nil {
			return 0, err
		}
		if ms, err := strconv.ParseInt(m["transaction.max.timeout.ms"], 10, 64); err == nil {
			return time.Duration(ms) * time.Millisecond, nil
		}
	}
	return 0, errors.New("the broker does not tell its transaction.max.timeout.ms")
}

// create makes a topic that may be there already, and waits until it can be written to.
func (s *Sink) create(ctx context.Context, name string, partitions int32, configs map[string]string) (*topic, error) {
	given := map[string]*string{}
	for k, v := range configs {
		given[k] = &v
	}
	r, err := kadm.NewClient(s.admin).CreateTopic(ctx, partitions, s.cfg.Replication, given, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		err = fmt.Errorf("create topic %s: %w%s", name, err, parenthesis(r.ErrMessage))
		if kerr.IsRetriable(err) || !isKafka(err) {
			return nil, fmt.Errorf("%w: %w", sink.ErrTransient, err)
		}
		return nil, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		t, err := s.lookUp(ctx, name)
		if t != nil || err != nil {
			return t, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, transient("create topic "+name, context.Cause(ctx))
		}
	}
}

// isKafka says that a broker has said so.
func isKafka(err error) bool {
	_, ok := errors.AsType[*kerr.Error](err)
	return ok
}

func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// createPositions makes the positions topic. One partition gives all Marks one order.
func (s *Sink) createPositions(ctx context.Context) error {
	t, err := s.lookUp(ctx, s.positionsTopic)
	if err != nil || t != nil {
		return err
	}
	_, err = s.create(ctx, s.positionsTopic, 1, map[string]string{
		"cleanup.policy": "compact", "retention.ms": "-1",
		"segment.bytes": strconv.Itoa(8 << 20), // what a start reads at most, besides one record of each table
	})
	return err
}

// createOwn makes the topics that are about all tables. One partition each keeps their order.
func (s *Sink) createOwn(ctx context.Context) error {
	var names []string
	if s.schemaTopic != "" {
		names = append(names, s.schemaTopic)
	}
	if s.cfg.Transactions {
		names = append(names, s.transactionTopic())
	}
	if s.cfg.HeartbeatMillis > 0 {
		names = append(names, s.heartbeatTopic())
	}
	for _, name := range names {
		if _, err := s.ensureTopic(ctx, name, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1"}, 1); err != nil {
			return err
		}
	}
	return nil
}

// dataConfigs are the settings of a new topic of rows.
func (s *Sink) dataConfigs() map[string]string {
	m := map[string]string{"cleanup.policy": s.cfg.CleanupPolicy}
	if strings.Contains(s.cfg.CleanupPolicy, "delete") {
		m["retention.ms"] = "-1"
	}
	maps.Copy(m, s.cfg.TopicProperties)
	return m
}

// ensureTopic creates the topic of a table's rows unless it is there.
func (s *Sink) ensureTopic(ctx context.Context, name string, configs map[string]string, partitions int32) (*topic, error) {
	s.mu.Lock()
	t := s.topics[name]
	s.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := s.lookUp(ctx, name)
	if t == nil && err == nil {
		t, err = s.create(ctx, name, partitions, configs)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.topics[name] = t
	s.mu.Unlock()
	return t, nil
}

// errCompactKeyless is why a table without a key cannot go to a compacted topic.
var errCompactKeyless = errors.New("the table has no key, and a compacted topic takes no records without one: set topic.cleanup.policy: delete, or give the table key.columns")

// suits says whether a table's records can be in its topic.
func (s *Sink) suits(t *schema.Table) error {
	if len(t.Key) == 0 && s.cfg.CleanupPolicy != "delete" {
		return errCompactKeyless
	}
	return nil
}
