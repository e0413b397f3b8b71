package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// ErrBroken marks errors of Memory for a caller that broke the contract of package sink: a key inserted twice, an epoch
// used again, two commits at once, a schema change beside rows of its table. No correct engine ever sees one.
var ErrBroken = errors.New("broken contract")

// When says on which side of its effect an operation fails.
type When uint8

// The sides.
const (
	BeforeEffect When = iota // nothing happened
	AfterEffect              // it took effect, and only the answer was lost
)

// Memory is a transactional sink in memory. It survives Close, as a real sink's tables survive the process: to restart,
// go on with the same Memory, after Restart. It is strict: what no correct engine does is an ErrBroken.
type Memory struct {
	mu         sync.Mutex // guards all below
	tables     map[schema.Name]*memoryTable
	run        uint64 // the newest that has begun
	left       int    // operations until one fails; 0: none will
	when       When
	failed     bool
	committing bool
	open       map[*memoryTxn]bool
	operations int
	commits    int
}

type memoryTable struct {
	shape *schema.Table
	rows  map[string]memoryRow // by key; a table without a key has the number of the row as its key
	mark  sink.Mark
	next  uint64       // number of the next row of a table without a key
	old   *memoryTable // what readers see until the new copy is whole; nil: there is none
}

// shown is what readers see of the table.
func (t *memoryTable) shown() *memoryTable {
	if t.old != nil {
		return t.old
	}
	return t
}

type memoryRow []string

var _ sink.Sink = (*Memory)(nil)

// NewMemory returns an empty sink.
func NewMemory() *Memory {
	return &Memory{tables: map[schema.Name]*memoryTable{}, open: map[*memoryTxn]bool{}}
}

// Fail makes the n-th operation from now (1: the next) fail once, with sink.ErrTransient. Operations are the calls of
// Marks, Evolve, Begin and Write, the start of each Commit, and within it the commit of each table.
func (m *Memory) Fail(n int, when When) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.when, m.failed = n, when, false
}

// Failed says that the failure that Fail asked for has happened.
func (m *Memory) Failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// Operations is how many operations there were.
func (m *Memory) Operations() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.operations
}

// Commits is how many commits of single tables there were.
func (m *Memory) Commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commits
}

// Restart forgets what a process held: its transactions, and the commit that was under way when it died.
func (m *Memory) Restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.committing = false
	clear(m.open)
}

// Rows returns the committed rows of a table, each as Text spells its columns, in the order of their keys. The table
// being absent is ok = false.
func (m *Memory) Rows(name schema.Name) (rows [][]string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tables[name]
	if !ok {
		return nil, false
	}
	t = t.shown()
	keys := make([]string, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		rows = append(rows, slices.Clone(t.rows[k]))
	}
	return rows, true
}

// Shape returns a table's present shape, nil when there is no such table.
func (m *Memory) Shape(name schema.Name) *schema.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tables[name]; t != nil {
		return t.shown().shape
	}
	return nil
}

// operate counts one operation, and does it. The caller holds mu.
func (m *Memory) operate(do func() error) error {
	m.operations++
	fails := m.left == 1
	if m.left > 0 {
		m.left--
	}
	if fails {
		m.failed = true
		if m.when == BeforeEffect {
			return fmt.Errorf("%w: made to fail, without effect", sink.ErrTransient)
		}
	}
	if err := do(); err != nil {
		return err
	}
	if fails {
		return fmt.Errorf("%w: made to fail, after it took effect", sink.ErrTransient)
	}
	return nil
}

// Start implements sink.Sink. What an older run evolves or commits from now on is refused.
func (m *Memory) Start(_ context.Context, run uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.operate(func() error {
		if run < m.run {
			return fmt.Errorf("start run %d after run %d: %w", run, m.run, sink.ErrFenced)
		}
		m.run = run
		clear(m.open)
		return nil
	})
}

// Marks implements sink.Sink.
func (m *Memory) Marks(_ context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := map[schema.Name]sink.Mark{}
	err := m.operate(func() error {
		for _, name := range tables {
			if t := m.tables[name]; t != nil && t.mark.Epoch > 0 {
				marks[name] = t.mark
			}
		}
		return nil
	})
	return marks, err
}

// Evolve implements sink.Sink. It drops the table for a nil After.
func (m *Memory) Evolve(_ context.Context, c *schema.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for x := range m.open {
		if len(x.staged[c.Name()]) > 0 {
			return fmt.Errorf("%w: change of %s while a transaction has rows of it", ErrBroken, c.Name())
		}
	}
	return m.operate(func() error { return m.evolve(c) })
}

func (m *Memory) evolve(c *schema.Change) error {
	if c.After == nil {
		delete(m.tables, c.Before.Name)
		return nil
	}
	t := m.tables[c.After.Name]
	switch {
	case c.Has(schema.BeginCopy):
		old := &memoryTable{shape: c.After, rows: map[string]memoryRow{}}
		if t != nil {
			old = t.shown()
		}
		m.tables[c.After.Name] = &memoryTable{shape: c.After, rows: map[string]memoryRow{}, old: old}
		return nil
	case c.Has(schema.EndCopy) && t != nil:
		t.old = nil
		return nil
	}
	if c.Before != nil && c.Before.Name != c.After.Name && t == nil {
		t = m.tables[c.Before.Name]
		delete(m.tables, c.Before.Name)
	}
	if t == nil {
		t = &memoryTable{shape: c.After, rows: map[string]memoryRow{}}
	}
	m.tables[c.After.Name] = t
	if !t.keepsKey(c) {
		return &schema.TableError{Table: c.After.Name, Err: errors.New("the key changed: it needs a new copy")}
	}
	t.reshape(c)
	return nil
}

// lineage says where the columns of the table are after a change. One that is made again finds them there.
func (t *memoryTable) lineage(c *schema.Change) []int {
	edits := c.Edits
	if t.shape.Version == c.After.Version {
		edits = nil
	}
	to, _ := (&schema.Change{Before: t.shape, After: c.After, Edits: edits}).Lineage()
	return to
}

// keepsKey says that the key has the same columns after a change, renamed ones included.
func (t *memoryTable) keepsKey(c *schema.Change) bool {
	to := t.lineage(c)
	return slices.EqualFunc(t.shape.Key, c.After.Key, func(i, j int) bool { return to[i] == j })
}

func (t *memoryTable) reshape(c *schema.Change) {
	from := slices.Repeat([]int{-1}, len(c.After.Columns))
	for i, j := range t.lineage(c) {
		if j >= 0 {
			from[j] = i
		}
	}
	for k, old := range t.rows {
		now := make(memoryRow, len(from))
		for i, j := range from {
			now[i] = Null
			if j >= 0 {
				now[i] = old[j]
			}
		}
		t.rows[k] = now
	}
	if c.Has(schema.TruncateTable) {
		clear(t.rows)
	}
	t.shape = c.After
}

// Begin implements sink.Sink.
func (m *Memory) Begin(context.Context) (sink.Txn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var txn sink.Txn
	err := m.operate(func() error {
		x := &memoryTxn{m: m, staged: map[schema.Name][]stagedRow{}, failed: map[schema.Name]error{}}
		m.open[x], txn = true, x
		return nil
	})
	return txn, err
}

// Close implements sink.Sink. The tables stay.
func (m *Memory) Close() error { return nil }

type stagedRow struct {
	table *schema.Table
	op    row.Op
	key   string
	row   memoryRow
}

type memoryTxn struct {
	m      *Memory
	staged map[schema.Name][]stagedRow // guarded by m.mu
	failed map[schema.Name]error       // guarded by m.mu: tables of which a Write was refused; they are not committed
	bytes  int64                       // guarded by m.mu
	over   bool                        // guarded by m.mu: committed or aborted
}

// Write implements sink.Txn.
func (x *memoryTxn) Write(_ context.Context, b *row.Batch) error {
	defer b.Free()
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	if x.over {
		return fmt.Errorf("%w: write to a transaction that is over", ErrBroken)
	}
	return x.m.operate(func() error { return x.stage(b) })
}

func (x *memoryTxn) stage(b *row.Batch) error {
	t := x.m.tables[b.Table.Name]
	if t == nil || t.shape.Version != b.Table.Version {
		return fmt.Errorf("%w: rows of %s, whose shape the sink was not told", ErrBroken, b.Table)
	}
	for i := range b.Len() {
		if err := refuse(b, i); err != nil {
			err = &schema.TableError{Table: b.Table.Name, Err: err}
			x.failed[b.Table.Name] = err
			return err
		}
		s := stagedRow{table: b.Table, op: b.Ops[i], key: string(b.Key(nil, i))}
		for c := range b.Cols {
			s.row = append(s.row, Text(b.Table.Columns[c].Type, &b.Cols[c], i))
		}
		x.staged[b.Table.Name] = append(x.staged[b.Table.Name], s)
	}
	x.bytes += int64(b.Bytes())
	return nil
}

// refuse says why a row cannot be taken.
func refuse(b *row.Batch, i int) error {
	if len(b.Table.Key) == 0 && b.Ops[i] != row.Insert {
		return fmt.Errorf("%s of a row of a table that has no key", b.Ops[i])
	}
	if c := b.KeyNull(i); c >= 0 {
		return fmt.Errorf("key column %s is NULL", b.Table.Columns[c].Name)
	}
	for c := range b.Cols {
		if b.Cols[c].IsAbsent(i) && b.Ops[i] != row.Delete && b.Ops[i] != row.Before {
			return fmt.Errorf("column %s is absent", b.Table.Columns[c].Name)
		}
	}
	return nil
}

// Bytes implements sink.Txn.
func (x *memoryTxn) Bytes() int64 {
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	return x.bytes
}

// Commit implements sink.Txn: table by table, in the order of their names, so that a failure leaves some committed.
func (x *memoryTxn) Commit(_ context.Context, marks map[schema.Name]sink.Mark) error {
	m := x.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if x.over || m.committing {
		return fmt.Errorf("%w: two commits at once, or one repeated", ErrBroken)
	}
	m.committing = true
	defer func() { m.committing = false }()
	if err := m.operate(func() error { return nil }); err != nil {
		return err
	}
	names := make([]schema.Name, 0, len(x.staged))
	for name := range x.staged {
		names = append(names, name)
	}
	slices.SortFunc(names, schema.Name.Compare)
	var errs []error
	for _, name := range names {
		if err := x.failed[name]; err != nil {
			errs = append(errs, err)
			continue
		}
		if err := m.operate(func() error { return x.commitTable(name, marks[name]) }); err != nil {
			return err
		}
	}
	x.over = true
	delete(m.open, x)
	return errors.Join(errs...)
}

func (x *memoryTxn) commitTable(name schema.Name, mark sink.Mark) error {
	t := x.m.tables[name]
	switch {
	case t == nil:
		return &schema.TableError{Table: name, Err: errors.New("the table is gone")}
	case mark.Run < t.mark.Run:
		return fmt.Errorf("table %s: run %d after run %d: %w", name, mark.Run, t.mark.Run, sink.ErrFenced)
	case mark.Epoch <= t.mark.Epoch:
		return fmt.Errorf("%w: epoch %d of table %s after %d", ErrBroken, mark.Epoch, name, t.mark.Epoch)
	}
	undo := make(map[string]memoryRow)
	for _, s := range x.staged[name] {
		if err := t.apply(s, undo); err != nil {
			t.rollback(undo)
			return fmt.Errorf("%w: table %s: %w", ErrBroken, name, err)
		}
	}
	mark.State = bytes.Clone(mark.State)
	t.mark = mark
	x.m.commits++
	return nil
}

// apply does one staged row; undo keeps what its key held before, nil for nothing.
func (t *memoryTable) apply(s stagedRow, undo map[string]memoryRow) error {
	if len(s.table.Key) == 0 {
		s.key = fmt.Sprintf("%020d", t.next)
		t.next++
	}
	old, held := t.rows[s.key]
	if _, kept := undo[s.key]; !kept {
		undo[s.key] = old
	}
	switch {
	case s.op == row.Insert && held:
		return fmt.Errorf("insert of %q, whose key %x the sink holds already", s.row, s.key)
	case s.op == row.Delete || s.op == row.Before:
		delete(t.rows, s.key)
	default:
		t.rows[s.key] = s.row
	}
	return nil
}

func (t *memoryTable) rollback(undo map[string]memoryRow) {
	for k, old := range undo {
		if old == nil {
			delete(t.rows, k)
		} else {
			t.rows[k] = old
		}
	}
}

// Abort implements sink.Txn.
func (x *memoryTxn) Abort() error {
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	x.over, x.staged = true, nil
	delete(x.m.open, x)
	return nil
}
