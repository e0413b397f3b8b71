package pipeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A checkpoint is what a start needs to know: the state as of the newest save.
type checkpoint struct {
	pipelineRecord
	tables  []tableRecord
	changes []changeRecord // not covered by the position yet, in order
}

type pipelineRecord struct {
	Name     string          `json:"name"`
	Run      uint64          `json:"run"`      // number of the newest start
	Epoch    uint64          `json:"epoch"`    // of the newest commit that was saved
	Next     uint64          `json:"next"`     // no epoch from here on was ever used
	Position source.Position `json:"position"` // empty: the pipeline has not begun
	Seq      uint64          `json:"seq"`
	Time     int64           `json:"time"` // source commit time at the position, microseconds
	// Reach is where a commit went to that was begun and is not known to have ended, in a sink that stores marks after rows.
	Reach    source.Position `json:"reach,omitempty"`
	ReachSeq uint64          `json:"reachSeq,omitempty"`
	Copy     bool            `json:"copy"` // tables are copied when they are first seen
	Bounded  bool            `json:"bounded"`
	// Selection is what Match was made of when the tables were last looked for.
	Selection string `json:"selection,omitempty"`
}

// A tableRecord is one captured table, as of the position of the checkpoint.
type tableRecord struct {
	Name     schema.Name     `json:"name"` // at the source
	Sink     schema.Name     `json:"sink"`
	State    TableState      `json:"state"`
	Reason   string          `json:"reason,omitempty"`
	Position source.Position `json:"position,omitempty"` // where it stopped
	Shape    int64           `json:"shape,omitempty"`    // in force; 0: none
	Progress []byte          `json:"progress,omitempty"`
	Epoch    uint64          `json:"epoch,omitempty"` // of its mark in the sink
	Ahead    source.Position `json:"ahead,omitempty"` // the sink has its log rows up to here, which is past the checkpoint
	Rows     int64           `json:"rows,omitempty"`  // copied by the snapshot
	Chunks   int64           `json:"chunks,omitempty"`
	Resync   bool            `json:"resync,omitempty"`   // the next start is to copy it anew
	Left     bool            `json:"left,omitempty"`     // it has stopped because its table was renamed: the next one of this name is copied
	View     *view           `json:"view,omitempty"`     // how the sink's table differs from the source's; nil: it does not
	Kept     bool            `json:"kept,omitempty"`     // it was dropped at the source, and the sink was not told
	Renewing bool            `json:"renewing,omitempty"` // it is being copied anew, or was, and the sink does not know yet that it is whole

	shape   *schema.Table // loaded; on saving, put down when Shape is 0
	touched []byte        // loaded, while the table is copied; the store has it in records of its own
}

// A changeRecord is one schema change in the history.
type changeRecord struct {
	Txn       string          `json:"txn"`
	Seq       uint64          `json:"seq"`    // where the transaction begins
	Before    schema.Name     `json:"before"` // zero: created
	After     schema.Name     `json:"after"`  // zero: dropped
	Version   uint32          `json:"version"`
	Statement string          `json:"statement,omitempty"`
	Position  source.Position `json:"position"` // the boundary before it
	Applied   bool            `json:"applied"`
	Shape     int64           `json:"shape,omitempty"`
	View      *view           `json:"view,omitempty"`    // of the table after the change; nil: as at the source
	Outcome   string          `json:"outcome,omitempty"` // what became of it, when it was not made as it is
	At        time.Time       `json:"at"`

	id   int64
	step uint64 // of the boundary before it, in the attempt that has read it
}

// A save moves the checkpoint. All of it becomes durable, or nothing.
type save struct {
	position  source.Position
	seq       uint64
	time      int64
	epoch     uint64
	begin     *source.Start // set by the first save of a pipeline
	tables    []*tableRecord
	gone      []schema.Name // records to delete before tables are put
	covered   []int64       // changes
	selection string        // empty: as it was
	touched   []touchedRecord
}

// begin counts a new run, and returns the state. It comes before anything else of a run, so that an older one that still
// writes to the sink is fenced (invariant I12); and the epoch that it may have tried is never used again.
func (s *Store) begin(ctx context.Context) (*checkpoint, error) {
	c := &checkpoint{}
	err := s.update(ctx, func(tx *sql.Tx) error {
		var err error
		if c, err = load(ctx, tx); err != nil {
			return err
		}
		c.Run++
		c.Next = max(c.Next, c.Epoch+1) + 1
		return putPipeline(ctx, tx, c.pipelineRecord)
	})
	return c, err
}

// save makes sv durable.
func (s *Store) save(ctx context.Context, sv *save) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for _, n := range sv.gone {
			if _, err := tx.ExecContext(ctx, "DELETE FROM tables WHERE namespace = ? AND name = ?", n.Namespace, n.Table); err != nil {
				return fmt.Errorf("forget table %s: %w", n, err)
			}
			if err := forget(ctx, tx, n); err != nil {
				return err
			}
		}
		for _, t := range sv.tables {
			if err := putTable(ctx, tx, t); err != nil {
				return fmt.Errorf("save table %s: %w", t.Name, err)
			}
			if t.State == Copying {
				continue
			}
			if err := forget(ctx, tx, t.Name); err != nil {
				return err
			}
		}
		for _, id := range sv.covered {
			if _, err := tx.ExecContext(ctx, "UPDATE changes SET covered = 1 WHERE id = ?", id); err != nil {
				return fmt.Errorf("cover change %d: %w", id, err)
			}
		}
		if sv.position == "" {
			return nil
		}
		p, err := getPipeline(ctx, tx)
		if err != nil {
			return err
		}
		p.Position, p.Seq, p.Time = sv.position, sv.seq, sv.time
		p.Epoch, p.Next = max(p.Epoch, sv.epoch), max(p.Next, sv.epoch+1)
		if sv.seq >= p.ReachSeq {
			p.Reach, p.ReachSeq = "", 0
		}
		if sv.selection != "" {
			p.Selection = sv.selection
		}
		if sv.begin != nil {
			p.Copy, p.Bounded = sv.begin.Snapshot, sv.begin.Bounded
		}
		return putPipeline(ctx, tx, p)
	})
}

// applying notes that the sink is about to make a schema change, together with the new shape (nil: dropped).
func (s *Store) applying(ctx context.Context, c *changeRecord, shape *schema.Table) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		if shape != nil {
			var err error
			if c.Shape, err = putShape(ctx, tx, shape); err != nil {
				return err
			}
		}
		var err error
		c.id, err = insert(ctx, tx, "INSERT INTO changes (doc, sum) VALUES (?, ?)", c)
		return err
	})
}

// applied notes that the sink has made a change: it is never asked for it again.
func (s *Store) applied(ctx context.Context, c *changeRecord) error {
	c.Applied = true
	return s.update(ctx, func(tx *sql.Tx) error {
		doc, sum := encode(c)
		_, err := tx.ExecContext(ctx, "UPDATE changes SET doc = ?, sum = ? WHERE id = ?", doc, sum, c.id)
		return err
	})
}

// update runs do in one transaction.
func (s *Store) update(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// A querier is a database, or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func load(ctx context.Context, q querier) (*checkpoint, error) {
	var c checkpoint
	var err error
	if c.pipelineRecord, err = getPipeline(ctx, q); err != nil {
		return nil, err
	}
	if c.tables, err = records[tableRecord](ctx, q, "SELECT rowid, doc, sum FROM tables ORDER BY namespace, name", nil); err != nil {
		return nil, fmt.Errorf("load tables: %w", err)
	}
	for i := range c.tables {
		if t := &c.tables[i]; t.Shape != 0 {
			if t.shape, err = getShape(ctx, q, t.Shape); err != nil {
				return nil, fmt.Errorf("load shape of %s: %w", t.Name, err)
			}
			if t.touched, err = touched(ctx, q, t.Name); err != nil {
				return nil, fmt.Errorf("load touched keys of %s: %w", t.Name, err)
			}
		}
	}
	c.changes, err = records(ctx, q, "SELECT id, doc, sum FROM changes WHERE covered = 0 ORDER BY id",
		func(r *changeRecord, id int64) { r.id = id })
	if err != nil {
		return nil, fmt.Errorf("load changes: %w", err)
	}
	return &c, nil
}

// records reads all records of a query for an id, a document and its checksum.
func records[T any](ctx context.Context, q querier, query string, id func(*T, int64)) ([]T, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, unless(ctx, err)
	}
	defer func() { _ = rows.Close() }() // an error of it is one of Err
	var all []T
	for rows.Next() {
		var doc []byte
		var key, sum int64
		var v T
		if err := rows.Scan(&key, &doc, &sum); err != nil {
			return nil, unless(ctx, err)
		}
		if err := decode(doc, sum, &v); err != nil {
			return nil, err
		}
		if id != nil {
			id(&v, key)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, unless(ctx, err)
	}
	return all, nil
}

func getPipeline(ctx context.Context, q querier) (p pipelineRecord, err error) {
	var doc []byte
	var sum int64
	if err := q.QueryRowContext(ctx, "SELECT doc, sum FROM pipeline").Scan(&doc, &sum); err != nil {
		return p, unless(ctx, fmt.Errorf("read pipeline: %w", err))
	}
	return p, decode(doc, sum, &p)
}

func putPipeline(ctx context.Context, tx *sql.Tx, p pipelineRecord) error {
	doc, sum := encode(p)
	if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO pipeline (id, doc, sum) VALUES (1, ?, ?)", doc, sum); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return nil
}

func putTable(ctx context.Context, tx *sql.Tx, t *tableRecord) error {
	if t.Shape == 0 && t.shape != nil {
		var err error
		if t.Shape, err = putShape(ctx, tx, t.shape); err != nil {
			return err
		}
	}
	doc, sum := encode(t)
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO tables (namespace, name, doc, sum) VALUES (?, ?, ?, ?)", t.Name.Namespace, t.Name.Table, doc, sum)
	return err
}

func putShape(ctx context.Context, tx *sql.Tx, t *schema.Table) (int64, error) {
	return insert(ctx, tx, "INSERT INTO shapes (doc, sum) VALUES (?, ?)", t)
}

func insert(ctx context.Context, tx *sql.Tx, query string, v any) (int64, error) {
	doc, sum := encode(v)
	r, err := tx.ExecContext(ctx, query, doc, sum)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func getShape(ctx context.Context, q querier, id int64) (*schema.Table, error) {
	var doc []byte
	var sum int64
	if err := q.QueryRowContext(ctx, "SELECT doc, sum FROM shapes WHERE id = ?", id).Scan(&doc, &sum); err != nil {
		return nil, unless(ctx, err)
	}
	t := new(schema.Table)
	return t, decode(doc, sum, t)
}

func encode(v any) (doc []byte, sum int64) {
	doc, err := json.Marshal(v)
	if err != nil {
		panic("pipeline: record does not marshal: " + err.Error())
	}
	return doc, int64(crc32.Checksum(doc, crc32.MakeTable(crc32.Castagnoli)))
}

func decode(doc []byte, sum int64, v any) error {
	if int64(crc32.Checksum(doc, crc32.MakeTable(crc32.Castagnoli))) != sum {
		return damaged(errors.New("checksum of a record does not match"))
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return damaged(err)
	}
	return nil
}
