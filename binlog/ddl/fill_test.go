package ddl

import (
	"fmt"
	"testing"
)

func TestStatement_Filled(t *testing.T) {
	for clause, want := range map[string]string{
		"add a int":                   "[]",
		"add a int default null":      "[]",
		"add a int default 5":         "[a=5]",
		"add a int not null":          "[a=0]",
		"add a varchar(3) not null":   "[a=]",
		"add a varchar(3) default ''": "[a=]",
		"add a datetime not null":     "[]",
		"add a enum('x','y') not null, add b bit(2) default b'10'": "[a=x b=2]",
		"add a binary(2) not null":                                 "[a=\x00\x00]",
		"add a varchar(36) default (uuid())":                       "[]", // a DataChange
		"modify a int not null default 5":                          "[]",
		"add (a json not null, b time not null)":                   "[a=null b=00:00:00]",
	} {
		st := Parse("alter table t "+clause, Mode{})[0]
		got := []string{}
		for _, c := range st.Filled() {
			text, _ := c.Fill()
			got = append(got, c.Name+"="+text)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: got %q, want %q", clause, fmt.Sprint(got), want)
		}
	}
}

func TestStatement_DataChanges(t *testing.T) {
	st := Parse("alter table t drop partition p0, p1", Mode{})[0]
	if got := fmt.Sprint(st.DataChanges()); got != "[DROP PARTITION deletes rows]" {
		t.Errorf("got %s", got)
	}
	if got := Parse("alter table t add a int", Mode{})[0]; len(got.DataChanges()) != 0 {
		t.Errorf("got %v, want none", got.DataChanges())
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct {
		text, want string
		n          int
	}{
		{"create user x identified by 'secret'", "create user x identified by '...'", 100},
		{"alter table /* c */ t\n add a int", "alter table t add a int", 100},
		{"insert into t values ('secret', 5)", "insert into t values (...", 26},
		{"create user x identified by 'secret", "create user x identified by...", 34},
	} {
		if got := Quote(c.text, Mode{}, c.n); got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}
