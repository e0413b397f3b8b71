package schema

import (
	"errors"
	"testing"
)

func TestType_Form(t *testing.T) {
	for _, c := range []struct {
		typ   Type
		fixed bool
		width int
		text  string
	}{
		{Type{Kind: Int, Bits: 64}, true, 0, "Int64"},
		{Type{Kind: Timestamp, Precision: 6}, true, 0, "Timestamp(6)"},
		{Type{Kind: Decimal, Precision: 18, Scale: 2}, true, 0, "Decimal(18,2)"},
		{Type{Kind: Decimal, Precision: 19, Scale: 2}, false, 16, "Decimal(19,2)"},
		{Type{Kind: Decimal, Precision: 38}, false, 16, "Decimal(38,0)"},
		{Type{Kind: Decimal, Precision: 39}, false, 32, "Decimal(39,0)"},
		{Type{Kind: String}, false, 0, "String"},
		{Type{Kind: Binary, Length: 16}, false, 0, "Binary(16)"},
		{Type{Kind: Binary}, false, 0, "Binary"},
		{Type{Kind: Kind(200)}, false, 0, "Kind(200)"},
	} {
		if got := c.typ.Fixed(); got != c.fixed {
			t.Errorf("%v: got fixed %v, want %v", c.typ, got, c.fixed)
		}
		if got := c.typ.Width(); got != c.width {
			t.Errorf("%v: got width %d, want %d", c.typ, got, c.width)
		}
		if got := c.typ.String(); got != c.text {
			t.Errorf("got %q, want %q", got, c.text)
		}
	}
}

func TestTable_Describes(t *testing.T) {
	tb := &Table{Name: Name{"shop", "orders"}, Version: 2, Key: []int{1}, Columns: []Column{
		{Name: "note", Type: Type{Kind: String}}, {Name: "Id", Type: Type{Kind: Int, Bits: 64}},
	}}
	if got, want := tb.String(), "shop.orders v2 (note String, Id Int64 key)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tb.Column("ID"); got != 1 {
		t.Errorf("got column %d, want 1: names are compared without case", got)
	}
	if got := tb.Column("none"); got != -1 {
		t.Errorf("got column %d, want -1", got)
	}
	drop := Change{Before: tb}
	if got := drop.Name(); got != tb.Name {
		t.Errorf("got %v, want %v", got, tb.Name)
	}
}

func TestTableError_Unwraps(t *testing.T) {
	reason := errors.New("no key")
	err := error(&TableError{Table: Name{"shop", "log"}, Err: reason})
	if !errors.Is(err, reason) || err.Error() != "table shop.log: no key" {
		t.Errorf("got %v", err)
	}
}
