package iceberg

import (
	"context"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"
)

// expireBatch is how many snapshots must have expired before they are removed: doing so reads the manifest lists of
// those that stay, which would cost too much in every commit.
const expireBatch = 50

// expired says that enough snapshots are past the table's history.expire properties. Every commit writes down all
// snapshots that the table has, so a table with a commit every few seconds must not keep them for days.
func expired(tbl *table.Table, now time.Time) bool {
	props := tbl.Properties()
	age, err := strconv.ParseInt(props.Get(table.MaxSnapshotAgeMsKey, strconv.FormatInt(table.MaxSnapshotAgeMsDefault, 10)), 10, 64)
	if err != nil || !props.GetBool(table.GCEnabledKey, table.GCEnabledDefault) {
		return false
	}
	all := tbl.Metadata().Snapshots()
	keep := props.GetInt(table.MinSnapshotsToKeepKey, table.MinSnapshotsToKeepDefault)
	return len(all) >= keep+expireBatch && now.UnixMilli()-all[expireBatch-1].TimestampMs > age
}

// expire removes expired snapshots, and the files that only they have. The newest mark is also in the table's
// properties, so none is lost. It is no part of the commit: when it fails, a later one does it.
func (s *Sink) expire(ctx context.Context, tbl *table.Table) error {
	tx := tbl.NewTransaction()
	if err := tx.ExpireSnapshots(); err != nil {
		return err
	}
	_, err := tx.Commit(ctx)
	return err
}
