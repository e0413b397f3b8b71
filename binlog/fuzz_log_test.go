package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// FuzzLog feeds damaged logs of real servers to all that reads them. Whatever they hold: nothing panics, batches are whole,
// the order of the log is kept, each boundary can be resumed at, memory stays within bounds, and what was delivered before
// an event does not depend on what comes after it.
func FuzzLog(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(r.log, r.flavor == MariaDB, r.version, uint16(len(r.log)/2))
	}
	f.Fuzz(func(t *testing.T, log []byte, mariadb bool, version int, part uint16) {
		flavor := MySQL
		if mariadb {
			flavor = MariaDB
		}
		log = mend(log)
		r := newReplay(flavor, version, everyTable)
		err := r.read(log)
		checkReplay(t, r, len(log))
		whole := prints(r.all)

		k := wholeEvents(log, int(part))
		short := newReplay(flavor, version, everyTable)
		errShort := short.read(log[:k])
		if errShort != nil && (err == nil || err.Error() != errShort.Error()) {
			t.Errorf("%d bytes alone: %v; with what follows: %v", k, errShort, err)
		}
		if some := prints(short.all); len(some) > len(whole) || !slices.Equal(some, whole[:len(some)]) {
			t.Errorf("%d bytes alone: got\n%q\nwith what follows\n%q", k, some, whole)
		}
		for _, ev := range append(r.all, short.all...) {
			ev.Rows.Free()
		}
	})
}

// TestFuzzLog_Seeds holds that the recorded logs can be read to their ends, and have what they were made for.
func TestFuzzLog_Seeds(t *testing.T) {
	for _, rec := range recordings(t) {
		if !bytes.Equal(mend(rec.log), rec.log) {
			t.Errorf("%s: sizes or checksums are not as the server wrote them", rec.name)
		}
		r := newReplay(rec.flavor, rec.version, everyTable)
		if err := r.read(rec.log); err != nil {
			t.Errorf("%s: %v", rec.name, err)
		}
		checkReplay(t, r, len(rec.log))
		rows := 0
		for _, ev := range r.all {
			if ev.Rows != nil {
				rows += ev.Rows.Len()
			}
		}
		if rows < 13 {
			t.Errorf("%s: %d rows", rec.name, rows)
		}
	}
}

// wholeEvents is the end of the last event of a log that ends within n bytes.
func wholeEvents(log []byte, n int) int {
	at := 0
	for at < len(log) && at+eventSize(log[at:]) <= n {
		at += eventSize(log[at:])
	}
	return at
}

// checkReplay holds what is true of the events of any log.
func checkReplay(t *testing.T, r *replay, size int) {
	t.Helper()
	var last uint64
	memory := 0
	for _, ev := range r.all {
		switch {
		case ev.Rows != nil:
			memory += ev.Rows.Bytes()
			checkBatch(t, ev, last)
		case ev.Commit != "":
			if ev.Seq < last {
				t.Errorf("commit at %d after %d", ev.Seq, last)
			}
			last = ev.Seq
			back, err := ParsePosition(ev.Commit)
			if err != nil || back.Text() != ev.Commit || back.Seq() != ev.Seq {
				t.Errorf("commit %q is read as %v: %v", ev.Commit, back, err)
			}
		}
	}
	if !r.packed && memory > 1000*(size+64) {
		t.Errorf("%d bytes became %d", size, memory)
	}
}

func checkBatch(t *testing.T, ev source.Event, last uint64) {
	t.Helper()
	b := ev.Rows
	n := b.Len()
	if n == 0 || len(b.Seqs) != n || len(b.Times) != n || len(b.Orders) != n || len(b.Cols) != len(b.Table.Columns) {
		t.Fatalf("ragged batch of %s: %d rows, %d seqs, %d times, %d orders, %d columns", b.Table, n, len(b.Seqs), len(b.Times), len(b.Orders), len(b.Cols))
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		if v.Len() != n {
			t.Fatalf("column %s of %s has %d values for %d rows", b.Table.Columns[i].Name, b.Table, v.Len(), n)
		}
		for k := range n {
			if v.Offsets != nil && (v.Offsets[k] > v.Offsets[k+1] || int(v.Offsets[k+1]) > len(v.Data)) {
				t.Fatalf("column %s of %s: offsets %v of %d bytes", b.Table.Columns[i].Name, b.Table, v.Offsets, len(v.Data))
			}
		}
	}
	for i, seq := range b.Seqs {
		if seq < ev.Txn.Seq || seq < last {
			t.Errorf("row %d has seq %d, its transaction %d, the commit before %d", i, seq, ev.Txn.Seq, last)
		}
		if b.KeyNull(i) >= 0 {
			t.Errorf("row %d of %s has no whole key", i, b.Table)
		}
	}
}

// prints spells events with all that they say.
func prints(events []source.Event) []string {
	var all []string
	for _, ev := range events {
		s := fmt.Sprintf("%s %d %d", ev.Commit, ev.Seq, ev.Time)
		switch {
		case ev.Rows != nil:
			s = fmt.Sprintf("%s %v %v %v %v", ev.Rows.Table, ev.Rows.Ops, ev.Rows.Seqs, ev.Rows.Times, ev.Txn)
			for i := range ev.Rows.Cols {
				v := &ev.Rows.Cols[i]
				s += fmt.Sprintf("|%x %x %v %v", v.Words, v.Data, v.Valid, v.Absent)
			}
		case ev.Schema != nil:
			s = fmt.Sprintf("%v %v %q", ev.Schema.Before, ev.Schema.After, ev.Schema.Statement)
		case ev.Stopped != nil:
			s = ev.Stopped.Error()
		}
		all = append(all, s)
	}
	return all
}

// TestFramer_Backwards holds that an event which would stand before the one before it is refused.
func TestFramer_Backwards(t *testing.T) {
	f := framer{file: "binlog.000001", offset: 4}
	body := make([]byte, 8)
	size := uint32(headerSize + len(body) + checksumSize)
	if _, err := f.next(makeEvent(replication.XID_EVENT, 0, 4+size, body)); err != nil {
		t.Fatal(err)
	}
	for _, end := range []uint32{1, 4, 4 + size, 3 + 2*size} {
		if e, err := f.next(makeEvent(replication.XID_EVENT, 0, end, body)); !errors.Is(err, errPlace) {
			t.Errorf("an event that ends at %d: got %+v, %v", end, e, err)
		}
	}
	if e, err := f.next(makeEvent(replication.XID_EVENT, 0, 4+2*size, body)); err != nil || e.start != uint64(4+size) {
		t.Errorf("the event that follows: got %+v, %v", e, err)
	}
}

// TestAssembler_OddGTIDs holds that no boundary gets a GTID that cannot be resumed at.
func TestAssembler_OddGTIDs(t *testing.T) {
	for number, want := range map[uint64]bool{0: false, 1: true, maxNumber: true, maxNumber + 1: false, 1 << 63: false} {
		e := gtid(1)
		binary.LittleEndian.PutUint64(e.body[17:], number)
		if err := feed(t, newTestAssembler(), e); (err == nil) != want {
			t.Errorf("number %d: got %v", number, err)
		}
	}
}

// TestParseTableMap_DamagedLabels holds that labels which are cut short are an error, and not fewer labels.
func TestParseTableMap_DamagedLabels(t *testing.T) {
	const head = "\x01\x00\x00\x00\x00\x00\x01\x00\x04shop\x00\x01a\x00\x01\xfe\x02\xf7\x01\x00"
	for labels, want := range map[string]bool{"\x02\x01x\x01y": true, "\x02\x01x": false, "\x02\x01x\x02y": false, "\xfe": false} {
		m, err := parseTableMap([]byte(head + "\x06" + string(byte(len(labels))) + labels))
		if (err == nil) != want {
			t.Errorf("labels %q: got %+v, %v", labels, m, err)
		}
	}
}

// TestDecode_NullKey holds that a row without a key is an error: sinks could not tell it from others.
func TestDecode_NullKey(t *testing.T) {
	f := newFixture(t, narrowCells(), 1, false)
	f.body[6] |= 1 // the first column of the row's NULLs
	if err := f.decode(row.New(f.shape)); !errors.Is(err, errNullKey) {
		t.Errorf("got %v", err)
	}
}
