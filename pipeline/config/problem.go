package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A place is where something stands in the file, both from 1. The zero place: nowhere.
type place struct{ line, col int }

func at(n *yaml.Node) place { return place{n.Line, n.Column} }

type problem struct {
	place
	path, text string
}

// An Error is all that is wrong with a file.
type Error struct {
	Lines []string // file:line:col: path: text, in the order of the file
}

// Error returns one line for each problem.
func (e *Error) Error() string { return strings.Join(e.Lines, "\n") }

// Err returns an *Error with all problems found so far, or nil.
func (f *File) Err() error {
	if len(f.problems) == 0 {
		return nil
	}
	return &Error{Lines: f.lines(f.problems)}
}

// Warnings returns what is odd about the file and does no harm, a line each.
func (f *File) Warnings() []string { return f.lines(f.warnings) }

// Report adds a problem with the value at a path ("route[0].sink-table"), or with one that is missing there.
func (f *File) Report(path, text string) {
	if f.unread {
		return
	}
	f.problems = append(f.problems, problem{f.find(path), path, text})
}

func (f *File) addAt(p place, path, text string) {
	f.problems = append(f.problems, problem{p, path, text})
}

func (f *File) warnAt(p place, path, text string) {
	f.warnings = append(f.warnings, problem{p, path, text})
}

// has says whether a problem with that path is known already.
func (f *File) has(path string) bool {
	return slices.ContainsFunc(f.problems, func(p problem) bool { return p.path == path })
}

// find returns where a path stands: itself, else the first key that begins with it, else what it would stand in.
func (f *File) find(path string) place {
	if p, ok := f.places[path]; ok {
		return p
	}
	var below place
	for other, p := range f.places {
		if strings.HasPrefix(other, path+".") && (below == place{} || compare(p, below) < 0) {
			below = p
		}
	}
	if (below != place{}) {
		return below
	}
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if p, ok := f.places[path[:i]]; ok {
			return p
		}
	}
	return place{1, 1}
}

func compare(a, b place) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.col, b.col)) }

func (f *File) lines(problems []problem) []string {
	sorted := slices.Clone(problems)
	slices.SortStableFunc(sorted, func(a, b problem) int { return compare(a.place, b.place) })
	lines := make([]string, 0, len(sorted))
	for _, p := range sorted {
		line := fmt.Sprintf("%s:%d:%d: ", f.Path, p.line, p.col)
		if p.path != "" {
			line += p.path + ": "
		}
		lines = append(lines, line+p.text)
	}
	return slices.Compact(lines)
}
