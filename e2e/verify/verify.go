// Package verify owns the judgement of the end-to-end tests: whether an Iceberg table equals the source table it was
// copied from. It shares no decoding code with the product: a Python program (e2e/tools) reads the source by SQL and the
// Iceberg table by its own reader, and compares them row by row. A comparison of nothing with nothing is a failure, and
// so is anything in the table's files that some engine is known to read wrongly.
package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A Pair names an Iceberg table and the source table that it should equal.
type Pair struct {
	Namespace string // of the Iceberg table
	Table     string
	Database  string // of the source table
	Source    string

	Key        string            // source columns, comma-separated; empty: the primary key, else whole rows
	Where      string            // SQL filter at the source
	Ignore     string            // regular expression of columns to leave out, on either side
	Renamed    map[string]string // source column to Iceberg column, where they differ
	AllowEmpty bool              // accept that both sides have no rows
}

// A Result is what a comparison found.
type Result struct {
	SourceRows  int      `json:"source_rows"`
	IcebergRows int      `json:"iceberg_rows"`
	Columns     int      `json:"columns"`     // compared
	Differences int      `json:"differences"` // missing, extra, changed and duplicate rows, missing and extra columns
	Lines       []string `json:"lines"`       // the first differences, and a summary
	Lint        []string `json:"lint"`        // faults of the table's files
	Error       string   `json:"error"`       // why nothing could be compared
}

// Err is nil if the tables are equal, not both empty, and without faults.
func (r Result) Err(p Pair) error {
	name := p.Namespace + "." + p.Table
	switch {
	case r.Error != "":
		return fmt.Errorf("compare %s: %s", name, r.Error)
	case r.Differences > 0:
		return fmt.Errorf("compare %s with %s.%s: %d differences:\n\t%s", name, p.Database, p.Source, r.Differences, strings.Join(r.Lines, "\n\t"))
	case len(r.Lint) > 0:
		return fmt.Errorf("lint %s:\n\t%s", name, strings.Join(r.Lint, "\n\t"))
	case max(r.SourceRows, r.IcebergRows) == 0 && !p.AllowEmpty:
		return fmt.Errorf("compare %s: nothing was compared: both sides are empty", name)
	}
	return nil
}

// A Catalog is where the Iceberg tables are found: one of its fields is set.
type Catalog struct {
	SQLite string // path of a SQL catalog's file
	REST   string // address of a REST catalog
}

// Same compares one table of a SQLite catalog with its source, both as "space.table" without further dots, and fails
// the test if they differ.
func Same(t testing.TB, catalog, table string, s *servers.Server, source string) Result {
	t.Helper()
	p := Pair{}
	p.Namespace, p.Table, _ = strings.Cut(table, ".")
	p.Database, p.Source, _ = strings.Cut(source, ".")
	return All(t, Catalog{SQLite: catalog}, s, p)[0]
}

// All compares tables with their sources, and fails the test for each that differs.
func All(t testing.TB, catalog Catalog, s *servers.Server, pairs ...Pair) []Result {
	t.Helper()
	results, err := Run(t.Context(), catalog, s, pairs...)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for i, r := range results {
		if err := r.Err(pairs[i]); err != nil {
			t.Error(err)
		}
	}
	return results
}

// Run compares tables with their sources; an error means that the verifier itself did not work.
func Run(ctx context.Context, catalog Catalog, s *servers.Server, pairs ...Pair) ([]Result, error) {
	tool, err := script()
	if err != nil {
		return nil, err
	}
	var in, out, said bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, p := range pairs {
		if err := enc.Encode(request(catalog, s, p)); err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, tool, "run", "verify.py")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run verifier: %w: %s", err, said.Bytes())
	}
	results := make([]Result, 0, len(pairs))
	for dec := json.NewDecoder(&out); dec.More(); {
		var r Result
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("read verifier's answer: %w", err)
		}
		if catalog.REST != "" { // it is the catalog that chooses and spells locations
			r.Lint = slices.DeleteFunc(r.Lint, func(note string) bool { return strings.HasPrefix(note, "location without a scheme") })
		}
		results = append(results, r)
	}
	if len(results) != len(pairs) {
		return nil, fmt.Errorf("verifier answered %d of %d: %s", len(results), len(pairs), said.Bytes())
	}
	return results, nil
}

func request(catalog Catalog, s *servers.Server, p Pair) map[string]any {
	r := map[string]any{"namespace": p.Namespace, "table": p.Table}
	set := func(name, value string) {
		if value != "" {
			r[name] = value
		}
	}
	set("sqlite", catalog.SQLite)
	set("rest", catalog.REST)
	set("key", p.Key)
	set("where", p.Where)
	set("ignore", p.Ignore)
	if p.Source != "" {
		r["source"] = "mysql://" + s.User + "@" + s.Addr + "/" + url.PathEscape(p.Database) + "/" + url.PathEscape(p.Source)
	}
	renamed := []string{}
	for from, to := range p.Renamed {
		renamed = append(renamed, from+"="+to)
	}
	r["map"] = renamed
	return r
}

// Lint reads tables ("space.table") of a SQLite catalog, fails the test for each whose files some engine is known to
// read wrongly, and returns how many rows each has.
func Lint(t testing.TB, catalog string, tables ...string) []int {
	t.Helper()
	pairs := make([]Pair, len(tables))
	for i, name := range tables {
		pairs[i].Namespace, pairs[i].Table, _ = strings.Cut(name, ".")
		pairs[i].AllowEmpty = true
	}
	results, err := Run(t.Context(), Catalog{SQLite: catalog}, nil, pairs...)
	if err != nil {
		t.Fatalf("lint: %v", err)
	}
	rows := make([]int, len(tables))
	for i, r := range results {
		rows[i] = r.IcebergRows
		if err := r.Err(pairs[i]); err != nil {
			t.Error(err)
		}
	}
	return rows
}

// script finds the verifier's program, upwards of the folder in which the test runs.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find verifier: %w", err)
	}
	for {
		path := filepath.Join(dir, "e2e", "tools", "verify.sh")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find verifier: no e2e/tools/verify.sh above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
