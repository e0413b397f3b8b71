package clickhouse

import (
	"strconv"
	"strings"
)

// A peekColumn says how a column of a ClickHouse table is read as text: by the expression, then text. It knows the column
// from system.columns alone: from its type, and from its comment, whose first word is the type at the source.
type peekColumn struct {
	name  string
	expr  string // a Nullable(String)
	bits  int    // of a float, 0 for others
	scale int    // of a decimal
}

// peekColumnOf makes one from name, type and comment in system.columns.
func peekColumnOf(name, text, comment string) peekColumn {
	origin, _, _ := strings.Cut(comment, " ")
	kind, _, _ := strings.Cut(origin, "(")
	p := peekColumn{name: name}
	p.expr = "toNullable(" + p.textExpr(quoteName(name), bare(text), kind) + ")"
	if text == "Array(Float32)" { // empty: NULL
		p.expr = "if(empty(" + quoteName(name) + "), NULL, " + p.expr + ")"
	}
	return p
}

// bare takes Nullable and LowCardinality off a type.
func bare(text string) string {
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		if inner, ok := strings.CutPrefix(text, wrapper); ok {
			text = strings.TrimSuffix(inner, ")")
		}
	}
	return text
}

// textExpr is the expression for a column of that type in ClickHouse, and that kind at the source.
func (p *peekColumn) textExpr(column, text, kind string) string {
	base, _, _ := strings.Cut(text, "(")
	switch base {
	case "Float32", "Float64":
		p.bits, _ = strconv.Atoi(strings.TrimPrefix(base, "Float"))
	case "Decimal":
		_, scale, _ := strings.Cut(strings.TrimSuffix(text, ")"), ", ")
		p.scale, _ = strconv.Atoi(scale)
	case "DateTime64":
		return isoInstant("toString(CAST(" + column + ", 'Nullable(DateTime64(6, ''UTC''))'))")
	case "Array":
		if text == "Array(Float32)" {
			return "lower(arrayStringConcat(arrayMap(x -> hex(x), " + column + ")))"
		}
		return "arrayStringConcat(" + column + ", ',')"
	case "Time64":
		return durationMicros("toString(" + column + ")")
	case "String":
		return textOf(column, kind)
	}
	return "toString(" + column + ")"
}

// textOf reads a String, whose meaning only the source's kind tells.
func textOf(column, kind string) string {
	switch kind {
	case "Binary", "Geometry":
		return "lower(hex(" + column + "))"
	case "Datetime":
		return isoInstant("rightPad(if(position(" + column + ", '.') > 0, " + column + ", concat(" + column + ", '.')), 26, '0')")
	case "Time":
		return durationMicros(column)
	}
	return column
}

// isoInstant puts the T between date and clock.
func isoInstant(expr string) string { return "replaceOne(" + expr + ", ' ', 'T')" }

// durationMicros turns [-]HH:MM:SS[.ffffff] into microseconds.
func durationMicros(expr string) string {
	number := func(part string) string { return "toInt64OrZero(" + part + ")" }
	fields := "extractGroups(assumeNotNull(" + expr + "), '^-?(\\\\d+):(\\\\d+):(\\\\d+)\\\\.?(\\\\d*)$')"
	micros := "(" + number(fields+"[1]") + " * 3600 + " + number(fields+"[2]") + " * 60 + " + number(fields+"[3]") + ") * 1000000 + " +
		number("rightPad("+fields+"[4], 6, '0')")
	return "if(isNull(" + expr + "), NULL, toString(if(startsWith(assumeNotNull(" + expr + "), '-'), -1, 1) * (" + micros + ")))"
}

// text turns what the expression gave into what people see: floats in the shortest form, decimals with all their digits.
func (p *peekColumn) text(raw string) string {
	switch {
	case p.bits > 0:
		if f, err := strconv.ParseFloat(raw, p.bits); err == nil {
			return strconv.FormatFloat(f, 'g', -1, p.bits)
		}
	case p.scale > 0:
		whole, fraction, _ := strings.Cut(raw, ".")
		return whole + "." + fraction + strings.Repeat("0", max(0, p.scale-len(fraction)))
	}
	return raw
}
