package binlog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// TestStream_Appeared says of a table that comes to a captured name that it is to be copied, and of one that leaves its
// name that it has stopped.
func TestStream_Appeared(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db, other := s.Database(t), s.Database(t)
		s.Exec(t, "CREATE TABLE "+other+".ghost (id int PRIMARY KEY, more int)", "CREATE TABLE "+db+".a (id int PRIMARY KEY)")
		from := head(t, s)
		shape := &schema.Table{Name: schema.Name{Namespace: db, Table: "a"}, Version: 1, Key: []int{0}, Columns: []schema.Column{
			{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int(11)"},
		}}
		stream := open(t, s, db, from, shape)
		script(t, s, db, "RENAME TABLE a TO "+other+".old, "+other+".ghost TO a", "INSERT INTO a VALUES (1, 2)")
		events := until(t, stream, head(t, s))
		defer freeAll(events)
		var stops []bool
		for _, ev := range events {
			if ev.Rows != nil {
				t.Errorf("got rows of %s", ev.Rows.Table)
			}
			if ev.Stopped != nil {
				stops = append(stops, errors.Is(ev.Stopped.Err, source.ErrAppeared))
			}
		}
		if len(stops) != 2 || stops[0] || !stops[1] {
			t.Errorf("got stops %v, want that of a, and that another has appeared", stops)
		}
	})
}

// TestStream_CreatedUnclear says of a table that comes by a statement which is not understood that it is to be copied: it
// must not be missed in silence.
func TestStream_CreatedUnclear(t *testing.T) {
	s := servers.SharedMariaDB(t, "10.11")
	db := s.Database(t)
	from := head(t, s)
	script(t, s, db, "SET SESSION sql_mode = 'ORACLE'; CREATE TABLE a (id NUMBER(9) PRIMARY KEY, v VARCHAR2(9)); SET SESSION sql_mode = DEFAULT", "INSERT INTO a VALUES (1, 'x')",
		"CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)")
	events := until(t, open(t, s, db, from), head(t, s))
	defer freeAll(events)
	var stopped *schema.TableError
	for _, ev := range events {
		if ev.Stopped != nil {
			stopped = ev.Stopped
		}
	}
	if stopped == nil || stopped.Table.Table != "a" || !errors.Is(stopped, source.ErrAppeared) {
		t.Errorf("got %v, want that a has appeared", stopped)
	}
	if got := describe(events); !strings.Contains(got, "rows b v1: insert(1)") {
		t.Errorf("b must flow on: got\n%s", got)
	}
}

// TestStream_RenamedOntoCaptured follows a table from before it was renamed, and under its new name as well, as a caller
// does who found the latter at the server: the one ends, and the other is to be copied.
func TestStream_RenamedOntoCaptured(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".old (id int PRIMARY KEY)")
		from := head(t, s)
		script(t, s, db, "RENAME TABLE old TO new", "INSERT INTO new VALUES (1)")
		shape := func(name string) *schema.Table {
			return &schema.Table{Name: schema.Name{Namespace: db, Table: name}, Version: 1, Key: []int{0}, Columns: []schema.Column{
				{Name: "id", Type: schema.Type{Kind: schema.Int, Bits: 32}, Native: "int(11)"},
			}}
		}
		stream := open(t, s, db, from, shape("old"), shape("new"))
		events := until(t, stream, head(t, s))
		defer freeAll(events)
		if got, want := describe(events), "stopped old\nstopped new\ncommit\n"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		for _, ev := range events {
			if ev.Stopped != nil && errors.Is(ev.Stopped.Err, source.ErrAppeared) != (ev.Stopped.Table.Table == "new") {
				t.Errorf("got %v", ev.Stopped)
			}
		}
	})
}

// TestStream_Altered says of a table that is not captured, and whose name would be, that its shape changes; and of one that
// ALTER TABLE renames to such a name that it is to be copied.
func TestStream_Altered(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db, other := s.Database(t), s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".a (id int PRIMARY KEY)", "CREATE TABLE "+other+".b (id int PRIMARY KEY)")
		from := head(t, s)
		stream := open(t, s, db, from)
		script(t, s, db, "ALTER TABLE a ADD COLUMN more int", "INSERT INTO a VALUES (1, 2)", "ALTER TABLE "+other+".b RENAME TO "+db+".b")
		events := until(t, stream, head(t, s))
		defer freeAll(events)
		var why []error
		for _, ev := range events {
			if ev.Stopped != nil {
				why = append(why, ev.Stopped.Err)
			}
		}
		if len(why) != 2 || !errors.Is(why[0], source.ErrAltered) || !errors.Is(why[1], source.ErrAppeared) {
			t.Errorf("got %v, want that a was altered, and that b has appeared", why)
		}
	})
}
