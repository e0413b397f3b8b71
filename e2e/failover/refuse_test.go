package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestRefuse leads the program to servers that cannot go on from where it is, and holds that each is refused with its
// reason, that nothing is harmed by that, and that it goes on when the reason is gone.
func TestRefuse(t *testing.T) {
	t.Run("mysql", func(t *testing.T) { refuse(t, newPair(t, mysql)) })
	t.Run("mariadb", func(t *testing.T) { refuse(t, newPair(t, mariadb)) })
}

// A refusal is a pipeline between two servers.
type refusal struct {
	*pair
	t  testing.TB
	pl *e2e.Pipeline
	db string
	n  int // of rows that show how far the program is
}

func refuse(t *testing.T, p *pair) {
	x := &refusal{pair: p, t: t, db: p.vip.Database(t)}
	p.primary.Exec(t, "CREATE TABLE "+x.db+".t (id INT PRIMARY KEY, v INT)", "INSERT INTO "+x.db+".t VALUES (1, 1), (2, 2)")
	x.pl = e2e.NewPipeline(t, p.vip, x.db, nil)
	x.follows()
	x.behind()
	x.purged()
	x.mute()
	if p.primary.Flavour == servers.FlavourMySQL {
		x.nameless()
	}
	x.stranger()
}

// follows runs the program until it has all that the server at the address has, which is at least one row more.
func (x *refusal) follows() {
	x.t.Helper()
	x.n++
	x.primary.Exec(x.t, fmt.Sprintf("REPLACE INTO %s.t VALUES (0, %d)", x.db, x.n))
	d := x.pl.Run(x.t)
	x.pl.Equal(x.t, 60*time.Second, "t")
	if code := d.Terminate(x.t); code != 0 {
		x.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// refuses runs the program, which must end by itself and say why.
func (x *refusal) refuses(parts ...string) {
	x.t.Helper()
	said := len(x.pl.Log(100_000))
	d := x.pl.Run(x.t)
	if !d.Ended(90 * time.Second) {
		x.t.Fatalf("the program goes on:\n%s", x.pl.Log(20))
	}
	if d.ExitCode() == 0 {
		x.t.Error("exit code 0")
	}
	log := x.pl.Log(100_000)[said:]
	for _, part := range append(parts, "position lost") {
		if !strings.Contains(log, part) {
			x.t.Errorf("the program does not say %q:\n%s", part, log)
		}
	}
}

// behind leads to a replica that lacks what was read, until it has it.
func (x *refusal) behind() {
	x.replica.Await(x.t, x.primary)
	x.replica.Halt(x.t)
	x.primary.Exec(x.t, "INSERT INTO "+x.db+".t VALUES (3, 3)", "UPDATE "+x.db+".t SET v = 20 WHERE id = 2")
	x.follows()
	x.lead(x.replica)
	x.refuses("is behind what was read: it lacks transactions", "start again when it has them")
	x.replica.Resume(x.t)
	x.replica.Await(x.t, x.primary)
	x.primary.Exec(x.t, "INSERT INTO "+x.db+".t VALUES (4, 4)")
	x.follows()
	x.lead(x.primary)
	x.follows()
}

// purged leads to a replica that has deleted what is to be read next.
func (x *refusal) purged() {
	x.primary.Exec(x.t, "INSERT INTO "+x.db+".t VALUES (5, 5)")
	x.replica.Await(x.t, x.primary)
	x.replica.Exec(x.t, "FLUSH BINARY LOGS")
	purge(x.t, x.replica)
	x.lead(x.replica)
	reason := "has deleted the log of transactions"
	if x.primary.Flavour == servers.FlavourMariaDB {
		reason = "the server has purged log that is still needed"
	}
	x.refuses(reason)
	x.lead(x.primary)
	x.follows()
}

// purge deletes all log files but the newest. MariaDB keeps one until its checkpoint is past it.
func purge(t testing.TB, s *servers.Server) {
	t.Helper()
	status := map[servers.Flavour]string{servers.FlavourMySQL: "SHOW BINARY LOG STATUS", servers.FlavourMariaDB: "SHOW BINLOG STATUS"}[s.Flavour]
	newest := s.Value(t, status)
	e2e.Until(t, 30*time.Second, "the log is purged up to "+newest, func() bool {
		s.Exec(t, "PURGE BINARY LOGS TO '"+newest+"'")
		return s.Value(t, "SHOW BINARY LOGS") == newest
	})
}

// mute leads to a replica that has all, and did not log it.
func (x *refusal) mute() {
	x.replica.Await(x.t, x.primary)
	x.replica.Stop(x.t)
	x.replica.Restart(x.t, "--log-slave-updates=OFF")
	x.primary.Exec(x.t, "INSERT INTO "+x.db+".t VALUES (7, 7)")
	x.replica.Await(x.t, x.primary)
	x.lead(x.replica)
	reason := "or never had them in it"
	if x.primary.Flavour == servers.FlavourMariaDB {
		reason = "that it did not log"
	}
	x.refuses(reason, "_updates")
	x.lead(x.primary)
	x.follows()
}

// nameless leads to a server whose transactions have no GTIDs.
func (x *refusal) nameless() {
	x.replica.Promote(x.t)
	x.replica.Stop(x.t)
	x.replica.Restart(x.t, "--gtid-mode=OFF_PERMISSIVE")
	x.lead(x.replica)
	x.refuses("has gtid_mode=OFF_PERMISSIVE", "set gtid_mode=ON there")
	x.replica.Stop(x.t)
	x.replica.Restart(x.t, "--gtid-mode=ON")
	x.lead(x.primary)
}

// stranger leads to a server that never had what was read, but transactions of its own.
func (x *refusal) stranger() {
	own := "INSERT INTO " + x.db + ".t VALUES (6, 6)"
	if x.replica.Flavour == servers.FlavourMariaDB {
		x.replica.Promote(x.t)
		x.replica.Exec(x.t, "RESET MASTER", "SET GLOBAL gtid_slave_pos = ''", "SET STATEMENT gtid_seq_no = 1000000 FOR "+own)
	} else {
		x.replica.Exec(x.t, "RESET BINARY LOGS AND GTIDS", own)
	}
	x.lead(x.replica)
	x.refuses("has another history", "point the pipeline to a server of the same replication")
	x.lead(x.primary)
	x.follows()
}
