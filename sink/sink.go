// Package sink defines what a pipeline writes to.
//
// A sink stores with the rows of each table a Mark: the name of the commit and the state that a restart needs. So the
// question "did the last commit of this table land?" is answered by the sink itself, whatever happened to the process
// between the commit and the saving of its own state. The mark is stored atomically with the rows, or, where the store
// cannot, after them: then rows past the mark come again after a crash, and writing them again must change nothing. Package
// sinktest has the suite that each sink passes.
package sink

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// ErrTransient marks errors after which starting again at the last checkpoint may help.
var ErrTransient = errors.New("transient sink error")

// ErrFenced marks what was refused because a later run of the same pipeline has begun, or has written to the table:
// another daemon has taken over (invariant I12).
var ErrFenced = errors.New("fenced by a later run")

// A Mark names one commit of one table. The zero Mark means none yet.
type Mark struct {
	// Run is the number of the daemon's start, +1 each: of two daemons on the same tables the one with the lower Run is
	// fenced. Epoch is the number of the commit, +1 each, never reused.
	Run, Epoch uint64
	Position   string // the source position that the commit covers, for people
	State      []byte // what a restart needs, opaque here
}

// A Sink is a place for tables. Table names are the sink's, after routing; "table" in its errors too. An error that
// concerns one table only is or wraps *schema.TableError (several are joined); any other error ends the attempt.
type Sink interface {
	// Start begins a run: each attempt of a pipeline to go on from its checkpoint calls it first, with a number that is
	// higher than those before. Whatever an earlier run, also one of another process, has left under way is ended here, as
	// far as the store can: a transaction that is still open there takes no effect any more. Evolve and Begin belong to the
	// run; who only looks (Marks) needs none.
	Start(ctx context.Context, run uint64) error
	// Marks returns the newest committed Mark of this pipeline for each of the tables; tables without one are left out.
	Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]Mark, error)
	// Evolve makes the sink's table match c.After: creates it, changes it, or for a nil After drops or keeps it, by
	// configuration. Repeating it is harmless, also after a crash half way. Meanwhile no Txn holds rows of that table, but
	// Txns may be open that were begun before, be written to and committed with rows of other tables, and get rows of this
	// one afterwards; and tables may be evolved at the same time, by calls for one each that change no name. The table keeps its Mark, unless it is created, dropped, or is to be copied anew (schema.BeginCopy, which forgets the old
	// rows' Mark at once and the rows by schema.EndCopy at the latest).
	Evolve(ctx context.Context, c *schema.Change) error
	// Begin opens a transaction. It may be filled while the previous one commits; commits never overlap (invariant I2).
	Begin(ctx context.Context) (Txn, error)
	Close() error
}

// A Heart is a Sink that wants to know how far the source has been read also when there are no rows.
type Heart interface {
	// Beat says that all up to a position is durable: after each commit, with rows or without. time is when the source
	// committed last, or said that it had nothing newer; microseconds since the epoch, 0 unknown. It is called between
	// commits, never beside one.
	Beat(ctx context.Context, position string, time int64) error
}

// A Trailing sink stores marks after their rows: a crash between the two leaves rows past the mark. For it the engine notes
// where a commit goes to before it begins, so that a later start can make sure that the source did not lose what they are.
type Trailing interface {
	// MarksTrail says no more than that it is so.
	MarksTrail()
}

// An Ordered is a Sink that may want the rows of all tables in the order of the log: it tells its readers of the
// transactions that they belong to. For others a table whose schema changes may fall behind the rest for a while.
type Ordered interface {
	// Ordered says that it wants that.
	Ordered() bool
}

// A Txn is a sink's unit of work. It holds whole source transactions (invariant I4), and one version of each table
// (invariant I5).
type Txn interface {
	// Write stages rows; it owns b and frees it. Rows of one table come in order, by one goroutine at a time; different
	// tables may be written concurrently.
	Write(ctx context.Context, b *row.Batch) error
	// Bytes is what the transaction holds in memory or has staged, roughly: the engine cuts large ones early.
	Bytes() int64
	// Commit makes the staged rows of each table durable together with its Mark. marks has an entry for each table that
	// was written to. When only some tables fail, their errors are joined *schema.TableErrors, and the others are
	// committed. An outcome that stays unknown is an ErrTransient: the marks tell after a restart.
	Commit(ctx context.Context, marks map[schema.Name]Mark) error
	// Abort drops what is staged. It is safe after Commit.
	Abort() error
}
