package workload

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// wildness is what wild writers share.
type wildness struct {
	files string // folder of the files that LOAD DATA reads
	made  atomic.Int64

	mu   sync.Mutex // guards what follows
	done map[string]int64
}

func (l *Load) did(what string) {
	l.wild.mu.Lock()
	defer l.wild.mu.Unlock()
	if l.wild.done == nil {
		l.wild.done = map[string]int64{}
	}
	l.wild.done[what]++
}

// Wild says how often each kind of what few applications do was done since New.
func (l *Load) Wild() map[string]int64 {
	l.wild.mu.Lock()
	defer l.wild.mu.Unlock()
	return maps.Clone(l.wild.done)
}

// An oddity is a kind of transaction that few applications do.
type oddity struct {
	name string
	do   func(w *writer, ctx context.Context, on *sql.Conn) error
	can  func(s *servers.Server) bool // nil: every server
	// partly says that the log has only some columns of the rows of before.
	partly bool
}

func oddities() []oddity {
	mysqlFrom := func(versions ...string) func(*servers.Server) bool {
		return func(s *servers.Server) bool {
			return s.Flavour == servers.FlavourMySQL && slices.Contains(versions, s.Version)
		}
	}
	mariaDB := func(s *servers.Server) bool { return s.Flavour == servers.FlavourMariaDB }
	return []oddity{
		{name: "XA in two phases", do: (*writer).twoPhases, can: twoPhaseServer},
		{name: "XA in one phase", do: (*writer).onePhase},
		{name: "minimal images", do: (*writer).minimal, partly: true},
		{name: "compressed transactions", do: (*writer).compressed, can: mysqlFrom("8.0", "9.7")},
		{name: "compression of rows switched", do: (*writer).compression, can: mariaDB},
		{name: "LOAD DATA", do: (*writer).loadData},
		{name: "INSERT ... SELECT", do: (*writer).insertSelect},
		{name: "large transactions", do: (*writer).large},
		{name: "log rotations", do: (*writer).rotate},
		{name: "partial JSON", do: (*writer).partialJSON, can: mysqlFrom("8.0.15", "8.0", "9.7")},
	}
}

// wild does one of the oddities that the server can, in a session of its own, which ends with it.
func (w *writer) wild(ctx context.Context) error {
	all := slices.DeleteFunc(oddities(), func(o oddity) bool {
		return o.can != nil && !o.can(w.load.server) || w.load.config.Whole && o.partly
	})
	o := all[w.r.IntN(len(all))]
	conn, err := w.load.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }() // its variables die with it
	if err := o.do(w, ctx, conn); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	w.load.did(o.name)
	return nil
}

// lasting returns one of the tables whose shape never changes.
func (w *writer) lasting() table {
	all := slices.DeleteFunc(slices.Clone(w.tables), func(t table) bool { return t.name == "evolve" || t.name == "trunc" })
	return all[w.r.IntN(len(all))]
}

// minimal writes images that lack columns, in statements whose rows are whole all the same: those that set all columns.
func (w *writer) minimal(ctx context.Context, on *sql.Conn) error {
	if _, err := on.ExecContext(ctx, "SET SESSION binlog_row_image=MINIMAL"); err != nil {
		return err
	}
	for range 1 + w.r.IntN(5) {
		t := w.lasting()
		key := t.key(w.r)
		statement := []string{
			t.insert(w.r, "INSERT IGNORE", 1+w.r.IntN(5)),
			"DELETE FROM `" + t.name + "` WHERE " + t.where(key),
			"UPDATE `" + t.name + "` SET " + strings.Join(assign(t.values, t.value(w.r)), ",") + " WHERE " + t.where(key),
		}[w.r.IntN(3)]
		if err := w.all(ctx, on, statement); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) compressed(ctx context.Context, on *sql.Conn) error {
	if _, err := on.ExecContext(ctx, "SET SESSION binlog_transaction_compression=ON"); err != nil {
		return err
	}
	return w.transact(ctx, on)
}

// compression switches MariaDB's compression of rows for everybody.
func (w *writer) compression(ctx context.Context, on *sql.Conn) error {
	return w.all(ctx, on, "SET GLOBAL log_bin_compress_min_len=10", fmt.Sprintf("SET GLOBAL log_bin_compress=%d", w.r.IntN(2)))
}

// loadData loads a file that has keys that are there and others.
func (w *writer) loadData(ctx context.Context, on *sql.Conn) error {
	var text strings.Builder
	for range 1 + w.r.IntN(300) {
		fmt.Fprintf(&text, "%d,loaded %d\n", 1+w.r.IntN(600), w.r.IntN(1000))
	}
	path := filepath.Join(w.load.wild.files, fmt.Sprint(w.load.wild.made.Add(1)))
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	into := []string{"uniq CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' (u,v)", "trunc CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' (id,v)"}
	verb := []string{"REPLACE", "IGNORE"}[w.r.IntN(2)]
	return w.all(ctx, on, "LOAD DATA INFILE "+quote(path)+" "+verb+" INTO TABLE "+into[w.r.IntN(2)])
}

func (w *writer) insertSelect(ctx context.Context, on *sql.Conn) error {
	return w.all(ctx, on, []string{
		fmt.Sprintf("INSERT INTO auto (k,c,v,ts) SELECT k,c,v,ts FROM auto WHERE id>=%d ORDER BY id LIMIT 200", 1+w.r.IntN(2000)),
		"REPLACE INTO uniq (u,v) SELECT id,left(note,30) FROM hot",
		"INSERT INTO trunc (id,v) SELECT u,v FROM uniq ON DUPLICATE KEY UPDATE trunc.v=uniq.v",
		fmt.Sprintf("INSERT IGNORE INTO hot (id,n,note) SELECT id,k,c FROM auto WHERE id<=%d", 1+w.r.IntN(200)),
	}[w.r.IntN(4)])
}

// large is one transaction over many rows of several tables. It also keeps table auto from growing for ever.
func (w *writer) large(ctx context.Context, on *sql.Conn) error {
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // harmless after the end
	statements := []string{
		"UPDATE auto SET k=k DIV 2, c=concat('l',left(c,30))",
		fmt.Sprintf("DELETE FROM auto WHERE id%%3=%d", w.r.IntN(3)),
		"UPDATE types SET c11=c11/2, c20=now()",
		"UPDATE hot SET n=n+1",
		fmt.Sprintf("DELETE FROM composite WHERE a=%d", w.r.IntN(12)),
	}
	w.r.Shuffle(len(statements), func(i, j int) { statements[i], statements[j] = statements[j], statements[i] })
	if err := w.all(ctx, tx, statements[:2+w.r.IntN(3)]...); err != nil {
		return err
	}
	return tx.Commit()
}

// rotate begins new log files, one after the other.
func (w *writer) rotate(ctx context.Context, on *sql.Conn) error {
	return w.all(ctx, on, slices.Repeat([]string{"FLUSH BINARY LOGS"}, 1+w.r.IntN(20))...)
}

// partialJSON changes parts of documents, which MySQL then logs as changes of parts.
func (w *writer) partialJSON(ctx context.Context, on *sql.Conn) error {
	document := jsonColumn()
	set := fmt.Sprintf("UPDATE types SET %s=json_set(%[1]s, '$.n', %d) WHERE id>=%d ORDER BY id LIMIT 10", document, w.r.IntN(100), 1+w.r.IntN(800))
	cut := fmt.Sprintf("UPDATE types SET %s=json_remove(%[1]s, '$.b') WHERE id>=%d ORDER BY id LIMIT 10", document, 1+w.r.IntN(800))
	return w.all(ctx, on, "SET SESSION binlog_row_value_options='PARTIAL_JSON'", set, cut)
}

// jsonColumn is the name of the wide table's JSON column.
func jsonColumn() string {
	return fmt.Sprintf("c%02d", slices.IndexFunc(types(), func(c column) bool { return c.typ == "json" }))
}
