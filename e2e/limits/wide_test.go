package limits

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// wideTypes are the types of the wide table, in turns, each with an expression of the row number n and column number c.
var wideTypes = []struct{ declared, value string }{
	{"int", "n*%d"},
	{"varchar(6) CHARACTER SET latin1", "concat('v', n %% 10, '-', %d)"},
	{"decimal(12,3)", "n*1.125+%d"},
	{"double", "n/7+%d"},
	{"datetime(6)", "'2026-01-02 03:04:05.000001' + INTERVAL n*%d SECOND"},
	{"bigint unsigned", "18446744073709551615-n*%d"},
	{"date", "'2000-01-01' + INTERVAL (n+%d) DAY"},
	{"tinyint", "(n+%d) %% 120"},
	{"varbinary(4)", "unhex(lpad(hex(n*1000+%d), 8, '0'))"},
	{"year", "1950+(n+%d) %% 100"},
}

// wide returns the columns' declarations and values.
func wide(columns int) (declared, values []string) {
	for c := 1; c < columns; c++ {
		k := wideTypes[c%len(wideTypes)]
		declared = append(declared, fmt.Sprintf("c%d %s", c, k.declared))
		value := fmt.Sprintf(k.value, c)
		if c%17 == 0 {
			value = "if(n % 2, NULL, " + value + ")"
		}
		values = append(values, value)
	}
	return declared, values
}

// TestColumns_1000 copies and changes a table of 1,000 columns, and alters it on the way.
func TestColumns_1000(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		declared, values := wide(1000)
		rows := "WITH RECURSIVE g(n) AS (SELECT %d UNION ALL SELECT n+1 FROM g WHERE n < %d)"
		fill := func(from, to int) {
			s.Exec(t, fmt.Sprintf("INSERT INTO %s.w "+rows+" SELECT n, %s FROM g", db, from, to, strings.Join(values, ", ")))
		}
		// A row without what is stored apart has at most 8126 bytes.
		s.Exec(t, "CREATE TABLE "+db+".w (id int PRIMARY KEY, "+strings.Join(declared, ", ")+") ROW_FORMAT=DYNAMIC")
		fill(1, 300)
		m := newMarker(t, s, db)
		p := e2e.NewPipeline(t, s, db, nil)
		d := p.Run(t)
		t.Logf("snapshot after %v", copied(t, p, d, 2))
		fill(301, 400)
		s.Exec(t,
			"UPDATE "+db+".w SET c10 = c10+1, c998 = NULL, c501 = 'late' WHERE id % 3 = 0",
			"DELETE FROM "+db+".w WHERE id % 7 = 0",
			"ALTER TABLE "+db+".w DROP COLUMN c500, ADD COLUMN z varchar(10) DEFAULT 'z' AFTER c10, MODIFY c10 bigint",
			"UPDATE "+db+".w SET c10 = c10 * 100000, z = 'y', c999 = 2001 WHERE id % 2 = 0",
			"ALTER TABLE "+db+".w RENAME COLUMN c2 TO renamed",
			"INSERT INTO "+db+".w (id, renamed) VALUES (100000, 1), (100001, NULL)")
		t.Logf("changes after %v", m.pass(t, p, d, time.Minute))
		result := p.Equal(t, 30*time.Second, "w", "marker")[0]
		if result.Columns != 1000 {
			t.Errorf("%d columns compared, want 1000", result.Columns)
		}
		t.Logf("%d rows, RSS %d MB", result.SourceRows, mb(d.RSS(t)))
		ends(t, p, d)
	})
}
