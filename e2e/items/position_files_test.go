package items

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// TestItems_Files has logs with odd numbers, sizes and events, and servers that crash.
func TestItems_Files(t *testing.T) {
	alone(t, "log", []string{"--max-binlog-size=1M"}, map[string]func(l *lone) string{
		"file number 999999 -> 1000000":                millionth,
		"transactions far longer than max_binlog_size": longer,
		"position beyond 4 GiB":                        beyond,
		"INCIDENT":                                     func(l *lone) string { return crafted(l, incident, 0, "INCIDENT", "lost changes") },
		"an unknown event":                             func(l *lone) string { return crafted(l, unknown, 0, "events of type 99", "not known") },
		"an unknown event that may be left out":        ignorable,
		"XA: kill -9 of the program and of the server": crashes,
		"MEMORY tables, which a restart empties":       memory,
		"kill -9 again and again":                      kills,
	})
}

// millionth has the log's numbers grow a digit while the program runs and while it is down.
func millionth(l *lone) string {
	if l.server.Flavour == servers.FlavourMySQL && earlier(versionOf(l.t, l.server), [3]int{8, 0, 0}) {
		return "n.a.: since MySQL 8.0"
	}
	l.reset(999998)
	l.do("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	l.open(nil)
	d := l.copied("t")
	l.do("FLUSH BINARY LOGS", "INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (3)")
	if file, _ := l.place(); !strings.HasSuffix(file, ".1000000") {
		l.t.Fatalf("the log is at %s", file)
	}
	l.pipe.Equal(l.t, patience, "t")
	d.Kill(l.t)
	l.do("INSERT INTO t VALUES (4)", "FLUSH BINARY LOGS", "DELETE FROM t WHERE id = 1")
	d = l.copied("t")
	l.do("INSERT INTO t VALUES (5)")
	l.pipe.Equal(l.t, patience, "t")
	l.end(d)
	l.reset(0)
	return "ok"
}

// longer has transactions of 20 times the size at which the server begins a new file, and kills the program inside of them.
func longer(l *lone) string {
	l.do("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(2000))", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t (v) VALUES (repeat('x', 1200))", "INSERT INTO u VALUES (1)")
	l.open(e2e.Settings{"pipeline.memory.budget": "16MiB"})
	d := l.copied("t", "u")
	l.do("BEGIN")
	for range 14 {
		l.do("INSERT INTO t (v) SELECT v FROM t")
	}
	l.do("UPDATE u SET id = 2", "COMMIT", "INSERT INTO u VALUES (3)")
	d.Kill(l.t)
	d = l.pipe.Run(l.t)
	d.Lives(l.t, 500*time.Millisecond)
	d.Kill(l.t)
	d = l.copied("t", "u")
	l.do("UPDATE t SET v = 'short'")
	d.Lives(l.t, 100*time.Millisecond)
	d.Kill(l.t)
	l.end(l.copied("t", "u"))
	return "ok"
}

// beyond has a transaction that makes a log file longer than the 32 bits that events have for places. It logs 4.4 GB.
func beyond(l *lone) string {
	if os.Getenv("CDCSYNC_LARGE") == "" {
		return "n.a.: only with CDCSYNC_LARGE; else binlog.TestFramer_Offsets, and transactions far longer than max_binlog_size"
	}
	l.do("CREATE TABLE t (id int PRIMARY KEY)", "CREATE DATABASE IF NOT EXISTS {other}", "CREATE TABLE {other}.o (n int, v longblob)", "INSERT INTO {other}.o VALUES (0, REPEAT('x', 15000000))", "INSERT INTO t VALUES (1)")
	l.open(nil)
	d := l.copied("t")
	l.do("BEGIN", "INSERT INTO t VALUES (2)", strings.Repeat("UPDATE {other}.o SET n = n + 1;", 145), "INSERT INTO t VALUES (3)", "COMMIT", "INSERT INTO t VALUES (4)")
	l.pipe.Equal(l.t, 10*patience, "t")
	d.Kill(l.t)
	l.do("INSERT INTO t VALUES (5)")
	d = l.copied("t")
	l.do("DELETE FROM t WHERE id = 2")
	l.pipe.Equal(l.t, patience, "t")
	l.end(d)
	return "ok"
}

// Types of events that the servers of these tests do not write.
const (
	incident = 26
	unknown  = 99

	ignorableFlag = 0x80
)

// crafted puts an event into the log that the program must stop at, and say why.
func crafted(l *lone, kind byte, flags uint16, words ...string) string {
	l.inject(kind, flags)
	l.refuses(words...)
	l.again("t")
	return "ends: " + words[0] + "; resync --all equal"
}

// ignorable is an event of which the server says that who does not know it may leave it out.
func ignorable(l *lone) string {
	l.inject(unknown, ignorableFlag)
	l.end(l.copied("t"))
	return "ok"
}

// inject has rows read, and then an event put into the log behind others, while the program is down.
func (l *lone) inject(kind byte, flags uint16) {
	l.t.Helper()
	l.do("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	l.open(nil)
	l.end(l.copied("t"))
	l.do("INSERT INTO t VALUES (2)")
	file, _ := l.place()
	l.do("FLUSH BINARY LOGS", "INSERT INTO t VALUES (3)")
	path := filepath.Join(l.data(), file)
	log, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	end := lastEvent(log) // the rotation: the server goes on to the next file without it, too
	info, err := os.Stat(path)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, append(log[:end:end], event(log, end, kind, flags)...), info.Mode()); err != nil {
		l.t.Fatal(err)
	}
}

// lastEvent is where the last event of a log file begins.
func lastEvent(log []byte) int {
	for at := 4; ; {
		next := at + int(binary.LittleEndian.Uint32(log[at+9:]))
		if next >= len(log) {
			return at
		}
		at = next
	}
}

// event makes an event that begins at a place. Its header is like the one that is there.
func event(log []byte, at int, kind byte, flags uint16) []byte {
	const header, checksum = 19, 4
	body := append([]byte{1, 0, 7}, "crafted"...) // of an INCIDENT: its number, and a message
	p := append(append([]byte{}, log[at:at+header]...), body...)
	p[4] = kind
	binary.LittleEndian.PutUint32(p[9:], uint32(len(p)+checksum))
	binary.LittleEndian.PutUint32(p[13:], uint32(at+len(p)+checksum))
	binary.LittleEndian.PutUint16(p[17:], flags)
	return binary.LittleEndian.AppendUint32(p, crc32.ChecksumIEEE(p))
}

// crashes has XA transactions prepared over crashes of the program and of the server.
func crashes(l *lone) string {
	if l.server.Flavour == servers.FlavourMySQL && earlier(versionOf(l.t, l.server), [3]int{8, 0, 30}) {
		return "n.a.: until MySQL 8.0.30 XA stops its tables"
	}
	l.do("CREATE TABLE a (id int PRIMARY KEY, v int)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO b VALUES (1)")
	l.open(nil)
	d := l.copied("a", "b")
	prepare := func(name string, statements ...string) {
		l.play(in(name, append(append([]string{"XA START " + xid(name)}, statements...), "XA END "+xid(name), "XA PREPARE "+xid(name))...))
	}
	prepare("x", "UPDATE a SET v = 10 WHERE id = 1", "INSERT INTO b VALUES (2)")
	prepare("y", "DELETE FROM a WHERE id = 2")
	prepare("z", "UPDATE a SET id = 30 WHERE id = 3")
	l.do("INSERT INTO b VALUES (5)")
	l.pipe.Equal(l.t, patience, "a", "b")
	d.Kill(l.t)
	d = l.copied("a", "b")
	l.play(in("x", "XA COMMIT "+xid("x")))
	l.pipe.Equal(l.t, patience, "a", "b")
	l.hangUp()
	l.server.Kill9(l.t)
	d.Kill(l.t)
	l.server.Restart(l.t)
	d = l.copied("a", "b")
	l.play(eventually("XA ROLLBACK "+xid("y")), do("UPDATE a SET v = 20 WHERE id = 2"))
	l.hangUp()
	l.server.Kill9(l.t)
	l.server.Restart(l.t)
	l.play(eventually("XA COMMIT "+xid("z")), do("INSERT INTO a VALUES (4, 4)"))
	l.pipe.Equal(l.t, patience, "a", "b")
	d.Kill(l.t)
	l.end(l.copied("a", "b"))
	return "ok"
}

// memory has a table whose rows a restart of the server takes away, which it logs when the table is opened again.
func memory(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=MEMORY", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t VALUES (1, 1), (2, 2)", "INSERT INTO u VALUES (1)")
	l.open(nil)
	d := l.copied("t", "u")
	l.do("INSERT INTO t VALUES (3, 3)", "UPDATE t SET v = 9 WHERE id = 1")
	l.pipe.Equal(l.t, patience, "t", "u")
	l.hangUp()
	l.server.Stop(l.t)
	l.server.Restart(l.t)
	l.do("SELECT * FROM t", "INSERT INTO t VALUES (2, 20), (7, 70)", "INSERT INTO u VALUES (2)")
	l.pipe.Equal(l.t, patience, "u")
	stopped := false
	e2e.Until(l.t, patience, "t is emptied, or stops", func() bool {
		out, _, code := l.pipe.Command(l.t, "state")
		stopped = code == 0 && strings.Contains(out, l.x.db+".t stopped at") && strings.Contains(out, "by its text")
		return stopped || l.same("t")
	})
	l.end(d)
	if !stopped {
		return "ok"
	}
	l.pipe.Resync(l.t, "t")
	l.end(l.copied("t", "u"))
	return "stops: by its text; resync equal"
}

// same says whether a table is equal now.
func (l *lone) same(table string) bool {
	l.t.Helper()
	pairs := l.pipe.Pairs(table)
	results, err := verify.Run(l.t.Context(), l.pipe.Sink(), l.server, pairs...)
	if err != nil {
		l.t.Fatal(err)
	}
	return results[0].Err(pairs[0]) == nil
}

// kills ends the program again and again while it reads transactions of several files.
func kills(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY, v varchar(400))", "INSERT INTO t VALUES (1, 'x')")
	l.open(nil)
	d := l.copied("t")
	for round := range 6 {
		l.do("BEGIN")
		for i := range 40 {
			l.do(fmt.Sprintf("REPLACE INTO t VALUES (%d, repeat('r', %d))", round*30+i, 10*i))
		}
		l.do("UPDATE t SET v = concat(v, '!') WHERE id % 3 = 0", "COMMIT")
		d.Lives(l.t, time.Duration(50*round)*time.Millisecond)
		d.Kill(l.t)
		d = l.pipe.Run(l.t)
	}
	l.pipe.Equal(l.t, patience, "t")
	l.end(d)
	return "ok"
}
