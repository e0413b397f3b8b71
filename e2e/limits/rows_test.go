package limits

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestRow_30MB copies, inserts, updates and deletes rows of 30 MB: more than one packet of the protocol takes.
func TestRow_30MB(t *testing.T) {
	s := servers.MariaDB(t, "10.11", "--max-allowed-packet=128M", "--innodb-log-file-size=512M")
	db := s.Database(t)
	text := func(n int, with string) string {
		return fmt.Sprintf("repeat('%s', %d)", with, n/len(with))
	}
	const size = 30 << 20
	s.Exec(t, "CREATE TABLE "+db+".huge (id int PRIMARY KEY, b longblob, c longtext, small int)",
		"INSERT INTO "+db+".huge VALUES (1, "+text(size, "ab☃")+", 'x', 1), (2, 'small', NULL, 2)",
		"INSERT INTO "+db+".huge VALUES (3, NULL, "+text(size, "語 text ")+", 3)")
	m := newMarker(t, s, db)
	p := e2e.NewPipeline(t, s, db, nil)
	d := p.Run(t)
	t.Logf("snapshot after %v, RSS %d MB", copied(t, p, d, 2), mb(d.RSS(t)))
	s.Exec(t,
		"INSERT INTO "+db+".huge VALUES (4, "+text(size, "inserted")+", NULL, 4), (5, 'x', 'y', 5), (6, "+text(size, "gone")+", NULL, 6)",
		"INSERT INTO "+db+".huge VALUES (7, "+text(1<<24-20, "a")+", NULL, 7), (8, "+text(1<<24, "b")+", NULL, 8)", // about one packet
		"UPDATE "+db+".huge SET small = 40 WHERE id IN (4, 1)",
		"UPDATE "+db+".huge SET c = "+text(size/2, "grown")+" WHERE id = 5",
		"DELETE FROM "+db+".huge WHERE id IN (3, 6)")
	t.Logf("changes after %v, RSS %d MB", m.pass(t, p, d, time.Minute), mb(d.RSS(t)))
	r := p.Equal(t, 30*time.Second, "huge", "marker")
	if r[0].SourceRows != 6 {
		t.Errorf("%d rows compared, want 6", r[0].SourceRows)
	}
	ends(t, p, d)
}
