package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// Names of headers.
const (
	headerPosition = "cdcsync.position" // of the transaction in the source's log; none in a snapshot
	headerSeq      = "cdcsync.seq"      // the row's place in the order of the log
	headerSchema   = "cdcsync.schema"   // how many schema changes of the pipeline came before: it puts rows and changes in one order
	headerNewKey   = "__debezium.newkey"
	headerOldKey   = "__debezium.oldkey"
	headerClaim    = "cdcsync.claim-check" // where the value is
	headerOmitted  = "cdcsync.omitted"     // bytes that the value would have had
)

// A writer makes records of one batch.
type writer struct {
	x        *Txn
	l        *layout
	b        *row.Batch
	slab     *slab
	from     int                // the first record of slab that this batch made
	headers  []kgo.RecordHeader // of all records of the batch
	spare    int                // bytes of a record besides key and value, at most
	old, new []byte             // keys, when a row's key changes
}

// A span is where a part of a record stands in a slab's data; -1: it has none.
type span struct{ from, to int }

var noSpan = span{-1, -1}

// write makes records of all rows from first on.
func (w *writer) write(ctx context.Context, first int) error {
	for i := first; i < w.b.Len(); i++ {
		if w.slab == nil || w.slab.full(2*w.l.widest, len(w.headers)+ownHeaders) {
			if err := w.turnOver(ctx); err != nil {
				return err
			}
		}
		used, err := w.row(ctx, i)
		if err != nil {
			return err
		}
		i += used - 1
	}
	return nil
}

// turnOver hands the slab on and takes another.
func (w *writer) turnOver(ctx context.Context) error {
	if err := w.x.put(ctx, w); err != nil {
		return err
	}
	var err error
	w.slab, err = w.x.takeSlab(ctx)
	if err == nil {
		w.from = len(w.slab.records)
	}
	return err
}

// row makes the records of one change, and returns how many rows of the batch it is.
func (w *writer) row(ctx context.Context, i int) (used int, err error) {
	c := &w.l.change
	c.TableOrder, c.Before, c.After = w.x.number(w.l, w.b, i), -1, i
	switch w.b.Ops[i] {
	case row.Insert, row.Upsert:
		if c.Op = format.Create; w.b.Origin.Seq == 0 {
			c.Op = format.Read
		}
	case row.Delete:
		return 1, w.gone(ctx, i)
	case row.Before:
		if i+1 == w.b.Len() || w.b.Ops[i+1] != row.After {
			return 1, fmt.Errorf("row %d of a batch is the image before an update, and none after it follows", i)
		}
		if !w.l.sameKey(w.b, i, i+1) {
			return 2, w.rekey(ctx, i)
		}
		c.Op, c.Before, c.After = format.Update, i, i+1
		return 2, w.change(ctx, i+1)
	default:
		c.Op = format.Update
	}
	return 1, w.change(ctx, i)
}

// change makes one record of the change that the layout holds; row i has its key.
func (w *writer) change(ctx context.Context, i int) error {
	d := w.slab.data
	start := len(d)
	key, d, err := w.key(d, i)
	if err != nil {
		return err
	}
	from := len(d)
	if d, err = w.l.values.AppendValue(d, &w.l.change); err != nil {
		return err
	}
	if len(d) == from && w.l.change.Op == format.Delete {
		return w.silent(ctx, i)
	}
	return w.emit(ctx, d, start, key, span{from, len(d)}, i)
}

// silent is the delete of a format that has no words for it.
func (w *writer) silent(ctx context.Context, i int) error {
	switch {
	case len(w.l.keyed.Key) == 0:
		return errors.New("a row is gone, and the format has no words for it: of a row without a key no tombstone can tell; use an envelope, or set key.columns")
	case w.x.s.cfg.Tombstones: // it comes anyway
		return nil
	default:
		return w.bury(ctx, i)
	}
}

// key appends the record key of row i.
func (w *writer) key(d []byte, i int) (span, []byte, error) {
	if len(w.l.keyed.Key) == 0 {
		return noSpan, d, nil
	}
	from := len(d)
	d, err := w.l.keys.AppendKey(d, w.b, i)
	return span{from, len(d)}, d, err
}

// gone makes the records of a row that is no more.
func (w *writer) gone(ctx context.Context, i int) error {
	c := &w.l.change
	c.Op, c.Before, c.After = format.Delete, i, -1
	if err := w.change(ctx, i); err != nil {
		return err
	}
	return w.tombstone(ctx, i)
}

func (w *writer) tombstone(ctx context.Context, i int) error {
	if !w.x.s.cfg.Tombstones || len(w.l.keyed.Key) == 0 {
		return nil
	}
	return w.bury(ctx, i)
}

// bury makes a record without a value.
func (w *writer) bury(ctx context.Context, i int) error {
	start := len(w.slab.data)
	key, d, err := w.key(w.slab.data, i)
	if err != nil {
		return err
	}
	return w.emit(ctx, d, start, key, noSpan, i)
}

// rekey makes the records of an update whose key is another one, as Debezium does: the old key goes, and says where to;
// the new one comes, and says where from.
func (w *writer) rekey(ctx context.Context, i int) (err error) {
	_, w.old, err = w.key(w.old[:0], i)
	if err == nil {
		_, w.new, err = w.key(w.new[:0], i+1)
	}
	if err != nil {
		return err
	}
	old, new := w.old, w.new
	w.old = nil
	if err := w.gone(ctx, i); err != nil {
		return err
	}
	w.old, w.new = old, nil
	c := &w.l.change
	c.Op, c.Before, c.After = format.Create, -1, i+1
	err = w.change(ctx, i+1)
	w.old, w.new = old[:0], new[:0]
	return err
}

// emit makes a record of what stands in d from start on. d is the slab's data with more appended to it: memory of its own
// if it did not fit.
func (w *writer) emit(ctx context.Context, d []byte, start int, key, value span, i int) error {
	if len(d)-start+w.spare > w.l.limit {
		return w.tooLarge(ctx, d, key, value, i)
	}
	return w.place(ctx, d, start, key, value, i, kgo.RecordHeader{})
}

// place puts the record into the slab, and moves on to another one if its bytes did not fit.
func (w *writer) place(ctx context.Context, d []byte, start int, key, value span, i int, more kgo.RecordHeader) error {
	size := len(d) - start
	w.l.widest = max(w.l.widest, size)
	fits := cap(d) == cap(w.slab.data)
	if !fits {
		own := append([]byte(nil), d[start:]...)
		if err := w.turnOver(ctx); err != nil {
			return err
		}
		shift := start
		if fits = len(own) <= cap(w.slab.data)-len(w.slab.data); fits {
			shift -= len(w.slab.data)
			d = append(w.slab.data, own...)
		} else { // larger than a slab: the record keeps memory of its own
			d = own
			w.slab.outside += size
		}
		key, value = key.back(shift), value.back(shift)
	}
	if fits {
		w.slab.data = d
	}
	w.x.bytes.Add(int64(size))
	w.record(d, key, value, i, more)
	return nil
}

func (p span) back(n int) span {
	if p == noSpan {
		return p
	}
	return span{p.from - n, p.to - n}
}

// of returns the bytes of the span, nil for none.
func (p span) of(d []byte) []byte {
	if p == noSpan {
		return nil
	}
	return d[p.from:p.to:p.to]
}

// record adds the record to the slab.
func (w *writer) record(d []byte, key, value span, i int, more kgo.RecordHeader) {
	s := w.slab
	from := len(s.headers)
	s.headers = append(s.headers, w.headers...)
	if w.x.s.cfg.Headers {
		at := len(s.data)
		if len(s.data)+20 > cap(s.data) {
			s.headers = append(s.headers, kgo.RecordHeader{Key: headerSeq, Value: strconv.AppendUint(nil, w.b.Seqs[i], 10)})
		} else {
			s.data = strconv.AppendUint(s.data, w.b.Seqs[i], 10)
			s.headers = append(s.headers, kgo.RecordHeader{Key: headerSeq, Value: s.data[at:len(s.data):len(s.data)]})
		}
	}
	if more.Key != "" {
		s.headers = append(s.headers, more)
	}
	switch { // rare: memory of its own
	case len(w.new) > 0 && value != noSpan:
		s.headers = append(s.headers, kgo.RecordHeader{Key: headerNewKey, Value: append([]byte(nil), w.new...)})
	case len(w.old) > 0:
		s.headers = append(s.headers, kgo.RecordHeader{Key: headerOldKey, Value: append([]byte(nil), w.old...)})
	}
	s.records = append(s.records, kgo.Record{
		Key: key.of(d), Value: value.of(d), Headers: s.headers[from:len(s.headers):len(s.headers)], Timestamp: timestamp(w.b, i),
		Topic: w.l.topic, Partition: w.l.home, Context: s,
	})
	if w.l.hash != nil && key != noSpan {
		r := &s.records[len(s.records)-1]
		r.Partition = int32(w.l.hash.Partition(r, int(w.l.partitions)))
	}
}

// batchHeaders are those of all records of a batch.
func (s *Sink) batchHeaders(dst []kgo.RecordHeader, l *layout, b *row.Batch) []kgo.RecordHeader {
	dst = append(dst[:0], l.headers...)
	if !s.cfg.Headers {
		return dst
	}
	if at := position(&b.Origin); at != nil {
		dst = append(dst, kgo.RecordHeader{Key: headerPosition, Value: at})
	}
	return append(dst, kgo.RecordHeader{Key: headerSchema, Value: strconv.AppendUint(nil, s.number.Load(), 10)})
}

// headerBytes is what headers take in a record at most, with those that single records have.
func headerBytes(hs []kgo.RecordHeader) int {
	n := len(headerSeq) + 20 + ownHeaders*4
	for _, h := range hs {
		n += len(h.Key) + len(h.Value) + 4
	}
	return n
}

// position spells where a transaction is in the source's log: its GTID, or FILE:OFFSET; nil in a snapshot.
func position(o *schema.Origin) []byte {
	switch {
	case o.Seq == 0:
		return nil
	case o.Number != 0:
		return o.AppendGTID(nil)
	default:
		return strconv.AppendUint(append([]byte(o.File), ':'), o.Seq&(1<<40-1), 10) // DESIGN.md, section 3: positions
	}
}
