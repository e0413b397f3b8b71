package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/pipeline/config"
)

// readTables makes the matcher and the routes of what the file says, and reports to the file what is wrong with it.
func (j *job) readTables(f *config.File) {
	include, exclude := patterns(f.Tables), patterns(f.Exclude)
	match, err := pipeline.ParseTables(pipeline.Tables{Include: include})
	if len(f.Tables.Patterns) > 0 {
		reportEach(f, "source.tables", err)
	}
	if err == nil && len(f.Exclude.Patterns) > 0 {
		match, err = pipeline.ParseTables(pipeline.Tables{Include: include, Exclude: exclude})
		reportEach(f, "source.tables.exclude", err)
	}
	j.match, j.selection = match, fmt.Sprintf("%v %q without %v %q", include.Globs != nil, f.Tables.Patterns, exclude.Globs != nil, f.Exclude.Patterns)
	j.readRoutes(f)
}

func patterns(t config.Tables) pipeline.Patterns {
	switch {
	case t.Globs:
		return pipeline.Patterns{Globs: t.Patterns}
	case len(t.Patterns) > 0:
		return pipeline.Patterns{Text: t.Patterns[0]}
	}
	return pipeline.Patterns{}
}

// readRoutes compiles each route alone first, so that an error stands at its line.
func (j *job) readRoutes(f *config.File) {
	mode := pipeline.AllMatch
	if f.Pipeline.RouteMode == config.FirstMatch {
		mode = pipeline.FirstMatch
	}
	var routes []pipeline.Route
	seen := map[pipeline.Route]int{}
	for i, r := range f.Routes {
		path := fmt.Sprintf("route[%d]", i)
		route := pipeline.Route{Source: r.SourceTable, Sink: r.SinkTable, Replace: r.ReplaceSymbol}
		if first, twice := seen[route]; twice {
			f.Report(path, fmt.Sprintf("is the same as route[%d]; remove one", first))
			continue
		}
		seen[route] = i
		if r.SourceTable == "" || r.SinkTable == "" {
			continue // reported by the file itself
		}
		if _, err := pipeline.NewRoutes([]pipeline.Route{route}, mode); err != nil {
			_, text, _ := strings.Cut(err.Error(), route.String()+"): ")
			key, why, _ := strings.Cut(text, ": ")
			f.Report(path+"."+key, why)
			continue
		}
		routes = append(routes, route)
	}
	compiled, err := pipeline.NewRoutes(routes, mode)
	reportEach(f, "route", err)
	j.routes = compiled
}

// reportEach reports errors that were joined one by one.
func reportEach(f *config.File, path string, err error) {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			reportEach(f, path, e)
		}
		return
	}
	if err != nil {
		f.Report(path, err.Error())
	}
}
