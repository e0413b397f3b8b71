package clickhouse

import (
	"github.com/cdcsync/cdcsync/schema/row"
)

// appendTimes appends spelled dates, instants and durations, each led by its length; for NULL nothing but a length of 0.
func appendTimes(dst []byte, t *columnType, v *row.Vector, rows []int32) []byte {
	for _, i := range rows {
		begin := len(dst)
		dst = append(dst, 0)
		if v.Null(int(i)) || v.IsAbsent(int(i)) {
			continue
		}
		switch w := int64(v.Words[i]); t.form {
		case formDateText:
			dst = appendDate(dst, w)
		case formInstant:
			dst = appendInstant(dst, w, t.source.Precision)
		default:
			dst = appendDuration(dst, w, t.source.Precision)
		}
		dst[begin] = byte(len(dst) - begin - 1) // far less than 128
	}
	return dst
}

// appendDate spells days since 1970 as YYYY-MM-DD.
func appendDate(dst []byte, days int64) []byte {
	year, month, day := civil(days)
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), month, 2)
	return appendDigits(append(dst, '-'), day, 2)
}

// civil is the date in the Gregorian calendar, by counting in eras of 400 years that begin on 1 March.
// See howardhinnant.github.io/date_algorithms.html, civil_from_days.
func civil(days int64) (year, month, day int64) {
	const eraDays, epoch = 146097, 719468 // the latter from 0000-03-01 to 1970-01-01
	days += epoch
	dayOfEra := remainder(days, eraDays)
	era := (days - dayOfEra) / eraDays
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month = (5*dayOfYear + 2) / 153 // 0 is March
	day = dayOfYear - (153*month+2)/5 + 1
	year = yearOfEra + era*400
	if month += 3; month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}

// appendInstant spells microseconds since 1970 as YYYY-MM-DD HH:MM:SS, with as many digits of a second as precision says.
func appendInstant(dst []byte, micros int64, precision uint16) []byte {
	clock := remainder(micros, dayMicros)
	dst = appendDate(dst, (micros-clock)/dayMicros)
	return appendClock(append(dst, ' '), clock, precision)
}

// appendDuration spells microseconds as MySQL does a TIME: -HH:MM:SS, with two digits of hours or three.
func appendDuration(dst []byte, micros int64, precision uint16) []byte {
	if micros < 0 {
		dst, micros = append(dst, '-'), -micros
	}
	if hours := micros / (3600 * secondMicros); hours >= 100 {
		dst = appendDigits(dst, hours/100, 1)
		micros -= hours / 100 * 100 * 3600 * secondMicros
	}
	return appendClock(dst, micros, precision)
}

// appendClock spells less than 100 hours.
func appendClock(dst []byte, micros int64, precision uint16) []byte {
	seconds := micros / secondMicros
	dst = appendDigits(dst, seconds/3600, 2)
	dst = appendDigits(append(dst, ':'), seconds/60%60, 2)
	dst = appendDigits(append(dst, ':'), seconds%60, 2)
	if precision == 0 {
		return dst
	}
	return appendDigits(append(dst, '.'), micros%secondMicros/ticks(precision), int(precision))
}

// appendDigits spells a number that is not negative with n digits.
func appendDigits(dst []byte, n int64, digits int) []byte {
	dst, out := extend(dst, digits)
	for at := digits - 1; at >= 0; at-- {
		out[at] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
