package kafka

import (
	"strconv"

	"github.com/cdcsync/cdcsync/schema"
)

// A PlannedColumn is a column as the records will have it.
type PlannedColumn struct{ Name, Type string }

// Plan returns what the records of a table will be: the topic first, then the columns. It asks nobody.
func (s *Sink) Plan(t *schema.Table) ([]PlannedColumn, error) {
	keyed, err := s.recordKey(t)
	if err == nil {
		err = s.suits(keyed)
	}
	if err != nil {
		return nil, tableError(t.Name, err)
	}
	columns := make([]PlannedColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = PlannedColumn{c.Name, c.Type.String()}
		if c.Nullable {
			columns[i].Type += ", may be null"
		}
	}
	for at, i := range keyed.Key {
		columns[i].Type += keyPlace(at, len(keyed.Key))
	}
	return columns, nil
}

// TopicOf is the topic that a table's records go to.
func (s *Sink) TopicOf(n schema.Name) string { return s.names.topic(n) }

// keyPlace says that a column is of the key, and which one.
func keyPlace(at, of int) string {
	if of == 1 {
		return ", key"
	}
	return ", key " + strconv.Itoa(at+1)
}
