package snapshot

import (
	"encoding/json"
	"fmt"

	"github.com/cdcsync/cdcsync/source"
)

// progress is what a restart needs of a table's snapshot: the text form is Copied.Progress.
type progress struct {
	Planned bool       `json:"planned,omitempty"` // Ranges is meant: the key space has been split
	Ranges  []keyRange `json:"ranges,omitempty"`  // not copied yet; planned and none: all is copied
	Dirty   bool       `json:"dirty,omitempty"`   // log rows of the table have been passed on while it was copied
	Touched int        `json:"touched,omitempty"` // keys that they touched, as told in Copied.Touched
	Many    bool       `json:"many,omitempty"`    // they were too many to be told
	_       struct{}   // keyed literals only
}

// keyRange is a source.Range whose keys survive JSON, which holds no bytes beyond UTF-8.
type keyRange struct {
	After   []byte `json:"after,omitempty"`
	Through []byte `json:"through,omitempty"`
}

// Followed is the progress of a table that has nothing to copy, or nothing any more.
func Followed() []byte { return []byte(`{"planned":true}`) }

// Done says that a progress leaves nothing to copy.
func Done(p []byte) bool {
	g, err := parseProgress(p)
	return err == nil && g.Planned && len(g.Ranges) == 0
}

func parseProgress(p []byte) (progress, error) {
	var g progress
	if len(p) == 0 {
		return g, nil
	}
	if err := json.Unmarshal(p, &g); err != nil {
		return g, fmt.Errorf("parse snapshot progress %q: %w", p, err)
	}
	return g, nil
}

func (g progress) String() string {
	text, err := json.Marshal(g)
	if err != nil {
		panic("snapshot: progress does not marshal: " + err.Error())
	}
	return string(text)
}

func fromRange(r source.Range) keyRange {
	return keyRange{After: []byte(r.After), Through: []byte(r.Through)}
}

func (r keyRange) source() source.Range {
	return source.Range{After: source.Key(r.After), Through: source.Key(r.Through)}
}
