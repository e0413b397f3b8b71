package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// call runs a command line and returns its exit code and output.
func runLine(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{out: &o, err: &e, env: func(name string) (string, bool) { return "value-of-" + name, name != "NOT_SET" }}
	code = a.run(t.Context(), args)
	return code, o.String(), e.String()
}

func TestRun_Usage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "a command is missing"},
		{"rum", exitUsage, `unknown command "rum"; did you mean run?`},
		{"frobnicate", exitUsage, "unknown command \"frobnicate\"\n"},
		{"run", exitUsage, "run: the pipeline file is missing\nusage: cdcsync run FILE"},
		{"run --metrisc :1 x.yaml", exitUsage, "unknown flag --metrisc; did you mean --metrics?"},
		{"run a.yaml b.yaml", exitUsage, `unexpected argument "b.yaml"`},
		{"run --metrics", exitUsage, "flag needs an argument: -metrics"},
		{"run none.yaml", exitUsage, "read the pipeline file: stat none.yaml: no such file"},
		{"check", exitUsage, "check: the pipeline file is missing"},
		{"peek f.yaml", exitUsage, "peek: arguments are missing"},
		{"peek f.yaml orders", exitUsage, `"orders" is no table: write namespace.table`},
		{"peek f.yaml a.b -n x", exitUsage, `invalid value "x" for flag -n`},
		{"peek f.yaml a.b -n -1", exitUsage, "a number of rows"},
		{"state f.yaml -o xml", exitUsage, `-o "xml": write text or json`},
		{"resync f.yaml", exitUsage, "name the tables, or write --all"},
		{"resync f.yaml a.b --all", exitUsage, "name the tables, or write --all"},
		{"version 1", exitUsage, "unexpected argument"},
		{"help rnu", exitUsage, "did you mean run?"},
		{"help", exitFine, "usage: cdcsync COMMAND"},
		{"--help", exitFine, "usage: cdcsync COMMAND"},
		{"help run", exitFine, "--metrics ADDR"},
		{"peek -h", exitFine, "-n ROWS"},
		{"version", exitFine, "cdcsync dev go1."},
		{"--version", exitFine, "cdcsync dev go1."},
	} {
		code, out, errs := runLine(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%q: got %d and %q, want %d and %q", c.args, code, out+errs, c.code, c.want)
		}
	}
}

func TestRun_HelpHidesNothingButProfiles(t *testing.T) {
	_, out, _ := runLine(t, "help", "run")
	if strings.Contains(out, "cpuprofile") || !strings.Contains(out, "-v ") {
		t.Errorf("got %s", out)
	}
}

// All that is wrong with a file is said, whatever the command, before anything is opened.
func TestRun_WrongFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	text := "source: {type: mysqll, hostname: h, tables: '(?=x).b'}\nsink: {type: iceberg, catalog.properties.type: sqll}\npipeline: {parallelism: 0}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check", "plan", "state"} {
		code, _, errs := runLine(t, command, path)
		if code != exitUsage {
			t.Errorf("%s: got exit code %d, want %d", command, code, exitUsage)
		}
		for _, want := range []string{
			":1:10: source.type: mysqll is no connector; did you mean mysql?", ":1:37: source.tables: ",
			":2:23: sink.catalog.properties.type: ", ":3:12: pipeline.parallelism: ",
		} {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: got %s, want %q in it", command, errs, want)
			}
		}
	}
}

// The examples are files that work.
func TestLoad_Examples(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %v, %v", files, err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), filepath.Base(name))
		local := regexp.MustCompile(`file:/run/secrets/\w+`).ReplaceAllString(string(text), "file:"+secret)
		if err := os.WriteFile(path, []byte(local), 0o600); err != nil {
			t.Fatal(err)
		}
		var warnings bytes.Buffer
		a := &app{out: &warnings, err: &warnings, env: func(name string) (string, bool) {
			return map[string]string{"DB_PORT": "3307"}[name], true
		}}
		if _, err := a.load(path); err != nil || warnings.Len() > 0 {
			t.Errorf("%s: %v %s", filepath.Base(name), err, &warnings)
		}
	}
}
