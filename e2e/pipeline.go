// Package e2e owns the end-to-end tests: the built program against real servers, under load and faults, judged by an
// independent reader. This file and its neighbours are the harness; the scenarios are in the tests.
package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// Settings change the configuration file of a pipeline: a key like "source.port" or "sink.write.buffer", and what stands
// after its colon.
type Settings map[string]string

// A Pipeline is a configuration file with its folders: what survives the death of the program.
type Pipeline struct {
	Server    *servers.Server
	Database  string // every table of it is copied, under the same name
	Name      string // of the pipeline
	Dir       string
	Config    string // path of the configuration file
	Warehouse string // folder of Iceberg tables
	State     string // folder of the state

	target   Target
	settings Settings
	told     sync.Once // the log's end, when the test has failed
	newest   *Daemon
}

// NewPipeline writes a configuration that copies a database into an Iceberg warehouse of its own, with a user who may do
// no more than that needs.
func NewPipeline(t testing.TB, s *servers.Server, database string, settings Settings) *Pipeline {
	t.Helper()
	return PipelineTo(t, Iceberg{}, s, database, settings)
}

// PipelineTo is as NewPipeline, into another target. What an earlier pipeline has copied there of a database of that name
// is gone.
func PipelineTo(t testing.TB, target Target, s *servers.Server, database string, settings Settings) *Pipeline {
	t.Helper()
	dir := servers.Folder(t, "pipeline")
	p := &Pipeline{
		Server: s, Database: database, Name: unique(database), Dir: dir, Config: filepath.Join(dir, "pipeline.yaml"),
		Warehouse: filepath.Join(dir, "warehouse"), State: filepath.Join(dir, "state"), target: target,
	}
	s.Revive(t)
	grant(t, s)
	p.settings = Settings{
		"source.type": "mysql", "source.hostname": s.Host, "source.port": fmt.Sprint(s.Port),
		"source.username": user, "source.password": password,
		"source.tables":                               fmt.Sprintf(`"%s.\\.*"`, database),
		"pipeline.name":                               p.Name,
		"pipeline.commit.interval":                    "300ms",
		"pipeline.state.dir":                          p.State,
		"source.scan.incremental.snapshot.chunk.size": "2000",
	}
	maps.Copy(p.settings, target.prepare(t, p))
	p.Set(t, settings)
	return p
}

var pipelines atomic.Int64

// unique is a name that no other pipeline of this machine's test runs has.
func unique(database string) string {
	return fmt.Sprintf("%s_%d_%d", database, os.Getpid(), pipelines.Add(1))
}

const (
	user     = "cdc"
	password = "secret-of-e2e"
)

// grant makes the user whom the program logs in as.
func grant(t testing.TB, s *servers.Server) {
	t.Helper()
	s.Exec(t,
		"CREATE USER IF NOT EXISTS "+user+"@'%' IDENTIFIED BY '"+password+"'",
		"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO "+user+"@'%'")
	if s.Flavour == servers.FlavourMySQL && !strings.HasPrefix(s.Version, "5.") { // lets a start wait for prepared XA transactions
		s.Exec(t, "GRANT XA_RECOVER_ADMIN ON *.* TO "+user+"@'%'")
	}
}

// Set changes the configuration; an empty value takes a key out.
func (p *Pipeline) Set(t testing.TB, settings Settings) {
	t.Helper()
	maps.Copy(p.settings, settings)
	var text strings.Builder
	for _, section := range []string{"source", "sink", "pipeline"} {
		fmt.Fprintf(&text, "%s:\n", section)
		for _, key := range slices.Sorted(maps.Keys(p.settings)) {
			if name, ok := strings.CutPrefix(key, section+"."); ok && p.settings[key] != "" {
				fmt.Fprintf(&text, "  %s: %s\n", name, p.settings[key])
			}
		}
	}
	if err := os.WriteFile(p.Config, []byte(text.String()), 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
}

// Catalog is where the Iceberg tables are found.
func (p *Pipeline) Catalog() verify.Catalog {
	if uri := p.settings["sink.catalog.properties.uri"]; uri != "" {
		return verify.Catalog{REST: uri}
	}
	return verify.Catalog{SQLite: filepath.Join(p.Warehouse, "catalog.db")}
}

// Sink is where the tables are judged.
func (p *Pipeline) Sink() verify.Sink { return p.target.sink(p) }

// Command runs a subcommand of cdcsync on the configuration, and returns what it said and its exit code.
func (p *Pipeline) Command(t testing.TB, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Binary(t), append([]string{name, p.Config}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run cdcsync %s: %v", name, err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// Binary builds cdcsync with its crash points, once per test binary, and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the program and real servers: not with -short")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CDCSYNC_BINARY"); path != "" {
		return path, nil
	}
	root, err := servers.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "cdcsync")
	cmd := exec.Command("go", "build", "-tags", "fault", "-o", path, "github.com/cdcsync/cdcsync/cmd/cdcsync")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cdcsync: %w: %s", err, out)
	}
	return path, nil
})

// Equal waits until every table of the pipeline equals its source, and fails the test with the differences if that has
// not happened in time. A program that was just started is waited for: it may have nothing to do.
func (p *Pipeline) Equal(t testing.TB, timeout time.Duration, tables ...string) []verify.Result {
	t.Helper()
	if p.newest != nil {
		p.newest.begun(timeout)
	}
	judge, err := verify.Start(t.Context(), p.Sink(), p.Server)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	pairs := p.Pairs(tables...)
	for deadline := time.Now().Add(timeout); ; time.Sleep(200 * time.Millisecond) {
		results, err := judge.Compare(pairs...)
		if err != nil {
			t.Fatalf("verify: %v", err)
		}
		problems := report(pairs, results)
		if len(problems) == 0 {
			if err := judge.Close(); err != nil {
				t.Errorf("verify: %v", err)
			}
			return results
		}
		p.Server.Revive(t)
		p.target.revive(t)
		if time.Now().After(deadline) {
			t.Fatalf("not equal after %v:\n%s", timeout, strings.Join(problems, "\n"))
		}
	}
}

// Pairs names the comparisons of tables that keep their name.
func (p *Pipeline) Pairs(tables ...string) []verify.Pair {
	pairs := make([]verify.Pair, len(tables))
	for i, name := range tables {
		pairs[i] = verify.Pair{Namespace: p.Database, Table: name, Database: p.Database, Source: name, AllowEmpty: name == "trunc"}
	}
	return pairs
}

func report(pairs []verify.Pair, results []verify.Result) (problems []string) {
	for i, r := range results {
		if err := r.Err(pairs[i]); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}
