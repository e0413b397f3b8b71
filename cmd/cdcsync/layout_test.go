package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cdcsync/cdcsync/"

// may says which of our packages each package imports: the dependency rule of DESIGN.md section 2. A folder stands for
// those below it too, if they have no entry of their own. pipeline/option and e2e/fault may be imported by everybody.
var may = map[string][]string{
	"schema":          {},
	"schema/row":      {"schema"},
	"source":          {"schema", "schema/row"},
	"sink":            {"schema", "schema/row"},
	"snapshot":        {"schema", "schema/row", "source"},
	"binlog":          {"schema", "schema/row", "source", "binlog"},
	"source/mysql":    {"schema", "schema/row", "source", "binlog"},
	"sink/iceberg":    {"schema", "schema/row", "sink"},
	"sink/clickhouse": {"schema", "schema/row", "sink"},
	"sink/kafka":      {"schema", "schema/row", "sink", "sink/kafka"},
	"pipeline":        {"schema", "schema/row", "source", "snapshot", "sink"},
	"pipeline/config": {},
	"pipeline/option": {},
	"e2e/fault":       {},
	"cmd/cdcsync": {"schema", "source", "source/mysql", "snapshot", "sink", "sink/iceberg", "sink/clickhouse", "sink/kafka",
		"pipeline", "pipeline/config"},
}

func TestLayout_DependencyRule(t *testing.T) {
	packages := list(t)
	if len(packages) < 8 {
		t.Fatalf("got %d packages: the list is not whole", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := rule(name)
		if !ok {
			t.Errorf("%s has no place in the dependency rule", name)
			continue
		}
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module)
			if !isOurs || ours == "pipeline/option" || ours == "e2e/fault" || slices.Contains(allowed, ours) || within(ours, allowed) {
				continue
			}
			t.Errorf("%s imports %s: it may import %v", name, ours, allowed)
		}
	}
}

// within says that a package lies below one that is allowed and has no rule of its own.
func within(name string, allowed []string) bool {
	_, own := may[name]
	return !own && slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(name, a+"/") })
}

func rule(name string) ([]string, bool) {
	for {
		if allowed, ok := may[name]; ok {
			return allowed, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil, false
		}
		name = name[:i]
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

// Only connectors.go names connectors.
func TestLayout_ConnectorsHaveOneFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("got files %v, %v", files, err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			ours, isOurs := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
			connector := isOurs && (strings.HasPrefix(ours, "source/") || strings.HasPrefix(ours, "sink/"))
			if connector && name != "connectors.go" && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s imports %s: only connectors.go may", name, ours)
			}
		}
	}
}

// list returns our packages that the program is made of.
func list(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", ".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var ours []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ours
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			ours = append(ours, p)
		}
	}
}
