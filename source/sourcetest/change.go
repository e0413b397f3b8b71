package sourcetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A ddl is a schema change as the log has it: readers make the new shape of the one they have.
type ddl struct {
	before, after schema.Name // zero: created, dropped
	edits         []schema.Edit
	statement     string
	reshape       func(before *schema.Table) *schema.Table // nil: another name at most
}

// A Txn is a transaction that is being put together.
type Txn struct {
	s   *Source
	txn txn
}

// Begin begins a transaction.
func (s *Source) Begin() *Txn { return &Txn{s: s} }

// Insert inserts a row.
func (x *Txn) Insert(n schema.Name, r ...string) *Txn { return x.change(n, nil, r) }

// Update replaces a row, the key included.
func (x *Txn) Update(n schema.Name, before, after Row) *Txn { return x.change(n, before, after) }

// Delete deletes a row.
func (x *Txn) Delete(n schema.Name, r ...string) *Txn { return x.change(n, r, nil) }

// Stop has streams say at this point of the transaction that they cannot follow the table any more.
func (x *Txn) Stop(e *schema.TableError) *Txn {
	x.txn.stops = append(x.txn.stops, stop{len(x.txn.rows), e})
	return x
}

func (x *Txn) change(n schema.Name, before, after Row) *Txn {
	x.txn.rows = append(x.txn.rows, change{n, slices.Clone(before), slices.Clone(after)})
	return x
}

// Commit makes the transaction visible, in the tables and in the log. It panics for rows that are not there.
func (x *Txn) Commit() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if len(x.txn.rows) > 1<<seqBits/2-1 {
		panic("sourcetest: a transaction holds at most 511 changes")
	}
	for _, c := range x.txn.rows {
		t := x.s.tables[c.table]
		if c.before != nil {
			k := keyText(t.shape, c.before)
			if !slices.Equal(t.rows[k], c.before) {
				panic(fmt.Sprintf("sourcetest: table %s has %q, not %q", c.table, t.rows[k], c.before))
			}
			delete(t.rows, k)
		}
		if c.after != nil {
			k := keyText(t.shape, c.after)
			if _, ok := t.rows[k]; ok {
				panic(fmt.Sprintf("sourcetest: table %s has %q already", c.table, c.after))
			}
			t.rows[k] = c.after
		}
	}
	x.s.append(x.txn)
}

// Unlogged deletes a row without a trace in the log, as the action of a foreign key does. It panics if it is not there.
func (s *Source) Unlogged(n schema.Name, r ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[n]
	k := keyText(t.shape, r)
	if _, ok := t.rows[k]; !ok {
		panic(fmt.Sprintf("sourcetest: table %s does not have %q", n, r))
	}
	delete(t.rows, k)
}

// append puts a transaction into the log. The caller holds mu.
func (s *Source) append(x txn) {
	s.log = append(s.log, x)
	close(s.grown)
	s.grown = make(chan struct{})
}

// keyText orders as the key does when its columns have equal lengths; nobody compares keys in earnest.
func keyText(t *schema.Table, r Row) string {
	if len(t.Key) == 0 {
		return strings.Join(r, "\x00")
	}
	parts := make([]string, len(t.Key))
	for i, c := range t.Key {
		parts[i] = fmt.Sprintf("%20s", r[c])
	}
	return strings.Join(parts, "\x00")
}

// Create creates a table.
func (s *Source) Create(t *schema.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[t.Name] = &table{shape: t, rows: map[string]Row{}}
	s.append(txn{ddl: []ddl{{after: t.Name, statement: "CREATE TABLE " + t.Name.String(), reshape: func(*schema.Table) *schema.Table { return t }}}})
}

// Drop drops tables in one statement.
func (s *Source) Drop(names ...schema.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var x txn
	for _, n := range names {
		delete(s.tables, n)
		x.ddl = append(x.ddl, ddl{before: n, statement: "DROP TABLE " + n.String()})
	}
	s.append(x)
}

// Rename renames tables in one statement: from, to, from, to ...
func (s *Source) Rename(pairs ...schema.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var x txn
	for p := range slices.Chunk(pairs, 2) {
		t := s.tables[p[0]]
		delete(s.tables, p[0])
		d := ddl{before: p[0], after: p[1], edits: []schema.Edit{{Kind: schema.RenameTable}}, statement: fmt.Sprintf("RENAME TABLE %s TO %s", p[0], p[1])}
		t.shape = d.apply(t.shape)
		s.tables[p[1]] = t
		x.ddl = append(x.ddl, d)
	}
	s.append(x)
}

// Truncate empties a table without row events.
func (s *Source) Truncate(n schema.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tables[n].rows)
	s.alter(ddl{before: n, after: n, edits: []schema.Edit{{Kind: schema.TruncateTable}}, statement: "TRUNCATE TABLE " + n.String()}, nil)
}

// AddColumn adds a column at the end; rows get NULL.
func (s *Source) AddColumn(n schema.Name, c schema.Column) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter(ddl{
		before: n, after: n, edits: []schema.Edit{{Kind: schema.AddColumn, Column: c.Name}}, statement: fmt.Sprintf("ALTER TABLE %s ADD %s", n, c.Name),
		reshape: func(t *schema.Table) *schema.Table {
			after := *t
			after.Columns = append(slices.Clone(t.Columns), c)
			return &after
		},
	}, func(r Row) Row { return append(slices.Clone(r), Null) })
}

// DropColumn drops the last column.
func (s *Source) DropColumn(n schema.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.tables[n].shape.Columns) - 1
	name := s.tables[n].shape.Columns[last].Name
	s.alter(ddl{
		before: n, after: n, edits: []schema.Edit{{Kind: schema.DropColumn, Column: name}}, statement: fmt.Sprintf("ALTER TABLE %s DROP %s", n, name),
		reshape: func(t *schema.Table) *schema.Table {
			after := *t
			after.Columns = slices.Clone(t.Columns[:last])
			return &after
		},
	}, func(r Row) Row { return slices.Clone(r[:last]) })
}

func (s *Source) alter(d ddl, each func(Row) Row) {
	t := s.tables[d.before]
	t.shape = d.apply(t.shape)
	if each != nil {
		for k, r := range t.rows {
			t.rows[k] = each(r)
		}
	}
	s.append(txn{ddl: []ddl{d}})
}

// apply makes the next version of a shape; nil for a dropped table.
func (d *ddl) apply(before *schema.Table) *schema.Table {
	switch {
	case d.after == (schema.Name{}):
		return nil
	case d.before == (schema.Name{}):
		return d.reshape(nil)
	}
	after := *before
	if d.reshape != nil {
		after = *d.reshape(before)
	}
	after.Name, after.Version = d.after, before.Version+1
	return &after
}
