package iceberg

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/iceberg-go"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// maxConflicts bounds the memory for keys that are written and superseded: at this many bytes the positions of their
// rows are looked up, and kept as bits instead.
const maxConflicts = 12 << 20

// A staging holds one table's part of a transaction.
type staging struct {
	l   *layout
	txn *Txn

	mu      sync.Mutex // guards all below
	pending pending
	bytes   int64 // of pending
	data    *fileSet
	deletes *fileSet // nil without a key
	written filter   // keys of the rows in data
	flushes uint32
	// conflicts are keys that may be in data and that a later row superseded: all rows of the key that were written by
	// flush n or earlier are dead.
	conflicts     map[string]uint32
	conflictBytes int
	keyTable      *schema.Table
	key           []byte
	rows          []uint32
	err           error // the first failure; nothing more is taken
}

func newStaging(x *Txn, l *layout) *staging {
	s := &staging{l: l, txn: x, conflicts: map[string]uint32{}, data: newFileSet(l, iceberg.EntryContentData)}
	s.pending = pending{seed: x.sink.seed, keyed: len(l.keys) > 0}
	if len(l.keys) > 0 {
		s.deletes = newFileSet(l, iceberg.EntryContentEqDeletes)
		s.keyTable = l.keyShape()
	}
	return s
}

// keyShape is the shape of batches that hold only the key.
func (l *layout) keyShape() *schema.Table {
	t := &schema.Table{Name: l.table.Name, Version: l.table.Version}
	for i, k := range l.table.Key {
		t.Columns, t.Key = append(t.Columns, l.table.Columns[k]), append(t.Key, i)
	}
	return t
}

// add takes a batch over.
func (s *staging) add(b *row.Batch) error {
	if s.err != nil {
		b.Free()
		return s.err
	}
	err := s.check(b)
	if err != nil {
		b.Free()
	} else {
		n := int64(b.Bytes())
		s.bytes += n
		s.txn.pending.Add(n)
		s.txn.staged.Add(n)
		err = s.pending.add(b, s.touched)
	}
	s.err = err
	return err
}

// check refuses rows that cannot be stored as they are.
func (s *staging) check(b *row.Batch) error {
	if b.Table.Version != s.l.table.Version {
		return fmt.Errorf("table %s: rows of version %d in a transaction of version %d", b.Table.Name, b.Table.Version, s.l.table.Version)
	}
	if len(s.l.keys) == 0 && !onlyInserts(b) {
		return tableError(b.Table.Name, errors.New("a row was updated or deleted, and the table has no key to find it by: only inserts can be copied; give the table a primary key and copy it again"))
	}
	return errors.Join(checkKeys(b), checkAbsent(b))
}

// checkKeys finds a key that is not whole.
func checkKeys(b *row.Batch) error {
	suspect := false
	for _, c := range b.Table.Key {
		suspect = suspect || b.Cols[c].Valid != nil || b.Cols[c].Absent != nil
	}
	for i := 0; suspect && i < b.Len(); i++ {
		if c := b.KeyNull(i); c >= 0 {
			return tableError(b.Table.Name, fmt.Errorf("key column %s is NULL in a row (seq %d): such a row cannot be found again; make the column NOT NULL, or correct the value", b.Table.Columns[c].Name, b.Seqs[i]))
		}
	}
	return nil
}

// checkAbsent finds a row of which the log has only a part. Of a row that is gone, the key is enough.
func checkAbsent(b *row.Batch) error {
	for c := range b.Cols {
		for i := 0; b.Cols[c].Absent != nil && i < b.Len(); i++ {
			if b.Cols[c].IsAbsent(i) && b.Ops[i] != row.Delete && b.Ops[i] != row.Before {
				return tableError(b.Table.Name, fmt.Errorf("the log lacks column %s of a changed row (seq %d): the whole row is needed; SET GLOBAL binlog_row_image=FULL, reconnect the writers, and copy the table again", b.Table.Columns[c].Name, b.Seqs[i]))
			}
		}
	}
	return nil
}

// touched notes a key that is changed by something else than an Insert.
func (s *staging) touched(b *row.Batch, i int, hash uint64) error {
	if s.flushes == 0 || !s.written.may(hash) {
		return nil
	}
	s.key = b.Key(s.key[:0], i)
	if _, known := s.conflicts[string(s.key)]; !known {
		s.conflictBytes += len(s.key) + 64
	}
	s.conflicts[string(s.key)] = s.flushes
	return nil
}

// flush writes the pending rows to files.
func (s *staging) flush(ctx context.Context) error {
	if s.err != nil || s.pending.rows == 0 {
		return s.err
	}
	s.flushes++
	err := errors.Join(fault.Error("iceberg.write"), s.flushRows(), s.flushDeletes())
	s.pending.reset()
	s.txn.pending.Add(-s.bytes)
	s.bytes = 0
	if err == nil && s.conflictBytes > maxConflicts {
		err = s.resolve(ctx)
	}
	if err != nil {
		s.err = fmt.Errorf("%w: write files of %s: %w", sink.ErrTransient, s.l.table.Name, err)
	}
	return s.err
}

// flushRows writes the live rows. Those of batches that have dead ones are gathered first.
func (s *staging) flushRows() error {
	some := row.New(s.l.table)
	defer func() { some.Free() }()
	drain := func() error {
		if some.Len() == 0 {
			return nil
		}
		err := s.data.write(some, s.flushes)
		some.Truncate(0)
		return err
	}
	err := s.pending.live(&s.rows, func(b *row.Batch, rows []uint32, all bool) error {
		s.remember(b, rows, all)
		if all {
			return errors.Join(drain(), s.data.write(b, s.flushes))
		}
		gather(some, b, rows)
		if some.Len() < joinedBatch && some.Bytes() < 1<<20 {
			return nil
		}
		return drain()
	})
	return errors.Join(err, drain())
}

// remember puts the keys of rows that are being written into the filter.
func (s *staging) remember(b *row.Batch, rows []uint32, all bool) {
	if len(s.l.keys) == 0 {
		return
	}
	if all {
		for i := range b.Len() {
			s.written.add(hashKey(s.pending.seed, b, i))
		}
	}
	for _, i := range rows {
		s.written.add(hashKey(s.pending.seed, b, int(i)))
	}
}

// flushDeletes writes the keys whose rows in older snapshots must go.
func (s *staging) flushDeletes() error {
	if len(s.pending.entries) == 0 {
		return nil
	}
	keys := row.New(s.keyTable)
	defer keys.Free()
	for n := range s.pending.entries {
		e := &s.pending.entries[n]
		if !e.delete {
			continue
		}
		b := s.pending.batches[e.ref.batch]
		keys.Append(row.Delete, 0, 0)
		for i, c := range s.l.table.Key {
			keys.Cols[i].AppendFrom(&b.Cols[c], int(e.ref.row))
		}
		if keys.Len() == joinedBatch {
			if err := s.deletes.write(keys, s.flushes); err != nil {
				return err
			}
			keys.Truncate(0)
		}
	}
	if keys.Len() == 0 {
		return nil
	}
	return s.deletes.write(keys, s.flushes)
}

// finish writes what is pending, and returns all files for the commit.
func (s *staging) finish(ctx context.Context) (data, deletes []iceberg.DataFile, err error) {
	if err := s.flush(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.resolve(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.data.closeAll(); err != nil {
		return nil, nil, err
	}
	for _, f := range s.data.files {
		if f.deadRows == f.written.rows {
			continue // all its rows are superseded; the file is in no snapshot
		}
		data = append(data, f.written.file)
		if f.deadRows > 0 {
			d, err := s.l.writePositions(f)
			if err != nil {
				return nil, nil, err
			}
			deletes = append(deletes, d.file)
		}
	}
	if s.deletes == nil {
		return data, deletes, nil
	}
	if err := s.deletes.closeAll(); err != nil {
		return nil, nil, err
	}
	for _, f := range s.deletes.files {
		deletes = append(deletes, f.written.file)
	}
	return data, deletes, nil
}

// discard drops everything.
func (s *staging) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.reset()
	s.txn.pending.Add(-s.bytes)
	s.bytes = 0
	s.data.discard()
	if s.deletes != nil {
		s.deletes.discard()
	}
	s.err = errors.New("the transaction is over")
}
