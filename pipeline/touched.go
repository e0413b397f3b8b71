package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cdcsync/cdcsync/schema"
)

// A touchedRecord is what the stream has told of the keys of one table that the log touched while it was copied.
type touchedRecord struct {
	name schema.Name
	keys []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// remember keeps touched keys. It comes before the commit that covers them: to know of too many is harmless, and whatever
// commit a start resumes at, in the store or in the sink, its keys are known.
func (s *Store) remember(ctx context.Context, all []touchedRecord) error {
	if len(all) == 0 {
		return nil
	}
	return s.update(ctx, func(tx *sql.Tx) error {
		for _, r := range all {
			_, err := tx.ExecContext(ctx, "INSERT INTO touched (namespace, name, keys, sum) VALUES (?, ?, ?, ?)",
				r.name.Namespace, r.name.Table, r.keys, int64(crc32.Checksum(r.keys, castagnoli)))
			if err != nil {
				return fmt.Errorf("remember touched keys of %s: %w", r.name, err)
			}
		}
		return nil
	})
}

// forget drops the touched keys of a table that is copied, or gone.
func forget(ctx context.Context, tx *sql.Tx, n schema.Name) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM touched WHERE namespace = ? AND name = ?", n.Namespace, n.Table); err != nil {
		return fmt.Errorf("forget touched keys of %s: %w", n, err)
	}
	return nil
}

// touched returns all touched keys of a table.
func touched(ctx context.Context, q querier, n schema.Name) (keys []byte, err error) {
	rows, err := q.QueryContext(ctx, "SELECT keys, sum FROM touched WHERE namespace = ? AND name = ? ORDER BY id", n.Namespace, n.Table)
	if err != nil {
		return nil, unless(ctx, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var more []byte
		var sum int64
		if err := rows.Scan(&more, &sum); err != nil {
			return nil, unless(ctx, err)
		}
		if int64(crc32.Checksum(more, castagnoli)) != sum {
			return nil, damaged(errors.New("checksum of touched keys does not match"))
		}
		keys = append(keys, more...)
	}
	if err := rows.Err(); err != nil {
		return nil, unless(ctx, err)
	}
	return keys, nil
}
