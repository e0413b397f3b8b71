package items

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestItems_Refused has logs that do not lead from where the program was to where the server is. It must say so, and what
// is copied anew is equal.
func TestItems_Refused(t *testing.T) {
	alone(t, "positions", nil, map[string]func(l *lone) string{
		"the log is purged":                         purged,
		"the log is reset":                          func(l *lone) string { return resets(l, 0) },
		"the log is reset, and written past":        func(l *lone) string { return resets(l, 60) },
		"the server is restored":                    func(l *lone) string { return restored(l, 0) },
		"the server is restored, and written past":  func(l *lone) string { return restored(l, 60) },
		"gtid_purged has a gap before the start":    gapBefore,
		"gtid_purged grows while the program is up": gapLater,
	})
}

const refusedEqual = "refused with the reason; resync --all equal"

// began has a table of 20 rows, which a first life of the program has copied and followed.
func began(l *lone) {
	l.t.Helper()
	l.do("CREATE TABLE t (id int PRIMARY KEY, v varchar(30))", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")
	writes(l, 0, 15, "first")
	l.open(nil)
	d := l.copied("t", "u")
	writes(l, 15, 20, "followed")
	l.pipe.Equal(l.t, patience, "t")
	l.end(d)
}

// writes inserts rows one by one.
func writes(l *lone, from, to int, what string) {
	l.t.Helper()
	for i := from; i < to; i++ {
		l.do(fmt.Sprintf("REPLACE INTO t VALUES (%d, '%s')", i, what))
	}
}

func purged(l *lone) string {
	began(l)
	writes(l, 20, 23, "lost")
	for range 3 {
		l.do("FLUSH BINARY LOGS", "INSERT INTO u SELECT max(id) + 1 FROM u")
	}
	now, _ := l.place()
	for deadline := time.Now().Add(20 * time.Second); l.server.Value(l.t, "SHOW BINARY LOGS") != now && time.Now().Before(deadline); {
		l.do("PURGE BINARY LOGS TO '"+now+"'", "DO SLEEP(0.1)") // MariaDB keeps a file until its checkpoint is past it
	}
	l.refuses("the server has deleted", "copy the tables again")
	l.again("t", "u")
	return refusedEqual
}

// resets begins the log anew while the program is down, and writes other rows then: with the numbers of GTIDs, and the
// places in the log, that were read before.
func resets(l *lone, written int) string {
	began(l)
	l.reset(0)
	l.do("DELETE FROM t")
	writes(l, 0, written, "after the reset")
	l.refuses("copy the tables again")
	l.again("u")
	return refusedEqual
}

// restored takes the server back to an older state while the program is down, and lets it write other rows.
func restored(l *lone, written int) string {
	began(l)
	l.hangUp()
	l.server.Stop(l.t)
	backup := l.server.Dir + "/backup"
	shell(l, "rm", "-rf", backup)
	shell(l, "cp", "-a", l.data(), backup)
	l.server.Restart(l.t)
	d := l.pipe.Run(l.t)
	writes(l, 20, 40, "taken back")
	l.pipe.Equal(l.t, patience, "t")
	l.end(d)
	l.hangUp()
	l.server.Stop(l.t)
	shell(l, "rm", "-rf", l.data())
	shell(l, "mv", backup, l.data())
	l.server.Restart(l.t)
	writes(l, 20, 20+written, "after the restore")
	l.refuses("copy the tables again")
	l.again("t", "u")
	return refusedEqual
}

func shell(l *lone, name string, args ...string) {
	l.t.Helper()
	if out, err := exec.CommandContext(l.t.Context(), name, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// otherServer has GTIDs that a database brought along which was loaded from another server's dump.
const otherServer = "0e1f2a3b-0000-0000-0000-00000000c0de"

// gapBefore has transactions that are executed and not in the log, with gaps between them, before the program starts.
func gapBefore(l *lone) string {
	if l.server.Flavour != servers.FlavourMySQL {
		return "n.a.: MariaDB does not have it"
	}
	if earlier(versionOf(l.t, l.server), [3]int{8, 0, 0}) {
		l.reset(0)
		l.do("SET GLOBAL gtid_purged = '" + otherServer + ":1-5:9-12:20'")
	} else {
		l.do("SET GLOBAL gtid_purged = '+" + otherServer + ":1-5:9-12:20'")
	}
	began(l)
	l.do("SET gtid_next = '"+otherServer+":7'", "INSERT INTO t VALUES (100, 'in a gap')", "SET gtid_next = AUTOMATIC", "INSERT INTO t VALUES (101, 'down')")
	d := l.copied("t")
	l.do("SET gtid_next = '"+otherServer+":13'", "DELETE FROM t WHERE id < 10", "SET gtid_next = AUTOMATIC", "INSERT INTO u VALUES (9)")
	l.pipe.Equal(l.t, patience, "t", "u")
	l.end(d)
	return "ok"
}

// gapLater has the server take transactions for executed that are not in its log while the program follows: what they did
// cannot be known.
func gapLater(l *lone) string {
	if l.server.Flavour != servers.FlavourMySQL {
		return "n.a.: MariaDB does not have it"
	}
	if earlier(versionOf(l.t, l.server), [3]int{8, 0, 0}) {
		return "n.a.: since MySQL 8.0"
	}
	began(l)
	l.do("SET GLOBAL gtid_purged = '+0e1f2a3b-0000-0000-0000-00000000c0df:1-5'", "INSERT INTO u VALUES (9)")
	l.refuses("0e1f2a3b-0000-0000-0000-00000000c0df:1-5", "copy the tables again")
	l.again("t", "u")
	return refusedEqual
}
