// Package latency measures how soon a change that is committed at the source can be seen in a sink.
package latency

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A load is a steady stream of small transactions. One row of each says when it was committed, as far as its writer can
// know: right before the COMMIT is sent, so what is measured is never too small.
type load struct {
	database     string
	transactions int // per second
	rows         int // of each
	length       time.Duration
}

// full is what the figures are about; short is what a loaded machine must manage in every run of the tests.
var (
	full  = load{transactions: 500, rows: 10, length: 30 * time.Second}
	short = load{transactions: 500, rows: 10, length: 5 * time.Second}
)

// chosen is the load that this run is for: CDCSYNC_LATENCY=1 asks for the full one, and for its bounds.
func chosen(t *testing.T, bound, generous time.Duration) (load, time.Duration) {
	t.Helper()
	if os.Getenv("CDCSYNC_LATENCY") != "" {
		return full, bound
	}
	return short, generous
}

// create makes the table: stamp is the time in microseconds for one row of each transaction, 0 for the others.
func create(t *testing.T, s *servers.Server, l *load) {
	t.Helper()
	l.database = s.Database(t)
	s.Exec(t, "CREATE TABLE "+l.database+".events (id BIGINT PRIMARY KEY, stamp BIGINT NOT NULL, k INT, c CHAR(40), v DECIMAL(12,2))",
		"INSERT INTO "+l.database+".events VALUES (0, 0, 0, '', 0)")
}

// write writes the load, and returns how many rows per second came about, and the stamps of all transactions.
func (l *load) write(ctx context.Context, s *servers.Server) (perSecond int, stamps []int64, err error) {
	pool, err := sql.Open("mysql", s.DSN(l.database))
	if err != nil {
		return 0, nil, fmt.Errorf("open pool: %w", err)
	}
	defer func() { _ = pool.Close() }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	for n := 0; time.Since(begun) < l.length; n++ {
		if early := time.Until(begun.Add(time.Duration(n) * time.Second / time.Duration(l.transactions))); early > 0 {
			time.Sleep(early) // this is the pace of the load
		}
		stamp := time.Now().UnixMicro()
		if _, err := conn.ExecContext(ctx, l.statement(n, stamp)); err != nil {
			return 0, nil, fmt.Errorf("write rows: %w", err)
		}
		stamps = append(stamps, stamp)
	}
	return int(float64(len(stamps)*l.rows) / time.Since(begun).Seconds()), stamps, nil
}

// statement is one transaction: a single statement, which commits by itself.
func (l *load) statement(n int, stamp int64) string {
	var b strings.Builder
	b.WriteString("INSERT INTO events VALUES ")
	for i := range l.rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(%d,%d,%d,'row %d of a transaction',%d.25)", 1+n*l.rows+i, stamp, i, i, n)
		stamp = 0
	}
	return b.String()
}

// seen collects how long each stamp took to be seen.
type seen struct {
	mu    sync.Mutex
	delay map[int64]time.Duration
	done  chan struct{} // closed when as many as wanted were seen
	want  int
}

func newSeen() *seen { return &seen{delay: map[int64]time.Duration{}, done: make(chan struct{})} }

// add says that these stamps can be seen now.
func (s *seen) add(now time.Time, stamps ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stamp := range stamps {
		if _, before := s.delay[stamp]; !before && stamp > 0 {
			s.delay[stamp] = now.Sub(time.UnixMicro(stamp))
		}
	}
	s.check()
}

// expect says how many there will be.
func (s *seen) expect(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = n
	s.check()
}

func (s *seen) check() {
	if s.want > 0 && len(s.delay) == s.want {
		s.want = 0
		close(s.done)
	}
}

// measure starts the program, lets it copy the table, writes the load, and prints and judges the delays. watch tells what
// can be seen until ctx is done.
func measure(t *testing.T, target e2e.Target, sink string, l load, bound time.Duration, watch func(ctx context.Context, p *e2e.Pipeline, l *load, s *seen) error) {
	t.Helper()
	s := servers.Shared(t, servers.FlavourMariaDB)
	create(t, s, &l)
	p := e2e.PipelineTo(t, target, s, l.database, e2e.Settings{"pipeline.commit.interval": ""}) // the sink's default
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "events")
	all := newSeen()
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- watch(ctx, p, &l, all) }()
	perSecond, stamps, err := l.write(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all.expect(len(stamps))
	select {
	case <-all.done:
	case err := <-watched:
		t.Fatalf("watch sink: %v", err)
	case <-time.After(30 * time.Second):
		t.Errorf("%d of %d transactions were not seen within 30 s", len(stamps)-len(all.delay), len(stamps))
	}
	cancel()
	if err := <-watched; err != nil {
		t.Fatalf("watch sink: %v", err)
	}
	p.Equal(t, 30*time.Second, "events")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	report(t, sink, perSecond, all.delay, bound)
}

// report prints the one line with the figures, and fails the test if they are too bad.
func report(t *testing.T, sink string, perSecond int, delays map[int64]time.Duration, bound time.Duration) {
	t.Helper()
	var sorted []time.Duration
	for _, d := range delays {
		sorted = append(sorted, d)
	}
	slices.Sort(sorted)
	at := func(share float64) float64 {
		return float64(sorted[int(share*float64(len(sorted)-1))].Microseconds()) / 1000
	}
	fmt.Printf("latency %s rows_per_s=%d p50_ms=%.1f p99_ms=%.1f max_ms=%.1f\n", sink, perSecond, at(0.5), at(0.99), at(1))
	if p99 := time.Duration(at(0.99) * float64(time.Millisecond)); p99 > bound {
		t.Errorf("99 of 100 transactions are seen within %v, want %v", p99, bound)
	}
	if want := full.transactions * full.rows * 9 / 10; perSecond < want && os.Getenv("CDCSYNC_LATENCY") != "" {
		t.Errorf("only %d rows per second were written, want %d", perSecond, want)
	}
}
