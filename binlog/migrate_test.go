package binlog_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// TestStream_Migrations runs scripts of statements, one a line, as tools for online schema changes write them, and compares
// what is read of them: at once, and by a run that resumes at each commit on the way. Tables whose name begins with _ are
// not captured. Arguments: "off" (the option is off), "collations" (on servers that log them).
func TestStream_Migrations(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		datadriven.Walk(t, "testdata/migrate", func(t *testing.T, path string) {
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.HasArg("collations") && (s.Flavour != servers.FlavourMySQL || strings.HasPrefix(s.Version, "5.")) {
					return d.Expected
				}
				db := s.Database(t)
				m := &migrating{s: s, db: db, end: head(t, s), on: !d.HasArg("off")}
				from := m.end
				script(t, s, db, strings.Split(strings.TrimSpace(d.Input), "\n")...)
				m.end = head(t, s)
				events := m.read(t, from, nil)
				m.resumed(t, d.Pos, events)
				return m.text(events)
			})
		})
	})
}

// migrating is the reading of one script.
type migrating struct {
	s   *servers.Server
	db  string
	end source.Position
	on  bool
}

func (m *migrating) read(t *testing.T, from source.Position, shapes []*schema.Table) []source.Event {
	t.Helper()
	cfg := config(m.s, m.db, shapes...)
	cfg.Migrations = m.on
	cfg.Match = func(n schema.Name) bool { return n.Namespace == m.db && !strings.HasPrefix(n.Table, "_") }
	stream, err := binlog.Open(t.Context(), cfg, from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	return until(t, stream, m.end)
}

// resumed reads the log again from each commit on, and expects the rest of the events.
func (m *migrating) resumed(t *testing.T, pos string, events []source.Event) {
	t.Helper()
	tables := map[schema.Name]*schema.Table{}
	for i, ev := range events {
		switch {
		case ev.Schema != nil:
			if ev.Schema.Before != nil {
				delete(tables, ev.Schema.Before.Name)
			}
			if ev.Schema.After != nil {
				tables[ev.Schema.After.Name] = ev.Schema.After
			}
		case ev.Stopped != nil:
			return // a caller would copy the table again
		case ev.Commit != "":
			var shapes []*schema.Table
			for _, shape := range tables {
				shapes = append(shapes, shape)
			}
			rest := m.read(t, ev.Commit, shapes)
			if got, want := m.text(rest), m.text(events[i+1:]); got != want {
				t.Errorf("%s: resumed at %s: got\n%s\nwant\n%s", pos, ev.Commit, got, want)
			}
			freeAll(rest)
		}
	}
}

// text describes events, with the reasons of stops and the statements of changes that migrations made.
func (m *migrating) text(events []source.Event) string {
	var b strings.Builder
	for i, ev := range events {
		b.WriteString(describe(events[i : i+1]))
		switch {
		case ev.Stopped != nil:
			_, why, _ := strings.Cut(ev.Stopped.Error(), "online schema change: ")
			why, _, _ = strings.Cut(why, " (statement: ")
			if why = strings.ReplaceAll(why, m.db, "db"); why != "" {
				b.WriteString("  " + why + "\n")
			}
		case ev.Schema != nil && strings.Contains(ev.Schema.Statement, ";\n"):
			b.WriteString("  " + strings.ReplaceAll(ev.Schema.Statement, ";\n", "\n  ") + "\n")
		}
	}
	return b.String()
}

// TestPosition_Migrations holds that a position keeps what is under way, beside all else that it may have.
func TestPosition_Migrations(t *testing.T) {
	under := binlog.Migration{
		Tool: binlog.PtOsc, Table: schema.Name{Namespace: "d", Table: "t#&/"}, Ghost: schema.Name{Namespace: "d", Table: "_t_new"}, Shape: 1<<64 - 1,
		Unique: []string{"id"}, Alter: &binlog.Alter{Text: "ALTER TABLE _t_new ADD ü int", Database: "d", ANSI: true},
		Triggers: map[string]string{"insert": "pt_osc_d_t_ins"}, Analyzed: true, Filled: []string{"a"}, Text: [2][]int{{45}, {46}},
	}
	given := binlog.Migration{Tool: binlog.GhOst, Table: schema.Name{Namespace: "d", Table: "u"}, Ghost: schema.Name{Namespace: "d", Table: "_u_gho"}, Why: "for a reason"}
	for _, prepared := range [][]binlog.Prepared{nil, {{XID: "x'61',x'',1", File: "b.000001", Offset: 4}}} {
		p := binlog.Position{Flavor: binlog.MySQL, File: "b.000002", Offset: 7, Prepared: prepared, Migrations: []binlog.Migration{under, given}}
		q, err := binlog.ParsePosition(p.Text())
		if err != nil {
			t.Fatal(err)
		}
		if q.Text() != p.Text() || len(q.Prepared) != len(prepared) || len(q.Migrations) != 2 {
			t.Errorf("got %s, want %s", q.Text(), p.Text())
		}
		if m := q.Migrations[0]; m.Shape != under.Shape || *m.Alter != *under.Alter || m.Text[1][0] != 46 || q.Migrations[1].Why != given.Why {
			t.Errorf("got %+v", q.Migrations)
		}
	}
	for _, bad := range []source.Position{"mysql//b.1:4##!", "mysql//b.1:4##e30", "mysql//b.1:4##bm8"} {
		if p, err := binlog.ParsePosition(bad); err == nil {
			t.Errorf("%s: got %+v, want an error", bad, p)
		}
	}
}
