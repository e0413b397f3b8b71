package parity

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/mysql"
)

// An image is one row image of a log: what happened to the row, and its values in a spelling that all readers share.
type image struct {
	op     string
	values []string
}

// A reading has the images of each table, in the order of the log.
type reading map[string][]image

// TestReferences reads the same log three times: with this program, with go-mysql's parser, and with the text that the
// servers' own client prints. All images must be the same, value by value, but for what a reference is known to read
// wrong or to leave out: that has to be wrong in the way that is known.
func TestReferences(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, _ := e2e.Seeded(t)
		database := s.Database(t)
		src := openSource(t, s)
		subjects := subjectsOf(t, s)
		createPlain(t, s, database, subjects)
		s.Exec(t, "FLUSH BINARY LOGS")
		before := len(logFiles(t, s)) - 1
		from, err := src.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := newWriter(t, s, database, r)
		w.exec(t, "CREATE TABLE "+last+" (id INT PRIMARY KEY, v INT)")
		for _, sub := range subjects {
			w.insert(t, sub, w.fixed(sub), randomRows(t))
		}
		tables := tablesOf(t, src, database)
		for _, sub := range subjects {
			w.change(t, sub)
		}
		w.exec(t, "INSERT INTO "+last+" VALUES (1, 1)")
		ours := readImages(t, src, from, tables)
		s.Exec(t, "FLUSH BINARY LOGS")
		files := logFiles(t, s)
		files = files[before : len(files)-1]
		for name, theirs := range map[string]reading{
			goMySQL: readGoMySQL(t, s, files, database, tables),
			client:  readClient(t, s, files, database, tables),
		} {
			for _, sub := range subjects {
				compareImages(t, s, sub, name, tables[sub.plain], ours[sub.plain], theirs[sub.plain])
			}
		}
	})
}

// logFiles are the paths of the log files; the last one is still written to.
func logFiles(t *testing.T, s *servers.Server) []string {
	t.Helper()
	rows, err := s.DB(t).QueryContext(t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for rows.Next() {
		var name string
		rest := make([]any, len(cols))
		for i := range rest {
			rest[i] = new(any)
		}
		rest[0] = &name
		if err := rows.Scan(rest...); err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(s.Dir, "data", name))
	}
	return files
}

// readImages follows the log with this program.
func readImages(t *testing.T, src *mysql.Source, from source.Position, tables map[string]*schema.Table) reading {
	t.Helper()
	captured := make([]*schema.Table, 0, len(tables))
	for _, table := range tables {
		captured = append(captured, table)
	}
	stream, err := src.Stream(t.Context(), from, captured, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	all := reading{}
	for deadline := time.Now().Add(2 * time.Minute); len(all[last]) == 0; {
		ev, err := stream.Next(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("read the log: %v", err)
		}
		if ev.Stopped != nil {
			t.Errorf("the log stopped a table: %v", ev.Stopped)
		}
		if ev.Rows == nil {
			continue
		}
		b := ev.Rows
		for i := range b.Len() {
			im := image{op: b.Ops[i].String()}
			for c := range b.Cols {
				im.values = append(im.values, spelled(&b.Table.Columns[c], &b.Cols[c], i))
			}
			all[b.Table.Name.Table] = append(all[b.Table.Name.Table], im)
		}
		b.Free()
	}
	return all
}

const null = "NULL"

// spelled is a value of this program in the spelling of images.
func spelled(c *schema.Column, v *row.Vector, i int) string {
	switch {
	case v.Null(i):
		return null
	case c.Type.Kind == schema.Decimal:
		return decimalOf(c.Type, v, i)
	case v.Offsets != nil && isInet(c):
		return addressText(string(v.Value(i)))
	case v.Offsets != nil:
		return bytesText(c, v.Value(i))
	}
	return wordText(c, v.Words[i])
}

// wordText spells what is held as a word. Numbers lose the sign that a log without metadata does not tell.
func wordText(c *schema.Column, w uint64) string {
	switch c.Type.Kind {
	case schema.Int, schema.Uint:
		return strconv.FormatUint(w<<(64-c.Type.Bits)>>(64-c.Type.Bits), 10)
	case schema.Date:
		return time.Unix(int64(w)*86400, 0).UTC().Format(time.DateOnly)
	case schema.Datetime, schema.Timestamp:
		return time.UnixMicro(int64(w)).UTC().Format("2006-01-02 15:04:05.000000")
	case schema.Float:
		return "bits " + strconv.FormatUint(w, 16)
	}
	return strconv.FormatInt(int64(w), 10)
}

// bytesText spells what is held as bytes: texts as they are, all else in hexadecimal.
func bytesText(c *schema.Column, p []byte) string {
	switch c.Type.Kind {
	case schema.String, schema.JSON, schema.Enum, schema.Set:
		return string(p)
	}
	return hex.EncodeToString(p)
}

// decimalOf is a decimal as a whole number of its last digit.
func decimalOf(typ schema.Type, v *row.Vector, i int) string {
	if typ.Fixed() {
		return strconv.FormatInt(int64(v.Words[i]), 10)
	}
	p := slices.Clone(v.Value(i))
	slices.Reverse(p)
	n := new(big.Int).SetBytes(p)
	if p[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))))
	}
	return n.String()
}

func isInet(c *schema.Column) bool { return c.Native == "inet4" || c.Native == "inet6" }

func addressText(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return "no address: " + text
	}
	return hex.EncodeToString(a.AsSlice())
}

// packedLead begins the spelling of bytes that are packed.
const packedLead = "packed "

// logged spells what a column's bytes are in the log: texts in the column's character set, and fixed lengths without the
// zeros at their end.
func logged(c *schema.Column, p []byte) string {
	fixed := 0
	switch {
	case c.Flags&schema.Compressed != 0:
		return packedLead + hex.EncodeToString(p)
	case c.Type.Kind == schema.UUID || c.Native == "inet6":
		fixed = 16
	case c.Native == "inet4":
		fixed = 4
	case c.Type.Kind == schema.Binary:
		fixed = int(c.Type.Length)
	}
	if fixed > 0 {
		return hex.EncodeToString(append(slices.Clone(p), make([]byte, max(0, fixed-len(p)))...))
	}
	if convert, ok := charset.For(c.Charset); ok && c.Type.Kind != schema.Binary {
		text, err := convert(nil, p)
		if err != nil {
			return "no " + c.Charset + ": " + hex.EncodeToString(p)
		}
		p = text
	}
	return bytesText(c, p)
}

// labelled spells an ordinal of an ENUM, or the bits of a SET, as labels.
func labelled(c *schema.Column, n uint64) string {
	if c.Type.Kind == schema.Enum {
		if n == 0 {
			return ""
		}
		return c.Labels[n-1]
	}
	var all []string
	for i, label := range c.Labels {
		if n>>i&1 != 0 {
			all = append(all, label)
		}
	}
	return strings.Join(all, ",")
}

// decimalText spells a decimal that is written with a point.
func decimalText(c *schema.Column, text string) string {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return "no decimal: " + text
	}
	n.Mul(n, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Type.Scale)), nil)))
	if !n.IsInt() {
		return "more digits than the column has: " + text
	}
	return n.Num().String()
}

// dateText spells a date, with a time or without, as wordText does; NULL for one that is none.
func dateText(c *schema.Column, text string) string {
	layout := "2006-01-02 15:04:05.000000"
	if c.Type.Kind == schema.Date {
		layout = time.DateOnly
	}
	at, err := time.Parse("2006-01-02 15:04:05"[:min(19, len(text))], text)
	if err != nil {
		return null
	}
	return at.Format(layout)
}

// timeText is a TIME in microseconds.
func timeText(text string) string {
	rest, negative := strings.CutPrefix(text, "-")
	rest, part, _ := strings.Cut(rest, ".")
	var h, m, s, micros int64
	_, err := fmt.Sscanf(rest, "%d:%d:%d", &h, &m, &s)
	if part != "" && err == nil {
		micros, err = strconv.ParseInt((part + "000000")[:6], 10, 64)
	}
	if err != nil {
		return "no time: " + text
	}
	n := (h*3600+m*60+s)*1e6 + micros
	if negative {
		n = -n
	}
	return strconv.FormatInt(n, 10)
}

// compareImages compares a table's images of this program with those of a reference.
func compareImages(t *testing.T, s *servers.Server, sub *subject, reference string, table *schema.Table, ours, theirs []image) {
	t.Helper()
	if reference == goMySQL && packs(table) {
		checkUnread(t, sub, theirs)
		return
	}
	if reference == client && theirs == nil && sub.unprinted() && len(ours) > 0 {
		return
	}
	if len(ours) != len(theirs) || len(ours) == 0 {
		t.Errorf("%s: %d images, %s has %d", sub.native, len(ours), reference, len(theirs))
		return
	}
	bad, version := 0, versionOf(t, s)
	for i := range ours {
		if ours[i].op != theirs[i].op || len(ours[i].values) != len(theirs[i].values) {
			t.Errorf("%s: image %d is %v, %s has %v", sub.native, i, ours[i], reference, theirs[i])
			return
		}
		for k, got := range ours[i].values {
			if want := theirs[i].values[k]; !agree(s, version, reference, &table.Columns[k], got, want) {
				bad++
				if bad <= 3 {
					t.Errorf("%s: image %d, column %s (%s): got %.300q, %s has %.300q", sub.native, i, table.Columns[k].Name, table.Columns[k].Native, got, reference, want)
				}
			}
		}
	}
	if bad > 0 {
		t.Errorf("%s: %d values are not as %s has them", sub.native, bad, reference)
	}
}

// unprinted says that MySQL's client prints no values of the type, and says so: its reader has checked that.
func (sub *subject) unprinted() bool {
	return sub.only != servers.FlavourMariaDB && (strings.HasPrefix(sub.family, "geometry") || sub.family == "point" || sub.family == "vector(n)")
}

// checkUnread holds that go-mysql has no values of a packed column: it knows of none, and has said so.
func checkUnread(t *testing.T, sub *subject, theirs []image) {
	t.Helper()
	for i, im := range theirs {
		if v := im.values[len(im.values)-1]; v != null {
			t.Errorf("%s: image %d: go-mysql has %.300q", sub.native, i, v)
		}
	}
}

// packs says that a table has a column of MariaDB's COMPRESSED kind.
func packs(t *schema.Table) bool {
	return slices.ContainsFunc(t.Columns, func(c schema.Column) bool { return c.Flags&schema.Compressed != 0 })
}

// The references.
const (
	goMySQL = "go-mysql"
	client  = "client"
)
