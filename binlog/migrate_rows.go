package binlog

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// unproven says what was to be seen of the ghost in the log, and was not; empty when all was.
func (m *migration) unproven() string {
	if n := m.unfilled(); n != nil {
		return fmt.Sprintf("no row showed that column %s, which has a new name, was copied from the former one", n.name)
	}
	for k, place := range m.plan.texts {
		name := m.plan.after.Columns[place[1]].Name
		switch t, g := m.collation(0, k), m.collation(1, k); {
		case t == 0 || g == 0:
			return fmt.Sprintf("the log did not show that column %s is compared as before: in a unique key, rows that are equal now would be left out "+
				"(SET GLOBAL binlog_row_metadata = MINIMAL has the server log it with each table's rows)", name)
		case t != g:
			return fmt.Sprintf("column %s is compared in another way (collation): in a unique key, rows that are equal now would be left out", name)
		}
	}
	return ""
}

// collation is that of altered text in the table (0) or the ghost (1); 0 when the log has not told it.
func (m *migration) collation(side, text int) int {
	if text >= len(m.Text[side]) {
		return 0
	}
	return m.Text[side][text]
}

// unfilled is the first renamed column of which no row has shown that it is filled.
func (m *migration) unfilled() *renamed {
	for i := range m.plan.renamed {
		if !slices.Contains(m.Filled, m.plan.renamed[i].name) {
			return &m.plan.renamed[i]
		}
	}
	return nil
}

// observe looks at the table map of a table that may take part in migrations.
func (a *assembler) observe(name schema.Name, at *mapped) {
	for _, m := range a.migrations {
		if m.Why != "" {
			continue
		}
		switch name {
		case m.changelog():
			at.ghost = m
			continue
		case m.Table:
			at.watched = true
		case m.Ghost:
		default:
			continue
		}
		side := 0
		parsed, err := parseTableMap(at.body)
		if err == nil && name == m.Ghost {
			side, err = 1, a.observeGhost(m, at, parsed)
		}
		if err != nil {
			m.giveUp(fmt.Sprintf("the log's description of its rows does not fit: %v", err))
			a.noteMigrations()
			continue
		}
		a.noteText(m, side, parsed)
	}
}

// observeGhost checks that the ghost has the shape that is expected, and has its rows looked at where that is needed.
func (a *assembler) observeGhost(m *migration, at *mapped, parsed *tableMap) error {
	shape := &schema.Table{Name: m.Ghost, Version: 1, Columns: m.plan.after.Columns, Key: m.plan.after.Key}
	p, err := newPlan(shape, parsed, a.facts)
	if err == nil && m.unfilled() != nil {
		at.plan, at.ghost = p, m
	}
	return err
}

// noteText notes the collations of altered text as far as the log tells them.
func (a *assembler) noteText(m *migration, side int, parsed *tableMap) {
	if len(m.plan.texts) == 0 {
		return
	}
	ids, told := collationsOf(parsed, a.facts.flavor), make([]int, len(m.plan.texts))
	for k, place := range m.plan.texts {
		if i := place[side]; i < len(ids) {
			told[k] = ids[i]
		}
	}
	if !slices.Equal(told, m.Text[side]) {
		m.Text[side] = told
		a.noteMigrations()
	}
}

// collationsOf returns the collation of each column, 0 where there is none or the server does not log it.
func collationsOf(m *tableMap, f Flavor) []int {
	ids, n := make([]int, len(m.types)), 0
	for i := range m.types {
		if real, _ := realType(m.types[i], m.metas[i]); isText(real, f) {
			ids[i] = m.charset.of(n)
			n++
		}
	}
	return ids
}

// changelog is the table in which gh-ost notes how far it is.
func (m *Migration) changelog() schema.Name {
	base, ok := strings.CutSuffix(m.Ghost.Table, "_gho")
	if m.Tool != GhOst || !ok {
		return schema.Name{}
	}
	return schema.Name{Namespace: m.Ghost.Namespace, Table: base + "_ghc"}
}

// locked is what gh-ost notes when it has locked the table: it applies what was logged before that, and swaps.
const locked = "AllEventsUpToLockProcessed:"

// written notes that somebody writes to the table of a migration: nobody may, when gh-ost has locked it. Should the lock be
// lost before the swap, gh-ost may swap all the same, and what it has not applied is lost.
func (a *assembler) written(table schema.Name) {
	for _, m := range a.migrations.of(table) {
		if m.Locked {
			m.Locked = false
			a.noteMigrations()
		}
	}
}

// ghostRows looks for a row that shows that a renamed column is filled, or that the table is locked.
func (a *assembler) ghostRows(g *mapped, e *event, kind rowsKind) {
	m := g.ghost
	if g.plan == nil {
		if !m.Locked && bytes.Contains(e.body, []byte(locked)) {
			m.Locked = true
			a.noteMigrations()
		}
		return
	}
	batch := row.New(g.plan.table)
	defer batch.Free()
	if err := a.ghostImages(g, e, kind, batch); err != nil {
		m.giveUp(fmt.Sprintf("a row of the new table cannot be read: %v", err))
		a.noteMigrations()
		return
	}
	for n := m.unfilled(); n != nil && shows(batch, n); n = m.unfilled() {
		m.Filled = append(m.Filled, n.name)
		a.noteMigrations()
	}
}

// ghostImages decodes the rows of an event.
func (a *assembler) ghostImages(g *mapped, e *event, kind rowsKind, into *row.Batch) error {
	re, err := parseRows(kind, e.extra(kind), len(g.plan.cols), e.body[6:])
	if err == nil && packedRows(e) {
		re.rows, err = a.packed.inflate(re.rows)
	}
	for rest := re.rows; err == nil && len(rest) > 0; {
		rest, err = g.plan.appendRow(into, &re, rest, 0, 0)
	}
	return err
}

// shows says that a row has another value in a column than its default.
func shows(b *row.Batch, n *renamed) bool {
	v := &b.Cols[n.at]
	for i := range b.Len() {
		switch {
		case v.Null(i) || v.IsAbsent(i):
		case n.null:
			return true
		case b.Table.Columns[n.at].Type.Fixed():
			if v.Words[i] != n.usual.Word {
				return true
			}
		case !bytes.Equal(v.Value(i), n.usual.Bytes):
			return true
		}
	}
	return false
}
