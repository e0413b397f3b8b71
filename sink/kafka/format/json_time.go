package format

import "strconv"

// Microseconds.
const (
	second = 1_000_000
	day    = 86_400 * second
)

// allDigits stands for as many digits of a fraction of a second as it takes, none for a whole second.
const allDigits = 255

// appendTwo appends a number below 100 with two digits.
func appendTwo(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendDate spells days since 1970-01-01 as 2026-01-31, in the Gregorian calendar for all years, as MySQL counts.
func appendDate(dst []byte, days int64) []byte {
	// Years that begin in March have their leap day at the end, so that days before a month follow a line.
	days += 719_468
	era := floorDiv(days, 146_097)
	dayOfEra := days - era*146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*dayOfYear + 2) / 153
	dayOfMonth := dayOfYear - (153*month+2)/5 + 1
	year := yearOfEra + era*400
	if month += 3; month > 12 {
		year, month = year+1, month-12
	}
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), month)
	return appendTwo(append(dst, '-'), dayOfMonth)
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

// appendInstant spells microseconds since the epoch: the date, a separator, the time with so many digits of seconds.
func appendInstant(dst []byte, micros int64, separator byte, digits uint8) []byte {
	days := floorDiv(micros, day)
	return appendClock(append(appendDate(dst, days), separator), micros-days*day, digits)
}

// appendClock spells a duration as [-]hh:mm:ss with so many digits of seconds.
func appendClock(dst []byte, micros int64, digits uint8) []byte {
	if micros < 0 {
		dst, micros = append(dst, '-'), -micros
	}
	seconds := micros / second
	if hours := seconds / 3600; hours < 100 {
		dst = appendTwo(dst, hours)
	} else {
		dst = strconv.AppendInt(dst, hours, 10)
	}
	dst = appendTwo(append(dst, ':'), seconds/60%60)
	dst = appendTwo(append(dst, ':'), seconds%60)
	return appendFraction(dst, micros%second, digits)
}

// appendFraction spells the microseconds past a whole second.
func appendFraction(dst []byte, micros int64, digits uint8) []byte {
	if digits == allDigits {
		for digits = 6; digits > 0 && micros%10 == 0; digits-- {
			micros /= 10
		}
	} else {
		for k := digits; k < 6; k++ {
			micros /= 10
		}
	}
	if digits == 0 {
		return dst
	}
	dst = append(dst, ".000000"[:digits+1]...)
	for k := len(dst) - 1; micros > 0; k-- {
		dst[k] += byte(micros % 10)
		micros /= 10
	}
	return dst
}
