package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// again is how most refusals end.
const again = "copy the table again"

// A step is one ALTER of a change.
type step struct {
	clause string
	check  string // a query for the number of values that the clause would spoil
	column string // that the check is about
	adds   string // the column that the clause adds
}

// A plan works out the steps that give a table another shape. It looks at nothing but shapes, so that it is the same when
// a change is repeated after a crash.
type plan struct {
	edits []schema.Edit
	after *layout
	have  []planned // the columns as they are in the course of the change
	steps []step
	at    schema.Name // the table in ClickHouse
}

// A planned column is one that the table has at some point of the plan.
type planned struct {
	name string
	text string // its type
	old  *columnType
	to   string // what it is to be called; empty: it goes
}

// newPlan plans the change from the layout before to that after.
func newPlan(at schema.Name, before, after *layout, edits []schema.Edit) (*plan, error) {
	p := &plan{edits: edits, after: after, at: at}
	for i := range before.columns {
		c := &before.columns[i]
		p.have = append(p.have, planned{name: c.name, text: c.text, old: c, to: c.name})
	}
	p.follow(before.table)
	if err := p.checkKey(before); err != nil {
		return nil, err
	}
	p.drop()
	p.rename()
	return p, p.shape()
}

// newLoosePlan is a plan for a table whose shape is not known from a change: columns are told by their names, and none is dropped.
func newLoosePlan(at schema.Name, columns [][]string, after *layout) (*plan, error) {
	p := &plan{after: after, at: at}
	for _, c := range columns {
		i := after.column(c[0])
		if i < 0 {
			continue // a technical one, or one that only ClickHouse has
		}
		p.have = append(p.have, planned{name: c[0], text: c[1], to: c[0]})
	}
	return p, p.shape()
}

// sortsBy refuses a table of unknown origin whose rows are not kept by the key of the layout.
func (l *layout) sortsBy(engine string, sorting []string) error {
	if l.mode.keyed() != keyedEngine(engine) {
		return fmt.Errorf("the ClickHouse table is of engine %s, and the table is kept in another way now (with or without a key, table.mode); %s", engine, again)
	}
	if !l.mode.keyed() {
		return nil
	}
	for _, name := range l.keyNames() {
		if !slices.Contains(sorting, name) {
			return fmt.Errorf("key column %s is not in the sorting key of the ClickHouse table (%s); %s", name, strings.Join(sorting, ", "), again)
		}
	}
	for _, name := range sorting {
		if len(l.opts.orderBy) == 0 && !slices.Contains(l.keyNames(), name) {
			return fmt.Errorf("the ClickHouse table is sorted by (%s), and the key is (%s); %s", strings.Join(sorting, ", "), strings.Join(l.keyNames(), ", "), again)
		}
	}
	return nil
}

// follow finds what becomes of each column.
func (p *plan) follow(before *schema.Table) {
	to, _ := (&schema.Change{Before: before, After: p.after.table, Edits: p.edits}).Lineage()
	for i := range p.have {
		c := &p.have[i]
		if c.to = ""; to[i] >= 0 {
			c.to = p.after.columns[to[i]].name
		}
	}
}

// checkKey refuses another key: rows written under one cannot be replaced under another.
func (p *plan) checkKey(before *layout) error {
	if before.mode != p.after.mode {
		return fmt.Errorf("the table is kept in another way now (with or without a key, table.mode, soft.delete); %s", again)
	}
	if !before.mode.keyed() {
		return nil
	}
	var was []string
	for _, k := range before.table.Key {
		was = append(was, p.have[k].to)
		if c := p.have[k]; c.to != "" && c.to != c.name {
			return fmt.Errorf("key column %s is called %s now, and ClickHouse cannot rename a column of the sorting key; %s", c.name, c.to, again)
		}
	}
	if now := p.after.keyNames(); !slices.Equal(was, now) {
		return fmt.Errorf("its key is (%s) now, and rows written under the old one (%s) cannot be replaced under it; %s", strings.Join(now, ", "), strings.Join(before.keyNames(), ", "), again)
	}
	return nil
}

// index is where a column stands, -1 for none.
func (p *plan) index(name string) int {
	return slices.IndexFunc(p.have, func(c planned) bool { return c.name == name })
}

// drop drops the columns that go.
func (p *plan) drop() {
	for _, c := range p.have {
		if c.to == "" {
			p.steps = append(p.steps, step{clause: dropClause(c.name)})
		}
	}
	p.have = slices.DeleteFunc(p.have, func(c planned) bool { return c.to == "" })
}

// rename gives columns their new names: first those whose name is free, and when there are none, one of a circle steps aside.
func (p *plan) rename() {
	for aside := 0; ; {
		waiting, free := -1, -1
		for i, c := range p.have {
			if c.name == c.to {
				continue
			}
			if waiting = i; p.index(c.to) < 0 {
				free = i
				break
			}
		}
		switch {
		case waiting < 0:
			return
		case free < 0:
			aside++
			p.call(waiting, fmt.Sprintf("_cdcsync_aside_%d", aside))
		default:
			p.call(free, p.have[free].to)
		}
	}
}

func (p *plan) call(i int, name string) {
	p.steps = append(p.steps, step{clause: renameClause(p.have[i].name, name)})
	p.have[i].name = name
}

// shape gives columns their types and places, and adds those that are new.
func (p *plan) shape() error {
	for i := range p.after.columns {
		c := &p.after.columns[i]
		at := p.index(c.name)
		if at < 0 {
			if err := p.add(i); err != nil {
				return err
			}
			continue
		}
		have := p.have[at]
		if have.text != c.text {
			if err := p.convert(i, have); err != nil {
				return err
			}
		} else if at != i {
			p.steps = append(p.steps, step{clause: p.after.modifyClause(i)})
		} else if have.old != nil && have.old.comment != c.comment {
			p.steps = append(p.steps, step{clause: "COMMENT COLUMN " + quoteName(c.name) + " " + quoteText(c.comment)})
		}
		have.text = c.text
		p.have = slices.Insert(slices.Delete(p.have, at, at+1), i, have)
	}
	return nil
}

// add adds column i.
func (p *plan) add(i int) error {
	c := &p.after.columns[i]
	if c.key && p.after.mode.keyed() {
		return fmt.Errorf("key column %s is not in the ClickHouse table; %s", c.name, again)
	}
	fill, err := p.fill(i)
	if err != nil {
		return err
	}
	p.steps = append(p.steps, step{clause: p.after.addClause(i, fill), adds: c.name})
	p.have = slices.Insert(p.have, min(i, len(p.have)), planned{name: c.name, text: c.text, to: c.name})
	return nil
}

// fill is what the rows that are there show in an added column.
func (p *plan) fill(i int) (string, error) {
	for _, e := range slices.Backward(p.edits) {
		if e.Kind == schema.AddColumn && strings.EqualFold(e.Column, p.after.columns[i].name) {
			return p.after.fillExpr(i, e.Fill)
		}
	}
	return p.after.fillExpr(i, nil)
}
