// Package items owns a scenario for each thing that a log of MySQL or MariaDB can hold: types of events, schema changes,
// tables that come and go. Each runs the built program against a real server, and the independent verifier judges the
// end. The scenarios are data: lists of statements, and what must come of them.
//
// A scenario has a database of its own, so that one life of the program serves many of them. CDCSYNC_MYSQL and
// CDCSYNC_MARIADB choose the server; CDCSYNC_MATRIX_OUT names a file for the matrix of items and servers, which each run
// adds its column to. CDCSYNC_ITEMS is a regular expression of the names of scenarios: only those are played.
package items

import (
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A scenario is one row of the matrix.
type scenario struct {
	item   string // of the issue: "DDL", "new tables"
	name   string // of the row; its database is named after it
	needs  needs
	config *config // that copies its database; nil: the common one

	setup []step // before the program starts for the first time
	// The steps run twice, each time in a database of its own: while the program is down, so that later it copies the tables
	// with the log far behind them (see lags), and while it follows the log.
	steps []step
	once  bool   // the steps run while it follows only
	down  []step // while the program is down again, at the end of what the steps should lead to
	again []step // while it runs again; what has stopped is copied anew

	outcome
	lagging *outcome // of the steps that run while it is down, where that differs
	check   func(x *stage) error
}

// An outcome is what must come of a scenario. Tables are those of its database unless they name another one, as in
// {new}/t. A table that has stopped, and is not among those that may, fails the scenario; so does one that is neither
// equal nor named here.
type outcome struct {
	equal   []string          // to their source, at the end
	empty   []string          // equal, and without rows
	gone    []string          // the sink has no such table
	kept    map[string]int    // the sink has so many rows of it; the source has no such table, or not those rows
	stops   map[string]string // a regular expression of the reason; a resync makes the table equal
	ended   map[string]string // the same, for a table that the source no longer has, or that cannot be copied
	refused map[string]string // the same, and `cdcsync check` says so before
	ignore  map[string]string // a regular expression of columns that the judge leaves out, on either side
	columns map[string]string // of tables in the sink, as "id int!, a string"; ! is required
}

// A config is a configuration of its own, or a server of its own.
type config struct {
	name     string
	settings e2e.Settings
	later    e2e.Settings                 // changed while the program is down for the second time
	options  map[servers.Flavour][]string // of a private server
	env      []string                     // of the program
}

// common copies all databases of its scenarios. Tables out_* are not captured, and dropped ones leave the sink.
var common = &config{name: "common"}

// lowerNames is a server that folds the names of databases and tables.
var lowerNames = &config{name: "lower_names", options: map[servers.Flavour][]string{
	servers.FlavourMySQL: {"--lower-case-table-names=1"}, servers.FlavourMariaDB: {"--lower-case-table-names=1"},
}}

// play runs scenarios on MariaDB and MySQL, those of different pipelines beside each other.
func play(t *testing.T, list []scenario) {
	t.Helper()
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		m := &matrix{server: fmt.Sprintf("%s %s", s.Flavour, s.Version)}
		t.Cleanup(func() { m.write(t) })
		for _, p := range configs(list) {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				r := newRun(t, p, s, m, list)
				if p.options != nil && len(r.plays) > 0 {
					r.on(start(t, s, p.options[s.Flavour]))
				}
				r.play(t)
			})
		}
	})
}

// configs are the pipelines of scenarios, in order.
func configs(list []scenario) []*config {
	var all []*config
	for i := range list {
		if list[i].config == nil {
			list[i].config = common
		}
		if !slices.Contains(all, list[i].config) {
			all = append(all, list[i].config)
		}
	}
	return all
}

// on moves the run to another server.
func (r *run) on(s *servers.Server) {
	r.server = s
	for _, x := range r.stages {
		x.server = s
	}
}

// start starts a private server of the same kind.
func start(t *testing.T, s *servers.Server, options []string) *servers.Server {
	t.Helper()
	if s.Flavour == servers.FlavourMySQL {
		return servers.MySQL(t, s.Version, options...)
	}
	return servers.MariaDB(t, s.Version, options...)
}

// lags says that the steps run while the program is down as well. Where both MariaDB and MySQL are tested, half of what
// both have does so on the one, and half on the other; test-matrix plays all of it, on one server after another.
func (c *scenario) lags(f servers.Flavour) bool {
	if c.once || len(c.steps) == 0 {
		return false
	}
	one := os.Getenv("CDCSYNC_MYSQL") == "none" || os.Getenv("CDCSYNC_MARIADB") == "none"
	if one || c.needs.mysql == never || c.needs.mariadb == never {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(c.name))
	return h.Sum32()%2 == 0 == (f == servers.FlavourMySQL)
}

var runs atomic.Int64

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// newRun prepares the scenarios of one pipeline that the server can play, and notes why it cannot play the others.
func newRun(t *testing.T, p *config, s *servers.Server, m *matrix, list []scenario) *run {
	t.Helper()
	r := &run{how: p, server: s, matrix: m, prefix: fmt.Sprintf("i%d_", runs.Add(1))}
	version, only := versionOf(t, s), regexp.MustCompile(os.Getenv("CDCSYNC_ITEMS"))
	for i := range list {
		c := &list[i]
		if c.config != p || !only.MatchString(c.name) {
			continue
		}
		if why := c.needs.lacks(s.Flavour, version); why != "" {
			m.set(c, "n.a.: "+why)
			continue
		}
		name := r.prefix + strings.Trim(notName.ReplaceAllString(strings.ToLower(c.name), "_"), "_")
		name = name[:min(len(name), 56)]
		play := &playing{scenario: c}
		if c.lags(s.Flavour) {
			play.lagging = &stage{scenario: c, server: s, db: name + "_lag", want: &c.outcome, behind: true}
			if c.lagging != nil {
				play.lagging.want = c.lagging
			}
			r.stages = append(r.stages, play.lagging)
		}
		play.following = &stage{scenario: c, server: s, db: name, want: &c.outcome}
		r.stages = append(r.stages, play.following)
		r.plays = append(r.plays, play)
	}
	return r
}
