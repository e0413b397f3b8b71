package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
)

// confirm looks, in one query, whether a later run has begun and whether the tables are still those that the marks are of. It
// returns the tables that are not.
func (s *Sink) confirm(ctx context.Context, loads []*load, run uint64) (map[*load]error, error) {
	rows, err := s.query(ctx, "look for later runs", fmt.Sprintf("%s UNION ALL SELECT '', '', database, name, toString(uuid) FROM system.tables WHERE %s",
		fmt.Sprintf("SELECT 'run', toString(max(run)), '', '', '' FROM %s WHERE pipeline = %s", s.stateTable(runsTable), quoteText(s.pipeline)), among(loads)))
	if err != nil {
		return nil, err
	}
	uuids := make(map[schema.Name]string, len(rows))
	for _, r := range rows {
		if r[0] != "run" {
			uuids[schema.Name{Namespace: r[2], Table: r[3]}] = r[4]
		} else if err := fenced(r[1], run); err != nil {
			return nil, err
		}
	}
	gone := map[*load]error{}
	for _, l := range loads {
		switch id, ok := uuids[l.target.at]; {
		case !ok:
			gone[l] = tableError(l.target.name, errors.New(hint(codeUnknownTable)))
		case id != l.target.uuid:
			gone[l] = tableError(l.target.name, errors.New("somebody put another ClickHouse table in its place, which lacks the rows written before: copy the table again"))
		}
	}
	return gone, nil
}

// among is the condition that finds the tables in system.tables.
func among(loads []*load) string {
	var databases, names []string
	for _, l := range loads {
		databases, names = append(databases, l.target.at.Namespace), append(names, l.target.at.Table)
	}
	slices.Sort(databases)
	where := fmt.Sprintf("database IN (%s)", quotedList(slices.Compact(databases)))
	if len(names) <= manyNames {
		where += fmt.Sprintf(" AND name IN (%s)", quotedList(names))
	}
	return where
}
