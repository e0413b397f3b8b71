package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

func checkCommand() *command {
	return &command{
		name: "check", args: "FILE", summary: "connect and say what is missing, why it matters and how to mend it; writes nothing",
		detail: "Exit code 1 when something is a problem; warnings alone are fine.",
		run:    runCheck,
	}
}

func runCheck(ctx context.Context, a *app, c *call) (err error) {
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
	findings, err := src.Check(ctx, found.Tables)
	if err != nil {
		return err
	}
	tables, err := j.checkTables(ctx, src, found)
	if err != nil {
		return err
	}
	findings = append(findings, tables...)
	findings = append(findings, j.checkSink(ctx, found.Tables)...)
	findings = append(findings, j.checkState(ctx)...)
	return printFindings(a.out, findings)
}

// checkTables says whether the right tables were found and where they go.
func (j *job) checkTables(ctx context.Context, src sourceConnector, found source.Discovered) ([]schema.Finding, error) {
	var findings []schema.Finding
	if len(found.Tables)+len(found.Refused) == 0 {
		all, err := src.Tables(ctx, func(schema.Name) bool { return true })
		if err != nil {
			return nil, err
		}
		return []schema.Finding{noTable(all)}, nil
	}
	for _, r := range found.Refused {
		findings = append(findings, schema.Finding{Level: schema.Problem, What: "table " + r.Table.String() + " cannot be copied", Why: r.Err.Error(), Fix: "mend it as said, or add the table to tables.exclude"})
	}
	if _, problems := j.targets(found.Tables); len(problems) > 0 {
		return append(findings, problems...), nil
	}
	return append(findings, schema.Finding{What: fmt.Sprintf("%d tables match, each with a sink table of its own", len(found.Tables))}), nil
}

// noTable words the finding that nothing matches, with some of the tables that there are.
func noTable(all source.Discovered) schema.Finding {
	f := schema.Finding{Level: schema.Problem, What: "tables: no table matches", Why: "nothing would be copied"}
	names := make([]string, 0, len(all.Tables))
	for _, t := range all.Tables {
		names = append(names, t.Name.String())
	}
	if len(names) == 0 {
		f.Fix = "grant the account SELECT on the tables, or create them: it sees none at all"
		return f
	}
	const few = 10
	more := ""
	if len(names) > few {
		names, more = names[:few], fmt.Sprintf(" and %d more", len(names)-few)
	}
	f.Fix = `write tables so that it matches some of what the account sees: ` + strings.Join(names, ", ") + more + `; in a text \. means any character, and a plain . parts database and table`
	return f
}

// targets returns the sink table of each table, and problems where two share one.
func (j *job) targets(tables []*schema.Table) (map[schema.Name]schema.Name, []schema.Finding) {
	targets := make(map[schema.Name]schema.Name, len(tables))
	owners := map[string]schema.Name{}
	var problems []schema.Finding
	for _, t := range tables {
		to, err := j.routes.Name(t.Name)
		if err != nil {
			problems = append(problems, schema.Finding{Level: schema.Problem, What: "table " + t.Name.String() + " has no route", Why: err.Error(), Fix: "change the routes"})
			continue
		}
		folded := strings.ToLower(to.String()) // catalogs differ in whether case tells tables apart
		if other, taken := owners[folded]; taken {
			problems = append(problems, schema.Finding{
				Level: schema.Problem, What: fmt.Sprintf("tables %s and %s both go to %s", other, t.Name, to),
				Why: "rows of one would overwrite rows of the other", Fix: "give each a sink-table of its own with a route",
			})
		}
		owners[folded], targets[t.Name] = t.Name, to
	}
	return targets, problems
}

// checkSink looks at the sink as it would be used.
func (j *job) checkSink(ctx context.Context, tables []*schema.Table) []schema.Finding {
	targets, _ := j.targets(tables)
	var findings []schema.Finding
	for _, t := range tables {
		as := *t
		as.Name = targets[t.Name]
		if _, err := j.sink.plan(&as); err != nil {
			findings = append(findings, schema.Finding{Level: schema.Problem, What: "the sink cannot hold table " + t.Name.String(), Why: err.Error(), Fix: "change the table, or add it to tables.exclude"})
		}
	}
	if why := j.sink.absent(); why != "" {
		return append(findings, schema.Finding{What: "the sink is empty: " + why + "; run creates it"})
	}
	snk, err := j.sink.open(ctx, j.name, discard())
	if err != nil {
		return append(findings, schema.Finding{Level: schema.Problem, What: "the sink does not open", Why: err.Error(), Fix: "see the sink section of the pipeline file"})
	}
	findings = append(findings, snk.Check(ctx)...)
	if err := snk.Close(); err != nil {
		findings = append(findings, schema.Finding{Level: schema.Warning, What: "the sink does not close", Why: err.Error()})
	}
	return findings
}

// checkState looks at the state of earlier runs.
func (j *job) checkState(ctx context.Context) []schema.Finding {
	path := pipeline.StatePath(j.stateDir, j.name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return []schema.Finding{{What: "the pipeline has no state yet: it begins as scan.startup.mode says"}}
	}
	s, err := pipeline.ReadState(ctx, j.stateDir, j.name)
	if err != nil {
		return []schema.Finding{{Level: schema.Problem, What: "the state cannot be read", Why: err.Error(), Fix: "do what the reason says; the state is never changed without being asked"}}
	}
	findings := []schema.Finding{{What: fmt.Sprintf("the state resumes at %s", s.Position)}}
	for _, t := range s.Tables {
		if t.State == pipeline.Stopped {
			findings = append(findings, schema.Finding{Level: schema.Problem, What: "table " + schema.Name(t.Source).String() + " is stopped", Why: t.Reason, Fix: "mend the reason, then cdcsync resync FILE " + schema.Name(t.Source).String()})
		}
	}
	return findings
}

// printFindings prints what is wrong first, and returns errFailed when there is a problem.
func printFindings(out io.Writer, findings []schema.Finding) error {
	count := map[schema.Level]int{}
	for _, level := range []schema.Level{schema.Problem, schema.Warning, schema.Fine} {
		for _, f := range findings {
			if f.Level != level {
				continue
			}
			count[level]++
			fmt.Fprintf(out, "%-8s %s\n", levelName(level), f.What)
			if f.Why != "" {
				fmt.Fprintf(out, "         why: %s\n", f.Why)
			}
			if f.Fix != "" {
				fmt.Fprintf(out, "         fix: %s\n", f.Fix)
			}
		}
	}
	fmt.Fprintf(out, "\n%d problems, %d warnings, %d fine\n", count[schema.Problem], count[schema.Warning], count[schema.Fine])
	if count[schema.Problem] > 0 {
		return errFailed
	}
	return nil
}

func levelName(l schema.Level) string {
	switch l {
	case schema.Problem:
		return "PROBLEM"
	case schema.Warning:
		return "warning"
	case schema.Fine:
	}
	return "ok"
}
