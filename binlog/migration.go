package binlog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

const (
	// maxAlter is the longest statement that positions carry, in bytes: they are written with every commit of every table.
	maxAlter = 16 << 10
	// maxMigrations is how many online schema changes are followed at once.
	maxMigrations = 32
)

// A Tool is what changes a table's shape by filling another table and swapping the two.
type Tool uint8

// The tools that are known.
const (
	GhOst Tool = iota + 1 // gh-ost: the ghost is _t_gho; its statements carry a comment
	PtOsc                 // pt-online-schema-change: the ghost is _t_new; triggers of the table fill it
)

func (t Tool) String() string { return [...]string{"no tool", "gh-ost", "pt-online-schema-change"}[t] }

// A Migration is an online schema change that is under way at a position: a tool has made a table of its own, the ghost,
// like a captured table, alters and fills it, and will put it in the captured table's place. Positions carry it, because the
// log between its beginning and its end may be read by several runs.
type Migration struct {
	Tool  Tool        `json:"tool"`
	Table schema.Name `json:"table"`
	Ghost schema.Name `json:"ghost"`
	// Why says why it will not be followed to its end; empty: as far as is known, it will.
	Why   string `json:"why,omitempty"`
	Shape uint64 `json:"shape,omitempty"` // names the table's shape when the ghost was made
	// Unique are the columns in unique keys of the ghost; nil: not known.
	Unique []string `json:"unique,omitempty"`
	Alter  *Alter   `json:"alter,omitempty"` // what was done to the ghost's shape; nil: nothing yet
	// Triggers are the names of pt-online-schema-change's triggers of the table, by what fires them.
	Triggers map[string]string `json:"triggers,omitempty"`
	Analyzed bool              `json:"analyzed,omitempty"` // pt-online-schema-change has said that the ghost is full
	Locked   bool              `json:"locked,omitempty"`   // gh-ost has said that it holds the table locked, and nobody has written to it since
	Filled   []string          `json:"filled,omitempty"`   // renamed columns that were seen to be filled
	// Text is how altered text is compared: the collations that the log has told of the table, and of the ghost.
	Text [2][]int `json:"text,omitzero"`

	text string // as positions have it
}

// An Alter is the statement that altered a ghost, and what is needed to read it again.
type Alter struct {
	Text      string `json:"text"`
	Database  string `json:"database,omitempty"`
	ANSI      bool   `json:"ansi,omitempty"`
	NoEscapes bool   `json:"noEscapes,omitempty"`
	Implicit  bool   `json:"implicit,omitempty"`
}

// mode is how the server read the statement.
func (a *Alter) mode(f *serverFacts) ddl.Mode {
	q := query{database: a.Database, implicit: a.Implicit}
	m := q.parserMode(f)
	m.ANSIQuotes, m.NoBackslashEscapes = a.ANSI, a.NoEscapes
	return m
}

// encode writes the migration for positions.
func (m *Migration) encode() string {
	p, err := json.Marshal(m)
	if err != nil {
		panic("binlog: a migration is not JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(p)
}

// parseMigrations reads migrations that are joined by &.
func parseMigrations(text string) ([]Migration, error) {
	var all []Migration
	for entry := range strings.SplitSeq(text, "&") {
		if entry == "" {
			continue
		}
		p, err := base64.RawURLEncoding.DecodeString(entry)
		if err != nil {
			return nil, fmt.Errorf("online schema change: %w", err)
		}
		var m Migration
		if err := json.Unmarshal(p, &m); err != nil {
			return nil, fmt.Errorf("online schema change: %w", err)
		}
		if m.Tool != GhOst && m.Tool != PtOsc {
			return nil, fmt.Errorf("online schema change by tool %d, which is not known", m.Tool)
		}
		m.text = m.encode()
		all = append(all, m)
	}
	return all, nil
}

// appendMigrations writes migrations for a position.
func appendMigrations(dst []byte, all []Migration) []byte {
	for i := range all {
		if i > 0 {
			dst = append(dst, '&')
		}
		text := all[i].text
		if text == "" {
			text = all[i].encode()
		}
		dst = append(dst, text...)
	}
	return dst
}

// shapeHash names a shape: another one has another name.
func shapeHash(t *schema.Table) uint64 {
	p, err := json.Marshal(struct {
		Columns []schema.Column
		Key     []int
	}{t.Columns, t.Key})
	if err != nil {
		panic("binlog: a shape is not JSON: " + err.Error())
	}
	h := fnv.New64a()
	_, _ = h.Write(p)
	return h.Sum64()
}
