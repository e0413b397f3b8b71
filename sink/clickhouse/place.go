package clickhouse

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/schema"
)

// A note is what the sink keeps in a table's comment: there it changes in the same ALTER as the columns.
type note struct {
	Pipeline string `json:"pipeline"`
	Shape    string `json:"shape,omitempty"`   // fingerprint of the source table's shape that the table has
	Toward   string `json:"toward,omitempty"`  // fingerprint of the shape that it is about to get
	Steps    int    `json:"steps,omitempty"`   // how many of the statements for that are done
	Clear    string `json:"clear,omitempty"`   // a column that is added, and still shows values of one that was dropped
	Copy     bool   `json:"copy,omitempty"`    // it is being filled anew, beside the table whose place it is to take
	Dropped  bool   `json:"dropped,omitempty"` // the source table is gone, and this one was kept
}

// noteLead begins the comment of a table, for people.
const noteLead = "kept by cdcsync, which needs this text: "

// text spells a note as a comment.
func (n note) text() string {
	p, _ := json.Marshal(n) // strings and numbers cannot fail
	return noteLead + string(p)
}

// readNote reads a comment. Any other text is no note.
func readNote(comment string) note {
	var n note
	if text, ok := strings.CutPrefix(comment, noteLead); !ok || json.Unmarshal([]byte(text), &n) != nil {
		return note{}
	}
	return n
}

func noteClause(n note) string { return "MODIFY COMMENT " + quoteText(n.text()) }

// A physical table is one that ClickHouse has.
type physical struct {
	name   schema.Name
	uuid   string
	engine string
	note   note
}

// A place is where the rows of one table of the sink are: in the table of that name, or while it is copied anew in another
// that is to take its place.
type place struct{ main, copy *physical }

// now is the table that rows go to, nil for none.
func (p *place) now() *physical {
	if p.copy != nil && p.copy.note.Copy {
		return p.copy
	}
	return p.main
}

// copyName is the table beside n that a new copy goes to.
func (s *Sink) copyName(n schema.Name) schema.Name {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.Table)) // never fails
	return schema.Name{Namespace: n.Namespace, Table: fmt.Sprintf("%scopy_%016x", s.ownPrefix(), h.Sum64())}
}

// ownPrefix begins the names of the tables that the sink makes beside those of the source.
func (s *Sink) ownPrefix() string { return "_cdcsync_" + s.tag() + "_" }

// manyNames is how many names a query is asked for at most; beyond, it returns all of the database.
const manyNames = 300

// places looks for tables. One that is not there has an empty place.
func (s *Sink) places(ctx context.Context, tables []schema.Name) (map[schema.Name]place, error) {
	var databases, names []string
	for _, n := range tables {
		names = append(names, n.Table, s.copyName(n).Table)
		databases = append(databases, n.Namespace)
	}
	slices.Sort(databases)
	databases = slices.Compact(databases)
	if len(databases) == 0 {
		return nil, nil
	}
	query := fmt.Sprintf("SELECT database, name, toString(uuid), engine, comment FROM system.tables WHERE database IN (%s)", quotedList(databases))
	if len(names) <= manyNames {
		query += fmt.Sprintf(" AND name IN (%s)", quotedList(names))
	}
	rows, err := s.query(ctx, "look for tables", query)
	if err != nil {
		return nil, err
	}
	all := make(map[schema.Name]*physical, len(rows))
	for _, r := range rows {
		n := schema.Name{Namespace: r[0], Table: r[1]}
		all[n] = &physical{name: n, uuid: r[2], engine: r[3], note: readNote(r[4])}
	}
	places := make(map[schema.Name]place, len(tables))
	for _, n := range tables {
		places[n] = place{main: all[n], copy: all[s.copyName(n)]}
	}
	return places, nil
}

// place looks for one table.
func (s *Sink) place(ctx context.Context, n schema.Name) (place, error) {
	places, err := s.places(ctx, []schema.Name{n})
	return places[n], err
}

// columns are the columns of a table as it stands, in order: name, type, and 1 for those in the sorting key.
func (s *Sink) columns(ctx context.Context, n schema.Name) ([][]string, error) {
	return s.query(ctx, "read columns", fmt.Sprintf("SELECT name, type, toString(is_in_sorting_key) FROM system.columns WHERE database = %s AND table = %s ORDER BY position",
		quoteText(n.Namespace), quoteText(n.Table)))
}

// sortingOf are the names of the columns in the sorting key.
func sortingOf(columns [][]string) []string {
	var names []string
	for _, c := range columns {
		if c[2] == "1" {
			names = append(names, c[0])
		}
	}
	return names
}

// A target is where the rows of one version of a source table go. Its fields do not change.
type target struct {
	name   schema.Name // the sink's
	at     schema.Name // in ClickHouse
	uuid   string
	layout *layout
	into   string // INSERT INTO ... (...)
	exact  bool   // the block has the table's types: the server has nothing to convert
	spares sync.Pool
	sizes  atomic.Pointer[[]int] // of the columns of the newest blocks, in bytes
}

// encoder returns an empty encoder, a used one if there is one.
func (t *target) encoder() *encoder {
	if e, ok := t.spares.Get().(*encoder); ok {
		return e
	}
	e := newEncoder(t.layout)
	if sizes := t.sizes.Load(); sizes != nil {
		e.reserve(*sizes)
	}
	return e
}

// spare keeps an encoder's memory for the next block, until the garbage collector wants it, which is soon where memory is
// short: then the next block begins as large as the last ones were, since growing would copy it several times.
func (t *target) spare(e *encoder) {
	sizes := e.sizes()
	if old := t.sizes.Load(); old != nil {
		for i, n := range *old { // the last block of a large transaction is small
			sizes[i] = max(sizes[i], n-n/4)
		}
	}
	t.sizes.Store(&sizes)
	e.reset()
	t.spares.Put(e)
}

// target returns where rows of t go, from the last look at the table or a new one.
func (s *Sink) target(ctx context.Context, t *schema.Table) (*target, error) {
	s.mu.Lock()
	known := s.targets[t.Name]
	s.mu.Unlock()
	if known != nil && known.layout.table.Version == t.Version {
		return known, nil
	}
	found, err := s.findTarget(ctx, t)
	if err != nil {
		return nil, ofTableError(t.Name, "look at the ClickHouse table", err)
	}
	s.mu.Lock()
	s.targets[t.Name] = found
	s.mu.Unlock()
	return found, nil
}

func (s *Sink) findTarget(ctx context.Context, t *schema.Table) (*target, error) {
	l, err := newLayout(t, &s.cfg)
	if err != nil {
		return nil, tableError(t.Name, err)
	}
	p, err := s.place(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	now := p.now()
	if now == nil {
		return nil, &serverError{code: codeUnknownTable, text: "there is no table " + t.Name.String()}
	}
	if err := s.owns(now); err != nil {
		return nil, tableError(t.Name, err)
	}
	have, err := s.columns(ctx, now.name)
	if err != nil {
		return nil, err
	}
	if err := l.match(have); err != nil {
		return nil, tableError(t.Name, err)
	}
	into := fmt.Sprintf("INSERT INTO %s (%s)", quoteTable(now.name), newEncoder(l).columnList())
	return &target{name: t.Name, at: now.name, uuid: now.uuid, layout: l, into: into, exact: l.exact()}, nil
}

// exact says that blocks have the types that the table has.
func (l *layout) exact() bool {
	return !slices.ContainsFunc(l.columns, func(c columnType) bool { return c.wire != c.text })
}

// match compares the layout with the columns that a table has, as name and type. Further columns are nobody's business:
// they get their defaults.
func (l *layout) match(have [][]string) error {
	types := make(map[string]string, len(have))
	for _, c := range have {
		types[c[0]] = c[1]
	}
	for _, c := range l.wanted() {
		switch text, ok := types[c[0]]; {
		case !ok:
			return fmt.Errorf("the ClickHouse table has no column %s (%s): somebody altered it; add the column again, or copy the table again", c[0], c[1])
		case text != c[1]:
			return fmt.Errorf("column %s of the ClickHouse table is %s, and its values are %s: somebody altered it, or an option of the types has changed; "+
				"modify the column, or copy the table again", c[0], text, c[1])
		}
	}
	return nil
}

// wanted are the columns that the layout writes, as name and type.
func (l *layout) wanted() [][2]string {
	var all [][2]string
	for _, c := range l.columns {
		all = append(all, [2]string{c.name, c.text})
	}
	for _, k := range technicalsOf[l.mode] {
		all = append(all, [2]string{l.technical(k), technicals[k].text})
	}
	return all
}

// forget drops what is known of a table, because it may have changed.
func (s *Sink) forget(n schema.Name) {
	s.mu.Lock()
	delete(s.targets, n)
	s.mu.Unlock()
}

// owns refuses a table that is not this pipeline's.
func (s *Sink) owns(p *physical) error {
	switch owner := p.note.Pipeline; owner {
	case s.pipeline:
		return nil
	case "":
		return fmt.Errorf("there is a ClickHouse table %s that cdcsync did not make, or whose comment somebody changed: its rows could mix with the source's; "+
			"drop or rename it, or route this table elsewhere", p.name)
	default:
		return fmt.Errorf("the ClickHouse table %s belongs to pipeline %q, this is %q: two pipelines on one table would undo each other; route this table elsewhere, "+
			"or drop the ClickHouse table", p.name, owner, s.pipeline)
	}
}
