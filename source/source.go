// Package source defines what a pipeline reads from.
//
// A source has two ways of reading: Stream follows the database's log, ReadChunk reads the rows that a table already
// has. Package snapshot makes one stream of the two. Each chunk comes with a View that can say of a transaction of the
// log whether the chunk's SELECT saw it: that is all the merge needs to know.
package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// The decisions that a caller makes of an error.
var (
	// ErrTransient: opening the stream again at the last checkpoint may help.
	ErrTransient = errors.New("transient source error")
	// ErrPositionLost: the server no longer has the log after the position, or never had it; only a resync helps.
	ErrPositionLost = errors.New("position lost")
	// ErrAppeared: a table that was not captured has been given a name that is, so its rows are not known: it is to be copied.
	// Streams stop the name with it.
	ErrAppeared = errors.New("a table that was not captured has taken this name")
	// ErrLeft: a captured table bears its name no more. The table that takes it is another one. Streams stop the name with it.
	ErrLeft = errors.New("the table has left this name")
	// ErrAltered: a table that is not captured, and whose name is one that would be, has changed its shape. Streams say so in
	// the way they say that a table stops.
	ErrAltered = errors.New("a table that is not captured has another shape")
	// ErrShape: a table is not of the shape that the caller expects: a schema change is under way in the log.
	ErrShape = errors.New("table has another shape")
)

// A Position is a resume point in a log, opaque outside the source that made it. The zero Position is none.
type Position string

// LogValue is the position for people: what follows a # in it is for its source alone, and may be long.
func (p Position) LogValue() slog.Value {
	text, _, more := strings.Cut(string(p), "#")
	if more {
		text += "#..."
	}
	return slog.StringValue(text)
}

// A TxnID names one transaction of the log: only views of the source that made it read it. It is comparable.
type TxnID struct {
	Seq    uint64   // where the transaction begins in the log
	Server [16]byte // MySQL: the UUID of its GTID, zero without one
	Tag    string   // MySQL: the tag of its GTID
	Domain uint32   // MariaDB: the domain of its GTID
	Number uint64   // the number in its GTID; PostgreSQL: the transaction's xid
}

// An Event is one step of a stream. Each field stands alone; a heartbeat has only Commit, Seq and Time.
type Event struct {
	Rows    *row.Batch         // the receiver owns it
	Schema  *schema.Change     // the shape of all later rows of its table
	Stopped *schema.TableError // no more events of this table follow
	Copied  *Copied            // how far the snapshot of a table has come with the events before this one
	Txn     TxnID              // with Rows and Schema: the transaction they belong to
	Commit  Position           // if set: resuming here repeats nothing and skips nothing
	Seq     uint64             // with Commit: where that is in the log; Seqs of earlier rows are below it, of later ones not
	Time    int64              // with Commit: when the source committed, or said that it had nothing newer; microseconds since the epoch; 0 unknown
}

// Copied says how far the snapshot of a table has come. Only package snapshot makes it, and reads Progress.
type Copied struct {
	Table    schema.Name
	Progress []byte // what to resume the table's snapshot with, opaque
	// Touched is to be kept beside Progress and handed back with it, appended to that of all earlier events of the table:
	// which keys the log has touched meanwhile, opaque. It may be lost, and costs upserts then; it must not be mixed up.
	Touched []byte
	Rows    int64 // rows placed by this step
	Dropped int64 // rows of the step's chunks that the log had overtaken, and that were left out
	Chunks  int64 // chunks placed by this step
	Done    bool  // the snapshot of the table is whole
}

// A Stream is the ordered events after a position.
type Stream interface {
	// Next returns the next event; the caller's pace is the backpressure. It is called by one goroutine. It comes back at
	// least once a second with a heartbeat while the source is idle. Its errors wrap ErrTransient or ErrPositionLost
	// where one of these applies. After an error the stream is of no use but to be closed.
	Next(ctx context.Context) (Event, error)
	// Ack says that all up to p is durable downstream. It may be called while Next runs.
	Ack(p Position)
	// Close ends the stream and waits for what it started.
	Close() error
}

// Visibility is what a View knows of one transaction.
type Visibility uint8

// The answers of a View.
const (
	Unknown Visibility = iota
	Yes                // all effects of the transaction are in the view
	No                 // none of them is
)

// A View says which transactions a read saw: the membership oracle of a chunk. Unknown is always a legal answer.
type View interface{ Sees(TxnID) Visibility }

// A Key is one key value of a table, in an encoding of the source's own; the empty Key is no bound. Keys are never
// compared by anyone but the database: collations order them.
type Key string

// A Range is the part of a table whose key is > After and <= Through.
type Range struct {
	After   Key `json:"after,omitempty"`
	Through Key `json:"through,omitempty"`
}

// A Chunk asks for the first rows of a range.
type Chunk struct {
	Table *schema.Table // the shape to read; another one at the server is ErrShape
	Range Range
	Bytes int // about how many bytes of rows to read at the most; at least one row is read
}

// ChunkRows are the rows of a chunk, all seen by one view.
type ChunkRows struct {
	Rows []*row.Batch // ops Insert, in key order; Seqs are set by the merge. The receiver owns them
	View View
	High uint64 // no transaction that begins at or past this Seq is in View
	Rest Range  // what is left of the range
	Done bool   // nothing is left
}

// WholeRows are all rows of a table as of exactly one point of the log, for tables that have no key.
type WholeRows interface {
	// Seq is the point: the view holds all transactions that begin before it, and no other.
	Seq() uint64
	// Next returns the next rows, or io.EOF. The receiver owns them.
	Next(ctx context.Context) (*row.Batch, error)
	Close() error
}

// Start says where a pipeline without a checkpoint begins.
type Start struct {
	Position Position
	Snapshot bool // copy the rows that the tables already have
	Bounded  bool // end when they are copied, and the log has been followed up to where that was
}

// Discovered are the tables that a source has.
type Discovered struct {
	Tables  []*schema.Table
	Refused []*schema.TableError // tables that match but cannot be captured, with the reason
}

// A Source is a database to copy from. Its methods may be called concurrently, but for Resume.
type Source interface {
	// Tables finds the tables whose name matches, with their present shapes, in the order of their names.
	Tables(ctx context.Context, match func(schema.Name) bool) (Discovered, error)
	// Resume begins an attempt to go on from a checkpoint: it comes first of all, and alone. It asks which server answers
	// now, and returns the position from which that one's log is followed: at itself, or after a failover one of the new
	// server, which must be durable before anything is read. seen are all other positions that the sink may have rows up to.
	// The error wraps ErrPositionLost, with the reason, when the server cannot go on from at or never had what was seen. An
	// empty at only asks which server answers.
	Resume(ctx context.Context, at Position, seen []Position) (Position, error)
	// Start finds where to begin, as configured.
	Start(ctx context.Context) (Start, error)
	// Stream follows the log after from. tables are the captured tables in the shapes that are in force at from; tables
	// created later are captured when match says so. The error wraps ErrPositionLost when the server cannot serve from.
	Stream(ctx context.Context, from Position, tables []*schema.Table, match func(schema.Name) bool) (Stream, error)
	// Reached returns the view of a position: the transactions at or before it, of a stream that began at from.
	Reached(p, from Position) (View, error)
	// Join returns the position at which all up to p and all up to at is read, where at is a boundary of the stream that runs:
	// at itself if that is past p.
	Join(p, at Position) (Position, error)
	// End waits until all up to at, which a stream has delivered, is visible, and returns the Seq of the log's end then: what
	// happens later begins there or past it.
	End(ctx context.Context, at Position) (uint64, error)
	// Split cuts the key space of a table into at most n ranges to be read side by side. They are disjoint and cover it;
	// the first and the last are unbounded. It may return fewer, but not none.
	Split(ctx context.Context, t *schema.Table, n int) ([]Range, error)
	// ReadChunk reads a chunk in a view of its own, opened only after all transactions up to barrier (the newest commit
	// boundary delivered when the chunk was registered) are visible.
	ReadChunk(ctx context.Context, c Chunk, barrier Position) (*ChunkRows, error)
	// ReadWhole reads a table that has no key, in a view that is exact. Sources without exact views refuse such tables in
	// Tables.
	ReadWhole(ctx context.Context, t *schema.Table, barrier Position) (WholeRows, error)
	Close() error
}
