package binlog_test

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// head is the end of the server's log, with GTIDs.
func head(t *testing.T, s *servers.Server) source.Position {
	t.Helper()
	p := binlog.Position{Flavor: binlog.MySQL}
	var gtids string
	db := s.DB(t)
	if s.Flavour == servers.FlavourMariaDB {
		p.Flavor = binlog.MariaDB
		var do, ignore string
		if err := db.QueryRowContext(t.Context(), "SHOW MASTER STATUS").Scan(&p.File, &p.Offset, &do, &ignore); err != nil {
			t.Fatal(err)
		}
		p.Server, gtids = s.Value(t, "SELECT @@server_id"), s.Value(t, "SELECT @@gtid_binlog_pos")
	} else {
		show := "SHOW BINARY LOG STATUS"
		if !strings.HasPrefix(s.Version, "9") {
			show = "SHOW MASTER STATUS"
		}
		var do, ignore string
		if err := db.QueryRowContext(t.Context(), show).Scan(&p.File, &p.Offset, &do, &ignore, &gtids); err != nil {
			t.Fatal(err)
		}
		p.Server = s.Value(t, "SELECT @@server_uuid")
	}
	set, err := binlog.ParseGTIDSet(p.Flavor, gtids)
	if err != nil {
		t.Fatal(err)
	}
	p.GTIDs = set
	return p.Text()
}

// open opens a stream of a database's tables, which ends with the test.
func open(t *testing.T, s *servers.Server, database string, from source.Position, shapes ...*schema.Table) *binlog.Stream {
	t.Helper()
	stream, err := binlog.Open(t.Context(), config(s, database, shapes...), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// serverIDs gives each stream of the tests its own.
var serverIDs atomic.Uint32

// benchConfig is config for benchmarks.
func benchConfig(s *servers.Server, database string) binlog.Config { return config(s, database) }

// narrow is the shape of the benchmarks' table.
func narrow(db string) *schema.Table {
	return &schema.Table{Name: schema.Name{Namespace: db, Table: "narrow"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
		{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 64}},
		{Name: "k", Type: schema.Type{Kind: schema.Int, Bits: 32}, Nullable: true},
		{Name: "c", Type: schema.Type{Kind: schema.String}, Charset: "utf8mb4", Nullable: true},
		{Name: "v", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}, Nullable: true},
		{Name: "ts", Type: schema.Type{Kind: schema.Datetime}, Nullable: true},
	}}
}

func config(s *servers.Server, database string, shapes ...*schema.Table) binlog.Config {
	id := 700_000_000 + serverIDs.Add(1)
	return binlog.Config{
		Addr: s.Addr, User: s.User, ServerID: id, HeartbeatPeriod: 200 * time.Millisecond, Shapes: shapes,
		Match: func(n schema.Name) bool { return n.Namespace == database },
	}
}

// until reads events until the log has come to a position.
func until(t *testing.T, stream source.Stream, end source.Position) []source.Event {
	t.Helper()
	p, err := binlog.ParsePosition(end)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var events []source.Event
	for {
		ev, err := stream.Next(ctx)
		if err != nil {
			t.Fatalf("next: %v, after %s", err, describe(events))
		}
		events = append(events, ev)
		if ev.Commit != "" && ev.Seq >= p.Seq() {
			return events
		}
	}
}

// describe prints events without what differs from run to run, one a line. Commits without anything before them are
// left out.
func describe(events []source.Event) string {
	var b strings.Builder
	something := false
	for _, ev := range events {
		switch {
		case ev.Rows != nil:
			fmt.Fprintf(&b, "rows %s v%d:", ev.Rows.Table.Name.Table, ev.Rows.Table.Version)
			for i := range ev.Rows.Len() {
				fmt.Fprintf(&b, " %s(%s)", ev.Rows.Ops[i], strings.Join(texts(ev.Rows, i), ", "))
			}
			b.WriteByte('\n')
		case ev.Schema != nil:
			fmt.Fprintf(&b, "schema %s\n", change(ev.Schema))
		case ev.Stopped != nil:
			fmt.Fprintf(&b, "stopped %s\n", ev.Stopped.Table.Table)
		case something:
			b.WriteString("commit\n")
		}
		something = ev.Commit == ""
	}
	return b.String()
}

func change(c *schema.Change) string {
	name := func(t *schema.Table) string {
		if t == nil {
			return "none"
		}
		var cols []string
		for _, c := range t.Columns {
			cols = append(cols, c.Name)
		}
		return fmt.Sprintf("%s v%d (%s)", t.Name.Table, t.Version, strings.Join(cols, " "))
	}
	text := name(c.Before) + " -> " + name(c.After)
	for _, e := range c.Edits {
		text += fmt.Sprintf("; %s %s%s", e.Kind, e.Column, e.To)
	}
	return text
}

// texts prints a row's values as the server does in UTC.
func texts(b *row.Batch, i int) []string {
	all := make([]string, len(b.Cols))
	for c := range b.Cols {
		v := &b.Cols[c]
		switch {
		case v.IsAbsent(i):
			all[c] = "absent"
		case v.Null(i):
			all[c] = "NULL"
		default:
			all[c] = valueText(b.Table.Columns[c].Type, v, i)
		}
	}
	return all
}

func valueText(t schema.Type, v *row.Vector, i int) string {
	if !t.Fixed() && t.Kind != schema.Decimal {
		switch t.Kind {
		case schema.Binary, schema.Geometry, schema.Vector:
			return strings.ToUpper(fmt.Sprintf("%x", v.Value(i)))
		case schema.UUID:
			u := v.Value(i)
			return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		}
		return string(v.Value(i))
	}
	if t.Kind == schema.Decimal {
		return decimalText(t, v, i)
	}
	return wordText(t, v.Words[i])
}

func decimalText(t schema.Type, v *row.Vector, i int) string {
	n := new(big.Int)
	if t.Fixed() {
		n.SetInt64(int64(v.Words[i]))
	} else {
		p := slices.Clone(v.Value(i))
		slices.Reverse(p)
		n.SetBytes(p)
		if p[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))))
		}
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	digits := fmt.Sprintf("%0*s", int(t.Scale)+1, n)
	if t.Scale == 0 {
		return sign + digits
	}
	at := len(digits) - int(t.Scale)
	return sign + digits[:at] + "." + digits[at:]
}

func wordText(t schema.Type, w uint64) string {
	fraction := func(text string) string {
		if t.Precision == 0 {
			return text[:len(text)-7]
		}
		return text[:len(text)-6+int(t.Precision)]
	}
	switch t.Kind {
	case schema.Int:
		return strconv.FormatInt(int64(w), 10)
	case schema.Date:
		return time.Unix(int64(w)*86400, 0).UTC().Format("2006-01-02")
	case schema.Datetime, schema.Timestamp:
		return fraction(time.UnixMicro(int64(w)).UTC().Format("2006-01-02 15:04:05.000000"))
	case schema.Time:
		sign, m := "", int64(w)
		if m < 0 {
			sign, m = "-", -m
		}
		return sign + fraction(fmt.Sprintf("%02d:%02d:%02d.%06d", m/3_600_000_000, m/60_000_000%60, m/1_000_000%60, m%1_000_000))
	case schema.Float:
		return "bits " + strconv.FormatUint(w, 16)
	}
	return strconv.FormatUint(w, 10)
}

func floatBits(bits int, f float64) string {
	if bits == 32 {
		return "bits " + strconv.FormatUint(uint64(float32bits(f)), 16)
	}
	return "bits " + strconv.FormatUint(float64bits(f), 16)
}

// script runs statements on one connection.
func script(t *testing.T, s *servers.Server, database string, statements ...string) {
	t.Helper()
	c, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, q := range append([]string{"USE `" + database + "`"}, statements...) {
		if _, err := c.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("exec %.200q: %v", q, err)
		}
	}
}

func freeAll(events []source.Event) {
	for _, ev := range events {
		ev.Rows.Free()
	}
}
