package binlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
)

// errFill says that a default is not in a form whose meaning is certain.
var errFill = errors.New("what the rows that are there get in the column is not certain")

// fill says in the edits what the columns that a statement adds get in the rows that are there.
func fill(st *ddl.Statement, after *schema.Table, edits []schema.Edit) error {
	for _, c := range st.Filled() {
		i := after.Column(c.Name)
		if i < 0 {
			continue // added and dropped in one statement
		}
		text, _ := c.Fill()
		value, null, err := valueOf(&after.Columns[i], text)
		if err != nil {
			return fmt.Errorf("add column %s %s: %w", c.Name, after.Columns[i].Native, err)
		}
		for k := range edits {
			if edits[k].Kind == schema.AddColumn && strings.EqualFold(edits[k].Column, c.Name) && !null {
				edits[k].Fill = &value
			}
		}
	}
	return nil
}

// valueOf reads a literal as a value of a column. It reads the plain forms only: what the server would have to round, cut
// or guess is an error. null says that it is a zero date.
func valueOf(c *schema.Column, text string) (v schema.Value, null bool, err error) {
	switch c.Type.Kind {
	case schema.Int, schema.Uint, schema.Year, schema.Bit, schema.Float:
		v.Word, err = numberOf(c.Type, text)
	case schema.Decimal:
		v, err = decimalOf(c.Type, text)
	case schema.Date, schema.Datetime:
		v.Word, null, err = datetimeOf(c.Type, text)
	case schema.Time:
		v.Word, err = timeOf(c.Type, text)
	case schema.String, schema.JSON:
		v.Bytes = []byte(text)
	case schema.Binary:
		v.Bytes, err = binaryOf(c.Type, text)
	case schema.Enum, schema.Set:
		v.Bytes, err = labelsOf(c, text)
	case schema.UUID:
		v.Bytes, err = hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	default: // a TIMESTAMP's instant depends on the time zone of the session
		err = errFill
	}
	if err != nil {
		return v, false, fmt.Errorf("%w: default %q", errFill, text)
	}
	return v, null, nil
}

func numberOf(t schema.Type, text string) (uint64, error) {
	switch t.Kind {
	case schema.Int:
		n, err := strconv.ParseInt(text, 10, int(t.Bits))
		return uint64(n), err
	case schema.Uint, schema.Bit:
		return strconv.ParseUint(text, 10, int(t.Bits))
	case schema.Year:
		n, err := strconv.ParseUint(text, 10, 16)
		if err == nil && (n != 0 || len(text) != 4 && text != "0") && (n < 1901 || n > 2155) {
			err = errFill // 26 and '0' are years of two digits
		}
		return n, err
	}
	f, err := strconv.ParseFloat(text, int(t.Bits))
	if t.Bits == 32 {
		return uint64(math.Float32bits(float32(f))), err
	}
	return math.Float64bits(f), err
}

func decimalOf(t schema.Type, text string) (schema.Value, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	for len(fraction) > int(t.Scale) && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if len(fraction) > int(t.Scale) {
		return schema.Value{}, errFill
	}
	digits = whole + fraction + strings.Repeat("0", int(t.Scale)-len(fraction))
	if strings.Trim(digits, "0123456789") != "" || digits == "" || len(strings.TrimLeft(digits, "0")) > int(t.Precision) {
		return schema.Value{}, errFill
	}
	n, _ := new(big.Int).SetString(digits, 10)
	if negative {
		n.Neg(n)
	}
	if t.Fixed() {
		return schema.Value{Word: uint64(n.Int64())}, nil
	}
	if negative && n.Sign() != 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*t.Width())))
	}
	p := n.FillBytes(make([]byte, t.Width()))
	slices.Reverse(p)
	return schema.Value{Bytes: p}, nil
}

// datetimeOf reads YYYY-MM-DD and YYYY-MM-DD hh:mm:ss[.ffffff].
func datetimeOf(t schema.Type, text string) (word uint64, null bool, err error) {
	date, clock, timed := strings.Cut(text, " ")
	var y, m, d int
	if _, err := fmt.Sscanf(date, "%4d-%2d-%2d", &y, &m, &d); err != nil || len(date) != 10 || timed != (t.Kind == schema.Datetime) && timed {
		return 0, false, errFill
	}
	days, ok := Days(y, m, d)
	if t.Kind == schema.Date {
		return uint64(days), !ok, nil
	}
	micros := uint64(0)
	if timed {
		if len(clock) < 8 || clock[2] != ':' {
			return 0, false, errFill
		}
		if micros, err = timeOf(t, clock); err != nil || micros >= day {
			return 0, false, errFill
		}
	}
	return uint64(days*day) + micros, !ok, nil
}

// timeOf reads [-]hh:mm:ss[.ffffff].
func timeOf(t schema.Type, text string) (uint64, error) {
	clock, negative := strings.CutPrefix(text, "-")
	clock, fraction, _ := strings.Cut(clock, ".")
	parts := strings.Split(clock, ":")
	if len(parts) != 3 || len(strings.TrimRight(fraction, "0")) > int(t.Precision) || len(fraction) > 6 {
		return 0, errFill
	}
	var n [4]int64
	for i, p := range append(parts, fraction+strings.Repeat("0", 6-len(fraction))) {
		v, err := strconv.ParseUint(p, 10, 20)
		if err != nil || (i == 1 || i == 2) && v > 59 || i == 0 && v > 838 {
			return 0, errFill
		}
		n[i] = int64(v)
	}
	micros := (n[0]*3600+n[1]*60+n[2])*second + n[3]
	if negative {
		micros = -micros
	}
	return uint64(micros), nil
}

func binaryOf(t schema.Type, text string) ([]byte, error) {
	if t.Length == 0 {
		return []byte(text), nil
	}
	return appendPadded(nil, []byte(text), int(t.Length))
}

// labelsOf finds labels as the column spells them.
func labelsOf(c *schema.Column, text string) ([]byte, error) {
	if text == "" {
		return []byte{}, nil
	}
	wanted := []string{text}
	if c.Type.Kind == schema.Set {
		wanted = strings.Split(text, ",")
	}
	var found []string
	for _, l := range c.Labels {
		if slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, l) }) {
			found = append(found, l)
		}
	}
	if len(found) != len(wanted) {
		return nil, errFill
	}
	return []byte(strings.Join(found, ",")), nil
}

// rewrites says why an ALTER TABLE changes values that rows have, without a trace in the log; empty when it does not.
func rewrites(before, after *schema.Table, edits []schema.Edit, strict bool) string {
	origin := map[string]string{} // the name before the statement, by the name now, in lower case
	for _, c := range before.Columns {
		origin[strings.ToLower(c.Name)] = c.Name
	}
	for _, e := range edits {
		name := strings.ToLower(e.Column)
		switch e.Kind {
		case schema.DropColumn, schema.AddColumn:
			delete(origin, name)
		case schema.RenameColumn:
			from := origin[name]
			delete(origin, name)
			origin[strings.ToLower(e.To)] = from
		}
	}
	for i := range after.Columns {
		c := &after.Columns[i]
		from, ok := origin[strings.ToLower(c.Name)]
		if !ok {
			continue
		}
		if why := ddl.Rewrites(&before.Columns[before.Column(from)], c, strict); why != "" {
			return fmt.Sprintf("column %s: %s", c.Name, why)
		}
	}
	return ""
}
