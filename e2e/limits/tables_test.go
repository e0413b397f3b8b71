package limits

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestTables_2000 copies thousands of small tables and changes all of them in one transaction.
func TestTables_2000(t *testing.T) {
	s := servers.MariaDB(t, "10.11", "--table-open-cache=4000", "--innodb-open-files=4000")
	db := s.Database(t)
	n := size(300, 2000)
	name := func(i int) string { return fmt.Sprintf("t%04d", i) }
	var names []string
	for i := range n {
		names = append(names, name(i))
		at := db + "." + name(i)
		s.Exec(t, "CREATE TABLE "+at+" (id int PRIMARY KEY, c varchar(20), v decimal(8,2))", "INSERT INTO "+at+" VALUES (1, 'one', 1), (2, 'two', 2)")
	}
	m := newMarker(t, s, db)
	p := e2e.NewPipeline(t, s, db, e2e.Settings{"pipeline.commit.interval": "1s"})
	d := p.Run(t)
	t.Logf("%d tables copied in %v, RSS %d MB", n, copied(t, p, d, n+1), mb(d.RSS(t)))

	change := func(what string) {
		var all strings.Builder
		all.WriteString("BEGIN;")
		for i := range n {
			all.WriteString(strings.ReplaceAll(what, "TABLE", db+"."+name(i)) + ";")
		}
		s.Exec(t, all.String()+"COMMIT")
	}
	change("INSERT INTO TABLE VALUES (3, 'three', 3)")
	t.Logf("one transaction in all tables: in Iceberg after %v, RSS %d MB", m.pass(t, p, d, 3*time.Minute), mb(d.RSS(t)))
	s.Exec(t, "INSERT INTO "+db+"."+name(7)+" VALUES (9, 'lone', 9)")
	t.Logf("one row: %v", m.pass(t, p, d, time.Minute))

	began := time.Now()
	ends(t, p, d)
	t.Logf("stopped in %v", time.Since(began))
	change("UPDATE TABLE SET v = v + 1 WHERE id = 1; DELETE FROM TABLE WHERE id = 2")
	d = p.Run(t)
	t.Logf("restart until all tables' changes are in: %v, RSS %d MB", m.pass(t, p, d, 3*time.Minute), mb(d.RSS(t)))
	p.Equal(t, time.Minute, names...)
	ends(t, p, d)
}
