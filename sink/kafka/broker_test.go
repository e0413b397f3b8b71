package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/sink"
)

// persist follows to the end of the log, with as many runs as that takes. Only errors that a new run may mend are allowed.
func (d *driver) persist(t testing.TB) (runs int) {
	t.Helper()
	for runs = 1; ; runs++ {
		err := d.follow(t.Context())
		if err == nil {
			return runs
		}
		if !errors.Is(err, sink.ErrTransient) {
			t.Fatalf("run %d: %v", d.run, err)
		}
		t.Logf("run %d: %v", d.run, err)
		d.run++
		pause(t, 200*time.Millisecond) // as an engine does
	}
}

// quick has a sink give up soon.
func quick(c *Config) { c.Partitions = 3 }

// disturb does something to the brokers again and again while the driver follows its log.
func disturb(t *testing.T, seeds []string, transactions int, change func(*Config), do func(n int)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := newHistory(rand.New(rand.NewPCG(seed, 1)), transactions)
	st := newStore(t, seeds, change)
	st.opened = small
	d := &driver{h: h, s: st.open(t), run: 1, rng: rand.New(rand.NewPCG(seed, 2))}
	done := make(chan int)
	go func() { done <- d.persist(t) }()
	for n := 0; ; n++ {
		select {
		case runs := <-done:
			t.Logf("%d disturbances, %d runs", n, runs)
			if n == 0 {
				t.Error("the log was too short: nothing happened to the brokers meanwhile")
			}
			h.check(t, st)
			return
		default:
			do(n)
		}
	}
}

// TestSink_BrokerKilled kills the broker while rows are committed, and starts it again.
func TestSink_BrokerKilled(t *testing.T) {
	c := servers.Kafka(t)
	disturb(t, c.Addrs(), 120, quick, func(n int) {
		if n < 3 {
			c.Brokers[0].Kill9(t)
			c.Brokers[0].Restart(t)
		}
		pause(t, 500*time.Millisecond)
	})
}

// pause lets the driver get on.
func pause(t testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// TestSink_LeaderMoved kills one of three brokers after the other: leaders of data, positions and transactions move.
func TestSink_LeaderMoved(t *testing.T) {
	c := servers.KafkaTrio(t)
	disturb(t, c.Addrs(), 120, func(cfg *Config) {
		quick(cfg)
		cfg.Replication = 3
		cfg.TopicProperties = map[string]string{"min.insync.replicas": "2"}
	}, func(n int) {
		if n < 3 {
			c.Brokers[n].Kill9(t)
			c.Brokers[n].Restart(t)
		}
		pause(t, 500*time.Millisecond)
	})
}

// TestSink_TransactionTimesOut has the broker end a transaction that takes too long.
func TestSink_TransactionTimesOut(t *testing.T) {
	c := servers.Kafka(t, "transaction.abort.timed.out.transaction.cleanup.interval.ms=100")
	st := newStore(t, c.Addrs(), quick)
	st.opened = func(s *Sink) {
		usePlain(s)
		s.timeout = time.Second
	}
	h := newHistory(rand.New(rand.NewPCG(1, 1)), 4)
	d := &driver{h: h, s: st.open(t), run: 1, rng: rand.New(rand.NewPCG(1, 2))}
	start(t, d.s, 1)
	for _, shape := range h.shapes {
		create(t, d.s, shape)
	}
	x, err := d.s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range d.batches(0, nil) {
		if err := x.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.s.rows.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	untilAborted(t, c.Addrs(), d.s.transactionID)
	if err := x.Commit(t.Context(), nil); !errors.Is(err, sink.ErrTransient) || errors.Is(err, sink.ErrFenced) {
		t.Fatalf("got %v, want a transient error", err)
	}
	d.run++
	d.persist(t)
	h.check(t, st)
}

// untilAborted waits until the broker has ended a transaction.
func untilAborted(t testing.TB, seeds []string, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	admin := kadm.NewClient(newTestClient(t, seeds))
	for {
		d, err := admin.DescribeTransactions(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if d[id].State == "CompleteAbort" {
			return
		}
	}
}

func newTestClient(t testing.TB, seeds []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(seeds...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
