package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A SavedState is what a state file holds, for people and their scripts: `cdcsync state -o json` prints it. Its shape is
// stable: fields may be added, and never change their name or meaning. It holds no secrets and no rows.
type SavedState struct {
	Version  int             `json:"version"`           // of this shape: 1
	Pipeline string          `json:"pipeline"`          // its name
	File     string          `json:"file"`              // path of the state file
	Run      uint64          `json:"run"`               // number of the newest start of a daemon, counted from 1
	Epoch    uint64          `json:"epoch"`             // number of the newest commit that is saved; 0: none
	Position source.Position `json:"position"`          // where the next start resumes; empty: the pipeline has not begun
	Time     *time.Time      `json:"time"`              // when the source committed what is at the position; null: unknown
	Bounded  bool            `json:"bounded,omitempty"` // the pipeline ends when all tables are copied
	Tables   []SavedTable    `json:"tables"`            // in the order of their names
	Changes  []SavedChange   `json:"changes"`           // the newest schema changes, oldest first
}

// A SavedTable is one captured table.
type SavedTable struct {
	Source SavedName  `json:"source"`           // its name at the source
	Sink   *SavedName `json:"sink"`             // its name in the sink; null: it never got there
	State  TableState `json:"state"`            // copying, following, stopped or dropped
	Reason string     `json:"reason,omitempty"` // why it has stopped
	// StoppedAt is the position up to which a stopped table has its changes.
	StoppedAt source.Position `json:"stopped_at,omitempty"`
	Shape     uint32          `json:"shape"`   // version of its shape; 0: none
	Columns   int             `json:"columns"` // of that shape
	Rows      int64           `json:"rows"`    // copied by its snapshot
	Chunks    int64           `json:"chunks"`  // the same in chunks
	Epoch     uint64          `json:"epoch"`   // of its newest commit, which the sink carries as a mark; 0: none
	// Ahead is where the sink is with this table, when that is past the position: the process died between the two saves.
	Ahead source.Position `json:"ahead,omitempty"`
	// Resync says that the next start drops the sink table and copies it anew, as it was asked to.
	Resync bool `json:"resync,omitempty"`
}

// A SavedName is a table's name, in parts because either may contain dots.
type SavedName struct {
	Namespace string `json:"namespace"`
	Table     string `json:"table"`
}

// A SavedChange is one schema change and what the sink did with it.
type SavedChange struct {
	At        time.Time       `json:"at"`                  // when cdcsync saw it first
	Table     SavedName       `json:"table"`               // at the source, after the change, or its last name
	Renamed   *SavedName      `json:"renamed,omitempty"`   // its name before, if another
	Dropped   bool            `json:"dropped,omitempty"`   // there is no table after the change
	Shape     uint32          `json:"shape"`               // version of the new shape; 0: dropped
	Statement string          `json:"statement,omitempty"` // as the source logged it
	Position  source.Position `json:"position"`            // the commit boundary before it
	State     string          `json:"state"`               // applying: the sink was asked for it; applied: it has done it
	Outcome   string          `json:"outcome,omitempty"`   // left out, or made to fit, when schema.change.behavior did not let it through as it is
}

// changesShown is how many schema changes ReadState returns.
const changesShown = 100

// ReadState reads the state of a pipeline in the folder dir. It changes nothing, and works beside a running daemon.
func ReadState(ctx context.Context, dir, pipeline string) (*SavedState, error) {
	path := StatePath(dir, pipeline)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read state: %s does not exist: pipeline %q has not run with this state.dir", path, pipeline)
	}
	db, err := openSQLite(path, "ro")
	if err != nil {
		return nil, fmt.Errorf("read state %s: %w", path, err)
	}
	s, err := readState(ctx, db, pipeline)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("read state %s: %w", path, err)
	}
	s.File = path
	return s, nil
}

func readState(ctx context.Context, db *sql.DB, pipeline string) (*SavedState, error) {
	if err := inspectDB(ctx, db, pipeline); err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // it has read only
	c, err := load(ctx, tx)
	if err != nil {
		return nil, err
	}
	changes, err := records[changeRecord](ctx, tx, fmt.Sprintf("SELECT * FROM (SELECT id, doc, sum FROM changes ORDER BY id DESC LIMIT %d) ORDER BY id", changesShown), nil)
	if err != nil {
		return nil, fmt.Errorf("load changes: %w", err)
	}
	return savedState(c, changes), nil
}

func savedState(c *checkpoint, changes []changeRecord) *SavedState {
	s := &SavedState{
		Version: 1, Pipeline: c.Name, Run: c.Run, Epoch: c.Epoch, Position: c.Position, Bounded: c.Bounded,
		Tables: []SavedTable{}, Changes: []SavedChange{},
	}
	if c.Time != 0 {
		t := time.UnixMicro(c.Time).UTC()
		s.Time = &t
	}
	for i := range c.tables {
		s.Tables = append(s.Tables, c.tables[i].saved())
	}
	for i := range changes {
		s.Changes = append(s.Changes, changes[i].saved())
	}
	return s
}

func (r *tableRecord) saved() SavedTable {
	t := SavedTable{
		Source: SavedName(r.Name), State: r.State, Reason: r.Reason, StoppedAt: r.Position, Rows: r.Rows, Chunks: r.Chunks,
		Epoch: r.Epoch, Ahead: r.Ahead, Resync: r.Resync,
	}
	if r.Sink != (schema.Name{}) {
		t.Sink = (*SavedName)(&r.Sink)
	}
	if r.shape != nil {
		t.Shape, t.Columns = r.shape.Version, len(r.shape.Columns)
	}
	return t
}

func (r *changeRecord) saved() SavedChange {
	c := SavedChange{
		At: r.At, Table: SavedName(r.After), Shape: r.Version, Statement: r.Statement, Position: r.Position, State: "applying",
	}
	if r.Applied {
		c.State, c.Outcome = "applied", r.Outcome
	}
	switch none := (schema.Name{}); {
	case r.After == none:
		c.Table, c.Dropped = SavedName(r.Before), true
	case r.Before != none && r.Before != r.After:
		c.Renamed = (*SavedName)(&r.Before)
	}
	return c
}
