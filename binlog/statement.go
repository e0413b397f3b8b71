package binlog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// maxStatement is how much of a statement an error quotes.
const maxStatement = 1024

// statement applies a statement of the log to the shapes of the captured tables.
func (a *assembler) statement(e *event) error {
	q, err := parseQuery(e.body)
	if err != nil {
		return a.fatal(e, err.Error())
	}
	text, err := q.statement(a.facts.charsets)
	if err != nil {
		return a.fatal(e, err.Error())
	}
	mode := q.parserMode(a.facts)
	s := applied{a: a, at: e.start, text: text, mode: mode, strict: q.mode&modeStrict != 0, charset: a.facts.charsets[q.server]}
	sts := ddl.Parse(text, mode)
	if s.swapped(sts) {
		return nil
	}
	for i := range sts {
		s.apply(&sts[i])
		s.track(&sts[i])
	}
	return nil
}

// applied is one statement on its way into the shapes.
type applied struct {
	a       *assembler
	at      uint64
	text    string
	mode    ddl.Mode
	strict  bool   // the server refuses to cut values to fit
	charset string // of databases that are created and name none; empty: not known
	// unfollowed is why the statement, which ends a migration, is not taken for an ALTER of its table.
	unfollowed string
}

// quote is the beginning of the statement, for people. Its strings, which may be secrets, are left out.
func (s *applied) quote() string { return ddl.Quote(s.text, s.mode, maxStatement) }

func (s *applied) apply(st *ddl.Statement) {
	if st.Temporary && st.Kind != ddl.DropTable {
		return
	}
	switch st.Kind {
	case ddl.CreateTable:
		s.create(st)
	case ddl.DropTable, ddl.TruncateTable, ddl.AlterTable:
		s.change(st)
	case ddl.RenameTable:
		s.rename(st)
	case ddl.DropDatabase:
		for _, t := range s.a.in(st.Table.Namespace) {
			s.replace(t, nil, nil)
		}
	case ddl.DML:
		s.stopAll(st, errors.New("a statement changed rows by its text (binlog_format is not ROW for its session): "+
			"SET GLOBAL binlog_format = ROW, then resync the table"))
	case ddl.NotUnderstood:
		if st.Creates && s.a.tables[st.Table] == nil {
			s.movedIn(st.Table)
			return
		}
		s.stopAll(st, fmt.Errorf("the statement is not understood: %s; resync the table", st.Reason))
	case ddl.CreateDatabase, ddl.AlterDatabase:
		s.database(st)
	case ddl.CreateTrigger, ddl.DropTrigger, ddl.AnalyzeTable, ddl.Other:
		// No table has another shape or other rows by them.
	}
}

// database notes the character set that tables to come have when they name none.
func (s *applied) database(st *ddl.Statement) {
	set, known := st.Charset, s.a.facts.databases[st.Table.Namespace]
	if set == "" && st.Kind == ddl.CreateDatabase {
		set = s.charset
	}
	if exists := known != "" && st.IfNotExists; set != "" && !exists && s.a.facts.databases != nil {
		s.a.facts.databases[st.Table.Namespace] = set
	}
}

// in returns the captured tables of a database.
func (a *assembler) in(namespace string) []*table {
	var all []*table
	for name, t := range a.tables {
		if name.Namespace == namespace && !t.stopped {
			all = append(all, t)
		}
	}
	return all
}

// find returns a captured table, nil if it is not captured or stopped.
func (a *assembler) find(name schema.Name) *table {
	if t := a.tables[name]; t != nil && !t.stopped {
		return t
	}
	return nil
}

// stopAll stops the table that a statement names; all tables when it names none.
func (s *applied) stopAll(st *ddl.Statement, why error) {
	if st.Table != (schema.Name{}) {
		if t := s.a.find(st.Table); t != nil {
			s.stop(t, why)
		}
		return
	}
	for _, t := range s.a.tables {
		if !t.stopped {
			s.stop(t, why)
		}
	}
}

func (s *applied) stop(t *table, why error) {
	s.a.stop(t, s.at, fmt.Errorf("%w (statement: %s)", why, s.quote()))
}

// create captures a new table that matches, from its creation on.
func (s *applied) create(st *ddl.Statement) {
	old := s.a.find(st.Table)
	if old != nil && !st.Create.OrReplace {
		return // IF NOT EXISTS, or the shapes had it already
	}
	if stopped := s.a.tables[st.Table] != old; stopped || old == nil && !s.a.match(st.Table) {
		return
	}
	if old != nil {
		if s.replace(old, nil, nil); old.stopped {
			return
		}
	}
	shape, err := s.created(st)
	if err != nil {
		s.a.stopped(st.Table, s.at, fmt.Errorf("%w: %w (statement: %s)", source.ErrAppeared, err, s.quote()))
		s.a.tables[st.Table] = &table{shape: &schema.Table{Name: st.Table}, stopped: true}
		return
	}
	if old != nil {
		shape.Version = old.shape.Version + 1
	}
	s.a.tables[st.Table] = &table{shape: shape}
	s.a.epoch++
	s.emit(nil, shape, nil)
}

// created works out the shape of a new table.
func (s *applied) created(st *ddl.Statement) (*schema.Table, error) {
	var like *schema.Table
	if t := s.a.find(st.Create.Like); t != nil {
		like = t.shape
	}
	return st.Create.Shape(st.Table, like, s.a.charset(st.Table.Namespace))
}

// charset is what text columns have that name none. Rows are decoded by what their table map says, where it says so.
func (a *assembler) charset(database string) string {
	if set := a.facts.databases[database]; set != "" {
		return set
	}
	return a.facts.charset
}

// errKeyDropped: rows that share what was their key would be taken for one.
var errKeyDropped = errors.New("an index was dropped, and the key of the table is a unique key, perhaps that one: resync the table")

// change applies a statement to one captured table.
func (s *applied) change(st *ddl.Statement) {
	t := s.a.find(st.Table)
	if t == nil {
		s.changeOther(st)
		return
	}
	if reasons := st.DataChanges(); len(reasons) > 0 {
		s.stop(t, fmt.Errorf("rows change without a trace in the log: %s; resync the table", strings.Join(reasons, "; ")))
		return
	}
	if t.shape.Unique && st.DropsIndex() {
		s.stop(t, errKeyDropped)
		return
	}
	after, edits, err := ddl.Apply(t.shape, st, s.a.charset(st.Table.Namespace))
	if err != nil {
		s.stop(t, fmt.Errorf("the statement does not fit the known shape: %w; resync the table", err))
		return
	}
	if after != nil && after != t.shape {
		if why := rewrites(t.shape, after, edits, s.strict); why != "" {
			s.stop(t, fmt.Errorf("rows change without a trace in the log: %s; resync the table", why))
			return
		}
		if err := fill(st, after, edits); err != nil {
			s.stop(t, fmt.Errorf("%w; resync the table", err))
			return
		}
	}
	switch {
	case after != nil && after.Name != st.Table:
		s.move(t, after, edits)
	case after == t.shape && s.a.references && st.Constrains():
		s.emit(after, after, nil)
	default:
		s.replace(t, after, edits)
	}
}

// changeOther takes a statement about a table that is not captured.
func (s *applied) changeOther(st *ddl.Statement) {
	if st.Kind != ddl.AlterTable || s.a.tables[st.Table] != nil {
		return
	}
	for _, c := range st.Clauses {
		if c.Kind == ddl.RenameTo {
			s.movedIn(c.To)
			return
		}
	}
	if s.a.match(st.Table) {
		s.a.stopped(st.Table, s.at, fmt.Errorf("%w (statement: %s)", source.ErrAltered, s.quote()))
	}
}

// replace puts the next shape in the place of a table's shape; nil drops the table.
func (s *applied) replace(t *table, after *schema.Table, edits []schema.Edit) {
	if after == t.shape {
		return
	}
	if s.a.held.has(t.shape.Name) {
		s.stop(t, errHeldShape)
		return
	}
	before := t.shape
	t.batch = nil
	s.a.epoch++
	s.a.overtaken(before.Name, "the table itself was altered or emptied meanwhile")
	if after == nil {
		delete(s.a.tables, before.Name)
	} else {
		t.shape = after
	}
	s.emit(before, after, edits)
}

// rename takes RENAME TABLE.
func (s *applied) rename(st *ddl.Statement) {
	t := s.a.find(st.Table)
	if t == nil {
		s.movedIn(st.To)
		return
	}
	after, edits, err := ddl.Apply(t.shape, st, "")
	if err != nil {
		s.stop(t, err)
		return
	}
	s.move(t, after, edits)
}

// movedIn takes a table that was not captured, and now bears a name that is.
func (s *applied) movedIn(to schema.Name) {
	delete(s.a.tables, to)
	if s.a.match(to) {
		s.a.stopped(to, s.at, s.appeared())
		s.a.tables[to] = &table{shape: &schema.Table{Name: to}, stopped: true}
	}
	s.a.epoch++
}

// move renames a captured table. Renamed out of what matches, it is not captured any more.
func (s *applied) move(t *table, after *schema.Table, edits []schema.Edit) {
	if s.a.held.has(t.shape.Name) {
		s.stop(t, errHeldShape)
		return
	}
	before := t.shape
	s.a.overtaken(before.Name, "the table was renamed meanwhile")
	delete(s.a.tables, before.Name)
	t.batch = nil
	s.a.epoch++
	if !s.a.match(after.Name) {
		s.a.stopped(before.Name, s.at, fmt.Errorf("%w: it was renamed to %s, which is not captured (statement: %s)", source.ErrLeft, after.Name, s.quote()))
		return
	}
	if other := s.a.tables[after.Name]; other != nil && !other.stopped {
		// The caller found it at the server, where this statement has been carried out: they are one table, and which of
		// its rows are known under which name is not told here.
		s.a.stopped(before.Name, s.at, fmt.Errorf("%w: it was renamed to %s, which is captured already (statement: %s)", source.ErrLeft, after.Name, s.quote()))
		s.a.stop(other, s.at, fmt.Errorf("%w (statement: %s)", source.ErrAppeared, s.quote()))
		return
	}
	t.shape = after
	s.a.tables[after.Name] = t
	s.emit(before, after, edits)
}

func (s *applied) emit(before, after *schema.Table, edits []schema.Edit) {
	s.a.txn.schema = true
	if after != nil {
		s.a.own(s.a.tables[after.Name])
	}
	s.a.txn.items = append(s.a.txn.items, source.Event{Txn: s.a.txn.id(), Schema: &schema.Change{
		Before: before, After: after, Edits: edits, Statement: s.text, Origin: s.a.txn.origin, Time: s.a.txn.time,
	}})
}
