package binlog_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/binlog"
)

// naive is the set that MySQLSet must equal: one entry for each transaction.
type naive map[binlog.GTID]bool

func (n naive) set() *binlog.MySQLSet {
	s := new(binlog.MySQLSet)
	for g := range n {
		s.Add(g)
	}
	return s
}

func (n naive) contains(m naive) bool {
	for g := range m {
		if !n[g] {
			return false
		}
	}
	return true
}

var naives = rapid.Custom(func(t *rapid.T) naive {
	n := naive{}
	for _, v := range rapid.SliceOfN(rapid.IntRange(0, 3*2*20-1), 0, 40).Draw(t, "gtids") {
		g := binlog.GTID{Number: uint64(v%20 + 1)}
		g.Server[15] = byte(v / 20 % 3)
		g.Tag = []string{"", "tag_1"}[v/60]
		n[g] = true
	}
	return n
})

func TestMySQLSet_Algebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := naives.Draw(t, "a"), naives.Draw(t, "b")
		union, less := naive{}, naive{}
		for g := range a {
			union[g] = true
			if !b[g] {
				less[g] = true
			}
		}
		for g := range b {
			union[g] = true
		}
		as, bs := a.set(), b.set()
		if got := as.Union(bs); !got.Equal(union.set()) {
			t.Errorf("union of %v and %v: got %v, want %v", as, bs, got, union.set())
		}
		if got := as.Subtract(bs); got.String() != less.set().String() {
			t.Errorf("%v minus %v: got %v, want %v", as, bs, got, less.set())
		}
		if got, want := as.Contains(bs), a.contains(b); got != want {
			t.Errorf("%v contains %v: got %v, want %v", as, bs, got, want)
		}
		checkOrder(t, as, bs, a.contains(b), b.contains(a))
		for g := range union {
			if as.ContainsGTID(g) != a[g] {
				t.Errorf("%v contains %v: got %v", as, g, !a[g])
			}
		}
		checkText(t, as)
	})
}

func checkOrder(t *rapid.T, a, b binlog.GTIDSet, ab, ba bool) {
	want := map[[2]bool]binlog.Order{
		{true, true}: binlog.Same, {true, false}: binlog.After, {false, true}: binlog.Before, {false, false}: binlog.Incomparable,
	}[[2]bool{ab, ba}]
	if got := binlog.Compare(a, b); got != want {
		t.Errorf("compare %v with %v: got %v, want %v", a, b, got, want)
	}
}

func checkText(t *rapid.T, s *binlog.MySQLSet) {
	back, err := binlog.ParseMySQLSet(s.String())
	if err != nil || !back.Equal(s) || back.String() != s.String() {
		t.Errorf("parse %q: got %v, %v", s, back, err)
	}
}

// TestMySQLSet_TextFollowsAdd holds that the cached text never survives a change.
func TestMySQLSet_TextFollowsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := new(binlog.MySQLSet), naive{}
		for g := range naives.Draw(t, "gtids") {
			s.Add(g)
			n[g] = true
			if got, want := s.String(), n.set().String(); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	})
}

func TestMySQLSet_AddIsCheap(t *testing.T) {
	s, err := binlog.ParseMySQLSet("00000000-0000-0000-0000-000000000001:1-5:9, 00000000-0000-0000-0000-000000000002:tag:1")
	if err != nil {
		t.Fatal(err)
	}
	g := binlog.GTID{Number: 10}
	g.Server[15] = 1
	if n := testing.AllocsPerRun(1000, func() { s.Add(g); g.Number++ }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestParseMySQLSet(t *testing.T) {
	const u, v = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "00000000-0000-0000-0000-000000000001"
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"one", u + ":23", u + ":23"},
		{"upper case", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", u + ":1-5"},
		{"joined", u + ":1-3:4-5:9:8", u + ":1-5:8-9"},
		{"overlap", u + ":5-9:1-6:20", u + ":1-9:20"},
		{"line breaks", u + ":1-5,\n" + v + ":7", v + ":7," + u + ":1-5"},
		{"tags", u + ":1-2:Blue:4-5:7", u + ":1-2:blue:4-5:7"},
		{"same server twice", u + ":1," + u + ":2", u + ":1-2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := binlog.ParseMySQLSet(tt.in)
			if err != nil || got.String() != tt.want {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{"x", u, u + ":", u + ":0", u + ":5-1", u + ":tag", u + ":-1", u + ":9223372036854775807"} {
		if got, err := binlog.ParseMySQLSet(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestMariaDBSet(t *testing.T) {
	parse := func(text string) *binlog.MariaDBSet {
		s, err := binlog.ParseMariaDBSet(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := parse("1-7-100, 0-1-5"), parse("0-2-6,1-7-90")
	if got := a.String(); got != "0-1-5,1-7-100" {
		t.Errorf("got %s", got)
	}
	if got := a.Union(b).String(); got != "0-2-6,1-7-100" {
		t.Errorf("union: got %s", got)
	}
	if got := a.Subtract(b).String(); got != "1-7-100" {
		t.Errorf("subtract: got %s", got)
	}
	if got := binlog.Compare(a, b); got != binlog.Incomparable {
		t.Errorf("compare: got %v", got)
	}
	if !parse("0-9-5").Equal(parse("0-1-5")) {
		t.Error("the server id must play no part")
	}
	for _, bad := range []string{"0-1", "0-1-5,0-2-6", "a-1-1", "0-1-", "4294967296-1-1"} {
		if got, err := binlog.ParseMariaDBSet(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func FuzzParseGTIDSet(f *testing.F) {
	f.Add("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:9:tag:1")
	f.Add("0-1-5,1-7-100")
	f.Fuzz(func(t *testing.T, text string) {
		for _, flavor := range []binlog.Flavor{binlog.MySQL, binlog.MariaDB} {
			s, err := binlog.ParseGTIDSet(flavor, text)
			if err != nil {
				continue
			}
			back, err := binlog.ParseGTIDSet(flavor, s.String())
			if err != nil || !back.Equal(s) {
				t.Errorf("%q: got %v, %v", s, back, err)
			}
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	f.Add("mysql/x/binlog.000007:1234/3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")
	f.Add("mariadb/1//0-1-5")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := binlog.ParsePosition(sourcePosition(text))
		if err != nil {
			return
		}
		back, err := binlog.ParsePosition(p.Text())
		if err != nil || back.String() != p.String() || back.Seq() != p.Seq() {
			t.Errorf("%q: got %v, %v", p, back, err)
		}
	})
}

func ExamplePosition_Seq() {
	p, err := binlog.ParsePosition("mariadb/1/binlog.000003:1234/0-1-5")
	fmt.Println(p, p.Seq()>>40, p.Seq()&(1<<40-1), err)
	// Output: mariadb/1/binlog.000003:1234/0-1-5 3 1234 <nil>
}
