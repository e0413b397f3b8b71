// Package verify owns the judgement of the end-to-end tests: whether a table in a sink equals the source table it was
// copied from. It shares no decoding code with the product: a Python program (e2e/tools) reads the source by SQL and the
// sink by its own reader, and compares them row by row. A comparison of nothing with nothing is a failure, and so is
// anything in the sink that is wrong though the rows are right: files that some engine reads wrongly, records that come
// twice.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A Pair names a table of the sink and the source table that it should equal.
type Pair struct {
	Namespace string // of the table in the sink
	Table     string
	Database  string // of the source table
	Source    string

	Key        string            // source columns, comma-separated; empty: the primary key, else whole rows
	Where      string            // SQL filter at the source
	Ignore     string            // regular expression of columns to leave out, on either side
	Renamed    map[string]string // source column to the sink's, where they differ
	AllowEmpty bool              // accept that both sides have no rows
}

// A Result is what a comparison found.
type Result struct {
	SourceRows  int      `json:"source_rows"`
	SinkRows    int      `json:"sink_rows"`
	Columns     int      `json:"columns"`     // compared
	Differences int      `json:"differences"` // missing, extra, changed and duplicate rows, missing and extra columns
	Lines       []string `json:"lines"`       // the first differences, and a summary
	Lint        []string `json:"lint"`        // faults besides: of the table's files, of its records
	Error       string   `json:"error"`       // why nothing could be compared
}

// Err is nil if the tables are equal, not both empty, and without faults.
func (r Result) Err(p Pair) error {
	name := p.Namespace + "." + p.Table
	switch {
	case r.Error != "":
		return fmt.Errorf("compare %s: %s", name, r.Error)
	case r.Differences > 0:
		return fmt.Errorf("compare %s with %s.%s: %d differences:\n\t%s", name, p.Database, p.Source, r.Differences,
			strings.Join(slices.Concat(r.Lines, r.Lint), "\n\t"))
	case len(r.Lint) > 0:
		return fmt.Errorf("lint %s:\n\t%s", name, strings.Join(r.Lint, "\n\t"))
	case max(r.SourceRows, r.SinkRows) == 0 && !p.AllowEmpty:
		return fmt.Errorf("compare %s: nothing was compared: both sides are empty", name)
	}
	return nil
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
func All(t testing.TB, sink Sink, s *servers.Server, pairs ...Pair) []Result {
	t.Helper()
	results, err := Run(t.Context(), sink, s, pairs...)
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

// Run compares tables with their sources; an error means that the judge itself did not work.
func Run(ctx context.Context, sink Sink, s *servers.Server, pairs ...Pair) ([]Result, error) {
	j, err := Start(ctx, sink, s)
	if err != nil {
		return nil, err
	}
	results, err := j.Compare(pairs...)
	if err != nil {
		return nil, err
	}
	return results, j.Close()
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
		rows[i] = r.SinkRows
		if err := r.Err(pairs[i]); err != nil {
			t.Error(err)
		}
	}
	return rows
}
