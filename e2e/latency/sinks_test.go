package latency

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestClickHouse asks for new rows under FINAL, as soon as the answer before is there.
func TestClickHouse(t *testing.T) {
	c := servers.SharedClickHouse(t)
	l, bound := chosen(t, time.Second, 10*time.Second)
	measure(t, e2e.ClickHouse{Server: c}, "clickhouse", l, bound, func(ctx context.Context, _ *e2e.Pipeline, l *load, s *seen) error {
		last := int64(0)
		for ctx.Err() == nil {
			answer, err := c.Query(ctx, fmt.Sprintf("SELECT id, stamp FROM `%s`.events FINAL WHERE id > %d AND stamp > 0 ORDER BY id", l.database, last))
			now := time.Now()
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			for line := range strings.Lines(answer) {
				var stamp int64
				if _, err := fmt.Sscan(line, &last, &stamp); err != nil {
					return fmt.Errorf("read answer %q: %w", line, err)
				}
				s.add(now, stamp)
			}
			pause(ctx, 10*time.Millisecond)
		}
		return nil
	})
}

// TestKafka consumes the topic, committed records only.
func TestKafka(t *testing.T) {
	cluster := servers.SharedKafka(t)
	l, bound := chosen(t, 150*time.Millisecond, 5*time.Second)
	measure(t, e2e.Kafka{Cluster: cluster}, "kafka", l, bound, func(ctx context.Context, p *e2e.Pipeline, l *load, s *seen) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ConsumeTopics(p.Name+"."+l.database+".events"),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return fmt.Errorf("open consumer: %w", err)
		}
		defer client.Close()
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			now := time.Now()
			if err := fetches.Err0(); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("consume: %w", err)
			}
			var failed error
			fetches.EachRecord(func(r *kgo.Record) { failed = errors.Join(failed, s.addRecord(now, r.Value)) })
			if failed != nil {
				return failed
			}
		}
		return nil
	})
}

// addRecord finds the stamp in a record.
func (s *seen) addRecord(now time.Time, value []byte) error {
	if bytes.Contains(value, []byte(`"stamp":0,`)) {
		return nil // one of the many others
	}
	var v struct {
		Payload struct {
			After struct {
				Stamp int64 `json:"stamp"`
			} `json:"after"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	s.add(now, v.Payload.After.Stamp)
	return nil
}

// pause waits, or returns early when ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
