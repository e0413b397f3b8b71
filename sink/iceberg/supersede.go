package iceberg

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema/row"
)

// resolve finds the rows of the conflicting keys in the files of this transaction, by reading the files' key columns,
// and marks them dead.
func (s *staging) resolve(ctx context.Context) error {
	if len(s.conflicts) == 0 {
		return nil
	}
	if err := s.data.closeAll(); err != nil {
		return err
	}
	for _, f := range s.data.files {
		if err := s.resolveFile(ctx, f); err != nil {
			return fmt.Errorf("read keys of %s: %w", f.written.path, err)
		}
	}
	clear(s.conflicts)
	s.conflictBytes = 0
	return nil
}

func (s *staging) resolveFile(ctx context.Context, f *stagedFile) (err error) {
	in, err := s.l.fs.Open(f.written.path)
	if err != nil {
		return err
	}
	pf, err := file.NewParquetReader(in)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	defer func() { err = errors.Join(err, pf.Close()) }()
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 8192}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	var leaves []int
	for i, c := range s.l.cols {
		for _, k := range s.l.keys {
			if c.field.ID == k.field.ID {
				leaves = append(leaves, i)
			}
		}
	}
	records, err := r.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	at := int64(0)
	for records.Next() {
		rec := records.RecordBatch()
		s.resolveRecord(f, rec, at)
		at += rec.NumRows()
	}
	if at != f.written.rows {
		return errors.Join(records.Err(), fmt.Errorf("%d rows, want %d", at, f.written.rows))
	}
	return nil
}

// resolveRecord marks the dead of the rows that begin at position at.
func (s *staging) resolveRecord(f *stagedFile, rec arrow.RecordBatch, at int64) {
	keys := row.New(s.keyTable)
	defer keys.Free()
	n := int(rec.NumRows())
	for i := range n {
		keys.Append(row.Delete, uint64(i), 0)
	}
	for k := range s.l.keys {
		c := &s.l.keys[k]
		a := rec.Column(rec.Schema().FieldIndices(c.field.Name)[0])
		for i := range n {
			fromArrow(&keys.Cols[k], c, a, i)
		}
	}
	for i := range n {
		s.key = keys.Key(s.key[:0], i)
		if limit, ok := s.conflicts[string(s.key)]; ok && f.flushOf(at+int64(i)) <= limit {
			f.kill(at + int64(i))
		}
	}
}

// flushOf returns the flush that wrote the row at a position.
func (f *stagedFile) flushOf(pos int64) uint32 {
	for _, r := range slices.Backward(f.runs) {
		if r.from <= pos {
			return r.flush
		}
	}
	panic("iceberg: position before the first run")
}

func (f *stagedFile) kill(pos int64) {
	if f.dead == nil {
		f.dead = make([]uint64, (f.written.rows+63)/64)
	}
	if bit := uint64(1) << (pos & 63); f.dead[pos>>6]&bit == 0 {
		f.dead[pos>>6] |= bit
		f.deadRows++
	}
}

// writePositions writes the position delete file of a data file: sorted, naming the file, and with the exact path as both
// bounds, from which some readers tell that it concerns this one file.
func (l *layout) writePositions(f *stagedFile) (written, error) {
	prefix := ""
	if f.part != nil {
		prefix = f.part.folder
	}
	w, err := l.create(prefix, "positions", nil, table.PositionalDeleteArrowSchema)
	if err != nil {
		return written{}, err
	}
	for from := 0; from < len(f.dead); from += 1024 {
		if err := w.writePositions(f.written.path, f.dead[from:min(from+1024, len(f.dead))], int64(from)*64); err != nil {
			w.discard(l)
			return written{}, err
		}
	}
	return w.close(l, table.DataFileArgs{
		Content: iceberg.EntryContentPosDeletes, Schema: iceberg.PositionalDeleteSchema, Spec: l.spec,
		PartitionValues: f.part.partitionValues(), ReferencedDataFile: &f.written.path,
	})
}

func (f *parquetFile) writePositions(path string, dead []uint64, base int64) error {
	paths, positions := array.NewStringBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	defer paths.Release()
	defer positions.Release()
	for w, word := range dead {
		for ; word != 0; word &= word - 1 {
			paths.Append(path)
			positions.Append(base + int64(w)*64 + int64(bits.TrailingZeros64(word)))
		}
	}
	n := positions.Len()
	if n == 0 {
		return nil
	}
	return f.writeRecord([]arrow.Array{paths.NewArray(), positions.NewArray()}, n, int64(16*n), rowGroupBytes)
}
