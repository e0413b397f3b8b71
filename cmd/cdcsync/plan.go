package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/cdcsync/cdcsync/schema"
)

func planCommand() *command {
	return &command{
		name: "plan", args: "FILE", summary: "show which tables match, where they go and how; writes nothing",
		detail: "Rows are the server's estimate, which may be far off. Exit code 1 when a table that matches is refused.",
		run:    runPlan,
	}
}

func runPlan(ctx context.Context, a *app, c *call) (err error) {
	path, _, err := c.file(0, 0)
	if err != nil {
		return err
	}
	j, err := a.load(path)
	if err != nil {
		return err
	}
	src, err := j.connect(ctx, discard())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	found, err := src.Tables(ctx, j.match)
	if err != nil {
		return err
	}
	estimates, err := src.EstimateRows(ctx, found.Tables)
	if err != nil {
		return err
	}
	targets, problems := j.targets(found.Tables)
	fmt.Fprintf(a.out, "pipeline %s: %s, %d tables\n", j.name, src.Describe(), len(found.Tables))
	for _, t := range found.Tables {
		if to, ok := targets[t.Name]; ok {
			if p := j.printPlan(a.out, t, to, estimates[t.Name]); p != nil {
				problems = append(problems, *p)
			}
		}
	}
	for _, r := range found.Refused {
		problems = append(problems, schema.Finding{Level: schema.Problem, What: "table " + r.Table.String() + " is refused", Why: r.Err.Error()})
	}
	if len(found.Tables)+len(found.Refused) == 0 {
		problems = append(problems, schema.Finding{Level: schema.Problem, What: "no table matches", Fix: "cdcsync check says which there are"})
	}
	if len(problems) > 0 {
		fmt.Fprintln(a.out)
		return printFindings(a.out, problems)
	}
	return nil
}

// printPlan prints one table with the columns it will have, or returns why the sink cannot hold it.
func (j *job) printPlan(out io.Writer, t *schema.Table, to schema.Name, rows int64) *schema.Finding {
	as := *t
	as.Name = to
	columns, err := j.sink.plan(&as)
	if err != nil {
		return &schema.Finding{Level: schema.Problem, What: "the sink cannot hold table " + t.Name.String(), Why: err.Error()}
	}
	how := "whole, in one view: it has no key"
	if len(t.Key) > 0 {
		how = fmt.Sprintf("in about %s chunks", thousands(chunks(t, rows)))
	}
	fmt.Fprintf(out, "\n%s -> %s   about %s rows, copied %s\n", t.Name, to, thousands(rows), how)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		native := "" // a column that only the sink has
		if i < len(t.Columns) {
			native = t.Columns[i].Native
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", c.name, native, c.kind)
	}
	if err := w.Flush(); err != nil {
		return &schema.Finding{Level: schema.Problem, What: "the output ended", Why: err.Error()}
	}
	return nil
}

// chunks estimates how many chunks a table has: a word is 8 bytes, and other values are taken to be 24 on the average.
func chunks(t *schema.Table, rows int64) int64 {
	const shortText = 24
	width := int64(0)
	for _, c := range t.Columns {
		if c.Type.Fixed() {
			width += 8
		} else {
			width += shortText
		}
	}
	return rows*width/chunkBytes + 1
}
