package clickhouse

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// The state of all pipelines is in two tables of Config.StateDatabase. cdcsync_runs has the runs that have begun. cdcsync_marks
// has the mark of each table, by the table's UUID: so it goes with the table when that is renamed or exchanged, and a
// table that somebody drops, makes anew or restores from a backup has none.
const (
	runsTable  = "cdcsync_runs"
	marksTable = "cdcsync_marks"
)

// window is how many tokens the state tables remember.
const window = 1000

func (s *Sink) stateTable(name string) string {
	return quoteTable(schema.Name{Namespace: s.cfg.StateDatabase, Table: name})
}

// createState makes the state tables.
func (s *Sink) createState(ctx context.Context) error {
	for _, statement := range []string{
		createDatabaseSQL(s.cfg.StateDatabase, &s.cfg),
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (pipeline String, run UInt64, begun DateTime DEFAULT now()) ENGINE = %s ORDER BY pipeline",
			s.stateTable(runsTable), s.cfg.onCluster(), s.stateEngine("run")),
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (pipeline String, uuid String, name String, version UInt64, run UInt64, epoch UInt64, "+
			"commit UInt64, position String, state String) ENGINE = %s ORDER BY (pipeline, uuid) %s",
			s.stateTable(marksTable), s.cfg.onCluster(), s.stateEngine("version"), s.stateSettings()),
	} {
		if err := s.exec(ctx, "create state tables", statement); err != nil {
			return err
		}
	}
	return nil
}

// stateEngine is of the family that created tables are of.
func (s *Sink) stateEngine(version string) string {
	e, err := parseEngine(s.cfg.Engine)
	if err != nil || e.family == "" {
		return fmt.Sprintf("ReplacingMergeTree(%s)", version)
	}
	return fmt.Sprintf("%sReplacingMergeTree(%s)", e.family, version)
}

func (s *Sink) stateSettings() string {
	if e, err := parseEngine(s.cfg.Engine); err == nil && e.family != "" {
		return "" // they remember tokens anyway
	}
	return fmt.Sprintf("SETTINGS non_replicated_deduplication_window = %d", window)
}

// beginRun notes the run, unless a later one has begun.
func (s *Sink) beginRun(ctx context.Context, run uint64) error {
	if err := s.unfenced(ctx, run); err != nil {
		return err
	}
	return s.exec(ctx, "note the run", fmt.Sprintf("INSERT INTO %s (pipeline, run) VALUES (%s, %d)", s.stateTable(runsTable), quoteText(s.pipeline), run), setting{"async_insert", "0"})
}

// unfenced fails with sink.ErrFenced when a run later than the given one has begun. Between the look and what follows a run may begin:
// ClickHouse has nothing to compare and swap. Then the late rows are the same as those that the later run writes.
func (s *Sink) unfenced(ctx context.Context, run uint64) error {
	rows, err := s.query(ctx, "look for later runs", s.runQuery())
	if err != nil {
		return err
	}
	return fenced(rows[0][0], run)
}

func (s *Sink) runQuery() string {
	return fmt.Sprintf("SELECT toString(max(run)) FROM %s WHERE pipeline = %s", s.stateTable(runsTable), quoteText(s.pipeline))
}

func fenced(latest string, run uint64) error {
	later, err := strconv.ParseUint(latest, 10, 64)
	if err != nil {
		return fmt.Errorf("read the latest run: %w", err)
	}
	if later > run {
		return fmt.Errorf("run %d, after run %d has begun: %w", run, later, sink.ErrFenced)
	}
	return nil
}

// A mark is a Mark as found in the state table.
type mark struct {
	sink.Mark
	commit uint64 // the number of its transaction, as in the column _commit
}

// marks returns the marks by UUID; those that the tables have lost by being copied anew are left out.
func (s *Sink) marks(ctx context.Context) (map[string]mark, error) {
	rows, err := s.query(ctx, "read marks", fmt.Sprintf("SELECT uuid, toString(run), toString(epoch), toString(commit), position, state FROM %s FINAL WHERE pipeline = %s",
		s.stateTable(marksTable), quoteText(s.pipeline)))
	if code := codeOf(err); code == codeUnknownTable || code == codeUnknownDatabase {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	marks := map[string]mark{}
	for _, r := range rows {
		var numbers [3]uint64
		for i := range numbers {
			if numbers[i], err = strconv.ParseUint(r[1+i], 10, 64); err != nil {
				return nil, fmt.Errorf("read the mark of table %s: %w", r[0], err)
			}
		}
		marks[r[0]] = mark{sink.Mark{Run: numbers[0], Epoch: numbers[1], Position: r[4], State: []byte(r[5])}, numbers[2]}
	}
	return marks, nil
}

// Marks implements sink.Sink.
func (s *Sink) Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	all, err := s.marks(ctx)
	if err != nil {
		return nil, failed("read marks", err)
	}
	places, err := s.places(ctx, tables)
	if err != nil {
		return nil, failed("look for tables", err)
	}
	found := map[schema.Name]sink.Mark{}
	for n, p := range places {
		now := p.now()
		if now == nil || now.note.Dropped || now.note.Pipeline != s.pipeline {
			continue
		}
		if m, ok := all[now.uuid]; ok {
			found[n] = m.Mark
		}
	}
	return found, nil
}

// A markBlock is rows for the state table.
type markBlock struct {
	pipeline, uuid, name, position, state proto.ColStr
	version, run, epoch, commit           proto.ColUInt64
}

func (b *markBlock) add(pipeline string, version uint64, t *target, commit uint64, m sink.Mark) {
	b.pipeline.Append(pipeline)
	b.uuid.Append(t.uuid)
	b.name.Append(t.name.String())
	b.position.Append(m.Position)
	b.state.AppendBytes(m.State)
	b.version.Append(version)
	b.run.Append(m.Run)
	b.epoch.Append(m.Epoch)
	b.commit.Append(commit)
}

func (b *markBlock) rows() int { return b.uuid.Rows() }

func (b *markBlock) input() proto.Input {
	return proto.Input{
		{Name: "pipeline", Data: &b.pipeline}, {Name: "uuid", Data: &b.uuid}, {Name: "name", Data: &b.name}, {Name: "version", Data: &b.version},
		{Name: "run", Data: &b.run}, {Name: "epoch", Data: &b.epoch}, {Name: "commit", Data: &b.commit}, {Name: "position", Data: &b.position}, {Name: "state", Data: &b.state},
	}
}

func (b *markBlock) native(parts [][]byte, head []byte) (allParts [][]byte, grown []byte) {
	buf := proto.Buffer{Buf: head}
	in := b.input()
	_ = proto.Block{Columns: len(in), Rows: b.rows()}.EncodeRawBlock(&buf, 0, in) // fails only for columns of different lengths
	return append(parts, buf.Buf), buf.Buf
}

// writeMarks notes the commits of tables in one insert.
func (s *Sink) writeMarks(ctx context.Context, b *markBlock) error {
	into := fmt.Sprintf("INSERT INTO %s (pipeline, uuid, name, version, run, epoch, commit, position, state)", s.stateTable(marksTable))
	in := insertion{into: into, token: fmt.Sprintf("%s/marks/%d", s.pipeline, b.version.Row(0)), exact: true, block: b}
	return s.send(ctx, "write marks", &in)
}

// send inserts a block, and tries again for a while: the same bytes, under the same token.
func (s *Sink) send(ctx context.Context, what string, in *insertion) error {
	return s.patiently(ctx, what, func(ctx context.Context) error {
		ctx, done := context.WithTimeout(ctx, s.cfg.RequestTimeout)
		defer done()
		return s.blocks.insert(ctx, s.queryID(), in)
	})
}

// pruneMarks forgets the tables of earlier runs that are in no database any more, when they have become many.
func (s *Sink) pruneMarks(ctx context.Context) error {
	return s.exec(ctx, "forget the marks of dropped tables", fmt.Sprintf("ALTER TABLE %s%s DELETE WHERE pipeline = %s AND uuid NOT IN (SELECT toString(uuid) FROM system.tables)",
		s.stateTable(marksTable), s.cfg.onCluster(), quoteText(s.pipeline)))
}
