package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// makeEvent builds an event with a checksum. end is the offset that it says to end at; 0: it does not say.
func makeEvent(kind replication.EventType, flags uint16, end uint32, body []byte) []byte {
	p := binary.LittleEndian.AppendUint32(nil, 1_700_000_000)
	p = append(p, byte(kind))
	p = binary.LittleEndian.AppendUint32(p, 1)
	p = binary.LittleEndian.AppendUint32(p, uint32(headerSize+len(body)+checksumSize))
	p = binary.LittleEndian.AppendUint32(p, end)
	p = binary.LittleEndian.AppendUint16(p, flags)
	p = append(p, body...)
	return binary.LittleEndian.AppendUint32(p, crc32.ChecksumIEEE(p))
}

func description(algorithm byte) []byte {
	body := append([]byte{4, 0}, make([]byte, 55+40)...)
	return append(body, algorithm)
}

func TestFramer_Checksum(t *testing.T) {
	f := framer{file: "binlog.000001", offset: 4}
	if _, err := f.next(makeEvent(replication.FORMAT_DESCRIPTION_EVENT, 0, 0, description(1))); err != nil {
		t.Fatal(err)
	}
	xid := makeEvent(replication.XID_EVENT, 0, 1000, make([]byte, 8))
	e, err := f.next(xid)
	if err != nil || e.stop != 1000 || e.start != 1000-uint64(len(xid)) || len(e.body) != 8 {
		t.Fatalf("got %+v, %v", e, err)
	}
	for i := range xid {
		damaged := append([]byte(nil), xid...)
		damaged[i] ^= 0x10
		if _, err := f.next(damaged); err == nil {
			t.Errorf("byte %d damaged: got no error", i)
		} else if !strings.Contains(err.Error(), "binlog.000001:1000") {
			t.Errorf("byte %d damaged: %v does not name the position", i, err)
		}
	}
	if _, err := f.next(makeEvent(replication.FORMAT_DESCRIPTION_EVENT, 0, 0, description(7))); err == nil {
		t.Error("unknown algorithm: got no error")
	}
}

func TestFramer_Offsets(t *testing.T) {
	const size = headerSize + 8 + checksumSize
	f := framer{file: "binlog.000001", offset: 1<<32 - 80}
	next := func(flags uint16, end uint32) event {
		t.Helper()
		e, err := f.next(makeEvent(replication.XID_EVENT, flags, end, make([]byte, 8)))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, tt := range []struct {
		name  string
		flags uint16
		end   uint32
		want  uint64
	}{
		{"said", 0, 1<<32 - 80 + size, 1<<32 - 80 + size},
		{"not said", 0, 0, 1<<32 - 80 + 2*size},
		{"artificial", replication.LOG_EVENT_ARTIFICIAL_F, 0, 1<<32 - 80 + 2*size},
		{"past 4 GiB", 0, 3*size - 80, 1<<32 - 80 + 3*size},
		{"not said past 4 GiB", 0, 0, 1<<32 - 80 + 4*size},
		{"said past 4 GiB", 0, 5*size - 80, 1<<32 - 80 + 5*size},
	} {
		if e := next(tt.flags, tt.end); e.stop != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, e.stop, tt.want)
		}
	}
}

// feed gives an assembler events one after the other, and returns what it makes of them.
func feed(t *testing.T, a *assembler, events ...event) error {
	t.Helper()
	at := uint64(100)
	for _, e := range events {
		e.start, e.stop = at, at+100
		at += 100
		if err := a.event(&e); err != nil {
			return err
		}
	}
	return nil
}

func newTestAssembler(shapes ...*schema.Table) *assembler {
	cfg := Config{Shapes: shapes}
	cfg.setDefaults()
	a := newAssembler(&cfg, &serverFacts{flavor: MySQL, version: 90000}, Position{Flavor: MySQL, File: "binlog.000001", Offset: 100})
	a.drain = func() error { return nil }
	return a
}

func queryEvent(text string) event {
	return event{header: header{kind: replication.QUERY_EVENT}, body: append(make([]byte, 14), text...)}
}

// gtid is a GTID event of MySQL 5.7.
func gtid(number byte) event {
	body := make([]byte, 42)
	body[1], body[17] = 1, number
	return event{header: header{kind: replication.GTID_EVENT, time: 5}, body: body}
}

func rotateTo(file string) event {
	return event{header: header{kind: replication.ROTATE_EVENT}, body: append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, file...)}
}

func TestAssembler_Errors(t *testing.T) {
	kind := func(k replication.EventType, body string) event {
		return event{header: header{kind: k}, body: []byte(body)}
	}
	tests := []struct {
		name   string
		events []event
		want   string
	}{
		{"incident", []event{kind(replication.INCIDENT_EVENT, "")}, "INCIDENT"},
		{"unknown kind", []event{kind(99, "")}, "type 99"},
		{"rows without table", []event{kind(replication.WRITE_ROWS_EVENTv2, "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00")}, "table id 1"},
		{"cut rows", []event{kind(replication.WRITE_ROWS_EVENTv2, "\x01")}, "cut short"},
		{"cut table map", []event{kind(replication.TABLE_MAP_EVENT, "\x01\x02")}, "cut short"},
		{"cut gtid", []event{kind(replication.GTID_EVENT, "\x01\x02")}, "cut short"},
		{"cut tagged gtid", []event{kind(replication.GTID_TAGGED_LOG_EVENT, "\x02")}, "binlog.000001:100"},
		{"cut query", []event{kind(replication.QUERY_EVENT, "\x02")}, "cut short"},
		{"cut payload", []event{kind(replication.TRANSACTION_PAYLOAD_EVENT, "\x02")}, "cut short"},
		{"damaged payload", []event{kind(replication.TRANSACTION_PAYLOAD_EVENT, "\x02\x01\x00\x00garbage")}, "damaged"},
		{"unknown compression", []event{kind(replication.TRANSACTION_PAYLOAD_EVENT, "\x02\x01\x05\x00")}, "algorithm 5"},
		{"cut prepare", []event{kind(replication.XA_PREPARE_LOG_EVENT, "\x00")}, "cut short"},
		{"transaction in transaction", []event{gtid(1), queryEvent("BEGIN"), gtid(2)}, "inside another"},
		{"no savepoint", []event{gtid(1), queryEvent("BEGIN"), queryEvent("ROLLBACK TO x")}, "no such savepoint"},
		{"file without number", []event{rotateTo("binlog")}, "number"},
		{"backwards", []event{rotateTo("binlog.000000")}, "goes back"},
	}
	for _, tt := range tests {
		err := feed(t, newTestAssembler(), tt.events...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error that says %q", tt.name, err, tt.want)
		}
	}
	if err := feed(t, newTestAssembler(), event{header: header{kind: 99, flags: replication.LOG_EVENT_IGNORABLE_F}}); err != nil {
		t.Errorf("ignorable: got %v", err)
	}
	if err := feed(t, newTestAssembler(), rotateTo("binlog.000000")); !errors.Is(err, source.ErrPositionLost) {
		t.Errorf("backwards: got %v, want ErrPositionLost", err)
	}
}

// TestAssembler_LateHeartbeat has a server that is between two files of its log: the old one's end is no place in the next.
func TestAssembler_LateHeartbeat(t *testing.T) {
	for kind, body := range map[replication.EventType]string{
		replication.HEARTBEAT_EVENT: "binlog.00000%d", replication.HEARTBEAT_LOG_EVENT_V2: "\x02\x01\x07\x01\x0dbinlog.00000%d\x00",
	} {
		beat := func(file int) event {
			return event{header: header{kind: kind}, body: fmt.Appendf(nil, body, file)}
		}
		a := newTestAssembler()
		if err := feed(t, a, rotateTo("binlog.000002"), beat(1), rotateTo("binlog.000002")); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if a.pos.Offset != 4 || a.beat == 0 {
			t.Errorf("%s of the old file: got %s, heard of at %d", kind, a.pos, a.beat)
		}
		if err := feed(t, a, beat(2)); err != nil || a.pos.Offset != 200 {
			t.Errorf("%s of this file: got %s, %v, want offset 200", kind, a.pos, err)
		}
	}
}

// TestAssembler_HalfTransaction has a log file that ends inside a transaction, as after a crash: it never happened.
func TestAssembler_HalfTransaction(t *testing.T) {
	f := newFixture(t, narrowCells(), 2, false)
	f.shape.Name = schema.Name{Namespace: "shop", Table: "a"}
	a := newTestAssembler(f.shape)
	if err := feed(t, a, gtid(1), queryEvent("BEGIN"), mapOf(f), rowsOfFixture(f), rotateTo("binlog.000002"), gtid(2), queryEvent("BEGIN"), mapOf(f), rowsOfFixture(f),
		event{header: header{kind: replication.XID_EVENT}}); err != nil {
		t.Fatal(err)
	}
	if len(a.out) != 2 || a.out[0].Rows.Len() != 2 || a.out[0].Txn.Number != 2 || a.out[1].Seq != 2<<offsetBits|1100 {
		t.Errorf("got %+v", a.out)
	}
}

// mapOf is the TABLE_MAP event of a fixture, as table id 1.
func mapOf(f *fixture) event {
	body := []byte{1, 0, 0, 0, 0, 0, 1, 0}
	body = append(append(body, byte(len(f.shape.Name.Namespace))), f.shape.Name.Namespace...)
	body = append(append(body, 0, byte(len(f.shape.Name.Table))), f.shape.Name.Table...)
	body = append(body, 0, byte(len(f.cells)))
	var metas []byte
	for _, c := range f.cells {
		body = append(body, c.typ)
		switch c.typ {
		case 15:
			metas = binary.LittleEndian.AppendUint16(metas, c.meta)
		case 246:
			metas = binary.BigEndian.AppendUint16(metas, c.meta)
		case 18:
			metas = append(metas, byte(c.meta))
		}
	}
	body = append(append(body, byte(len(metas))), metas...)
	return event{header: header{kind: replication.TABLE_MAP_EVENT}, body: append(body, 0)}
}

func rowsOfFixture(f *fixture) event {
	return event{header: header{kind: replication.WRITE_ROWS_EVENTv2}, body: append([]byte{1, 0, 0, 0, 0, 0}, f.body...)}
}
