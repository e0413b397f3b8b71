package clickhouse

import (
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// The errors of values that a column cannot take.
var (
	errAbsent  = errors.New("the log does not carry its value: set binlog_row_image = FULL at the source and copy the table again")
	errNullKey = errors.New("NULL in the key, which cannot tell rows apart: give the table a key without NULLs")
	errNull    = errors.New("NULL in a row, and the source says that there are none: make the column nullable there and copy the table again")
	errNoDate  = errors.New("NULL in a row, as zero dates are, and the source says that there are none: set out.of.range.dates to null or string " +
		"and copy the table again")
)

// addColumn appends column i of the chosen rows.
func (e *encoder) addColumn(i int, b *row.Batch) error {
	t, c, v := &e.layout.columns[i], &e.columns[i], &b.Cols[i]
	err := e.check(t, b, v)
	if err == nil {
		if t.nullable {
			c.nulls = appendNulls(c.nulls, v.Valid, e.chosen.rows)
		}
		err = c.fill(t, v, e.chosen.rows)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", t.name, err)
	}
	c.rows += len(e.chosen.rows)
	return nil
}

// check finds values that are missing where there must be one. Most columns have neither bitmap.
func (e *encoder) check(t *columnType, b *row.Batch, v *row.Vector) error {
	if v.Absent == nil && v.Valid == nil {
		return nil
	}
	if t.key && e.layout.mode.keyed() { // of all rows, also those that are not chosen: keys have been compared
		for i := range b.Ops {
			if v.Null(i) {
				return errNullKey
			}
			if v.IsAbsent(i) {
				return errAbsent
			}
		}
		return nil
	}
	for at, i := range e.chosen.rows {
		hidden := e.chosen.tombs[at] == 1 && e.layout.mode == replacing
		if !hidden && v.IsAbsent(int(i)) {
			return errAbsent
		}
		if !hidden && !t.takesNull() && v.Null(int(i)) {
			return noNull(t)
		}
	}
	return nil
}

// takesNull says that NULL has a value of its own in the column: NULL, or the empty array that no other value is.
func (m *columnType) takesNull() bool { return m.nullable || m.form == formVector && m.optional }

func noNull(t *columnType) error {
	switch t.source.Kind {
	case schema.Date, schema.Datetime, schema.Timestamp:
		return errNoDate
	}
	return errNull
}

// fill appends the values of rows, for NULL and absent ones the type's default.
func (c *blockColumn) fill(t *columnType, v *row.Vector, rows []int32) error {
	switch t.form {
	case formWord:
		c.values = appendWords(c.values, t.width, v.Words, rows)
	case formDays, formTicks:
		return c.fillDates(t, v, rows)
	case formDuration:
		c.values = appendTicks(c.values, t.source.Precision, v.Words, rows)
	case formDateText, formInstant, formTimeText:
		c.values = appendTimes(c.values, t, v, rows)
	case formFixed:
		c.values = appendFixed(c.values, t.width, v, rows)
	case formUUID:
		c.values = appendUUIDs(c.values, v, rows)
	case formText:
		c.values = appendTexts(c.values, v, rows)
	case formJSON:
		c.values = appendJSON(c.values, v, rows)
	case formShape:
		return c.fillShapes(v, rows)
	case formIPv4, formIPv6:
		return c.fillAddresses(t, v, rows)
	case formVector:
		return c.fillVectors(v, rows)
	case formLabels:
		c.fillLabels(v, rows)
	}
	return nil
}

// fillDates appends dates and instants that are in ClickHouse's range, and does with others what Config.Dates says.
func (c *blockColumn) fillDates(t *columnType, v *row.Vector, rows []int32) error {
	begin := len(c.values)
	if t.form == formDays {
		c.values = appendWords(c.values, t.width, v.Words, rows)
	} else {
		c.values = appendTicks(c.values, t.source.Precision, v.Words, rows)
	}
	first, span := t.dateRange()
	for at, i := range rows {
		if v.Words[i]-first <= span {
			continue
		}
		if !t.nullable || !t.lenient {
			return fmt.Errorf("%s in a row, and this ClickHouse's dates are of 1900 to 2299: mend the row, or set out.of.range.dates to string, "+
				"or for columns outside of the key to null, and copy the table again", wordText(t, v.Words[i]))
		}
		c.nulls[c.rows+at] = 1
		clear(c.values[begin+at*t.width : begin+(at+1)*t.width])
	}
	return nil
}

// wordText spells a date, an instant or a duration.
func wordText(t *columnType, w uint64) string {
	switch t.source.Kind {
	case schema.Date:
		return string(appendDate(nil, int64(w)))
	case schema.Time:
		return string(appendDuration(nil, int64(w), t.source.Precision))
	}
	return string(appendInstant(nil, int64(w), t.source.Precision))
}
