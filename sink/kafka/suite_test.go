package kafka

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// names makes the topics of each store its own.
var names atomic.Int64

// A store is a pipeline's topics in a Kafka.
type store struct {
	seeds  []string
	name   string // of the pipeline, and the prefix of its topics
	change func(*Config)
	opened func(*Sink)
	faults *faults
}

func newStore(t testing.TB, seeds []string, change func(*Config)) *store {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name())
	return &store{seeds: seeds, name: fmt.Sprintf("%s-%d", name, names.Add(1)), change: change, opened: usePlain, faults: &faults{}}
}

func (st *store) config() Config {
	cfg := DefaultConfig()
	cfg.Properties = map[string]option.Secret{"bootstrap.servers": option.Secret(strings.Join(st.seeds, ",")), "delivery.timeout.ms": "30000"}
	cfg.TopicPrefix = st.name
	if st.change != nil {
		st.change(&cfg)
	}
	return cfg
}

func (st *store) open(t testing.TB) *Sink {
	t.Helper()
	cfg := st.config()
	var extra []kgo.Opt
	if !cfg.usesTLS() {
		extra = append(extra, st.faults.dialer())
	}
	s, err := open(st.name, &cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), extra...)
	if err != nil {
		t.Fatal(err)
	}
	if st.opened != nil {
		st.opened(s)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (st *store) Open(t testing.TB) sink.Sink { return st.open(t) }

func (st *store) Rows(t testing.TB, n schema.Name) (columns []string, rows [][]string) {
	t.Helper()
	table := fold(t, st.seeds, st.name).table(n)
	for _, r := range table.rows {
		var texts []string
		for _, v := range r {
			if v == nil {
				texts = append(texts, sinktest.Null)
				continue
			}
			texts = append(texts, *v)
		}
		rows = append(rows, texts)
	}
	return table.columns, rows
}

func (st *store) FailCommits(n int, when sinktest.When) { st.faults.fail(n, when) }

func TestSink_Suite(t *testing.T) {
	seeds := servers.SharedKafka(t).Addrs()
	sinktest.Run(t, func(t *testing.T) sinktest.Store { return newStore(t, seeds, nil) })
}
