package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// Pipeline is the section of that name.
type Pipeline struct {
	Name           string        `yaml:"name"`            // names the pipeline in the sink; default: the file's name without extension
	Parallelism    int           `yaml:"parallelism"`     // chunks read, and tables written, at once
	CommitInterval time.Duration `yaml:"commit.interval"` // from one commit to the next; 0: what suits the sink
	MemoryBudget   option.Bytes  `yaml:"memory.budget"`   // of rows in flight
	StateDir       string        `yaml:"state.dir"`       // folder of the state file; relative to the pipeline file
	RouteMode      RouteMode     `yaml:"route-mode"`
	SchemaChange   string        `yaml:"schema.change.behavior"` // evolve, try_evolve, lenient, ignore or exception

	// Flink's own, without effect here.
	Execution         map[string]string `yaml:"execution.*"`
	LocalTimeZone     string            `yaml:"local-time-zone"`
	RPCTimeout        string            `yaml:"schema-operator.rpc-timeout"`
	SchemaOperatorUID string            `yaml:"schema.operator.uid"`
	OperatorUIDPrefix string            `yaml:"operator.uid.prefix"`
	Partitioning      string            `yaml:"sink.partitioning.strategy"`
	DecimalMode       string            `yaml:"transform.decimal.precision.mode"`
}

// A RouteMode says how many routes a table takes.
type RouteMode string

// The modes.
const (
	AllMatch   RouteMode = "ALL_MATCH"   // every route that matches
	FirstMatch RouteMode = "FIRST_MATCH" // the first one
)

// UnmarshalText reads a mode, in any case.
func (m *RouteMode) UnmarshalText(text []byte) error {
	v := RouteMode(strings.ToUpper(strings.ReplaceAll(string(text), "-", "_")))
	if v != AllMatch && v != FirstMatch {
		return fmt.Errorf("%q is none of ALL_MATCH, FIRST_MATCH", text)
	}
	*m = v
	return nil
}

func defaultPipeline(path string) Pipeline {
	base := filepath.Base(path)
	return Pipeline{
		Name:         strings.TrimSuffix(base, filepath.Ext(base)),
		Parallelism:  2,
		MemoryBudget: 64 << 20,
		StateDir:     ".cdcsync",
		RouteMode:    AllMatch,
		SchemaChange: "evolve",
	}
}

// maxName is what fits a file name beside suffixes.
const maxName = 128

// Check returns what is wrong with the section.
func (p *Pipeline) Check() []option.Problem {
	var problems []option.Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, option.Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	if p.Name == "" || len(p.Name) > maxName || strings.ContainsFunc(p.Name, func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }) {
		add("name", "%q: a name has 1 to %d printable characters and no slash", p.Name, maxName)
	}
	if p.Parallelism < 1 || p.Parallelism > 64 {
		add("parallelism", "%d: a number from 1 to 64", p.Parallelism)
	}
	const shortest = 10 * time.Millisecond
	if p.CommitInterval != 0 && (p.CommitInterval < shortest || p.CommitInterval > time.Hour) {
		add("commit.interval", "%v: from %v to 1h; each commit makes a snapshot, a part or a transaction of each table that changed", p.CommitInterval, shortest)
	}
	if p.MemoryBudget < 16<<20 {
		add("memory.budget", "%v: at least 16MiB; the largest row must fit several times", p.MemoryBudget)
	}
	if p.StateDir == "" {
		add("state.dir", "is empty; write a folder, or leave the key out for .cdcsync beside this file")
	}
	return append(problems, p.checkSchemaChange()...)
}

func (p *Pipeline) checkSchemaChange() []option.Problem {
	known := []string{"evolve", "try_evolve", "lenient", "ignore", "exception"}
	if slices.Contains(known, strings.ToLower(p.SchemaChange)) {
		return nil
	}
	return []option.Problem{{Key: "schema.change.behavior", Text: fmt.Sprintf("%q is none of %s", p.SchemaChange, strings.Join(known, ", "))}}
}

// Warnings names the keys that are set and have no effect here.
func (p *Pipeline) Warnings() []string {
	const suffix = " has no effect: it concerns Flink's runtime"
	var warnings []string
	for key := range p.Execution {
		warnings = append(warnings, "execution."+key+suffix)
	}
	for key, value := range map[string]string{
		"local-time-zone": p.LocalTimeZone, "schema-operator.rpc-timeout": p.RPCTimeout, "schema.operator.uid": p.SchemaOperatorUID,
		"operator.uid.prefix": p.OperatorUIDPrefix, "sink.partitioning.strategy": p.Partitioning, "transform.decimal.precision.mode": p.DecimalMode,
	} {
		if value != "" {
			warnings = append(warnings, key+suffix)
		}
	}
	slices.Sort(warnings)
	return warnings
}
