// Package hot reads chunks of a hot table over and over, under writers, and holds each placed row against the log.
package hot

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/snapshot"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/mysql"
)

const (
	hotRows = 200
	writers = 8
	readers = 4
)

// chunks is how many chunks a run reads: CDCSYNC_HOT_CHUNKS, or a few.
func chunks(t *testing.T) int64 {
	text := os.Getenv("CDCSYNC_HOT_CHUNKS")
	if text == "" {
		return 2000
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("CDCSYNC_HOT_CHUNKS: %v", err)
	}
	return n
}

// A loop is a source whose tables never end: each chunk is the whole table, and what is left is the whole table again.
type loop struct{ source.Source }

func (l loop) Split(context.Context, *schema.Table, int) ([]source.Range, error) {
	return make([]source.Range, readers), nil
}

func (l loop) ReadChunk(ctx context.Context, c source.Chunk, barrier source.Position) (*source.ChunkRows, error) {
	r, err := l.Source.ReadChunk(ctx, c, barrier)
	if err == nil {
		r.Rest, r.Done = c.Range, false
	}
	return r, err
}

// naive is a loop whose oracle is the recipe of file positions: the log's end before and after the SELECT, and no wait
// for what is delivered to become visible.
type naive struct {
	loop
	db     *sql.DB
	status string // the statement that shows the log's end
	table  string
}

func (n naive) ReadChunk(ctx context.Context, c source.Chunk, _ source.Position) (*source.ChunkRows, error) {
	low, err := n.end(ctx)
	if err != nil {
		return nil, err
	}
	b, err := n.read(ctx, c.Table)
	if err != nil {
		return nil, err
	}
	high, err := n.end(ctx)
	if err != nil {
		return nil, err
	}
	return &source.ChunkRows{Rows: []*row.Batch{b}, View: binlog.LogView{Low: low, High: high}, High: high, Rest: c.Range}, nil
}

func (n naive) end(ctx context.Context) (uint64, error) {
	rows, err := n.db.QueryContext(ctx, n.status)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	values := make([]any, len(columns))
	var p binlog.Position
	values[0], values[1] = &p.File, &p.Offset
	for i := range values[2:] {
		values[i+2] = new(sql.RawBytes)
	}
	if !rows.Next() {
		return 0, errors.New("the server shows no log")
	}
	return p.Seq(), rows.Scan(values...)
}

func (n naive) read(ctx context.Context, t *schema.Table) (*row.Batch, error) {
	rows, err := n.db.QueryContext(ctx, "SELECT id, c, w FROM "+n.table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	b := row.New(t)
	for rows.Next() {
		var id, c, w int64
		if err := rows.Scan(&id, &c, &w); err != nil {
			return nil, err
		}
		b.Append(row.Insert, 0, 0)
		b.Cols[0].AppendWord(uint64(id))
		b.Cols[1].AppendWord(uint64(c))
		b.Cols[2].AppendWord(uint64(w))
	}
	return b, rows.Err()
}

// A judge follows the stream: what the log has delivered is the truth, and each row that is placed must equal it.
type judge struct {
	truth  map[uint64]uint64
	chunks int64
	stale  int64 // chunks with a row that differs
	rows   int64 // rows placed
	left   int64 // rows that the log had overtaken
	bad    bool  // the chunk under way has such a row
	first  string
}

func (j *judge) take(ev source.Event) {
	switch {
	case ev.Copied != nil:
		j.chunks += ev.Copied.Chunks
		j.rows += ev.Copied.Rows
		j.left += ev.Copied.Dropped
		if j.bad {
			j.stale++
			j.bad = false
		}
	case ev.Rows != nil && ev.Txn == (source.TxnID{}):
		j.compare(ev.Rows)
	case ev.Rows != nil:
		j.apply(ev.Rows)
	}
	ev.Rows.Free()
}

func (j *judge) apply(b *row.Batch) {
	for i := range b.Len() {
		if b.Ops[i] == row.After {
			j.truth[b.Cols[0].Words[i]] = b.Cols[1].Words[i]
		}
	}
}

func (j *judge) compare(b *row.Batch) {
	for i := range b.Len() {
		id, c := b.Cols[0].Words[i], b.Cols[1].Words[i]
		if want := j.truth[id]; c != want {
			j.bad = true
			if j.first == "" {
				j.first = fmt.Sprintf("chunk %d row %d: got %d, the log has %d", j.chunks, id, c, want)
			}
		}
	}
}

// run reads n chunks of a fresh hot table through the production merge, under the writers.
func run(t *testing.T, s *servers.Server, n int64, wrap func(loop, *sql.DB, string) source.Source) *judge {
	t.Helper()
	db := s.Database(t)
	s.Exec(t, "CREATE TABLE `"+db+"`.hot (id INT PRIMARY KEY, c BIGINT NOT NULL, w INT NOT NULL DEFAULT 0)")
	j := &judge{truth: map[uint64]uint64{}}
	for id := range uint64(hotRows) {
		s.Exec(t, fmt.Sprintf("INSERT INTO `%s`.hot (id, c) VALUES (%d, 0)", db, id))
		j.truth[id] = 0
	}
	cfg := mysql.DefaultConfig()
	cfg.Hostname, cfg.Port, cfg.Username = s.Host, s.Port, s.User
	src, err := mysql.Open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	stream := open(t, src, wrap(loop{src}, s.DB(t), "`"+db+"`.hot"), db)
	defer func() { _ = stream.Close() }()

	ctx, stop := context.WithCancel(t.Context())
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error { return write(ctx, s.DB(t), db, uint64(w)) })
	}
	for deadline := time.Now().Add(30 * time.Minute); j.chunks < n && time.Now().Before(deadline); {
		ev, err := stream.Next(t.Context())
		if err != nil {
			t.Errorf("after %d chunks: %v", j.chunks, err)
			break
		}
		j.take(ev)
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%s %s: %d chunks, %d rows placed, %d overtaken, %d stale chunks %s", s.Flavour, s.Version, j.chunks, j.rows, j.left, j.stale, j.first)
	return j
}

func open(t *testing.T, src *mysql.Source, wrapped source.Source, db string) source.Stream {
	t.Helper()
	match := func(n schema.Name) bool { return n == schema.Name{Namespace: db, Table: "hot"} }
	found, err := src.Tables(t.Context(), match)
	if err != nil || len(found.Tables) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	start, err := src.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := snapshot.Open(t.Context(), wrapped, start.Position, []snapshot.Table{{Shape: found.Tables[0]}}, match,
		snapshot.Config{Readers: readers})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// write updates random rows, one transaction each, until ctx ends.
func write(ctx context.Context, pool *sql.DB, db string, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		_, err := pool.ExecContext(ctx, "UPDATE `"+db+"`.hot SET c = c + 1, w = ? WHERE id = ?", seed, rng.IntN(hotRows))
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// The commit is made slow: the time between the log's append and the engine's commit is when chunks go stale.
var slowCommit = []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"}

func hotServers(t *testing.T, f func(t *testing.T, s *servers.Server, status string)) {
	servers.EachPrivate(t, func(t *testing.T, s *servers.Server) {
		status := "SHOW MASTER STATUS"
		if s.Flavour == servers.FlavourMySQL && strings.HasPrefix(s.Version, "9") {
			status = "SHOW BINARY LOG STATUS"
		}
		f(t, s, status)
	}, slowCommit...)
}

func TestHot_NoStaleChunk(t *testing.T) {
	hotServers(t, func(t *testing.T, s *servers.Server, _ string) {
		n := chunks(t)
		j := run(t, s, n, func(l loop, _ *sql.DB, _ string) source.Source { return l })
		if j.stale != 0 || j.chunks < n {
			t.Errorf("got %d stale of %d chunks, want 0 of %d; %s", j.stale, j.chunks, n, j.first)
		}
		if j.left == 0 {
			t.Error("the log overtook no row: the writers hardly ran")
		}
	})
}

// The same test finds stale chunks when the oracle is the one of file positions: it can fail.
func TestHot_FilePositionsAreStale(t *testing.T) {
	hotServers(t, func(t *testing.T, s *servers.Server, status string) {
		j := run(t, s, min(chunks(t), 3000), func(l loop, db *sql.DB, table string) source.Source {
			return naive{loop: l, db: db, status: status, table: table}
		})
		if j.stale == 0 {
			t.Errorf("got no stale chunk of %d", j.chunks)
		}
	})
}
