package clickhouse

import (
	"context"
	"fmt"
)

const (
	secondMicros, dayMicros int64 = 1_000_000, 86400 * secondMicros

	// The range of Date32 and DateTime64 before ClickHouse 26.7: 1900-01-01 to 2299-12-31, to the last microsecond. Such a
	// server takes others from a block without complaint, and shows the nearest.
	firstDay, lastDay     int64 = -25567, 120529
	firstMicro, lastMicro int64 = firstDay * dayMicros, (lastDay+1)*dayMicros - 1
	// That of later servers: 0000-01-01 to 9999-12-31.
	wideFirstDay, wideLastDay int64 = -719528, 2932896
)

// dateRange says which types of a server hold the years 0 to 9999: Date32, DateTime64.
type dateRange struct{ days, instants bool }

// rangeProbe asks a server for its dateRange, in two texts that are 0 or 1. An older server clamps what is out of its range.
const rangeProbe = `SELECT
	toString(toString(toDate32('9999-12-31')) = '9999-12-31' AND toString(toDate32('0001-01-01')) = '0001-01-01'),
	toString(toString(toDateTime64('9999-12-31 23:59:59', 0, 'UTC')) = '9999-12-31 23:59:59'
		AND toString(toDateTime64('0001-01-01 00:00:00', 0, 'UTC')) = '0001-01-01 00:00:00')`

// learnRange asks the server for its range of dates. Layouts that were made before do not know it.
func (s *Sink) learnRange(ctx context.Context) error {
	rows, err := s.query(ctx, "ask for the range of dates", rangeProbe)
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return fmt.Errorf("ask for the range of dates: got %q", rows)
	}
	s.cfg.server = dateRange{days: rows[0][0] == "1", instants: rows[0][1] == "1"}
	return nil
}

// dateRange is the first value that ClickHouse holds, and how many follow.
func (m *columnType) dateRange() (first, span uint64) {
	from, to := firstDay, lastDay
	if m.wide {
		from, to = wideFirstDay, wideLastDay
	}
	if m.form == formTicks {
		from, to = from*dayMicros, (to+1)*dayMicros-1
	}
	return uint64(from), uint64(to - from)
}
