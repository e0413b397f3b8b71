package iceberg

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema/row"
)

// maxOpen is how many partitions of one table are written at a time: each holds a row group in memory.
const maxOpen = 16

// A stagedFile is a file of the transaction, open or written.
type stagedFile struct {
	*parquetFile // nil once closed
	part         *partition
	runs         []run
	written      written
	dead         []uint64 // bit i: row i is superseded
	deadRows     int64
}

// A run says with which flush the rows from a position on were written.
type run struct {
	from  int64
	flush uint32
}

// A fileSet are the data files, or the equality delete files, of one table in a transaction.
type fileSet struct {
	l       *layout
	content iceberg.ManifestEntryContent
	cols    []column
	arrow   *arrow.Schema
	parts   *partitioner
	target  int64
	open    map[*partition]*stagedFile
	files   []*stagedFile // all, in the order of their creation
}

func newFileSet(l *layout, content iceberg.ManifestEntryContent) *fileSet {
	fs := &fileSet{l: l, content: content, cols: l.cols, arrow: l.arrow, open: map[*partition]*stagedFile{}}
	if content == iceberg.EntryContentEqDeletes {
		fs.cols, fs.arrow = l.keyColumns(), l.keyArrow
	}
	fs.parts = newPartitioner(&l.spec, fs.cols)
	fs.target = int64(l.props.GetInt(table.WriteTargetFileSizeBytesKey, 128<<20))
	return fs
}

// keyColumns are the key's columns as they stand in a batch that has no others.
func (l *layout) keyColumns() []column {
	cols := make([]column, len(l.keys))
	for i, c := range l.keys {
		c.index = i
		cols[i] = c
	}
	return cols
}

// write appends the rows of b.
func (fs *fileSet) write(b *row.Batch, flush uint32) error {
	if len(fs.parts.fields) == 0 {
		return fs.writeTo(nil, b, flush)
	}
	for _, part := range fs.parts.split(b) {
		some := row.New(b.Table)
		gather(some, b, part.rows)
		err := fs.writeTo(part, some, flush)
		some.Free()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeTo appends the rows of b, which all belong to one partition; nil when there are none.
func (fs *fileSet) writeTo(part *partition, b *row.Batch, flush uint32) error {
	f, err := fs.file(part)
	if err != nil {
		return err
	}
	if n := len(f.runs); n == 0 || f.runs[n-1].flush != flush {
		f.runs = append(f.runs, run{from: f.rows, flush: flush})
	}
	if err := f.write(b, rowGroupBytes/int64(len(fs.open))); err != nil {
		return err
	}
	if f.w.TotalCompressedBytes()+f.w.RowGroupTotalCompressedBytes() >= fs.target {
		return fs.close(f)
	}
	return nil
}

// file returns the open file of a partition.
func (fs *fileSet) file(part *partition) (*stagedFile, error) {
	if f := fs.open[part]; f != nil {
		return f, nil
	}
	if len(fs.open) >= maxOpen {
		if err := fs.close(fs.oldest()); err != nil {
			return nil, err
		}
	}
	prefix, kind := "", "data"
	if part != nil {
		prefix = part.folder
	}
	if fs.content == iceberg.EntryContentEqDeletes {
		kind = "delete"
	}
	w, err := fs.l.create(prefix, kind, fs.cols, fs.arrow)
	if err != nil {
		return nil, err
	}
	f := &stagedFile{parquetFile: w, part: part}
	fs.open[part] = f
	fs.files = append(fs.files, f)
	return f, nil
}

func (fs *fileSet) oldest() *stagedFile {
	for _, f := range fs.files {
		if f.parquetFile != nil {
			return f
		}
	}
	panic("iceberg: no open file")
}

func (fs *fileSet) close(f *stagedFile) (err error) {
	delete(fs.open, f.part)
	args := table.DataFileArgs{Content: fs.content, Spec: fs.l.spec, PartitionValues: f.part.partitionValues()}
	if fs.content == iceberg.EntryContentEqDeletes {
		args.EqualityFieldIDs = fs.l.keyIDs
	}
	w := f.parquetFile
	f.parquetFile = nil
	f.written, err = w.close(fs.l, args)
	return err
}

func (p *partition) partitionValues() map[int]any {
	if p == nil {
		return nil
	}
	return p.values
}

// closeAll closes the open files.
func (fs *fileSet) closeAll() (err error) {
	for _, f := range fs.files {
		if f.parquetFile != nil {
			err = errors.Join(err, fs.close(f))
		}
	}
	return err
}

// discard removes all files: they are part of no snapshot, and will not be.
func (fs *fileSet) discard() {
	for _, f := range fs.files {
		switch {
		case f.parquetFile != nil:
			f.parquetFile.discard(fs.l)
		case f.written.path != "":
			_ = fs.l.fs.Remove(f.written.path) // what stays is unreferenced, and harmless
		}
	}
	fs.files, fs.open = nil, map[*partition]*stagedFile{}
}
