package binlog_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

func parsePosition(t rapid.TB, text string) binlog.Position {
	t.Helper()
	p, err := binlog.ParsePosition(source.Position(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParsePosition_Shift(t *testing.T) {
	tests := []struct {
		text   string
		shift  uint64
		ragged bool
		seq    uint64
	}{
		{"mysql/x/b.000007:12/", 0, false, 7<<40 | 12},
		{"mysql/x;5/b.000007:12/", 5, false, 12<<40 | 12},
		{"mysql/x;5/b.000007:12~/", 5, true, 12<<40 | 12},
		{"mariadb/1;9//0-1-5", 9, false, 9 << 40},
		{"mysql/a%3Bb;1/b.000001:4", 1, false, 2<<40 | 4},
	}
	for _, tt := range tests {
		p := parsePosition(t, tt.text)
		if p.Shift != tt.shift || p.Ragged != tt.ragged || p.Seq() != tt.seq || p.String() != tt.text {
			t.Errorf("%s: got shift %d, ragged %v, Seq %d>>40, text %s", tt.text, p.Shift, p.Ragged, p.Seq()>>40, p)
		}
	}
	for _, bad := range []source.Position{"mysql/x;/b.1:4", "mysql/x;0/b.1:4", "mysql/x;-1/b.1:4", "mysql/x;16777216/b.1:4", "mysql/x/b.1:4~~"} {
		if p, err := binlog.ParsePosition(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, p)
		}
	}
}

// TestBehind holds that what is read after a failover orders behind all before, whatever the files are called (I10).
func TestBehind(t *testing.T) {
	places := rapid.Custom(func(t *rapid.T) binlog.Position {
		return binlog.Position{
			Flavor: binlog.MySQL, File: fmt.Sprintf("b.%06d", rapid.Uint64Range(1, 2000).Draw(t, "file")),
			Offset: rapid.Uint64Range(4, 1<<34).Draw(t, "offset"), Ragged: rapid.Bool().Draw(t, "ragged"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var before []binlog.Position
		shift := uint64(0)
		for range rapid.IntRange(2, 6).Draw(t, "servers") {
			start := binlog.Position{Flavor: binlog.MySQL, Shift: shift}
			for _, p := range rapid.SliceOfN(places, 1, 5).Draw(t, "places") {
				p.Shift = shift
				for _, b := range before {
					if p.Seq() <= b.Seq() || start.Seq() <= b.Seq() {
						t.Fatalf("%v is not behind %v", p, b)
					}
				}
				if p.Seq() < start.Seq() {
					t.Fatalf("%v is before where its server's log began, %v", p, start)
				}
				defer func() { before = append(before, p) }() // others of this server are no matter
				shift = max(shift, binlog.Behind(p))
			}
			before = append(before, binlog.Position{Flavor: binlog.MySQL, Shift: shift - 1})
		}
	})
}

func TestReached_OtherServer(t *testing.T) {
	const u = "00000000-0000-0000-0000-000000000001"
	tests := []struct {
		name    string
		p, from string
		txn     source.TxnID
		want    source.Visibility
	}{
		{"mysql, in", "mysql/a/b.000009:100/" + u + ":1-5", "mysql/b;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Server: [16]byte{15: 1}, Number: 5}, source.Yes},
		{"mysql, out", "mysql/a/b.000009:100/" + u + ":1-5", "mysql/b;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Server: [16]byte{15: 1}, Number: 6}, source.No},
		{"mysql, hole", "mysql/a/b.000009:100/" + u + ":1-2:4-5", "mysql/b;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Server: [16]byte{15: 1}, Number: 3}, source.No},
		{"mariadb, in", "mariadb/1/b.000009:100/0-1-5,7-1-9", "mariadb/2;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Number: 5}, source.Yes},
		{"mariadb, out", "mariadb/1/b.000009:100/0-1-5,7-1-9", "mariadb/2;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Number: 6}, source.No},
		{"mariadb, other domain", "mariadb/1/b.000009:100/0-1-5,7-1-9", "mariadb/2;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Domain: 7, Number: 9}, source.Yes},
		{"mariadb, new domain", "mariadb/1/b.000009:100/0-1-5,7-1-9", "mariadb/2;10/b.000001:4/", source.TxnID{Seq: 11 << 40, Domain: 8, Number: 1}, source.No},
		{"mariadb, same server, lower number later", "mariadb/1/b.000009:100/0-1-5", "mariadb/1/b.000001:4/", source.TxnID{Seq: 9<<40 | 100, Number: 3}, source.No},
		{"mariadb, ragged, behind", "mariadb/1/b.000009:100~/0-1-5", "mariadb/1/b.000009:4~/0-1-2", source.TxnID{Seq: 9<<40 | 200, Number: 4}, source.Yes},
		{"mariadb, ragged, new", "mariadb/1/b.000009:100~/0-1-5", "mariadb/1/b.000009:4~/0-1-2", source.TxnID{Seq: 9<<40 | 200, Number: 6}, source.No},
		{"mariadb, back on the same server", "mariadb/1/b.000009:100/0-1-5", "mariadb/1;20/b.000002:4/", source.TxnID{Seq: 22 << 40, Number: 5}, source.Yes},
		{"mariadb, read of an earlier server", "mariadb/2;10/b.000001:100/0-1-5", "mariadb/2;10/b.000001:100/0-1-5", source.TxnID{Seq: 9 << 40, Number: 6}, source.No},
	}
	for _, tt := range tests {
		view := binlog.Reached(parsePosition(t, tt.p), parsePosition(t, tt.from))
		if got := view.Sees(tt.txn); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestJoin plays a table through lives of a pipeline that end at any point and go on at either of two servers, which log
// the same transactions in different orders. Each transaction must reach the table once.
func TestJoin(t *testing.T) {
	for _, flavor := range []binlog.Flavor{binlog.MySQL, binlog.MariaDB} {
		t.Run(flavor.String(), func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { newFailovers(t, flavor).play() }) })
	}
}

const transactions = 24

type failovers struct {
	t      *rapid.T
	flavor binlog.Flavor
	logs   map[string][]binlog.GTID // by server: the same in other orders

	stored, ahead binlog.Position // the store's
	mark          binlog.Position // the table's in the sink
	past          bool            // of what is stored, for the last life ended between the two
	mortal        bool
	has           []binlog.GTID
}

func newFailovers(t *rapid.T, flavor binlog.Flavor) *failovers {
	f := &failovers{t: t, flavor: flavor, logs: map[string][]binlog.GTID{}}
	domain := rapid.SliceOfN(rapid.IntRange(0, 1), transactions, transactions).Draw(t, "domains")
	number := [2]uint64{}
	var log []binlog.GTID
	for _, d := range domain {
		number[d]++
		g := binlog.GTID{Domain: uint32(d), ServerID: 1, Number: number[d]}
		if flavor == binlog.MySQL {
			g = binlog.GTID{Server: [16]byte{15: byte(d)}, Number: number[d]}
		}
		log = append(log, g)
	}
	f.logs["1"] = log
	f.logs["2"] = f.reordered(log)
	f.stored = binlog.Position{Flavor: flavor, Server: "1", File: "b.000001", Offset: 0, GTIDs: f.none()}
	return f
}

func (f *failovers) none() binlog.GTIDSet {
	s, err := binlog.ParseGTIDSet(f.flavor, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// reordered swaps neighbours; MariaDB keeps the order within a domain.
func (f *failovers) reordered(log []binlog.GTID) []binlog.GTID {
	log = slices.Clone(log)
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, transactions-2), 0, 60).Draw(f.t, "swaps") {
		if f.flavor == binlog.MySQL || log[i].Domain != log[i+1].Domain {
			log[i], log[i+1] = log[i+1], log[i]
		}
	}
	return log
}

func (f *failovers) play() {
	f.mortal = true
	for range rapid.IntRange(0, 6).Draw(f.t, "lives") {
		f.live(rapid.SampledFrom([]string{"1", "2"}).Draw(f.t, "server"), rapid.IntRange(0, transactions).Draw(f.t, "length"))
	}
	f.mortal = false
	f.live("2", transactions)
	if len(f.has) != transactions {
		f.t.Fatalf("the table has %d transactions of %d", len(f.has), transactions)
	}
}

// live reads a part of a server's log, and commits now and then; a commit is lost if the life ends before it.
func (f *failovers) live(server string, length int) {
	ahead := f.ahead
	if f.past {
		ahead = f.mark
	}
	at := f.reparsed(f.stored)
	if at.Server != server {
		at = binlog.Position{Flavor: f.flavor, Server: server, Shift: binlog.Behind(f.stored, ahead), GTIDs: at.GTIDs}
		f.stored = f.reparsed(at)
	}
	var had source.View
	if ahead.Server != "" {
		had = binlog.Reached(ahead, at)
	}
	log, end := f.logs[server], f.end(server, at, ahead)
	byGTID := at.File == "" || at.Ragged
	began := at
	began.GTIDs = at.GTIDs.Clone()
	var open []binlog.GTID
	for i, g := range log {
		if byGTID && began.GTIDs.ContainsGTID(g) || !byGTID && uint64(i) < began.Offset {
			continue
		}
		if length--; length < 0 {
			return
		}
		place := binlog.Position{Flavor: f.flavor, Server: server, Shift: at.Shift, File: "b.000001", Offset: uint64(i)}
		id := source.TxnID{Seq: place.Seq(), Server: g.Server, Domain: g.Domain, Number: g.Number}
		if had == nil || had.Sees(id) != source.Yes {
			open = append(open, g)
		}
		at.File, at.Offset = "b.000001", uint64(i+1)
		at.GTIDs.Add(g)
		at.Ragged = byGTID && i+1 < end
		if rapid.IntRange(0, 2).Draw(f.t, "cut") > 0 && i+1 < len(log) {
			continue
		}
		if ahead.Server != "" {
			if ahead = binlog.Join(ahead, f.reparsed(at)); ahead.String() == at.String() {
				ahead, had = binlog.Position{}, nil
			}
		}
		f.commit(open, at, ahead)
		open = nil
		if f.mortal && rapid.IntRange(0, 3).Draw(f.t, "crash before save") == 0 {
			return
		}
		f.stored, f.ahead, f.past = f.reparsed(at), ahead, false
	}
}

// end is how much of the log there is when it is opened: all that was read, and perhaps more.
func (f *failovers) end(server string, at, ahead binlog.Position) int {
	end := 0
	for i, g := range f.logs[server] {
		if at.GTIDs.ContainsGTID(g) || ahead.GTIDs != nil && ahead.GTIDs.ContainsGTID(g) {
			end = i + 1
		}
	}
	return rapid.IntRange(end, transactions).Draw(f.t, "end")
}

func (f *failovers) commit(rows []binlog.GTID, at, ahead binlog.Position) {
	if len(rows) == 0 {
		return // the sink is not asked
	}
	for _, g := range rows {
		if slices.Contains(f.has, g) {
			f.t.Fatalf("transaction %v comes again at %v, the table's mark is %v", g, at, f.mark)
		}
		f.has = append(f.has, g)
	}
	f.past = true
	if f.mark = f.reparsed(at); ahead.Server != "" {
		f.mark = f.reparsed(ahead)
	}
}

// reparsed is a copy, as the store and the sink keep it.
func (f *failovers) reparsed(p binlog.Position) binlog.Position {
	return parsePosition(f.t, p.String())
}
