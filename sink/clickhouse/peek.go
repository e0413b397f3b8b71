package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A PlannedColumn is a column as the ClickHouse table will have it.
type PlannedColumn struct{ Name, Type string }

// Plan returns the columns that the sink's table for t will have, the sink's own last. The error says what ClickHouse cannot hold.
func (s *Sink) Plan(t *schema.Table) ([]PlannedColumn, error) {
	l, err := newLayout(t, &s.cfg)
	if err != nil {
		return nil, tableError(t.Name, err)
	}
	var columns []PlannedColumn
	for _, c := range l.wanted() {
		columns = append(columns, PlannedColumn{c[0], c[1]})
	}
	return columns, nil
}

// Rows are rows of a table as text, for people and tests. NULL is "NULL", bytes are hex, instants are in UTC.
type Rows struct {
	Columns []string
	Rows    [][]string
}

// Peek reads up to limit rows of a table as it stands, all for a limit of 0: of one with a key the present rows, under FINAL and
// without the sink's own columns; of one in append mode all changes.
func (s *Sink) Peek(ctx context.Context, n schema.Name, limit int) (Rows, error) {
	p, err := s.place(ctx, n)
	if err != nil {
		return Rows{}, failed("look for table "+n.String(), err)
	}
	if p.main == nil {
		return Rows{}, tableError(n, errors.New("there is no such ClickHouse table"))
	}
	columns, err := s.peekColumns(ctx, p.main)
	if err != nil {
		return Rows{}, failed("read the columns of "+n.String(), err)
	}
	out := Rows{}
	exprs := make([]string, len(columns))
	for i := range columns {
		exprs[i], out.Columns = "ifNull("+columns[i].expr+", '"+null+"'), toString(isNull("+columns[i].expr+"))", append(out.Columns, columns[i].name)
	}
	rows, err := s.query(ctx, "read table "+n.String(), fmt.Sprintf("SELECT %s FROM %s%s%s", strings.Join(exprs, ", "), quoteTable(n), s.present(p.main), limited(limit)))
	if err != nil {
		return out, failed("read table "+n.String(), err)
	}
	for _, r := range rows {
		texts := make([]string, len(columns))
		for i := range columns {
			if texts[i] = null; r[2*i+1] == "0" {
				texts[i] = columns[i].text(r[2*i])
			}
		}
		out.Rows = append(out.Rows, texts)
	}
	return out, nil
}

const null = "NULL"

func limited(limit int) string {
	if limit == 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d", limit)
}

func keyedEngine(engine string) bool { return strings.Contains(engine, "Replacing") }

// present is the condition of the rows that are there.
func (s *Sink) present(p *physical) string {
	if !keyedEngine(p.engine) {
		return ""
	}
	return " FINAL WHERE " + quoteName(s.cfg.Prefix+technicals[columnDeleted].name) + " = 0"
}

func (s *Sink) peekColumns(ctx context.Context, p *physical) ([]peekColumn, error) {
	rows, err := s.query(ctx, "read columns", fmt.Sprintf("SELECT name, type, comment FROM system.columns WHERE database = %s AND table = %s ORDER BY position",
		quoteText(p.name.Namespace), quoteText(p.name.Table)))
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, k := range technicalsOf[replacing] {
		own[s.cfg.Prefix+technicals[k].name] = keyedEngine(p.engine)
	}
	var columns []peekColumn
	for _, r := range rows {
		if !own[r[0]] {
			columns = append(columns, peekColumnOf(r[0], r[1], r[2]))
		}
	}
	return columns, nil
}
