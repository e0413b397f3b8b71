// Package parity holds that each value of each type of MySQL and MariaDB is the same wherever it goes: in the rows that a
// snapshot reads, in those of the log, and in every sink. It also writes the README's table of types.
//
// The values are the extreme ones of each type and random ones: CDCSYNC_SEED repeats a run, CDCSYNC_PARITY_ROWS says how
// many rows of random values each table gets, CDCSYNC_PARITY_TYPES is a regular expression of types to look at. A verbose run ends with a matrix of what was compared.
package parity

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/mysql"
)

// last is the table that is written to when all is written.
const last = "written"

// randomRows is how many rows of random values a table gets.
func randomRows(t *testing.T) int { return e2e.Count(t, "CDCSYNC_PARITY_ROWS", 24) }

// TestSource reads the rows of all types by snapshot and by log, and compares them byte for byte: the values of a column,
// and the bytes of a key that is of the type.
func TestSource(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		r, _ := e2e.Seeded(t)
		database := s.Database(t)
		src := openSource(t, s)
		subjects := subjectsOf(t, s)
		createPlain(t, s, database, subjects)
		from, err := src.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := newWriter(t, s, database, r)
		w.exec(t, "CREATE TABLE "+last+" (id INT PRIMARY KEY, v INT)")
		for _, sub := range subjects {
			sub.createKeyed(t, s, database, false)
			fixed := w.fixed(sub)
			w.insert(t, sub, fixed, randomRows(t))
			w.insertKeys(t, sub, fixed, randomRows(t))
		}
		tables := tablesOf(t, src, database)
		for _, sub := range subjects {
			w.change(t, sub)
			w.changeKeys(t, sub)
			w.insert(t, sub, nil, 2)
		}
		w.exec(t, "INSERT INTO "+last+" VALUES (1, 1)")
		logged := readLog(t, src, from, tables)
		for _, sub := range subjects {
			sub.checkShape(t, tables[sub.plain])
			read := readSnapshot(t, src, tables[sub.plain])
			results.add(s, sub, columnLog, compareValues(t, sub, read, logged[sub.plain], sub.texts(t, s, database, tables[sub.plain])))
			if sub.keyed != "" {
				read := readSnapshot(t, src, tables[sub.keyed])
				results.add(s, sub, columnKey, compareSets(t, sub, read, logged[sub.keyed]))
			}
		}
	})
}

func openSource(t *testing.T, s *servers.Server) *mysql.Source {
	t.Helper()
	cfg := mysql.DefaultConfig()
	cfg.Hostname, cfg.Port, cfg.Username, cfg.ChunkRows = s.Host, s.Port, s.User, 2
	src, err := mysql.Open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// tablesOf finds the tables of a database by their names.
func tablesOf(t *testing.T, src *mysql.Source, database string) map[string]*schema.Table {
	t.Helper()
	found, err := src.Tables(t.Context(), func(n schema.Name) bool { return n.Namespace == database })
	if err != nil {
		t.Fatal(err)
	}
	for _, refused := range found.Refused {
		t.Errorf("refused: %v", refused)
	}
	all := map[string]*schema.Table{}
	for _, table := range found.Tables {
		all[table.Name.Table] = table
	}
	return all
}

// checkShape holds that the type which the README documents is the one that the server's catalog gives.
func (sub *subject) checkShape(t *testing.T, table *schema.Table) {
	t.Helper()
	if table == nil {
		t.Errorf("%s: no table %s", sub.native, sub.plain)
		return
	}
	if sub.family == "" {
		return
	}
	want, got := sub.column(t), table.Columns[table.Column("v")]
	if got.Type != want.Type || fmt.Sprint(got.Labels) != fmt.Sprint(want.Labels) {
		t.Errorf("%s: the catalog says %v %q, want %v %q", sub.native, got.Type, got.Labels, want.Type, want.Labels)
	}
}

// A rowSet has the rows of a table: v by id of a plain table, n by the key's bytes of a keyed one.
type rowSet map[string]cell

// A cell is a value as package row holds it.
type cell struct {
	null  bool
	word  uint64
	bytes string
}

func (c cell) String() string {
	switch {
	case c.null:
		return "NULL"
	case c.bytes != "":
		return fmt.Sprintf("%.600x %.200q", c.bytes, c.bytes)
	}
	return fmt.Sprintf("%#x", c.word)
}

// apply takes the rows of a batch in.
func (set rowSet) apply(b *row.Batch) {
	last := len(b.Cols) - 1 // v of a plain table, n of a keyed one
	for i := range b.Len() {
		key := string(b.Key(nil, i))
		switch b.Ops[i] {
		case row.Before, row.Delete:
			delete(set, key)
		default:
			set[key] = cellOf(&b.Cols[last], i)
		}
	}
}

func cellOf(v *row.Vector, i int) cell {
	switch {
	case v.Null(i):
		return cell{null: true}
	case v.Offsets != nil:
		return cell{bytes: string(v.Value(i))}
	}
	return cell{word: v.Words[i]}
}

// readSnapshot reads all chunks of a table.
func readSnapshot(t *testing.T, src *mysql.Source, table *schema.Table) rowSet {
	t.Helper()
	set := rowSet{}
	if table == nil {
		return set
	}
	total := 0
	for rest, done := (source.Range{}), false; !done; {
		rows, err := src.ReadChunk(t.Context(), source.Chunk{Table: table, Range: rest, Bytes: 1 << 20}, "")
		if err != nil {
			t.Errorf("read %s: %v", table, err)
			return set
		}
		for _, b := range rows.Rows {
			total += b.Len()
			set.apply(b)
			b.Free()
		}
		rest, done = rows.Rest, rows.Done
	}
	if total != len(set) {
		t.Errorf("%s: %d rows in the chunks, %d keys", table, total, len(set))
	}
	return set
}

// readLog follows the log up to its end, and returns what it leaves of each table.
func readLog(t *testing.T, src *mysql.Source, from source.Position, tables map[string]*schema.Table) map[string]rowSet {
	t.Helper()
	all := map[string]rowSet{}
	captured := make([]*schema.Table, 0, len(tables))
	for name, table := range tables {
		captured = append(captured, table)
		all[name] = rowSet{}
	}
	stream, err := src.Stream(t.Context(), from, captured, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		ev, err := stream.Next(t.Context())
		if err != nil {
			t.Fatalf("read the log: %v", err)
		}
		if ev.Stopped != nil {
			t.Errorf("the log stopped a table: %v", ev.Stopped)
		}
		if ev.Rows != nil {
			all[ev.Rows.Table.Name.Table].apply(ev.Rows)
			ev.Rows.Free()
		}
		if len(all[last]) > 0 {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatal("the log did not come to its end")
		}
	}
}

// texts are the values of a text column as the server spells them in UTF-8, in hexadecimal; nil for other types.
func (sub *subject) texts(t *testing.T, s *servers.Server, database string, table *schema.Table) map[uint64]string {
	t.Helper()
	if table == nil {
		return nil
	}
	switch table.Columns[table.Column("v")].Type.Kind {
	case schema.String, schema.Enum, schema.Set:
		return printed(t, s, database, sub)
	}
	return nil
}

// compareValues compares the rows of both ways, and texts with what the server says.
func compareValues(t *testing.T, sub *subject, read, logged rowSet, texts map[uint64]string) (n tally) {
	t.Helper()
	same := compareSets(t, sub, read, logged)
	for id, want := range texts {
		if got := read[idKey(id)]; hex.EncodeToString([]byte(got.bytes)) != want {
			text, _ := hex.DecodeString(want)
			t.Errorf("%s: row %d: snapshot has %v, the server says %.600s %.200q", sub.native, id, got, want, text)
			same.good--
		}
	}
	return same
}

// compareSets compares the rows of both ways, by their keys.
func compareSets(t *testing.T, sub *subject, read, logged rowSet) (n tally) {
	t.Helper()
	n.all = len(read)
	for key, want := range read {
		got, ok := logged[key]
		switch {
		case !ok:
			t.Errorf("%s: key %x %.100q: the log has no such row", sub.native, key, key)
		case got != want:
			t.Errorf("%s: key %x: snapshot has %v, log has %v", sub.native, key, want, got)
		default:
			n.good++
		}
	}
	for key := range logged {
		if _, ok := read[key]; !ok {
			t.Errorf("%s: key %x %.100q: the snapshot has no such row", sub.native, key, key)
			n.all++
		}
	}
	if n.all == 0 {
		t.Errorf("%s: nothing was compared", sub.native)
	}
	return n
}

// idKey is the key of a plain table's row.
func idKey(id uint64) string {
	var b bytes.Buffer
	for shift := 56; shift >= 0; shift -= 8 {
		b.WriteByte(byte(id >> shift))
	}
	return b.String()
}
