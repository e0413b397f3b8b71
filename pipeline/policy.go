package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A Behavior says what a schema change of the source does to the sink's table. Its text form is the setting
// `schema.change.behavior`, with Flink CDC's meanings.
type Behavior uint8

// The behaviours.
const (
	Evolve    Behavior = iota // the sink's table follows; what it cannot follow stops the table
	TryEvolve                 // what the sink's table cannot follow is left out: its rows are made to fit the table as it is
	Lenient                   // nothing is taken away: columns are added at the end, and those that are gone become NULL
	Ignore                    // the sink's table stays as it is: rows are made to fit it
	Exception                 // the pipeline ends
)

var behaviors = [...]string{"evolve", "try_evolve", "lenient", "ignore", "exception"}

// String returns the setting's value.
func (b Behavior) String() string {
	if int(b) < len(behaviors) {
		return behaviors[b]
	}
	return fmt.Sprintf("Behavior(%d)", uint8(b))
}

// MarshalText returns String.
func (b Behavior) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a setting, in any case.
func (b *Behavior) UnmarshalText(text []byte) error {
	i := slices.Index(behaviors[:], strings.ToLower(string(text)))
	if i < 0 {
		return fmt.Errorf("%q is none of %s", text, strings.Join(behaviors[:], ", "))
	}
	*b = Behavior(i)
	return nil
}

// A Policy says which schema changes reach the sink, and how. The zero Policy lets all of them through.
type Policy struct {
	Behavior Behavior
	excluded map[string]bool // by tag
}

// The tags of schema changes, as Flink CDC calls them, each with the families that it is of.
var tags = map[string][]string{
	"create.table":        {"create", "table"},
	"add.column":          {"add", "column"},
	"alter.column.type":   {"alter", "column"},
	"rename.column":       {"rename", "column"},
	"drop.column":         {"drop", "column"},
	"truncate.table":      {"truncate", "table"},
	"drop.table":          {"drop", "table"},
	"alter.table.comment": {"alter", "table"},
}

// tagOf names the kinds of edits that have a tag. The others, which Flink CDC does not know, always go through.
var tagOf = map[schema.EditKind]string{
	schema.AddColumn: "add.column", schema.DropColumn: "drop.column", schema.RenameColumn: "rename.column",
	schema.ModifyColumn: "alter.column.type", schema.TruncateTable: "truncate.table",
}

// NewPolicy makes a policy of settings: include and exclude hold tags or families of tags. An empty include means all;
// create.table is always among them. Lenient leaves out truncate.table and drop.table unless include names them. The error
// names each entry that is no tag.
func NewPolicy(b Behavior, include, exclude []string) (Policy, error) {
	p := Policy{Behavior: b, excluded: map[string]bool{}}
	wanted, err := expandTags(include)
	if err != nil {
		return p, fmt.Errorf("include.schema.changes: %w", err)
	}
	unwanted, err := expandTags(exclude)
	if err != nil {
		return p, fmt.Errorf("exclude.schema.changes: %w", err)
	}
	for tag := range tags {
		destroys := tag == "truncate.table" || tag == "drop.table"
		switch {
		case unwanted[tag], len(include) > 0 && !wanted[tag], b == Lenient && destroys && !wanted[tag]:
			p.excluded[tag] = tag != "create.table"
		}
	}
	return p, nil
}

// expandTags turns tags and families into tags.
func expandTags(list []string) (map[string]bool, error) {
	found := map[string]bool{}
	for _, entry := range list {
		known := false
		for tag, families := range tags {
			if entry == tag || entry == "all" || slices.Contains(families, entry) {
				found[tag], known = true, true
			}
		}
		if !known {
			return nil, fmt.Errorf("%q is no kind of schema change: write one of add.column, alter.column.type, drop.column, rename.column, "+
				"truncate.table, drop.table, create.table, or add, alter, drop, rename, truncate, create, column, table, all", entry)
		}
	}
	return found, nil
}

// of says what becomes of an edit of a table.
func (p *Policy) of(k schema.EditKind) Behavior {
	tag, tagged := tagOf[k]
	switch {
	case tagged && p.excluded[tag]:
		return Ignore
	case !tagged && p.Behavior != Exception:
		return Evolve
	default:
		return p.Behavior
	}
}

// keeps says that the sink's table stays when the source's is dropped.
func (p *Policy) keeps() bool { return p.Behavior == Ignore || p.excluded["drop.table"] }

// plain says that every change goes through as it is.
func (p *Policy) plain() bool {
	if p.Behavior != Evolve && p.Behavior != TryEvolve {
		return false
	}
	for _, out := range p.excluded {
		if out {
			return false
		}
	}
	return true
}
