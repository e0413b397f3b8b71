package items

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// TestItems_Startup starts pipelines in each of the ways that scan.startup.mode knows: each has the rows that it is to
// have, and none more.
func TestItems_Startup(t *testing.T) {
	alone(t, "positions", nil, map[string]func(l *lone) string{
		"scan.startup.mode, in all its forms":     startups,
		"earliest-offset of a table that changed": earliestChanged,
		"settings that are refused":               refusedSettings,
		"treat-tinyint1-as-boolean.enabled":       tinyint,
	})
}

// startups has five rows, of which each mode is to have some: those from an id on.
func startups(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO t VALUES (1, 'first')", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2, 'second')")
	file, offset := l.place()
	executed := "gtid_executed"
	if l.server.Flavour == servers.FlavourMariaDB {
		executed = "gtid_binlog_pos"
	}
	gtids := strings.ReplaceAll(l.server.Value(l.t, "SELECT @@GLOBAL."+executed), "\n", "")
	since := l.nextSecond()
	l.do("INSERT INTO t VALUES (3, 'third')")
	l.nextSecond()
	l.do("FLUSH BINARY LOGS", "INSERT INTO t VALUES (4, 'fourth')")
	type started struct {
		name string
		d    *e2e.Daemon
		from int
		pipe *e2e.Pipeline
	}
	var all []started
	for _, mode := range []struct {
		name     string
		from     int // the first id that it is to have
		settings e2e.Settings
	}{
		{"initial", 1, nil},
		{"snapshot", 1, nil},
		{"earliest-offset", 1, nil},
		{"latest-offset", 5, nil},
		{"specific-offset", 3, e2e.Settings{"scan.startup.specific-offset.file": file, "scan.startup.specific-offset.pos": fmt.Sprint(offset)}},
		{"specific-offset", 3, e2e.Settings{"scan.startup.specific-offset.gtid-set": gtids}},
		{"specific-offset", 3, e2e.Settings{"scan.startup.specific-offset.file": file, "scan.startup.specific-offset.pos": fmt.Sprint(offset), "scan.startup.specific-offset.skip-events": "0", "scan.startup.specific-offset.skip-rows": "0"}},
		{"timestamp", 3, e2e.Settings{"scan.startup.timestamp-millis": since + "000"}},
		{"timestamp", 5, e2e.Settings{"scan.startup.timestamp-millis": "4000000000000"}}, // in 2096
	} {
		settings := e2e.Settings{"source.scan.startup.mode": mode.name}
		for key, value := range mode.settings {
			settings["source."+key] = value
		}
		p := l.open(settings)
		d := p.Run(l.t)
		e2e.Until(l.t, patience, mode.name+" has begun", func() bool {
			out, _, code := p.Command(l.t, "state", "-o", "json")
			return code == 0 && strings.Contains(out, `"position": "m`) && strings.Contains(out, `"table": "t"`)
		})
		all = append(all, started{mode.name, d, mode.from, p})
	}
	if d := all[1].d; !d.Ended(patience) || d.ExitCode() != 0 {
		l.t.Fatalf("snapshot does not end with 0:\n%s", all[1].pipe.Log(20))
	}
	l.do("INSERT INTO t VALUES (5, 'fifth')", "UPDATE t SET v = 'changed' WHERE id = 5")
	for _, s := range all {
		where := fmt.Sprintf("id >= %d", s.from)
		if s.name == "snapshot" {
			where = "id < 5"
		}
		l.has(s.pipe, s.name, where)
		if s.name != "snapshot" {
			s.pipe.Server.Revive(l.t)
			if code := s.d.Terminate(l.t); code != 0 {
				l.t.Errorf("%s: exit code %d after SIGTERM:\n%s", s.name, code, s.pipe.Log(20))
			}
		}
	}
	return "ok"
}

// has waits until a pipeline's table has exactly the rows of its source that a condition selects.
func (l *lone) has(p *e2e.Pipeline, what, where string) {
	l.t.Helper()
	pair := verify.Pair{Namespace: l.x.db, Table: "t", Database: l.x.db, Source: "t", Where: where}
	var wrong error
	e2e.Until(l.t, patience, what+" has the rows "+where, func() bool {
		results, err := verify.Run(l.t.Context(), p.Sink(), l.server, pair)
		if err != nil {
			l.t.Fatal(err)
		}
		wrong = results[0].Err(pair)
		return wrong == nil
	})
}

// earliestChanged reads a log from its beginning whose rows are of a shape that the table no longer has: they must not be
// read by the new one.
func earliestChanged(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t VALUES (1, 'first')", "INSERT INTO u VALUES (1)", "ALTER TABLE t ADD n int FIRST", "INSERT INTO t VALUES (2, 2, 'second')")
	p := l.open(e2e.Settings{"source.scan.startup.mode": "earliest-offset"})
	d := p.Run(l.t)
	p.Equal(l.t, patience, "u")
	e2e.Until(l.t, patience, "t stops", func() bool {
		out, _, code := p.Command(l.t, "state")
		return code == 0 && strings.Contains(out, l.x.db+".t stopped at") && strings.Contains(out, "does not fit the known shape")
	})
	l.end(d)
	p.Set(l.t, e2e.Settings{"source.scan.startup.mode": "initial"}) // a pipeline that began without a copy makes none later
	l.again("t", "u")
	return "stops: does not fit the known shape; resync --all under scan.startup.mode: initial equal"
}

// refusedSettings ask for a start that would lose rows, or that contradict themselves.
func refusedSettings(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	for want, settings := range map[string]e2e.Settings{
		"skip-events and skip-rows are not supported: a start inside a transaction would lose its first rows": {
			"source.scan.startup.mode": "specific-offset", "source.scan.startup.specific-offset.file": "binlog.000001", "source.scan.startup.specific-offset.pos": "4", "source.scan.startup.specific-offset.skip-events": "2"},
		"skip-rows are not supported": {
			"source.scan.startup.mode": "specific-offset", "source.scan.startup.specific-offset.file": "binlog.000001", "source.scan.startup.specific-offset.pos": "4", "source.scan.startup.specific-offset.skip-rows": "1"},
		"specific-offset needs":         {"source.scan.startup.mode": "specific-offset"},
		"file and gtid-set name two":    {"source.scan.startup.mode": "specific-offset", "source.scan.startup.specific-offset.file": "binlog.000001", "source.scan.startup.specific-offset.gtid-set": "0-1-1"},
		"required by scan.startup.mode": {"source.scan.startup.mode": "timestamp"},
		"is none of initial":            {"source.scan.startup.mode": "yesterday"},
		"tinyint(1) holds -128 to 127":  {"source.treat-tinyint1-as-boolean.enabled": "true"},
	} {
		p := l.open(settings)
		for _, command := range []string{"check", "run"} {
			out, said, code := p.Command(l.t, command)
			if code != 2 || !strings.Contains(out+said, want) {
				l.t.Errorf("%v: %s ends with code %d, want 2 and %q:\n%s%s", settings, command, code, want, out, said)
			}
		}
	}
	l.open(e2e.Settings{"source.scan.startup.mode": "specific-offset", "source.scan.startup.specific-offset.file": "binlog.000999", "source.scan.startup.specific-offset.pos": "4"})
	l.refuses("the server has no log file binlog.000999")
	return "refused, each with its reason"
}

// tinyint keeps the number of a tinyint(1), whether the setting says so or nothing does.
func tinyint(l *lone) string {
	l.do("CREATE TABLE t (id int PRIMARY KEY, b tinyint(1), u tinyint(1) unsigned, c bool)", "INSERT INTO t VALUES (1, -128, 255, 1), (2, 127, 0, 0), (3, NULL, NULL, NULL)")
	for i, setting := range []string{"", "false"} {
		l.open(e2e.Settings{"source.treat-tinyint1-as-boolean.enabled": setting})
		d := l.copied("t")
		l.do(fmt.Sprintf("INSERT INTO t VALUES (%d, 2, 2, 2), (%d, -1, 1, -1)", 10+i, 20+i), "UPDATE t SET b = 77 WHERE id = 1")
		l.pipe.Equal(l.t, patience, "t")
		l.end(d)
	}
	return "false: the number is kept; true: refused"
}
