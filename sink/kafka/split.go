package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A Kafka transaction must end before its timeout, and consumers wait for its end. So a source transaction that is too
// large is committed in several, each with a record that says of each table how many of the log's rows after its Mark are
// in the topics. When a crash comes before the Mark, the rows come again, in the same order, and so many are passed over.
// Counting does not depend on how the log is cut into batches; the last row's place in the log shows that it was right.

// splitIfLarge ends the open Kafka transaction if it is large or old. Snapshot rows may come otherwise after a crash, so a
// Txn that has some is not split.
func (x *Txn) splitIfLarge(ctx context.Context) error {
	x.turn.RLock()
	large := x.large()
	x.turn.RUnlock()
	if !large {
		return nil
	}
	x.turn.Lock()
	defer x.turn.Unlock()
	if !x.large() || x.writing.Load() > 0 { // a writer that gave up the turn for a moment has sent a part of its batch
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, x.s.delivery)
	defer cancel()
	fault.Point("kafka.before-split")
	written := map[schema.Name]tableRecord{}
	var records []kgo.Record
	for n, pt := range x.parts {
		if pt.rows == 0 {
			continue
		}
		t := x.s.marked(n)
		t.Skip, t.By = pt.skipAfter(), x.s.run.Load()
		written[n] = t
		records = append(records, x.s.record(t, tableKind, n.Namespace, n.Table))
	}
	if err := x.end(ctx, records); err != nil {
		return x.s.lost(ctx, x.p, "commit a part of a large transaction", err)
	}
	fault.Point("kafka.after-split")
	x.parted.Store(x.bytes.Load())
	x.s.committed(written)
	return nil
}

// large says that the open Kafka transaction should end. The caller holds the turn, shared or alone.
func (x *Txn) large() bool {
	if !x.p.transactional || x.phase != streaming || x.copied.Load() || x.spoiled.Load() {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.p.open && (x.bytes.Load()-x.parted.Load() >= int64(x.s.cfg.MaxBytes) || time.Since(x.p.began) > x.s.timeout/2)
}

// marked is the record of a table as it stands.
func (s *Sink) marked(n schema.Name) tableRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.tables[n]
}

// skipAfter is what a run must pass over that begins at the table's Mark.
func (pt *part) skipAfter() *skip {
	if pt.left != nil { // rows of an earlier split are still to come: this Kafka transaction has none
		return &skip{Rows: pt.rows + pt.left.Rows, Seq: pt.left.Seq, Origin: pt.left.Origin}
	}
	return &skip{Rows: pt.rows, Seq: pt.last.seq, Origin: pt.last.origin}
}

// skip returns the first row of b that is not in the topic yet.
func (x *Txn) skip(b *row.Batch, pt *part) (first int, err error) {
	n := b.Len()
	if b.Origin.Seq == 0 {
		x.copied.Store(true)
		return 0, nil
	}
	if n == 0 {
		return 0, nil
	}
	pt.rows += uint64(n)
	pt.last = lastRow{b.Seqs[n-1], b.Origin}
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.skips[b.Table.Name]
	if left == nil {
		return 0, nil
	}
	x.passed.Store(true)
	first = int(min(left.Rows, uint64(n)))
	if left.Rows -= uint64(first); left.Rows > 0 {
		now := *left
		pt.left = &now
		return first, nil
	}
	pt.left = nil
	delete(s.skips, b.Table.Name)
	return first, left.fits(b, first-1)
}

// fits says whether row i of b is the one that was written last.
func (s *skip) fits(b *row.Batch, i int) error {
	was, is := s.Origin, b.Origin
	same := b.Seqs[i] == s.Seq && is.File == was.File
	if is.Number != 0 { // another server may have the transaction at another place of its log
		same = is.Server == was.Server && is.Tag == was.Tag && is.Domain == was.Domain && is.Number == was.Number
	}
	if same {
		return nil
	}
	return fmt.Errorf("a transaction was written in parts, up to %s, and the log does not bring it again as it was: row %d after the last "+
		"whole commit is now of %s; resync the table", position(&was), s.Rows, position(&is))
}
