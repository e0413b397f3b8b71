package clickhouse

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/sinktest"
)

// serverConfig is the configuration for a server of the tests, with a database for the state of its own.
func serverConfig(t testing.TB, addr, database string) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Hostname, cfg.Port, cfg.StateDatabase = host, uint16(number), database
	cfg.Username, cfg.Password = servers.ClickHouseUser, option.Secret(servers.ClickHouseSecret)
	cfg.RetryTimeout = 10 * time.Second
	return cfg
}

func openTest(t testing.TB, cfg Config) *Sink {
	t.Helper()
	s, err := Open(t.Context(), "test", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A store is the shared server. The suite's tables are in databases of its own: namespaces are prefixed with that of the state.
type store struct {
	server *servers.ClickHouseServer
	cfg    Config
	faults *faults
}

func newStore(t *testing.T, change func(*Config)) *store {
	server := servers.SharedClickHouse(t)
	cfg := serverConfig(t, server.HTTPAddr, server.Database(t))
	if change(&cfg); cfg.Protocol == Native {
		host, port, _ := net.SplitHostPort(server.Addr)
		n, _ := strconv.ParseUint(port, 10, 16)
		cfg.Hostname, cfg.Port = host, uint16(n)
	}
	for _, database := range []string{"shop", "keys", "other"} {
		server.Exec(t, "DROP DATABASE IF EXISTS "+database+" SYNC")
	}
	return &store{server: server, cfg: cfg, faults: &faults{}}
}

func (st *store) Open(t testing.TB) sink.Sink {
	s := openTest(t, st.cfg)
	s.blocks = &flaky{s.blocks, st.faults}
	return s
}

// Rows reads with FINAL what is keyed, and folds the changes of what is not.
func (st *store) Rows(t testing.TB, n schema.Name) ([]string, [][]string) {
	t.Helper()
	s := openTest(t, st.cfg)
	got, err := s.Peek(t.Context(), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	if at := slices.Index(got.Columns, "_op"); at >= 0 {
		return got.Columns[:at], fold(t, got.Rows, at)
	}
	return got.Columns, got.Rows
}

// fold is the multiset of rows that changes leave, taken in the order of their versions.
func fold(t testing.TB, rows [][]string, op int) [][]string {
	t.Helper()
	slices.SortStableFunc(rows, func(a, b []string) int { return version(t, a[op+1]) - version(t, b[op+1]) })
	var now [][]string
	for _, r := range rows {
		values := r[:op]
		switch r[op] {
		case "insert", "after", "read":
			now = append(now, values)
			continue
		}
		at := slices.IndexFunc(now, func(x []string) bool { return slices.Equal(x, values) })
		if at < 0 {
			t.Fatalf("%s of a row that is not there: %q", r[op], values)
		}
		now = slices.Delete(now, at, at+1)
	}
	return now
}

func version(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (st *store) FailCommits(n int, when sinktest.When) { st.faults.set(n, when) }

// TestSink_Suite runs the suite with rows that fit into one block, by both protocols, and again with blocks so small that all
// goes through staging tables.
func TestSink_Suite(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"http": func(*Config) {}, "native": func(c *Config) { c.Protocol = Native }, "staged": func(c *Config) { c.BlockSize = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Store {
				return newStore(t, func(c *Config) {
					c.Dates, c.Geometry = StringDate, SRID // all values of all types
					change(c)
				})
			})
		})
	}
}
