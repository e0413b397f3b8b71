package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
)

func stateCommand() *command {
	return &command{
		name: "state", args: "FILE [-o text|json]", summary: "show where a pipeline stands, as last saved; works beside a running one",
		detail: "The JSON has a stable shape: fields may be added, and never change their name or meaning. README.md describes it.",
		flags: func(c *call) {
			c.flags.StringVar(&c.output, "o", "text", "print `text` or json")
		},
		run: runState,
	}
}

func runState(ctx context.Context, a *app, c *call) error {
	path, _, err := c.file(0, 0)
	if err != nil {
		return err
	}
	if c.output != "text" && c.output != "json" {
		return c.usage("-o %q: write text or json", c.output)
	}
	j, err := a.load(path)
	if err != nil {
		return err
	}
	s, err := pipeline.ReadState(ctx, j.stateDir, j.name)
	if err != nil {
		return err
	}
	if c.output == "text" {
		return printState(a.out, s)
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

func printState(out io.Writer, s *pipeline.SavedState) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "pipeline\t%s\nfile\t%s\n", s.Pipeline, s.File)
	position := string(s.Position)
	if position == "" {
		position = "not begun"
	}
	if s.Time != nil {
		position += "  of " + s.Time.Format(time.RFC3339)
	}
	fmt.Fprintf(w, "position\t%s\nstart\t%d\ncommit\t%d\n", position, s.Run, s.Epoch)
	if s.Bounded {
		fmt.Fprint(w, "ends\twhen all tables are copied\n")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printSavedTables(w, s.Tables)
	printChanges(w, s.Changes)
	return w.Flush()
}

func printSavedTables(w io.Writer, tables []pipeline.SavedTable) {
	if len(tables) == 0 {
		return
	}
	fmt.Fprint(w, "\nTABLE\tSINK\tSTATE\tCOPIED\tCHUNKS\tCOLUMNS\tSHAPE\tCOMMIT\n")
	for _, t := range tables {
		to := "-"
		if t.Sink != nil {
			to = schema.Name(*t.Sink).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\tv%d\t%d\n", schema.Name(t.Source), to, t.State, thousands(t.Rows), t.Chunks, t.Columns, t.Shape, t.Epoch)
	}
	for _, t := range tables {
		if t.Resync {
			fmt.Fprintf(w, "\n%s is copied anew by the next run\n", schema.Name(t.Source))
		} else if t.State == pipeline.Stopped {
			fmt.Fprintf(w, "\n%s stopped at %s: %s\n", schema.Name(t.Source), t.StoppedAt, t.Reason)
		}
	}
}

// printChanges prints the newest few schema changes.
func printChanges(w io.Writer, changes []pipeline.SavedChange) {
	const few = 10
	var lines []string
	for _, c := range changes {
		if c.Statement != "" { // the first shape of a table is no change to people
			what := c.State
			if c.Outcome != "" {
				what = printable(oneLine(c.Outcome))
			}
			lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s", c.At.Format(time.DateTime), schema.Name(c.Table), what, printable(oneLine(c.Statement))))
		}
	}
	if len(lines) > few {
		lines = lines[len(lines)-few:]
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\nSCHEMA CHANGES\n%s\n", strings.Join(lines, "\n"))
	}
}
