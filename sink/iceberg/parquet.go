package iceberg

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/cdcsync/cdcsync/schema/row"
)

// rowGroupBytes is when a row group ends: what a writer holds compressed, and a reader decodes at once.
const rowGroupBytes = 16 << 20

// codecs are the values of write.parquet.compression-codec.
var codecs = map[string]compress.Compression{
	"zstd": compress.Codecs.Zstd, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip, "lz4": compress.Codecs.Lz4Raw,
	"uncompressed": compress.Codecs.Uncompressed,
}

// writerProperties turns a table's properties into those of a Parquet writer. Dictionaries are for columns of bytes
// only: on numbers they cost time, and are given up at their size limit in all but small files.
func writerProperties(props iceberg.Properties, cols []column) (*parquet.WriterProperties, error) {
	codec, ok := codecs[props.Get(table.ParquetCompressionKey, "zstd")]
	if !ok {
		return nil, fmt.Errorf("%s: %q is not a codec: write zstd, snappy, gzip, lz4 or uncompressed", table.ParquetCompressionKey, props[table.ParquetCompressionKey])
	}
	opts := []parquet.WriterProperty{
		parquet.WithCompression(codec), parquet.WithDictionaryDefault(false), parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithStoreDecimalAsInteger(true), parquet.WithMaxRowGroupLength(1 << 31),
		parquet.WithCreatedBy("cdcsync"),
	}
	numbers := map[string]func(int) parquet.WriterProperty{
		table.ParquetCompressionLevelKey: parquet.WithCompressionLevel,
		table.ParquetPageSizeBytesKey:    func(n int) parquet.WriterProperty { return parquet.WithDataPageSize(int64(n)) },
		table.ParquetDictSizeBytesKey:    func(n int) parquet.WriterProperty { return parquet.WithDictionaryPageSizeLimit(int64(n)) },
	}
	for key, option := range numbers {
		text, ok := props[key]
		if !ok {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a number", key, text)
		}
		opts = append(opts, option(n))
	}
	for _, c := range cols {
		if c.form == formBytes && c.source.Length == 0 {
			opts = append(opts, parquet.WithDictionaryPath(parquet.ColumnPath{c.field.Name}, true))
		}
	}
	return parquet.NewWriterProperties(opts...), nil
}

// A written file is complete, and not yet part of a snapshot.
type written struct {
	file iceberg.DataFile
	path string
	rows int64
}

// A parquetFile is a Parquet file being written.
type parquetFile struct {
	path  string
	out   io.WriteCloser
	w     *pqarrow.FileWriter
	sc    *arrow.Schema
	cols  []column
	rows  int64
	group int64 // bytes of rows in the current row group
	n     counter
}

// A counter counts what is written through it.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// create starts a file of the given columns. prefix is the folder of its partition.
func (l *layout) create(prefix, kind string, cols []column, sc *arrow.Schema) (*parquetFile, error) {
	f := &parquetFile{path: l.places.NewDataLocation(prefix + kind + "-" + uuid.NewString() + ".parquet"), sc: sc, cols: cols}
	props, err := writerProperties(l.props, cols)
	if err != nil {
		return nil, err
	}
	out, err := l.fs.Create(f.path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", f.path, err)
	}
	f.out, f.n = out, counter{Writer: out}
	if f.w, err = pqarrow.NewFileWriter(sc, &f.n, props, pqarrow.DefaultWriterProps()); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", f.path, err), out.Close())
	}
	return f, nil
}

// write appends all rows of a batch of the file's table. A row group ends at about rowGroup bytes.
func (f *parquetFile) write(b *row.Batch, rowGroup int64) error {
	arrays := make([]arrow.Array, len(f.cols))
	for i := range f.cols {
		arrays[i] = toArrow(f.sc.Field(i).Type, &f.cols[i], &b.Cols[f.cols[i].index])
	}
	return f.writeRecord(arrays, b.Len(), int64(b.Bytes()), rowGroup)
}

func (f *parquetFile) writeRecord(arrays []arrow.Array, rows int, bytes, rowGroup int64) error {
	rec := array.NewRecordBatch(f.sc, arrays, int64(rows))
	defer rec.Release()
	for _, a := range arrays {
		a.Release()
	}
	if f.group > 0 && f.group+bytes > rowGroup {
		f.w.NewBufferedRowGroup()
		f.group = 0
	}
	if err := f.w.WriteBuffered(rec); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.group += bytes
	f.rows += int64(rows)
	return nil
}

// close ends the file. fill completes what the catalog must know of it.
func (f *parquetFile) close(l *layout, args table.DataFileArgs) (written, error) {
	if err := errors.Join(f.w.Close(), f.out.Close()); err != nil {
		return written{}, fmt.Errorf("close %s: %w", f.path, err)
	}
	meta, err := f.w.FileMetadata()
	if err != nil {
		return written{}, fmt.Errorf("close %s: %w", f.path, err)
	}
	args.Format, args.Metadata, args.FilePath, args.FileSize = iceberg.ParquetFile, meta, f.path, f.n.n
	args.FormatVersion = 2
	if args.Schema == nil {
		args.Schema = l.schema
	}
	if args.Properties == nil {
		args.Properties = l.props
	}
	df, err := table.DataFileFromMetadata(args)
	if err != nil {
		return written{}, fmt.Errorf("describe %s: %w", f.path, err)
	}
	return written{file: df, path: f.path, rows: f.rows}, nil
}

// discard ends a file that nobody needs, and removes it.
func (f *parquetFile) discard(l *layout) {
	_ = f.w.Close()
	_ = f.out.Close()
	_ = l.fs.Remove(f.path)
}

// gather appends the chosen rows of src to dst, column by column.
func gather(dst, src *row.Batch, rows []uint32) {
	for _, i := range rows {
		dst.Ops = append(dst.Ops, src.Ops[i])
		dst.Seqs = append(dst.Seqs, src.Seqs[i])
		dst.Times = append(dst.Times, src.Times[i])
	}
	for c := range dst.Cols {
		gatherColumn(&dst.Cols[c], &src.Cols[c], rows)
	}
}

func gatherColumn(dst, src *row.Vector, rows []uint32) {
	plain := src.Valid == nil && src.Absent == nil && dst.Valid == nil && dst.Absent == nil
	switch {
	case !plain:
		for _, i := range rows {
			dst.AppendFrom(src, int(i))
		}
	case dst.Offsets == nil:
		dst.Words = slices.Grow(dst.Words, len(rows))
		for _, i := range rows {
			dst.Words = append(dst.Words, src.Words[i])
		}
	default:
		for _, i := range rows {
			dst.Data = append(dst.Data, src.Value(int(i))...)
			dst.Offsets = append(dst.Offsets, uint32(len(dst.Data)))
		}
	}
}
