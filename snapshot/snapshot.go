// Package snapshot turns a source into one stream that first copies the rows that tables already have and, at the same
// time, follows their changes.
//
// The log is read once, by one reader. Chunks of tables are read beside it, each in a view of its own, and placed into
// the stream at a commit boundary by the rules of anchored chunks: DESIGN.md section 4 has them with their reasons. The
// package knows no database.
package snapshot

import (
	"log/slog"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A Table is a captured table at the start of a stream.
type Table struct {
	Shape *schema.Table // in force at the stream's start
	// Progress is what the newest Copied event had that is durable; nil: nothing is copied yet. Followed: nothing is to
	// be copied.
	Progress []byte
	// Touched is what the Copied events up to that one had, all together, and maybe later ones too.
	Touched []byte
	// From is the table's own resume point, when the sink has more of this table than of others: its log events at or
	// before it are dropped. The zero Position: the stream's.
	From source.Position
}

// Config tunes a stream.
type Config struct {
	Readers    int          // chunks read at once; 0: 2
	ChunkBytes int          // rows of one chunk; 0: 4 MiB
	Bytes      int64        // rows of all chunks read and not yet placed; 0: 32 MiB
	Log        *slog.Logger // nil: none
}
