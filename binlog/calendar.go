package binlog

// Microseconds.
const (
	second = 1_000_000
	day    = 86_400 * second
)

// Days is the number of days from 1970-01-01 to a date of the Gregorian calendar, as MySQL counts in all years. It is
// false for what is no date: a zero or partial one, or one like 2026-02-30 that ALLOW_INVALID_DATES lets in. Those are
// NULL to cdcsync, in the log and in snapshots alike.
func Days(year, month, dayOfMonth int) (int64, bool) {
	if month < 1 || month > 12 || dayOfMonth < 1 || dayOfMonth > daysIn(year, month) {
		return 0, false
	}
	// Years that begin in March have their leap day at the end, so that days before a month follow a line.
	y, m := int64(year), int64(month-3)
	if m < 0 {
		y, m = y-1, m+12
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*m+2)/5 + int64(dayOfMonth) - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146_097 + dayOfEra - 719_468, true
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
