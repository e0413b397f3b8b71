package binlog_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

func sourcePosition(text string) source.Position { return source.Position(text) }

func TestViews(t *testing.T) {
	const u = "00000000-0000-0000-0000-000000000001"
	id := func(seq, number uint64) source.TxnID {
		return source.TxnID{Seq: seq, Number: number, Server: [16]byte{15: 1}}
	}
	set := func(text string) binlog.GTIDSet {
		s, err := binlog.ParseMySQLSet(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	reached := func(text string) source.View {
		p, err := binlog.ParsePosition(source.Position(text))
		if err != nil {
			t.Fatal(err)
		}
		return binlog.Reached(p, p)
	}
	tests := []struct {
		name string
		view source.View
		txn  source.TxnID
		want source.Visibility
	}{
		{"log, ended before low", binlog.LogView{Low: 100, High: 200}, id(99, 0), source.Yes},
		{"log, begins at low", binlog.LogView{Low: 100, High: 200}, id(100, 0), source.Unknown},
		{"log, begins at high", binlog.LogView{Low: 100, High: 200}, id(200, 0), source.No},
		{"log, exact", binlog.LogView{Low: 100, High: 100}, id(100, 0), source.No},
		{"gtid, executed", binlog.NewGTIDView(set(u+":1-5"), 100), id(500, 5), source.Yes},
		{"gtid, between", binlog.NewGTIDView(set(u+":1-5"), 100), id(99, 6), source.Unknown},
		{"gtid, past high", binlog.NewGTIDView(set(u+":1-5"), 100), id(100, 6), source.No},
		{"gtid, hole", binlog.NewGTIDView(set(u+":1-5:7"), 100), id(50, 6), source.Unknown},
		{"gtid, other tag", binlog.NewGTIDView(set(u+":t:1-5"), 100), id(50, 5), source.Unknown},
		{"reached, gtid", reached("mysql/x/b.000001:100/" + u + ":1-5"), id(1<<41, 5), source.Yes},
		{"reached, not gtid", reached("mysql/x/b.000001:100/" + u + ":1-5"), id(1, 6), source.No},
		{"reached, anonymous", reached("mysql/x/b.000001:100/" + u + ":1-5"), source.TxnID{Seq: 1<<40 | 99}, source.Yes},
		{"reached, file", reached("mariadb/1/b.000001:100/0-1-5"), id(1<<40|100, 0), source.No},
		{"reached, file before", reached("mariadb/1/b.000001:100/0-1-5"), id(1<<40|99, 0), source.Yes},
	}
	for _, tt := range tests {
		if got := tt.view.Sees(tt.txn); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestParsePosition_Bad(t *testing.T) {
	for _, bad := range []source.Position{"", "mysql", "oracle/x/b.1:4/", "mysql/x/", "mysql/x/b.1:4//", "mysql/x/b:4/", "mysql/x/b.1:y/", "mysql/x/b.x:4/", "mariadb/1//0-1"} {
		if p, err := binlog.ParsePosition(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, p)
		}
	}
}
