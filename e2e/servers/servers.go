// Package servers owns the real database servers of the tests: it installs them into the user's cache folder on first
// use, starts them on private ports and folders, and ends them, whatever happens to the test binary.
//
// A test that may share a server takes [SharedMariaDB], [SharedMySQL] or [Shared] (one server per version for the whole test
// binary) and makes a database of its own with [Server.Database]. A test that stops its server or needs options of its
// own takes [MariaDB] or [MySQL]. The targets are [SharedClickHouse], [SharedKafka] and [SharedSchemaRegistry], or private
// ones of the same names without Shared. All of them skip the test under -short.
//
// The environment variables CDCSYNC_MARIADB and CDCSYNC_MYSQL replace every version that the tests ask for; the value
// `none` skips the tests of that flavour. That is how `make test-matrix` runs the same tests on other versions.
package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver of DB
)

// A Flavour is a kind of server; its value is the name of its script.
type Flavour string

// The flavours.
const (
	FlavourMariaDB Flavour = "mariadb"
	FlavourMySQL   Flavour = "mysql"
)

// A Server is a running database server. It listens on 127.0.0.1 only, has its binary log on in ROW format with full row
// images and metadata, GTIDs on, and is not synced to disk at each commit: it survives a kill -9, not a power cut.
type Server struct {
	*Process // whose Dir has data, with the data and the binary log
	Flavour  Flavour
	Version  string // as asked for: "10.11", "9.7"
	Host     string
	User     string // the superuser, without password

	pool *sql.DB
}

// MariaDB starts a private server of that version with additional server options, which ends with the test.
func MariaDB(t testing.TB, version string, options ...string) *Server {
	t.Helper()
	return private(t, FlavourMariaDB, version, options)
}

// MySQL starts a private server of that version with additional server options, which ends with the test.
func MySQL(t testing.TB, version string, options ...string) *Server {
	t.Helper()
	return private(t, FlavourMySQL, version, options)
}

// SharedMariaDB returns the test binary's server of that version. Do not stop it or change its global variables.
func SharedMariaDB(t testing.TB, version string) *Server {
	t.Helper()
	return shared(t, FlavourMariaDB, version)
}

// SharedMySQL returns the test binary's server of that version. Do not stop it or change its global variables.
func SharedMySQL(t testing.TB, version string) *Server {
	t.Helper()
	return shared(t, FlavourMySQL, version)
}

// Shared returns the test binary's MariaDB 10.11 or MySQL 9.7: of the flavour that the test prefers, unless the environment
// leaves that one out. Do not stop it or change its global variables.
func Shared(t testing.TB, prefer Flavour) *Server {
	t.Helper()
	mariadb := prefer == FlavourMariaDB
	if os.Getenv(variable(prefer)) == "none" {
		mariadb = !mariadb
	}
	if mariadb {
		return SharedMariaDB(t, "10.11")
	}
	return SharedMySQL(t, "9.7")
}

// Each runs f as a subtest on the shared MariaDB 10.11 and the shared MySQL 9.7.
func Each(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	t.Run("mariadb", func(t *testing.T) { f(t, SharedMariaDB(t, "10.11")) })
	t.Run("mysql", func(t *testing.T) { f(t, SharedMySQL(t, "9.7")) })
}

// EachPrivate runs f as a subtest on a private MariaDB 10.11 and a private MySQL 9.7, with additional server options.
func EachPrivate(t *testing.T, f func(t *testing.T, s *Server), options ...string) {
	t.Helper()
	t.Run("mariadb", func(t *testing.T) { f(t, MariaDB(t, "10.11", options...)) })
	t.Run("mysql", func(t *testing.T) { f(t, MySQL(t, "9.7", options...)) })
}

// DB returns a pool of connections of the superuser, without a default database, in UTC.
func (s *Server) DB(t testing.TB) *sql.DB {
	t.Helper()
	return s.pool
}

// DSN is what go-sql-driver needs to connect as the superuser, in UTC, to that database, which may be empty.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("%s@tcp(%s)/%s?multiStatements=true&interpolateParams=true&time_zone=%%27%%2B00:00%%27", s.User, s.Addr, database)
}

// Exec runs statements one after another, each on any connection of the pool.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := s.pool.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("exec %.200q: %v", q, err)
		}
	}
}

// Value returns the first column of the first row of a query, as text; NULL is empty.
func (s *Server) Value(t testing.TB, query string) string {
	t.Helper()
	rows, err := s.pool.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("query %.200q: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	cols, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("query %.200q: no row: %v, %v", query, err, rows.Err())
	}
	values := make([]any, len(cols))
	var first sql.NullString
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	values[0] = &first
	if err := rows.Scan(values...); err != nil {
		t.Fatalf("query %.200q: %v", query, err)
	}
	return first.String
}

var (
	databaseMu sync.Mutex
	databases  = map[string]int{}
)

// Database creates an empty database named after the test, and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := databaseName(t)
	s.Exec(t, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4")
	return name
}

// databaseName makes a name of the test's, a new one at each call.
func databaseName(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(strings.TrimPrefix(t.Name(), "Test")))
	name = name[:min(len(name), 40)]
	databaseMu.Lock()
	defer databaseMu.Unlock()
	databases[name]++
	if n := databases[name]; n > 1 {
		name += "_" + strconv.Itoa(n)
	}
	return name
}

// Restart starts a stopped or killed server again, on the same port and data; options are added to those it had.
func (s *Server) Restart(t testing.TB, options ...string) {
	t.Helper()
	s.args = append(s.args, options...)
	s.Process.Restart(t)
	if err := s.ping(); err != nil {
		t.Fatalf("restart server: %v", err)
	}
}

// Revive starts the server again if it has crashed by itself, as MariaDB does now and then under schema changes, and says
// so with the end of the server's log.
func (s *Server) Revive(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool.PingContext(t.Context()) == nil {
		return
	}
	said, _ := os.ReadFile(s.Log())
	t.Logf("%s %s crashed by itself; the end of its log:\n%s", s.Flavour, s.Version, said[max(0, len(said)-6000):])
	s.Kill9(t)
	s.Restart(t)
}

func private(t testing.TB, flavour Flavour, version string, options []string) *Server {
	t.Helper()
	version = choose(t, flavour, version)
	s, err := launch(flavour, version, options)
	if err != nil {
		t.Fatalf("start %s %s: %v", flavour, version, err)
	}
	s.end(t)
	t.Cleanup(func() { _ = s.pool.Close() })
	return s
}

// A slot holds a shared server, or why there is none.
type slot struct {
	once   sync.Once
	server *Server
	err    error
}

var (
	slotMu sync.Mutex
	slots  = map[string]*slot{}
)

func shared(t testing.TB, flavour Flavour, version string) *Server {
	t.Helper()
	version = choose(t, flavour, version)
	name := string(flavour) + version
	slotMu.Lock()
	if slots[name] == nil {
		slots[name] = new(slot)
	}
	s := slots[name]
	slotMu.Unlock()
	s.once.Do(func() { s.server, s.err = launch(flavour, version, nil) })
	if s.err != nil {
		t.Fatalf("start %s %s: %v", flavour, version, s.err)
	}
	return s.server
}

// variable is that of the environment which chooses a flavour's version.
func variable(f Flavour) string { return "CDCSYNC_" + strings.ToUpper(string(f)) }

// choose returns the version to start: what the environment says, else what the test asks for.
func choose(t testing.TB, flavour Flavour, version string) string {
	t.Helper()
	skipShort(t)
	v := os.Getenv(variable(flavour))
	if v == "none" {
		t.Skipf("%s=none: this test is for %s", variable(flavour), flavour)
	}
	if v != "" {
		return v
	}
	return version
}

// A caller's options come after these, and win.
var usualOptions = []string{"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--max-connections=500"}

func launch(flavour Flavour, version string, options []string) (*Server, error) {
	script, env := string(flavour)+".sh", strings.ToUpper(string(flavour))+"="+version
	if err := run(script, []string{env}, "install"); err != nil {
		return nil, err
	}
	var p *Process
	err := onFreePorts(nil, func(port int) (err error) {
		if p, err = newProcess(script, port, env); err != nil {
			return err
		}
		p.args = slices.Concat(usualOptions, options)
		return p.startOrKill()
	})
	if err != nil {
		return nil, err
	}
	s := &Server{Process: p, Flavour: flavour, Version: version, Host: "127.0.0.1", User: "root"}
	if s.pool, err = sql.Open("mysql", s.DSN("")); err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	return s, s.ping()
}

// ping holds that a started server takes the superuser's statements.
func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("ping server: %w", err)
	}
	return nil
}

// IcebergREST starts an Iceberg REST catalog over local files, which ends with the test, and returns its host:port.
func IcebergREST(t testing.TB) string {
	t.Helper()
	return beside(t, "iceberg-rest.sh", nil).Addr
}
