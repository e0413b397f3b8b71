package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// trueLabels mends the labels that the catalogue cannot spell: it is in utf8mb3, and says ? for each character beyond the
// first 65,536. A row that has such a label tells it. Without one, the log tells when it comes, if it has labels at all
// (binlog_row_metadata=FULL): its table map is compared with the shape. Otherwise the table is refused.
func (s *Source) trueLabels(ctx context.Context, c *conn, l *listed) error {
	for i := range l.table.Columns {
		col := &l.table.Columns[i]
		for at, label := range col.Labels {
			if !strings.Contains(label, "?") || !slices.Contains(wideCharsets, col.Charset) {
				continue
			}
			told, err := s.askLabel(ctx, c, l.table.Name, col, at)
			switch {
			case err != nil:
				return err
			case told != "":
				col.Labels = slices.Clone(col.Labels)
				col.Labels[at] = told
			case !strings.EqualFold(s.server.vars["binlog_row_metadata"], "FULL") && l.problem == nil:
				l.problem = fmt.Errorf("column %s: the server's catalogue has the label %q, in which ? may stand for a character that it cannot "+
					"hold, and no row has it: SET GLOBAL binlog_row_metadata = FULL, or ALTER TABLE %s to give it another name", col.Name, label, quoteTable(l.table.Name))
			}
		}
	}
	return nil
}

// wideCharsets have characters that the catalogue lacks.
var wideCharsets = []string{"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"} // read-only

// askLabel reads label number at of a column from a row that has it, alone; empty: there is none.
func (s *Source) askLabel(ctx context.Context, c *conn, n schema.Name, col *schema.Column, at int) (string, error) {
	number := fmt.Sprint(at + 1)
	if col.Type.Kind == schema.Set {
		number = fmt.Sprint(uint64(1) << at)
	}
	column := quote(col.Name)
	rows, err := c.query(ctx, fmt.Sprintf("SELECT HEX(CONVERT(%s USING utf8mb4)) FROM %s WHERE %s = %s LIMIT 1", column, quoteTable(n), column, number))
	if err != nil || len(rows) == 0 {
		return "", err
	}
	text, err := hex.DecodeString(rows[0][0])
	if err != nil {
		return "", fmt.Errorf("read label %d of column %s of %s: %w", at+1, col.Name, n, err)
	}
	return string(text), nil
}
