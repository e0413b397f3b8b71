package clickhouse

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// fillExpr is the expression of what the rows that are there get in added column i: schema.Edit.Fill, which may be nil. It
// is what a row with that value would have, and an error where such a row would stop the table.
func (l *layout) fillExpr(i int, fill *schema.Value) (string, error) {
	t := &l.columns[i]
	if fill == nil {
		return t.emptyExpr()
	}
	var v row.Vector
	if t.source.Fixed() {
		v.AppendWord(fill.Word)
	} else {
		v.Offsets = []uint32{0}
		v.AppendBytes(fill.Bytes)
	}
	trial := blockColumn{nulls: []byte{0}}
	if err := trial.fill(t, &v, []int32{0}); err != nil {
		return "", fmt.Errorf("what the rows that are there get in added column %s: %w", t.name, err)
	}
	if trial.nulls[0] == 1 {
		return "NULL", nil
	}
	return t.literal(fill), nil
}

// emptyExpr is what NULL is in the column.
func (m *columnType) emptyExpr() (string, error) {
	switch {
	case m.nullable:
		return "NULL", nil
	case m.takesNull():
		return "[]", nil
	}
	return "", fmt.Errorf("added column %s has no NULLs, and the source does not say what the rows that are there have in it: copy the table again", m.name)
}

// literal spells a value of the source as an SQL expression of the column's type.
func (m *columnType) literal(v *schema.Value) string {
	if m.source.Fixed() {
		return m.wordLiteral(v.Word)
	}
	cast := func(text string) string { return "CAST(" + quoteText(text) + ", " + quoteText(m.text) + ")" }
	switch m.form {
	case formFixed:
		return cast(decimalText(unscaled(v.Bytes), int(m.source.Scale)))
	case formUUID:
		h := hex.EncodeToString(v.Bytes)
		return cast(strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"))
	case formJSON, formIPv4, formIPv6:
		return cast(string(v.Bytes))
	case formShape:
		return "unhex(" + quoteText(hex.EncodeToString(v.Bytes[sridBytes:])) + ")"
	case formVector:
		return vectorLiteral(v.Bytes)
	case formLabels:
		return labelsLiteral(string(v.Bytes))
	default:
		if m.source.Kind == schema.Binary || m.source.Kind == schema.Geometry {
			return "unhex(" + quoteText(hex.EncodeToString(v.Bytes)) + ")"
		}
		return quoteText(string(v.Bytes))
	}
}

func (m *columnType) wordLiteral(w uint64) string {
	switch m.source.Kind {
	case schema.Uint, schema.Bit:
		return strconv.FormatUint(w, 10)
	case schema.Float:
		f := math.Float64frombits(w)
		if m.source.Bits == 32 { // spelled as the double that it is, so that nothing is rounded twice
			f = float64(math.Float32frombits(uint32(w)))
		}
		return strconv.FormatFloat(f, 'e', -1, 64) // never an integer, of which -0 is 0
	case schema.Decimal:
		return "CAST(" + quoteText(decimalText(big.NewInt(int64(w)), int(m.source.Scale))) + ", " + quoteText(m.text) + ")"
	}
	switch m.form {
	case formDays, formTicks, formDuration:
		return "CAST(" + quoteText(wordText(m, w)) + ", " + quoteText(m.text) + ")"
	case formDateText, formInstant, formTimeText:
		return quoteText(wordText(m, w))
	default:
		return strconv.FormatInt(int64(w), 10)
	}
}

// unscaled reads two's complement, little-endian.
func unscaled(p []byte) *big.Int {
	be := slices.Clone(p)
	slices.Reverse(be)
	u := new(big.Int).SetBytes(be)
	if len(be) > 0 && be[0] >= 0x80 {
		u.Sub(u, new(big.Int).Lsh(big.NewInt(1), uint(8*len(be))))
	}
	return u
}

// decimalText spells an unscaled value with all digits of its scale.
func decimalText(u *big.Int, scale int) string {
	digits := new(big.Int).Abs(u).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	sign := ""
	if u.Sign() < 0 {
		sign = "-"
	}
	if scale == 0 {
		return sign + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// vectorLiteral spells the numbers by their bits: they may be infinite.
func vectorLiteral(p []byte) string {
	words := make([]string, len(p)/4)
	for i := range words {
		words[i] = "toUInt32(" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(p[4*i:])), 10) + ")"
	}
	return "arrayMap(x -> reinterpretAsFloat32(x), [" + strings.Join(words, ", ") + "])"
}

func labelsLiteral(set string) string {
	if set == "" {
		return "[]"
	}
	labels := strings.Split(set, ",")
	for i := range labels {
		labels[i] = quoteText(labels[i])
	}
	return "[" + strings.Join(labels, ", ") + "]"
}
