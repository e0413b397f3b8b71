package clickhouse

import (
	"context"

	"github.com/cdcsync/cdcsync/e2e/fault"
	"github.com/cdcsync/cdcsync/schema"
)

// beginCopy makes an empty table beside the one that is to be copied anew. Rows and marks go to it from now on; readers see
// the old rows until it is full.
func (s *Sink) beginCopy(ctx context.Context, l *layout) error {
	n := l.table.Name
	p, err := s.free(ctx, l.table)
	if err != nil {
		return err
	}
	if p.main == nil && p.copy == nil {
		return s.create(ctx, l)
	}
	for _, have := range []*physical{p.main, p.copy} {
		if have == nil {
			continue
		}
		if err := s.owns(have); err != nil {
			return tableError(n, err)
		}
	}
	if p.copy != nil {
		if err := s.exec(ctx, "drop an unfinished copy", dropTableSQL(p.copy.name, &s.cfg)); err != nil {
			return err
		}
	}
	fault.Point("clickhouse.before-copy")
	mine := note{Pipeline: s.pipeline, Shape: fingerprint(l.table), Copy: true}
	return s.exec(ctx, "make a table to copy to", l.createSQL(s.copyName(n), &s.cfg, mine.text()))
}

// endCopy puts the copy in the place of the table. The copy's note tells, after a crash, which of the two is which.
func (s *Sink) endCopy(ctx context.Context, l *layout) error {
	p, err := s.place(ctx, l.table.Name)
	if err != nil {
		return err
	}
	if p.copy != nil && p.copy.note.Copy {
		if err := s.swap(ctx, l, p); err != nil {
			return err
		}
		if p, err = s.place(ctx, l.table.Name); err != nil {
			return err
		}
	}
	if p.main == nil {
		return &serverError{code: codeUnknownTable, text: "there is no table " + l.table.Name.String()}
	}
	if p.copy != nil { // what was the table
		if err := s.exec(ctx, "drop the old rows", dropTableSQL(p.copy.name, &s.cfg)); err != nil {
			return err
		}
	}
	if p.main.note.Copy {
		p.main.note.Copy = false
		if err := s.exec(ctx, "note that the copy is the table", alterSQL(p.main.name, &s.cfg, noteClause(p.main.note))); err != nil {
			return err
		}
	}
	return s.restoreView(ctx, l, p.main)
}

// swap exchanges the copy with the table, or renames it where there is none.
func (s *Sink) swap(ctx context.Context, l *layout, p place) error {
	n, statement := l.table.Name, ""
	if p.main == nil {
		statement = renameSQL(&s.cfg, [2]schema.Name{p.copy.name, n})
	} else {
		statement = exchangeSQL(n, p.copy.name, &s.cfg)
	}
	fault.Point("clickhouse.before-exchange")
	err := s.once(ctx, statement)
	fault.Point("clickhouse.after-exchange")
	return err
}
