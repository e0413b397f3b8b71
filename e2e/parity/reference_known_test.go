package parity

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// A difference is what a reference is known to read otherwise than the server means it.
type difference struct {
	reference string // empty: both
	before    int    // on MySQL before this version only; 0: on all servers
	why       string
	of        func(c *schema.Column) bool
	as        func(c *schema.Column, ours, theirs string) bool // theirs is ours, read in the known wrong way
}

var differences = []difference{
	{client, 0, "a FLOAT is printed with 6 digits, a DOUBLE as its decimal number",
		func(c *schema.Column) bool { return c.Type.Kind == schema.Float }, sameFloat},
	{client, 0, "the year 0000 is printed as 1900",
		func(c *schema.Column) bool { return c.Type.Kind == schema.Year },
		func(_ *schema.Column, ours, theirs string) bool { return ours == "0" && theirs == "1900" }},
	{goMySQL, 0, "JSON is printed without blanks, and a large double in full",
		func(c *schema.Column) bool { return c.Type.Kind == schema.JSON }, sameJSON},
	{"", 80000, "a whole double in JSON is printed with a fraction, which servers do from 8.0 on",
		func(c *schema.Column) bool { return c.Type.Kind == schema.JSON }, sameNumbers},
	{client, 0, "a JSON document that is a text alone is printed without quotes",
		func(c *schema.Column) bool { return c.Type.Kind == schema.JSON },
		func(_ *schema.Column, ours, theirs string) bool {
			var text string
			return json.Unmarshal([]byte(ours), &text) == nil && text == theirs
		}},
	{client, 0, "the numbers of a VECTOR are printed with 6 digits",
		func(c *schema.Column) bool { return c.Type.Kind == schema.Vector }, sameVector},
	{client, 0, "a COMPRESSED column is printed as it is packed",
		func(c *schema.Column) bool { return c.Flags&schema.Compressed != 0 }, samePacked},
}

// samePacked unpacks a value: a byte whose upper half is the method and whose lower bits are the length of the size, the
// size, and a zlib stream with or without its header.
func samePacked(c *schema.Column, ours, theirs string) bool {
	p, err := hex.DecodeString(strings.TrimPrefix(theirs, packedLead))
	if err != nil {
		return false
	}
	plain := *c
	plain.Flags &^= schema.Compressed
	if len(p) == 0 || p[0]>>4 == 0 {
		return logged(&plain, p[min(1, len(p)):]) == ours
	}
	stream := p[1+p[0]&7:]
	r := flate.NewReader(bytes.NewReader(stream))
	if p[0]&8 == 0 {
		if r, err = zlib.NewReader(bytes.NewReader(stream)); err != nil {
			return false
		}
	}
	value, err := io.ReadAll(r)
	return err == nil && logged(&plain, value) == ours
}

// sameFloat compares the bits of a number with its text.
func sameFloat(c *schema.Column, ours, theirs string) bool {
	bits, err := strconv.ParseUint(strings.TrimPrefix(ours, "bits "), 16, 64)
	want, err2 := strconv.ParseFloat(strings.TrimSpace(theirs), 64)
	if err != nil || err2 != nil {
		return false
	}
	if c.Type.Bits == 64 {
		return math.Float64frombits(bits) == want
	}
	return nearly(math.Float32frombits(uint32(bits)), want)
}

// nearly says that a number is the other one with 6 digits.
func nearly(f float32, want float64) bool {
	got := float64(f)
	return math.Abs(got-want) <= math.Abs(got)*5.1e-6
}

// sameVector compares the bytes of a vector with a list of numbers.
func sameVector(_ *schema.Column, ours, theirs string) bool {
	p, err := hex.DecodeString(ours)
	numbers := strings.Split(strings.Trim(theirs, "[]"), ",")
	if err != nil || len(p) != 4*len(numbers) {
		return false
	}
	for i, text := range numbers {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || !nearly(math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:])), want) {
			return false
		}
	}
	return true
}

// sameJSON compares documents. Numbers are the same if they are the same double, and both or none have a fraction or an
// exponent: so the integers of MySQL, which are more than doubles hold, must be the same digits.
func sameJSON(_ *schema.Column, ours, theirs string) bool {
	return sameTokens(ours, theirs, func(m, n string) bool { return isDouble(m) == isDouble(n) && (isDouble(m) || m == n) })
}

// sameNumbers compares documents of which ours has whole doubles without a fraction.
func sameNumbers(_ *schema.Column, ours, theirs string) bool {
	return sameTokens(ours, theirs, func(m, n string) bool { return isDouble(n) || m == n })
}

func isDouble(number string) bool { return strings.ContainsAny(number, ".e") }

// sameTokens compares documents, numbers by their double and by also.
func sameTokens(ours, theirs string, also func(m, n string) bool) bool {
	a, b := json.NewDecoder(strings.NewReader(ours)), json.NewDecoder(strings.NewReader(theirs))
	a.UseNumber()
	b.UseNumber()
	for {
		x, err := a.Token()
		y, err2 := b.Token()
		if err != nil || err2 != nil {
			return errors.Is(err, io.EOF) && errors.Is(err2, io.EOF)
		}
		m, isNumber := x.(json.Number)
		n, _ := y.(json.Number)
		if x == y {
			continue
		}
		f, err := m.Float64()
		g, err2 := n.Float64()
		if !isNumber || f != g || err != nil || err2 != nil || !also(m.String(), n.String()) {
			return false
		}
	}
}

// agree says that two readings of a value are the same, or differ in a way that is known.
func agree(s *servers.Server, version int, reference string, c *schema.Column, ours, theirs string) bool {
	if ours == theirs {
		return true
	}
	for _, d := range differences {
		old := d.before == 0 || s.Flavour == servers.FlavourMySQL && version < d.before
		if old && (d.reference == "" || d.reference == reference) && ours != null && theirs != null && d.of(c) && d.as(c, ours, theirs) {
			return true
		}
	}
	return false
}
