// Package config reads a pipeline file: YAML in the shape of Flink CDC, with the sections source, sink, route and
// pipeline. It decodes strictly, and reports all that is wrong with a file at once, each problem with its line. It knows
// no connector: who opens one has its section decoded into the connector's own struct.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile is far above any file that people write: 2,000 tables by name are 100 KiB.
const maxFile = 1 << 20

// Env looks a variable up, as os.LookupEnv does.
type Env func(name string) (value string, set bool)

// A File is a pipeline file as far as it could be read. What is wrong with it is collected: Err returns it all, and is
// asked after both connectors' sections have been decoded.
type File struct {
	Path     string
	Source   Section
	Tables   Tables // source.tables
	Exclude  Tables // source.tables.exclude; empty when nothing is excluded
	Sink     Section
	Routes   []Route
	Pipeline Pipeline
	// IncludeChanges and ExcludeChanges are the kinds of schema changes that the sink is told of, and is not.
	IncludeChanges, ExcludeChanges []string // sink.include.schema.changes, sink.exclude.schema.changes

	env      Env
	places   map[string]place // of each path of the file
	problems []problem
	warnings []problem
	unread   bool // the file is no YAML: nothing can be said of what is missing
	budget   int  // nodes that may still be visited
}

// A Route sends the tables that match one pattern to a sink table.
type Route struct {
	SourceTable   string `yaml:"source-table"`
	SinkTable     string `yaml:"sink-table"`
	ReplaceSymbol string `yaml:"replace-symbol"`
	Description   string `yaml:"description"`
}

// Load reads a file. The error is that of reading; what is wrong inside is told by File.Err.
func Load(path string, env Env) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the pipeline file: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read the pipeline file: %s is a folder", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("read the pipeline file: %s has %d bytes, more than the limit of %d: it is not a pipeline file", path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the pipeline file: %w", err)
	}
	return Parse(path, text, env), nil
}

// Parse reads the text of a file. path is for messages, and where relative paths begin.
func Parse(path string, text []byte, env Env) *File {
	f := &File{Path: path, env: env, places: map[string]place{}, budget: maxNodes}
	f.Pipeline = defaultPipeline(path)
	f.Source = Section{file: f, path: "source"}
	f.Sink = Section{file: f, path: "sink"}
	root := f.parseYAML(text)
	if root == nil {
		f.unread = true
		return f
	}
	f.readRoot(root)
	return f
}

// Dir is the folder that relative paths in the file begin at.
func (f *File) Dir() string { return filepath.Dir(f.Path) }

// Resolve makes a path of the file's absolute or relative to the working folder.
func (f *File) Resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir(), path)
}

const (
	notYet      = "not supported yet: this version copies tables as they are"
	rootExample = "write a file with the sections source, sink and pipeline; configs/ has examples"
)

func (f *File) readRoot(root *yaml.Node) {
	entries := f.entries("", root)
	known := []string{"source", "sink", "route", "pipeline", "transform"}
	for _, e := range entries {
		switch e.key {
		case "source":
			f.Source.read(e.value)
		case "sink":
			f.Sink.read(e.value)
		case "route":
			f.readRoutes(e.value)
		case "pipeline":
			s := Section{file: f, path: "pipeline"}
			s.read(e.value)
			s.Decode(&f.Pipeline)
		case "transform":
			f.addAt(e.place, "transform", notYet+"; remove the section")
		default:
			f.addAt(e.place, e.key, unknown("section", e.key, known))
		}
	}
	f.readTables()
	f.readChanges()
	for _, s := range []*Section{&f.Source, &f.Sink} {
		s.takeType()
	}
}

// readTables takes the keys of the source section that are not the connector's own.
func (f *File) readTables() {
	if !f.Source.present {
		return
	}
	e, ok := f.Source.take("tables")
	if ok {
		f.decodeInto(&f.Tables, e)
	}
	if !ok || ok && len(f.Tables.Patterns) == 0 && !f.has(e.path) {
		f.Report("source.tables", `required: the tables to copy, like tables: shop.\.* or tables: ["shop.*"]`)
	}
	if e, ok := f.Source.take("tables.exclude"); ok {
		f.decodeInto(&f.Exclude, e)
	}
}

// The keys of the sink section that are not the connector's own.
const (
	includeChanges = "include.schema.changes"
	excludeChanges = "exclude.schema.changes"
)

// readChanges takes them.
func (f *File) readChanges() {
	for key, into := range map[string]*[]string{includeChanges: &f.IncludeChanges, excludeChanges: &f.ExcludeChanges} {
		if e, ok := f.Sink.take(key); ok {
			f.decodeInto(into, e)
		}
	}
}

func (f *File) readRoutes(n *yaml.Node) {
	n = f.resolve(n, "route")
	if n == nil || n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		f.addAt(at(n), "route", "expected a list, each entry with source-table and sink-table, got "+describe(n))
		return
	}
	for i, c := range n.Content {
		s := Section{file: f, path: fmt.Sprintf("route[%d]", i)}
		f.places[s.path] = at(c)
		s.read(c)
		var r Route
		s.Decode(&r)
		f.checkRoute(s, r)
		f.Routes = append(f.Routes, r)
	}
}

func (f *File) checkRoute(s Section, r Route) {
	if !s.present {
		return
	}
	if r.SourceTable == "" && !f.has(s.path+".source-table") {
		s.Report("source-table", `required: the tables that the route takes, like shop.order_\d+`)
	}
	if r.SinkTable == "" && !f.has(s.path+".sink-table") {
		s.Report("sink-table", "required: where they go, like lake.orders")
	}
	if r.ReplaceSymbol != "" && r.SinkTable != "" && !strings.Contains(r.SinkTable, r.ReplaceSymbol) {
		s.Report("replace-symbol", fmt.Sprintf("%q does not occur in sink-table %q: all tables would go to the same place; put it where the table's name belongs", r.ReplaceSymbol, r.SinkTable))
	}
}
