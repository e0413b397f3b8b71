package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/pipeline/option"
)

// connector stands for a source's or sink's own struct.
type connector struct {
	Hostname string            `yaml:"hostname"`
	Port     uint16            `yaml:"port"`
	Password option.Secret     `yaml:"password"`
	Timeout  time.Duration     `yaml:"connect.timeout"`
	Buffer   option.Bytes      `yaml:"write.buffer"`
	Factor   float64           `yaml:"factor"`
	Small    int8              `yaml:"small"`
	TLS      bool              `yaml:"tls"`
	Columns  []string          `yaml:"columns"`
	Catalog  map[string]string `yaml:"catalog.properties.*"`
	JDBC     map[string]string `yaml:"jdbc.properties.*"`
}

func (c *connector) Check() []option.Problem {
	if c.Hostname == "" {
		return []option.Problem{{Key: "hostname", Text: "required: the server"}}
	}
	if c.Catalog["type"] == "sql" && c.Catalog["warehouse"] == "" {
		return []option.Problem{{Key: "catalog.properties.warehouse", Text: "required"}}
	}
	return nil
}

func (c *connector) Warnings() []string {
	var w []string
	for key := range c.JDBC {
		w = append(w, "jdbc.properties."+key+" has no effect: there is no JDBC driver")
	}
	return w
}

var env = config.Env(func(name string) (string, bool) {
	v, ok := map[string]string{"PORT": "3307", "EMPTY": "", "CANARY": "canary-3141", "ROUTE": "a${PORT}b"}[name]
	return v, ok
})

// load parses a file with connectors for both sections.
func load(path, text string) (*config.File, *connector, *connector) {
	f := config.Parse(path, []byte(text), env)
	source, sink := &connector{Port: 3306}, &connector{Hostname: "set"}
	f.Source.Decode(source)
	f.Sink.Decode(sink)
	return f, source, sink
}

// Each message has a file that brings it about.
func TestParse_Messages(t *testing.T) {
	dir := t.TempDir()
	writeSecrets(t, dir)
	for _, name := range []string{"syntax", "keys", "values", "secrets", "pipeline"} {
		datadriven.RunTest(t, filepath.Join("testdata", name+".txt"), func(_ *testing.T, d *datadriven.TestData) string {
			input := strings.ReplaceAll(d.Input, `\t`, "\t")
			f, source, sink := load(filepath.Join(dir, "p.yaml"), input)
			var b strings.Builder
			if err := f.Err(); err != nil {
				fmt.Fprintln(&b, err)
			} else {
				fmt.Fprintf(&b, "tables %q globs %v exclude %q\n", f.Tables.Patterns, f.Tables.Globs, f.Exclude.Patterns)
				fmt.Fprintf(&b, "source %s %+v\nsink %s %+v\npipeline %+v\n", f.Source.Type, *source, f.Sink.Type, *sink, f.Pipeline)
				for _, r := range f.Routes {
					fmt.Fprintf(&b, "route %+v\n", r)
				}
			}
			for _, w := range f.Warnings() {
				fmt.Fprintln(&b, "warning:", w)
			}
			if strings.Contains(b.String(), "canary") {
				t.Errorf("%s: a secret is shown in %s", d.Pos, b.String())
			}
			return strings.ReplaceAll(b.String(), dir, "DIR")
		})
	}
}

func writeSecrets(t *testing.T, dir string) {
	t.Helper()
	for name, s := range map[string]struct {
		text string
		mode os.FileMode
	}{"good": {"canary-1\n", 0o600}, "open": {"canary-2", 0o644}, "empty": {"\n", 0o600}, "large": {strings.Repeat("x", 65<<10), 0o600}} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s.text), s.mode); err != nil {
			t.Fatal(err)
		}
	}
}

const least = `
source: {type: mysql, hostname: db, tables: 'shop.\.*', password: "%s"}
sink: {type: iceberg}
`

func TestParse_Secrets(t *testing.T) {
	dir := t.TempDir()
	writeSecrets(t, dir)
	for written, want := range map[string]string{
		"plain": "plain", "file:good": "canary-1", "file:" + dir + "/good": "canary-1", "${CANARY}": "canary-3141",
		"x${EMPTY:-y}$${CANARY}": "xy${CANARY}", "${ROUTE}": "a${PORT}b", "$1 ${1} $": "$1 ${1} $",
	} {
		f, source, _ := load(filepath.Join(dir, "p.yaml"), fmt.Sprintf(least, written))
		if err := f.Err(); err != nil {
			t.Errorf("%s: %v", written, err)
		}
		if got := source.Password.Reveal(); got != want {
			t.Errorf("%s: got %q, want %q", written, got, want)
		}
	}
}

// A variable cannot make the program read a file.
func TestParse_VariableIsNoPath(t *testing.T) {
	f := config.Parse("p.yaml", fmt.Appendf(nil, least, "${P}"), func(string) (string, bool) { return "file:/etc/hostname", true })
	var source connector
	f.Source.Decode(&source)
	if got := source.Password.Reveal(); got != "file:/etc/hostname" {
		t.Errorf("got %q", got)
	}
}

func TestLoad_Files(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a folder", large: "more than the limit", filepath.Join(dir, "none"): "no such file"} {
		if _, err := config.Load(path, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// An alias costs what it unfolds to, so a small file stays small.
func TestParse_AliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("source:\n  type: &a [" + strings.Repeat("x,", 1000) + "]\n  tables: [" + strings.Repeat("a, ", 5) + "]\n")
	b.WriteString("route:\n")
	b.WriteString("  - &r {source-table: x, sink-table: y}\n")
	for range 60_000 {
		b.WriteString("  - *r\n")
	}
	f, _, _ := load("p.yaml", b.String())
	if err := f.Err(); err == nil || !strings.Contains(err.Error(), "more than 100000 values") {
		t.Errorf("got %.300v", err)
	}
}

func TestNearest_Suggests(t *testing.T) {
	known := []string{"tables", "hostname", "port", "scan.startup.mode"}
	for word, want := range map[string]string{"tabels": "tables", "host": "", "hostnam": "hostname", "prot": "port", "scan.start.mode": "scan.startup.mode", "zzz": ""} {
		if got := config.Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(text), "\nload\n") {
			yaml, _, _ := strings.Cut(part, "\n----")
			f.Add(yaml)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, _, _ := load("p.yaml", text)
		err, ok := file.Err().(*config.Error) //nolint:errorlint // Err returns this type
		if file.Source.Type == "" && !ok {
			t.Error("a file without a source is fine")
		}
		if ok && slices.ContainsFunc(err.Lines, func(l string) bool { return !strings.HasPrefix(l, "p.yaml:") }) {
			t.Errorf("a message without its line: %q", err.Lines)
		}
	})
}
