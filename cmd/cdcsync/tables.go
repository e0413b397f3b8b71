package main

import (
	"regexp"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/schema"
)

// readTables compiles tables, tables.exclude and the routes.
func (j *job) readTables(f *config.File) {
	wanted, excluded := compile(f, "source.tables", f.Tables), compile(f, "source.tables.exclude", f.Exclude)
	j.match = func(n schema.Name) bool { return matches(wanted, n) && !matches(excluded, n) }
	j.routes = &pipeline.Routes{}
}

func matches(res []*regexp.Regexp, n schema.Name) bool {
	for _, re := range res {
		if re.MatchString(n.String()) {
			return true
		}
	}
	return false
}

func compile(f *config.File, path string, t config.Tables) (res []*regexp.Regexp) {
	for _, p := range t.Patterns {
		for one := range strings.SplitSeq(p, ",") {
			one = strings.ReplaceAll(strings.TrimSpace(one), `\.`, "\x00")
			if t.Globs {
				one = strings.ReplaceAll(one, "*", "\x00*")
			}
			one = strings.ReplaceAll(strings.ReplaceAll(one, ".", `\.`), "\x00", ".")
			re, err := regexp.Compile("^(?:" + one + ")$")
			if err != nil {
				f.Report(path, err.Error())
				continue
			}
			res = append(res, re)
		}
	}
	return res
}
