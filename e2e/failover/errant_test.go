package failover

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestErrant fails over to a server that has transactions of its own, from when it was a replica. One table has them beside
// rows that were read before, which is as good as any other transaction. In another, what was read before came behind them
// in the new server's log: whoever applied them now would bring back a value that is overwritten there.
func TestErrant(t *testing.T) {
	p := newPair(t, mysql)
	db := p.vip.Database(t)
	for _, name := range []string{"apart", "mixed", "untouched"} {
		p.primary.Exec(t, "CREATE TABLE "+db+"."+name+" (id INT PRIMARY KEY, v INT)", "INSERT INTO "+db+"."+name+" VALUES (1, 1), (2, 2)")
	}
	pl := e2e.NewPipeline(t, p.vip, db, nil)
	d := pl.Run(t)
	p.replica.Await(t, p.primary)
	p.replica.Exec(t, "UPDATE "+db+".mixed SET v = 100 WHERE id = 1", "INSERT INTO "+db+".mixed VALUES (50, 50)")
	p.primary.Exec(t, "UPDATE "+db+".mixed SET v = 3 WHERE id = 1", "INSERT INTO "+db+".untouched VALUES (3, 3)")
	p.replica.Await(t, p.primary)
	p.replica.Exec(t, "UPDATE "+db+".apart SET v = 100 WHERE id = 1", "INSERT INTO "+db+".apart VALUES (50, 50)")
	pl.Equal(t, time.Minute, "apart", "mixed", "untouched")
	p.failOver(t)
	p.primary.Exec(t, "INSERT INTO "+db+".apart VALUES (4, 4)", "INSERT INTO "+db+".mixed VALUES (4, 4)", "INSERT INTO "+db+".untouched VALUES (4, 4)")
	moved(t, pl, 1)
	pl.Equal(t, time.Minute, "apart", "untouched")
	e2e.Until(t, time.Minute, "the table whose rows are mixed stops", func() bool { return strings.Contains(state(t, pl), db+".mixed stopped") })
	if said := state(t, pl); !strings.Contains(said, "only this server") {
		t.Errorf("the state does not say why: %s", said)
	}
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	pl.Resync(t, "mixed")
	d = pl.Run(t)
	pl.Equal(t, time.Minute, "apart", "mixed", "untouched")
	d.Terminate(t)
}

// TestDomains fails over between MariaDB servers while GTID domains come that there were none of: on the replica alone,
// which writes to a table of its own, and on the new primary, while the program runs and while it does not.
func TestDomains(t *testing.T) {
	p := newPair(t, mariadb)
	db := p.vip.Database(t)
	tables := []string{"zero", "seven", "eight", "nine"}
	for _, name := range tables {
		p.primary.Exec(t, "CREATE TABLE "+db+"."+name+" (id INT PRIMARY KEY, v INT)", "INSERT INTO "+db+"."+name+" VALUES (1, 1), (2, 2)")
	}
	pl := e2e.NewPipeline(t, p.vip, db, nil)
	d := pl.Run(t)
	pl.Equal(t, time.Minute, tables...)
	p.replica.Await(t, p.primary)
	within(t, p.replica, "7", "UPDATE "+db+".seven SET v = 70", "INSERT INTO "+db+".seven VALUES (7, 7)")
	p.primary.Exec(t, "INSERT INTO "+db+".zero VALUES (3, 3)")
	pl.Equal(t, time.Minute, "zero")

	p.failOver(t)
	within(t, p.primary, "8", "INSERT INTO "+db+".eight VALUES (8, 8)", "DELETE FROM "+db+".eight WHERE id = 1")
	moved(t, pl, 1)
	pl.Equal(t, time.Minute, tables...)
	p.rejoin(t)
	d.Kill(t)
	within(t, p.primary, "9", "INSERT INTO "+db+".nine VALUES (9, 9)", "DELETE FROM "+db+".nine WHERE id = 1")
	within(t, p.primary, "7", "DELETE FROM "+db+".seven WHERE id = 2")
	p.failOver(t)
	p.primary.Exec(t, "INSERT INTO "+db+".zero VALUES (4, 4)")
	d = pl.Run(t)
	moved(t, pl, 2)
	pl.Equal(t, time.Minute, tables...)
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	pl.Equal(t, 0, tables...)
}

// within runs statements in a GTID domain.
func within(t *testing.T, s *servers.Server, domain string, statements ...string) {
	t.Helper()
	c, err := s.DB(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer leave(t, c)
	for _, q := range append([]string{"SET SESSION gtid_domain_id = " + domain}, statements...) {
		if _, err := c.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// leave gives a connection back as it was.
func leave(t *testing.T, c *sql.Conn) {
	t.Helper()
	if _, err := c.ExecContext(context.WithoutCancel(t.Context()), "SET SESSION gtid_domain_id = DEFAULT"); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
