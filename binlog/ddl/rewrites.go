package ddl

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// Rewrites says why a change of a column's type may change values that rows have, which no event in the log tells; it is
// empty when each value surely stays what it is. strict is the sql_mode STRICT_TRANS_TABLES or STRICT_ALL_TABLES of the
// statement: a server that is strict refuses the statement rather than cut a value to fit.
func Rewrites(before, after *schema.Column, strict bool) (why string) {
	switch {
	case before.Nullable && !after.Nullable && !strict:
		return "NULL becomes the zero of the type"
	case before.Type.Kind != after.Type.Kind:
		return rewritesKind(before.Type, after.Type)
	case before.Charset != after.Charset && !holds(after.Charset, before.Charset) && !strict:
		return "characters that " + after.Charset + " does not have are lost"
	}
	b, a := before.Type, after.Type
	switch b.Kind {
	case schema.Int, schema.Uint, schema.Float, schema.Bit:
		if a.Bits < b.Bits && !(strict && b.Kind != schema.Float) {
			return "values are cut to fit"
		}
	case schema.Decimal:
		if a.Scale < b.Scale {
			return "digits after the point are rounded"
		}
		if a.Precision-a.Scale < b.Precision-b.Scale && !strict {
			return "values are cut to fit"
		}
	case schema.Time, schema.Datetime, schema.Timestamp:
		if a.Precision < b.Precision {
			return "fractions of a second are rounded"
		}
	case schema.Enum, schema.Set:
		return rewritesLabels(before, after)
	case schema.String, schema.Binary:
		return rewritesLength(before, after, strict)
	default:
	}
	return ""
}

// rewritesKind judges a change to another kind of type.
func rewritesKind(before, after schema.Type) string {
	if before.Kind == schema.Uint && after.Kind == schema.Int && after.Bits > before.Bits {
		return ""
	}
	return "values are converted from " + before.String() + " to " + after.String()
}

// rewritesLabels judges other labels of an ENUM or SET. Values keep their labels, not their numbers; those of a SET
// stand in the order of its definition.
func rewritesLabels(before, after *schema.Column) string {
	last := -1
	for _, l := range before.Labels {
		i := slices.Index(after.Labels, l)
		if i < 0 {
			return "a label is taken away"
		}
		if i < last && before.Type.Kind == schema.Set {
			return "labels stand in another order"
		}
		last = i
	}
	return ""
}

// rewritesLength judges other lengths of text and bytes.
func rewritesLength(before, after *schema.Column, strict bool) string {
	b, errB := parseNative(before.Native)
	a, errA := parseNative(after.Native)
	switch {
	case errB != nil || errA != nil:
		return "the lengths of the types are not known"
	case (a.name == "binary" || b.name == "binary") && before.Type.Length != after.Type.Length:
		return "values are padded with zeros to another length"
	case a.name == "char" && b.name != "char":
		return "blanks at the end are lost"
	case a.mostLength() < b.mostLength() && !strict:
		return "values are cut to fit"
	}
	return ""
}

// mostLength is the length of the longest value, in bytes; that of CHAR and VARCHAR in characters of four bytes, so that
// a change of the character set alone makes none shorter.
func (n *nativeType) mostLength() int {
	switch strings.TrimSuffix(strings.TrimSuffix(n.name, "text"), "blob") {
	case "char", "varchar":
		return n.arg(0, 1) * 4
	case "binary", "varbinary":
		return n.arg(0, 1)
	case "tiny":
		return 1<<8 - 1
	case "medium":
		return 1<<24 - 1
	case "long":
		return 1<<32 - 1
	case "":
		return 1<<16 - 1
	}
	// INET4, INET6 and the like have one length.
	return 0
}

// holds says that one character set has all characters of another. Servers' latin1 has 256 characters, all in Unicode.
func holds(charset, other string) bool {
	switch charset {
	case other, "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return true
	case "utf8mb3", "ucs2":
		return other != "utf8mb4" && !strings.HasPrefix(other, "utf16") && other != "utf32" && other != "gb18030"
	}
	return other == "ascii" && charset != ""
}
