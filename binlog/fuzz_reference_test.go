package binlog

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
)

// FuzzEvent gives one event to this package and to go-mysql: what both take, both read alike.
func FuzzEvent(f *testing.F) {
	for _, r := range recordings(f) {
		for at := 0; at < len(r.log); at += eventSize(r.log[at:]) {
			f.Add(r.log[at : at+eventSize(r.log[at:])-checksumSize])
		}
	}
	format := described(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) < headerSize {
			return
		}
		p = bytes.Clone(p)
		putU32(p[9:], uint32(len(p)))
		fr := framer{file: "binlog.000001"}
		e, err := fr.next(p)
		if err != nil {
			return
		}
		compareHeader(t, p, &e)
		switch e.kind {
		case replication.QUERY_EVENT:
			compareQuery(t, &e)
		case replication.TABLE_MAP_EVENT:
			compareTableMap(t, format, p, &e)
		case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.MARIADB_GTID_EVENT:
			compareGTID(t, &e)
		}
	})
}

// described is the format description of a recorded log, but of one without checksums.
func described(tb testing.TB) []byte {
	tb.Helper()
	log := recordings(tb)[0].log
	p := bytes.Clone(log[:eventSize(log)])
	p[len(p)-checksumSize-1] = 0
	return p
}

// decode is ev.Decode, false if it refuses or panics.
func decode(ev replication.Event, body []byte) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	return ev.Decode(bytes.Clone(body)) == nil
}

func compareHeader(t *testing.T, p []byte, e *event) {
	t.Helper()
	var want replication.EventHeader
	if err := want.Decode(p); err != nil {
		return
	}
	got := replication.EventHeader{Timestamp: e.time, EventType: e.kind, ServerID: e.server, EventSize: e.size, LogPos: e.end, Flags: e.flags}
	if got != want {
		t.Errorf("got header %+v, want %+v", got, want)
	}
}

func compareQuery(t *testing.T, e *event) {
	t.Helper()
	q, err := parseQuery(e.body)
	if err != nil {
		return
	}
	if short := queryText(e.body); !bytes.Equal(short, q.text) {
		t.Errorf("got text %q, the short way %q", q.text, short)
	}
	var want replication.QueryEvent
	if decode(&want, e.body) && (q.database != string(want.Schema) || !bytes.Equal(q.text, want.Query)) {
		t.Errorf("got %q in %q, want %q in %q", q.text, q.database, want.Query, want.Schema)
	}
	_, _ = q.statement(map[int]string{33: "utf8mb4", 8: "latin1"})
}

// compareGTID compares the names of transactions, and when they were committed.
func compareGTID(t *testing.T, e *event) {
	t.Helper()
	a := newReplay(MySQL, 90000, everyTable).as
	if a.event(e) != nil {
		return
	}
	g, micros := a.txn.gtid(), a.txn.time
	var tagged replication.GtidTaggedLogEvent
	var plain replication.GTIDEvent
	var maria replication.MariadbGTIDEvent
	got, want, at := "", "", uint64(e.time)*second
	switch {
	case e.kind == replication.GTID_TAGGED_LOG_EVENT && decode(&tagged, e.body):
		got, want = fmt.Sprintf("%x %s %d", g.Server, g.Tag, g.Number), fmt.Sprintf("%x %s %d", tagged.SID, tagged.Tag.String(), tagged.GNO)
		if tagged.ImmediateCommitTimestamp != 0 {
			at = tagged.ImmediateCommitTimestamp
		}
	case e.kind == replication.GTID_EVENT && decode(&plain, e.body):
		got, want = fmt.Sprintf("%x %d", g.Server, g.Number), fmt.Sprintf("%x %d", plain.SID, plain.GNO)
		if len(e.body) < 42 || e.body[25] != replication.LogicalTimestampTypeCode {
			at = uint64(micros) // go-mysql reads nothing behind a logical clock of another kind, of which servers have none
		} else if plain.ImmediateCommitTimestamp != 0 {
			at = plain.ImmediateCommitTimestamp
		}
	case e.kind == replication.MARIADB_GTID_EVENT && decode(&maria, e.body):
		got = fmt.Sprintf("%d %d %d", g.Domain, g.ServerID, g.Number)
		want = fmt.Sprintf("%d %d %d", maria.GTID.DomainID, e.server, maria.GTID.SequenceNumber)
	default:
		return
	}
	if got != want {
		t.Errorf("got GTID %s, want %s", got, want)
	}
	if uint64(micros) != at {
		t.Errorf("got time %d, want %d", micros, at)
	}
}

func compareTableMap(t *testing.T, format, p []byte, e *event) {
	t.Helper()
	m, err := parseTableMap(e.body)
	if err != nil {
		return
	}
	want, ok := tableMapEvent(format, p)
	if !ok {
		return
	}
	if m.name.Namespace != string(want.Schema) || m.name.Table != string(want.Table) || !bytes.Equal(m.types, want.ColumnType) || !slices.Equal(m.metas, want.ColumnMeta) {
		t.Errorf("got %v %v %v, want %s.%s %v %v", m.name, m.types, m.metas, want.Schema, want.Table, want.ColumnType, want.ColumnMeta)
	}
	if names := want.ColumnNameString(); !slices.Equal(m.names, names) {
		t.Errorf("got columns %q, want %q", m.names, names)
	}
	if labels := want.EnumStrValueString(); fmt.Sprint(m.enums) != fmt.Sprint(labels) {
		t.Errorf("got labels %q, want %q", m.enums, labels)
	}
	if labels := want.SetStrValueString(); fmt.Sprint(m.sets) != fmt.Sprint(labels) {
		t.Errorf("got labels %q, want %q", m.sets, labels)
	}
	signs := want.UnsignedMap()
	n := counts{}
	for i, typ := range m.types {
		real, _ := realType(typ, m.metas[i])
		if !isNumeric(real) {
			continue
		}
		if k := n.numeric; signs != nil && k/8 < len(m.unsigned) && signs[i] != (m.unsigned[k/8]&(0x80>>(k%8)) != 0) {
			t.Errorf("column %d: got signs %x, want %v", i, m.unsigned, signs)
		}
		n.numeric++
	}
}

// tableMapEvent is go-mysql's reading of a table map, false for none. It knows nothing of MariaDB's COMPRESSED columns.
func tableMapEvent(format, p []byte) (want *replication.TableMapEvent, ok bool) {
	defer func() { ok = recover() == nil && ok }()
	parser := replication.NewBinlogParser()
	if _, err := parser.Parse(bytes.Clone(format)); err != nil {
		return nil, false
	}
	ev, err := parser.Parse(bytes.Clone(p))
	if err != nil {
		return nil, false
	}
	want = ev.Event.(*replication.TableMapEvent)
	return want, !slices.ContainsFunc(want.ColumnType, isPacked)
}
