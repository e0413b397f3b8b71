package binlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// migrations are the online schema changes that are under way, by the name of the ghost.
type migrations map[schema.Name]*migration

// A migration is one of them, with what is worked out from its table's shape.
type migration struct {
	Migration
	before *schema.Table // the table's shape
	plan   *reshaping    // what will become of it
}

// of returns the migrations of a captured table.
func (ms migrations) of(name schema.Name) []*migration {
	var all []*migration
	for _, m := range ms {
		if m.Table == name {
			all = append(all, m)
		}
	}
	return all
}

// resumeMigrations takes up what a position has.
func (a *assembler) resumeMigrations(all []Migration) {
	a.migrations = migrations{}
	for _, p := range all {
		m := &migration{Migration: p}
		a.migrations[m.Ghost] = m
		if m.Why == "" {
			if why := a.restore(m); why != "" {
				m.giveUp(why)
			}
		}
	}
	a.noteMigrations()
}

// restore works out again what the log has told of a migration up to the position.
func (a *assembler) restore(m *migration) (why string) {
	t := a.find(m.Table)
	if t == nil || shapeHash(t.shape) != m.Shape {
		return "the table was not captured all the time, or has another shape now"
	}
	m.before, m.plan = t.shape, &reshaping{after: t.shape}
	if m.Alter == nil {
		return ""
	}
	sts := ddl.Parse(m.Alter.Text, m.Alter.mode(a.facts))
	if sts[0].Kind != ddl.AlterTable {
		return "the statement that altered it is not understood any more"
	}
	m.plan, why = newReshaping(&m.Migration, m.before, &sts[0], a.charset(m.Table.Namespace))
	return why
}

// giveUp notes that a migration will not be followed.
func (m *migration) giveUp(why string) {
	m.Migration = Migration{Tool: m.Tool, Table: m.Table, Ghost: m.Ghost, Why: why}
	m.before, m.plan = nil, nil
}

// noteMigrations has the position say what is known now, and tables looked at again that were known before.
func (a *assembler) noteMigrations() {
	a.pos.Migrations = nil
	for _, m := range a.migrations {
		m.text = m.encode()
		a.pos.Migrations = append(a.pos.Migrations, m.Migration)
	}
	slices.SortFunc(a.pos.Migrations, func(x, y Migration) int { return x.Ghost.Compare(y.Ghost) })
	a.epoch++
}

// overtaken gives up the migrations of a captured table of which something else has become.
func (a *assembler) overtaken(name schema.Name, why string) {
	for _, m := range a.migrations.of(name) {
		if m.Why == "" {
			m.giveUp(why)
			a.noteMigrations()
		}
	}
}

// track learns from a statement what it means for the migrations that are under way.
func (s *applied) track(st *ddl.Statement) {
	if s.a.migrations == nil || st.Temporary {
		return
	}
	m := s.a.migrations[st.Table]
	switch st.Kind {
	case ddl.CreateTable:
		if m == nil || !st.IfNotExists {
			s.begin(st)
		}
	case ddl.CreateTrigger:
		s.trigger(st)
	case ddl.DropTrigger:
		s.dropTrigger(st)
	case ddl.RenameTable:
		s.forget(st.Table)
		s.forget(st.To)
	case ddl.DropTable:
		s.forget(st.Table)
	case ddl.DropDatabase:
		for _, m := range s.a.migrations {
			if m.Ghost.Namespace == st.Table.Namespace {
				s.forget(m.Ghost)
			}
		}
	case ddl.AlterTable, ddl.TruncateTable, ddl.AnalyzeTable:
		if m != nil {
			s.ghost(m, st)
		}
	case ddl.DML, ddl.NotUnderstood:
		s.unclear(st)
	case ddl.CreateDatabase, ddl.AlterDatabase, ddl.Other:
	}
}

// forget ends a migration whose ghost is gone.
func (s *applied) forget(ghost schema.Name) {
	if s.a.migrations[ghost] != nil {
		delete(s.a.migrations, ghost)
		s.a.noteMigrations()
	}
}

func (s *applied) giveUp(m *migration, why string) {
	if m.Why == "" {
		m.giveUp(why)
		s.a.noteMigrations()
	}
}

// unclear takes a statement that may have changed the rows or the shape of ghosts.
func (s *applied) unclear(st *ddl.Statement) {
	for _, m := range s.a.migrations {
		if st.Table == (schema.Name{}) || st.Table == m.Ghost {
			s.giveUp(m, "a statement changed the new table in a way that the log does not tell: "+s.quote())
		}
	}
}

// begin takes the creation of a table that a tool may have made for a captured one.
func (s *applied) begin(st *ddl.Statement) {
	s.forget(st.Table)
	if s.a.tables[st.Table] != nil || s.a.match(st.Table) || len(s.a.migrations) >= maxMigrations {
		return
	}
	tool, t := s.ghostOf(st)
	if t == nil {
		return
	}
	m := &migration{Migration: Migration{Tool: tool, Table: t.shape.Name, Ghost: st.Table, Shape: shapeHash(t.shape)}}
	m.before, m.plan = t.shape, &reshaping{after: t.shape}
	s.a.migrations[m.Ghost] = m
	s.a.noteMigrations()
	switch {
	case len(t.shape.Key) == 0:
		s.giveUp(m, "the table has no key")
	case tool == PtOsc:
		m.Unique = uniqueColumns(st.Create)
		s.a.noteMigrations()
		if why := s.sameShape(m, st); why != "" {
			s.giveUp(m, why)
		}
	}
}

// ghostOf says which tool made a table, and for which captured one; nil when it is none's.
func (s *applied) ghostOf(st *ddl.Statement) (Tool, *table) {
	name := st.Table
	if t := s.a.find(st.Create.Like); t != nil && st.Create.Like.Namespace == name.Namespace {
		if strings.HasSuffix(name.Table, "_gho") && s.byGhOst() {
			return GhOst, t
		}
		return 0, nil
	}
	base, ok := strings.CutSuffix(name.Table, "_new")
	if !ok || st.Create.Like != (schema.Name{}) {
		return 0, nil
	}
	for strings.HasPrefix(base, "_") { // it takes more underscores where a name is taken
		base = base[1:]
		if t := s.a.find(schema.Name{Namespace: name.Namespace, Table: base}); t != nil {
			return PtOsc, t
		}
	}
	return 0, nil
}

// byGhOst says that the statement is gh-ost's: it puts a comment behind the first word of each.
func (s *applied) byGhOst() bool {
	_, rest, _ := strings.Cut(strings.TrimSpace(s.text), " ")
	return strings.HasPrefix(strings.TrimSpace(rest), "/* gh-ost */")
}

// sameShape says in what the definition of a new table differs from the shape that the captured one has.
func (s *applied) sameShape(m *migration, st *ddl.Statement) (why string) {
	shape, err := st.Create.Shape(st.Table, nil, s.a.charset(st.Table.Namespace))
	if err != nil {
		return err.Error()
	}
	same := func(x, y schema.Column) bool { return strings.EqualFold(x.Name, y.Name) && ddl.SameBut(x, y) }
	if !slices.EqualFunc(shape.Columns, m.before.Columns, same) || !slices.Equal(shape.Key, m.before.Key) {
		return fmt.Sprintf("the new table was not made like the table: %s, %s", shape, m.before)
	}
	return ""
}

// uniqueColumns are the columns in unique keys of a new table; nil when a key has an expression.
func uniqueColumns(c *ddl.Create) []string {
	names := []string{}
	for _, key := range append([][]ddl.KeyPart{c.Primary}, c.Unique...) {
		for _, part := range key {
			if part.Column == "" {
				return nil
			}
			names = append(names, part.Column)
		}
	}
	return names
}

// ghost takes a statement about a ghost.
func (s *applied) ghost(m *migration, st *ddl.Statement) {
	switch {
	case m.Why != "":
	case st.Kind == ddl.AnalyzeTable:
		if m.Tool == PtOsc && strings.HasSuffix(strings.TrimSpace(s.text), "/* pt-online-schema-change */") {
			m.Analyzed = true
			s.a.noteMigrations()
		}
	case st.Kind == ddl.TruncateTable:
		s.giveUp(m, "the new table was emptied by TRUNCATE")
	case reshapes(st):
		if why := s.alterGhost(m, st); why != "" {
			s.giveUp(m, why)
		}
	}
}

// reshapes says that an ALTER TABLE does more than to indexes and options.
func reshapes(st *ddl.Statement) bool {
	return slices.ContainsFunc(st.Clauses, func(c ddl.Clause) bool {
		return c.Refuses || c.Reason != "" || c.Kind != ddl.Harmless && c.Kind != ddl.DropIndex
	})
}

// alterGhost takes the statement that gives the ghost its shape: tools make one. Of a second one it would not be told which
// rows were there before it.
func (s *applied) alterGhost(m *migration, st *ddl.Statement) (why string) {
	switch {
	case m.Alter != nil:
		return "the new table was altered twice"
	case len(m.Triggers) > 0:
		return "the new table was altered when it was being filled"
	case len(s.text) > maxAlter:
		return fmt.Sprintf("its ALTER TABLE has more than %d bytes", maxAlter)
	}
	m.plan, why = newReshaping(&m.Migration, m.before, st, s.a.charset(m.Table.Namespace))
	if why == "" {
		m.Alter = &Alter{Text: s.text, Database: s.mode.Database, ANSI: s.mode.ANSIQuotes, NoEscapes: s.mode.NoBackslashEscapes, Implicit: s.mode.ImplicitTimestamps}
		s.a.noteMigrations()
	}
	return why
}

// trigger takes CREATE TRIGGER: one of pt-online-schema-change's, or one that changes what a ghost is filled with.
func (s *applied) trigger(st *ddl.Statement) {
	if m := s.a.migrations[st.Table]; m != nil {
		s.giveUp(m, "the new table got a trigger, which may have changed the rows that it was filled with")
		return
	}
	m := s.a.migrations[st.Trigger.Into]
	if m == nil || m.Why != "" || m.Tool != PtOsc || m.Table != st.Table || !strings.HasPrefix(st.Trigger.Name, "pt_osc_") {
		return
	}
	if why := m.plan.filledBy(m.before, st.Trigger); why != "" {
		s.giveUp(m, why)
		return
	}
	if m.Triggers == nil {
		m.Triggers = map[string]string{}
	}
	m.Triggers[st.Trigger.Event] = st.Trigger.Name
	s.a.noteMigrations()
}

func (s *applied) dropTrigger(st *ddl.Statement) {
	for _, m := range s.a.migrations {
		for event, name := range m.Triggers {
			if name == st.Trigger.Name && m.Table.Namespace == st.Table.Namespace {
				delete(m.Triggers, event)
				s.a.noteMigrations()
			}
		}
	}
}

// swapped takes RENAME TABLE t TO x, ghost TO t: the end of a migration. It is false when that is not followed; then the
// table is copied anew, and the reason is told.
func (s *applied) swapped(sts []ddl.Statement) bool {
	if s.a.migrations == nil || len(sts) != 2 || sts[0].Kind != ddl.RenameTable || sts[1].Kind != ddl.RenameTable || sts[1].To != sts[0].Table {
		return false
	}
	t, ghost := s.a.find(sts[0].Table), sts[1].Table
	if t == nil || s.a.find(ghost) != nil {
		return false
	}
	m := s.a.migrations[ghost]
	if why := s.whyNot(m, t, ghost); why != "" {
		s.unfollowed = why
		s.a.log.Warn("did not follow a migration", "table", t.shape.Name, "new", ghost, "position", s.place(), "err", errors.New(why))
		return false
	}
	s.a.log.Info("followed a migration", "table", t.shape.Name, "by", m.Tool, "new", ghost, "position", s.place())
	s.forget(ghost)
	s.a.epoch++
	if m.Alter != nil {
		s.text = m.Alter.Text + ";\n" + s.text
	}
	s.replace(t, m.plan.after, m.plan.edits)
	s.movedIn(sts[0].To)
	return true
}

// place is where in the log the statement is, for people.
func (s *applied) place() string { return fmt.Sprintf("%s:%d", s.a.pos.File, s.at) }

// whyNot says why a swap cannot be taken for an ALTER of the table; empty when it can.
func (s *applied) whyNot(m *migration, t *table, ghost schema.Name) string {
	switch {
	case m == nil && !strings.HasSuffix(ghost.Table, "_gho") && !strings.HasSuffix(ghost.Table, "_new"):
		return "the new table is not one of gh-ost's or pt-online-schema-change's"
	case m == nil:
		return "it was not seen that gh-ost or pt-online-schema-change made the new table: that was before this pipeline read the log, or nobody's tool did it"
	case m.Table != t.shape.Name:
		return fmt.Sprintf("the new table was made for %s", m.Table)
	case m.Why != "":
		return m.Why
	case m.before != t.shape:
		return "the table's shape changed meanwhile"
	case m.Tool == GhOst && !s.byGhOst():
		return "it was not gh-ost that swapped the tables"
	case m.Tool == GhOst && !m.Locked:
		return "the table was written to when gh-ost should have had it locked, so that the new one may lack rows"
	case m.Tool == PtOsc && len(m.Triggers) < 3:
		return "the triggers of pt-online-schema-change were not all there at the end"
	case m.Tool == PtOsc && !m.Analyzed:
		return "pt-online-schema-change did not say that it had copied all rows: it does by ANALYZE TABLE, unless told --no-analyze-before-swap"
	}
	return m.unproven()
}

// appeared is why a table is to be copied that has taken a captured name.
func (s *applied) appeared() error {
	if s.unfollowed == "" {
		return fmt.Errorf("%w (statement: %s)", source.ErrAppeared, s.quote())
	}
	return fmt.Errorf("%w, and this is not followed as an online schema change: %s (statement: %s)", source.ErrAppeared, s.unfollowed, s.quote())
}
