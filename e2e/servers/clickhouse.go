package servers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// The user of ClickHouse that a pipeline logs in as. User default needs no password. A wrong password on the native
// port makes this build of ClickHouse abort: test authentication by HTTP, where it is error 516.
const (
	ClickHouseUser   = "cdc"
	ClickHouseSecret = "secret"
)

// A ClickHouseServer is a running ClickHouse 26.7, with its default settings: async_insert is 1. It has neither TLS nor
// Keeper, so no replicated tables; TLS takes a proxy before it.
type ClickHouseServer struct {
	*Process        // of which Addr and Port are the native protocol's
	HTTPAddr string // host:port
	URL      string // of the HTTP interface: http://host:port
}

// A ClickHouseOption changes the configuration of a private server.
type ClickHouseOption func(files map[string]string)

// WithUsers replaces users.xml as a whole. Keep user default, with no password: [ClickHouseServer.Exec] logs in as it.
func WithUsers(xml string) ClickHouseOption {
	return func(files map[string]string) { files["users.xml"] = xml }
}

// WithProfile gives user cdc a settings profile of these XML elements, for instance <readonly>1</readonly> or
// <max_memory_usage>50000000</max_memory_usage> (bytes).
func WithProfile(settings string) ClickHouseOption {
	const user = `<networks><ip>127.0.0.1</ip></networks><quota>default</quota>`
	return WithUsers(`<clickhouse><profiles><default/><limited>` + settings + `</limited></profiles><quotas><default/></quotas>
<users><default><password/>` + user + `<profile>default</profile></default>
<cdc><password>` + ClickHouseSecret + `</password>` + user + `<profile>limited</profile></cdc></users></clickhouse>`)
}

// WithServerConfig adds XML elements to config.xml, for instance <max_server_memory_usage>1000000000</max_server_memory_usage>.
func WithServerConfig(elements string) ClickHouseOption {
	return func(files map[string]string) { files["extra.xml"] = elements }
}

// ClickHouse starts a private server, which ends with the test.
func ClickHouse(t testing.TB, options ...ClickHouseOption) *ClickHouseServer {
	t.Helper()
	skipShort(t)
	s, err := startClickHouse(options)
	if err != nil {
		t.Fatalf("start ClickHouse: %v", err)
	}
	s.end(t)
	return s
}

var sharedClickHouse = sync.OnceValues(func() (*ClickHouseServer, error) { return startClickHouse(nil) })

// SharedClickHouse returns the test binary's server, started again if it has died. Do not stop it; make databases of
// your own with [ClickHouseServer.Database].
func SharedClickHouse(t testing.TB) *ClickHouseServer {
	t.Helper()
	skipShort(t)
	s, err := sharedClickHouse()
	if err != nil {
		t.Fatalf("start ClickHouse: %v", err)
	}
	s.Revive(t)
	return s
}

func startClickHouse(options []ClickHouseOption) (*ClickHouseServer, error) {
	p, err := spawn("clickhouse.sh", clickHouseFiles(options), nil, 1)
	if err != nil {
		return nil, err
	}
	addr := loopback(p.Port + 1)
	return &ClickHouseServer{Process: p, HTTPAddr: addr, URL: "http://" + addr}, nil
}

func clickHouseFiles(options []ClickHouseOption) map[string]string {
	files := map[string]string{}
	for _, option := range options {
		option(files)
	}
	return files
}

// Restart starts a stopped or killed server again, on the same ports and data; options replace those of their kind.
func (s *ClickHouseServer) Restart(t testing.TB, options ...ClickHouseOption) {
	t.Helper()
	if err := s.write(clickHouseFiles(options)); err != nil {
		t.Fatal(err)
	}
	s.Process.Restart(t)
}

// DSN is what clickhouse-go needs to connect as user cdc, by the native protocol, to that database, which may be empty.
func (s *ClickHouseServer) DSN(database string) string {
	return "clickhouse://" + ClickHouseUser + ":" + ClickHouseSecret + "@" + s.Addr + "/" + database
}

// Database creates an empty database named after the test, and returns its name. It is dropped when the test ends.
func (s *ClickHouseServer) Database(t testing.TB) string {
	t.Helper()
	name := databaseName(t)
	s.Exec(t, "CREATE DATABASE `"+name+"`")
	t.Cleanup(func() {
		if _, err := s.Query(context.Background(), "DROP DATABASE `"+name+"` SYNC"); err != nil && s.listens() {
			t.Errorf("drop database: %v", err)
		}
	})
	return name
}

// Exec runs statements one after another, as user default.
func (s *ClickHouseServer) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		s.Value(t, q)
	}
}

// Value returns the answer to a query of user default: tab-separated values in lines, the last of them not ended.
func (s *ClickHouseServer) Value(t testing.TB, query string) string {
	t.Helper()
	answer, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("query %.200q: %v", query, err)
	}
	return answer
}

// Without idle connections, whose goroutines a test for leaks would find.
var clickHouseHTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Query is Value for callers that expect an error, such as when the server is down.
func (s *ClickHouseServer) Query(ctx context.Context, query string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(query))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	response, err := clickHouseHTTP.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask ClickHouse: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read answer of ClickHouse: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ClickHouse answered %s: %s", response.Status, answer)
	}
	return strings.TrimSuffix(string(answer), "\n"), nil
}
