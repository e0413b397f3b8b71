package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	stateMode  = 0o600
	lockSuffix = ".lock"

	// stateID marks an SQLite file as a cdcsync state: "cdcs" in ASCII.
	stateID = 0x63646373
	// stateVersion is the version of the tables in the file. A newer file is refused, never rewritten.
	stateVersion = 1
)

// The tables of the state. Each record is a JSON document with a checksum of its own, so that a damaged one is found when
// it is read, and not by what it does.
const createState = `
CREATE TABLE pipeline (id INTEGER PRIMARY KEY CHECK (id = 1), doc BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE tables (namespace TEXT NOT NULL, name TEXT NOT NULL, doc BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (namespace, name));
CREATE TABLE shapes (id INTEGER PRIMARY KEY, doc BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE changes (id INTEGER PRIMARY KEY, doc BLOB NOT NULL, covered INTEGER NOT NULL DEFAULT 0, sum INTEGER NOT NULL);
CREATE TABLE touched (id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, keys BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX touched_of ON touched (namespace, name);
CREATE INDEX changes_open ON changes (id) WHERE covered = 0;`

// A Store keeps the state of one pipeline in one SQLite file: where to resume, the tables with their shapes, and the
// schema changes that were applied. One daemon at a time has it open. It holds no secrets.
type Store struct {
	db       *sql.DB
	lock     *os.File
	path     string
	pipeline string
}

// StatePath is the state file of a pipeline in the folder dir.
func StatePath(dir, pipeline string) string {
	return filepath.Join(dir, url.PathEscape(pipeline)+".db")
}

// OpenStore opens the state of a pipeline in the folder dir, and creates both if need be. A file that is in use, damaged,
// of a newer cdcsync, or of another pipeline is an error each, and is left as it is.
func OpenStore(ctx context.Context, dir, pipeline string) (*Store, error) {
	if pipeline == "" {
		return nil, errors.New("open state: the pipeline has no name")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state.dir: %w", err)
	}
	s := &Store{path: StatePath(dir, pipeline), pipeline: pipeline}
	var err error
	if s.lock, err = lockFile(s.path + lockSuffix); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", s.path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	info, err := os.Stat(s.path)
	fresh := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
	if err != nil && !fresh {
		return err
	}
	if !fresh {
		if err := inspect(ctx, s.path, s.pipeline); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, stateMode)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if s.db, err = openSQLite(s.path, "rw", "journal_mode(WAL)", "synchronous(FULL)"); err != nil {
		return err
	}
	if fresh {
		return s.create(ctx)
	}
	return nil
}

// create makes the tables of a new state. The file becomes a state in one transaction, or stays empty.
func (s *Store) create(ctx context.Context) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		stamp := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", stateID, stateVersion)
		if _, err := tx.ExecContext(ctx, createState+stamp); err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
		return putPipeline(ctx, tx, pipelineRecord{Name: s.pipeline})
	})
}

// Close gives the state free.
func (s *Store) Close() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func openSQLite(path, mode string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// inspect says why the file cannot be the state of the pipeline. It writes nothing.
func inspect(ctx context.Context, path, pipeline string) error {
	db, err := openSQLite(path, "ro")
	if err != nil {
		return err
	}
	return errors.Join(inspectDB(ctx, db, pipeline), db.Close())
}

func inspectDB(ctx context.Context, db *sql.DB, pipeline string) error {
	var id, version int64
	if err := db.QueryRowContext(ctx, "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").Scan(&id, &version); err != nil {
		return unless(ctx, err)
	}
	if id != stateID {
		return errors.New("the file is not a state of cdcsync: move it away, or set another state.dir")
	}
	if version > stateVersion {
		return fmt.Errorf("the state has version %d, this cdcsync knows up to %d: it was written by a newer cdcsync; run that one", version, stateVersion)
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return unless(ctx, err)
	}
	if verdict != "ok" {
		return damaged(errors.New(verdict))
	}
	p, err := getPipeline(ctx, db)
	if err != nil {
		return err
	}
	if p.Name != pipeline {
		return fmt.Errorf("the state belongs to pipeline %q, not to %q: give each pipeline its own name, and do not rename state files", p.Name, pipeline)
	}
	return nil
}

// unless is the error of the context if it has ended: what failed then says nothing of the file.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return damaged(err)
}

// damaged words an error that only a broken file explains.
func damaged(err error) error {
	return fmt.Errorf("the state file is damaged: %w; put back a copy of it, or move it away and the sink's tables with it to start over", err)
}
