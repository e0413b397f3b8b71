package items

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestItems_Tables plays tables that are not like others, and what the server itself does to rows.
func TestItems_Tables(t *testing.T) { play(t, append(tableScenarios(), cascadeScenarios()...)) }

// TestItems_Transactions plays XA transactions, and names of transactions.
func TestItems_Transactions(t *testing.T) { play(t, append(xaScenarios(), gtidScenarios()...)) }

func tableScenarios() []scenario {
	invisible := func(name string, n needs, word string) scenario {
		return log(name, n, steps("CREATE TABLE t (id int PRIMARY KEY, v int "+word+", c varchar(9) DEFAULT 'x' "+word+")", "INSERT INTO t (id, v) VALUES (1, 1)"),
			steps("INSERT INTO t VALUES (2)", "INSERT INTO t (id, v, c) VALUES (3, 3, 'three')", "UPDATE t SET v = id"), "t")
	}
	gipk := log("generated invisible primary keys", needs{mysql: "8.0.30", mariadb: never},
		steps("SET SESSION sql_generate_invisible_primary_key = ON", "CREATE TABLE t (a int, b varchar(9))", "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)"),
		steps("SET SESSION sql_generate_invisible_primary_key = ON", "INSERT INTO t VALUES (1, 'x'), (3, 'y')", "UPDATE t SET b = 'z' WHERE a = 1 LIMIT 1", "DELETE FROM t WHERE a = 1 LIMIT 1",
			"CREATE TABLE u (a int)", "INSERT INTO u VALUES (1), (1)", "UPDATE u SET a = 2 LIMIT 1", "CREATE TABLE w AS SELECT * FROM t", "INSERT INTO w (a, b) VALUES (9, 'w')"), "t", "u", "w")
	drift := func(name, alter, reason string) scenario {
		return scenario{
			item: "log", name: "sql_log_bin=0: " + name, needs: needs{mysql: "8.0.1"}, once: true, setup: steps("CREATE TABLE t (id int PRIMARY KEY, v int, w varchar(20), e enum('x','y'))", "CREATE TABLE beside (id int PRIMARY KEY)", "INSERT INTO t (id) VALUES (1)", "INSERT INTO beside VALUES (1)"),
			steps:   steps("SET SESSION sql_log_bin = 0", "ALTER TABLE t "+alter, "SET SESSION sql_log_bin = 1", "INSERT INTO t (id) VALUES (2)", "INSERT INTO beside VALUES (2)"),
			outcome: outcome{equal: []string{"beside"}, stops: map[string]string{"t": reason}},
		}
	}
	return []scenario{
		log("MyISAM", everywhere, steps("CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=MyISAM", "INSERT INTO t VALUES (1, 1), (2, 2)"),
			[]step{do("INSERT INTO t VALUES (3, 3), (4, 4)", "UPDATE t SET v = v + 1", "DELETE FROM t WHERE id = 1"), fails("INSERT INTO t VALUES (5, 5), (2, 2)"), do("REPLACE INTO t VALUES (2, 22)")}, "t"),
		log("Aria", onlyMariaDB, steps("CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=Aria TRANSACTIONAL=1", "CREATE TABLE u (id int PRIMARY KEY, v int) ENGINE=Aria TRANSACTIONAL=0", "INSERT INTO t VALUES (1, 1)", "INSERT INTO u VALUES (1, 1)"),
			[]step{do("INSERT INTO t VALUES (2, 2)", "INSERT INTO u SELECT id + 1, v FROM t", "UPDATE t, u SET t.v = 5, u.v = 6 WHERE t.id = u.id", "BEGIN", "INSERT INTO t VALUES (7, 7)", "ROLLBACK"), fails("INSERT INTO u VALUES (8, 8), (2, 2)")}, "t", "u"),
		log("transactions over InnoDB and MyISAM, rolled back", onlyMariaDB, steps("CREATE TABLE i (id int PRIMARY KEY, v int)", "CREATE TABLE m (id int PRIMARY KEY, v int) ENGINE=MyISAM", "INSERT INTO i VALUES (1, 1)", "INSERT INTO m VALUES (1, 1)"), steps(
			"BEGIN", "INSERT INTO i VALUES (2, 2)", "INSERT INTO m VALUES (2, 2)", "UPDATE i SET v = 9", "ROLLBACK",
			"BEGIN", "INSERT INTO m VALUES (3, 3)", "INSERT INTO i VALUES (3, 3)", "SAVEPOINT `s 1`", "INSERT INTO i VALUES (4, 4)", "UPDATE m SET v = v + 10", "ROLLBACK TO `s 1`", "INSERT INTO i VALUES (5, 5)", "COMMIT",
			"BEGIN", "UPDATE m JOIN i ON m.id = i.id SET m.v = 100, i.v = 100", "ROLLBACK"), "i", "m"),
		log("sequences", needs{mysql: never}, steps("CREATE SEQUENCE out_q CACHE 2", "CREATE TABLE t (id int PRIMARY KEY DEFAULT (NEXTVAL(out_q)), v int)", "INSERT INTO t (v) VALUES (1), (2), (3)"),
			steps("INSERT INTO t (v) VALUES (4), (5), (6)", "DO SETVAL(out_q, 100)", "ALTER SEQUENCE out_q INCREMENT BY 5", "INSERT INTO t (v) VALUES (7)", "BEGIN", "INSERT INTO t (v) VALUES (8)", "DO NEXTVAL(out_q)", "ROLLBACK", "INSERT INTO t (v) VALUES (9)"), "t"),
		log("generated columns", everywhere, steps("CREATE TABLE t (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, s varchar(20) GENERATED ALWAYS AS (concat('<', a, '>')) STORED, KEY (v), KEY (s))", "INSERT INTO t (id, a) VALUES (1, 1), (2, NULL)"),
			steps("INSERT INTO t (id, a) VALUES (3, 3)", "UPDATE t SET a = a * 2", "DELETE FROM t WHERE v = 3", "INSERT INTO t (id, a) VALUES (4, -4)"), "t"),
		invisible("invisible columns", needs{mysql: "8.0.23", mariadb: never}, "INVISIBLE"),
		invisible("invisible columns", onlyMariaDB, "INVISIBLE"),
		gipk,
		drift("a column more", "ADD c int", "does not fit the known shape"),
		drift("a column less", "DROP w", "does not fit the known shape"),
		drift("another type", "MODIFY v bigint", "does not fit the known shape"),
		drift("another sign", "MODIFY v int unsigned", "does not fit the known shape"),
		drift("other labels", "MODIFY e enum('y','x')", "does not fit the known shape"),
		drift("names are swapped", "CHANGE v w int, CHANGE w v varchar(20)", "does not fit the known shape"),
		{
			item: "log", name: "rows by sql_log_bin=0", once: true, setup: steps("CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1)"),
			steps: steps("SET SESSION sql_log_bin = 0", "INSERT INTO t VALUES (2, 2)", "SET SESSION sql_log_bin = 1", "UPDATE t SET v = 3 WHERE id = 2", "DELETE FROM t WHERE id = 2"), outcome: outcome{equal: []string{"t"}},
		},
	}
}

// cascadeScenarios have foreign keys by which the server itself changes rows.
func cascadeScenarios() []scenario {
	tables := steps("CREATE TABLE parent (id int PRIMARY KEY, n int)",
		"CREATE TABLE gone (id int PRIMARY KEY, p int, CONSTRAINT fk_gone FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
		"CREATE TABLE nulled (id int PRIMARY KEY, p int, CONSTRAINT fk_nulled FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE SET NULL)",
		"CREATE TABLE moved (id int PRIMARY KEY, p int, CONSTRAINT fk_moved FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE TABLE held (id int PRIMARY KEY, p int, CONSTRAINT fk_held FOREIGN KEY (p) REFERENCES parent (id) ON DELETE RESTRICT)",
		"CREATE TABLE grand (id int PRIMARY KEY, g int, CONSTRAINT fk_grand FOREIGN KEY (g) REFERENCES gone (id) ON DELETE CASCADE)",
		"CREATE TABLE self (id int PRIMARY KEY, up int, CONSTRAINT fk_self FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE)",
		"INSERT INTO parent VALUES (1, 1), (2, 2), (3, 3), (4, 4)", "INSERT INTO gone VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO nulled VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO moved VALUES (1, 1), (2, 2), (3, 3)",
		"INSERT INTO held VALUES (4, 4)", "INSERT INTO grand VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)")
	changes := steps("DELETE FROM parent WHERE id = 1", "SET foreign_key_checks = 0", "UPDATE parent SET n = n + 1", "SET foreign_key_checks = 1", "BEGIN", "INSERT INTO gone VALUES (9, 2)", "DELETE FROM self WHERE id = 1", "INSERT INTO self VALUES (5, 4)", "COMMIT")
	moves := steps("INSERT INTO parent VALUES (5, 5), (6, 6)", "INSERT INTO moved VALUES (5, 5)", "INSERT INTO nulled VALUES (6, 6)", "UPDATE parent SET id = id + 100 WHERE id IN (5, 6)", "REPLACE INTO parent VALUES (105, 7)", "DELETE parent FROM parent WHERE id = 105")
	refused := map[string]string{}
	for _, name := range []string{"gone", "nulled", "moved", "grand", "self"} {
		refused[name] = "fk_" + name
	}
	late := scenario{
		item: "log", name: "a foreign key that cascades is added", needs: needs{mysqlUntil: "9.6"}, setup: steps("CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE early (id int PRIMARY KEY, p int)", "INSERT INTO parent VALUES (1)", "INSERT INTO early VALUES (1, 1)"),
		steps: steps("CREATE TABLE late (id int PRIMARY KEY, p int, CONSTRAINT fk_late FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL)", "INSERT INTO late VALUES (1, 1)",
			"ALTER TABLE early ADD CONSTRAINT fk_early FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE", "INSERT INTO early VALUES (2, 1)"),
		outcome: outcome{equal: []string{"parent"}, ended: map[string]string{"late": "fk_late", "early": "fk_early"}},
	}
	// The gone and grand rows of a parent that moves would hold it: only the tables that follow take part in moves.
	logged := log("foreign keys cascade, and the server logs it", needs{mysql: "9.6", mariadb: never}, tables, append(changes, moves...), "parent", "gone", "nulled", "moved", "held", "grand", "self")
	return []scenario{logged, late, {
		item: "log", name: "foreign keys cascade, unlogged", needs: needs{mysqlUntil: "9.6"}, setup: tables, steps: changes,
		outcome: outcome{equal: []string{"parent", "held"}, refused: refused},
	}}
}

func xaScenarios() []scenario {
	setup := steps("CREATE TABLE a (id int PRIMARY KEY, v varchar(20))", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1, 'one'), (2, 'two')", "INSERT INTO b VALUES (1)")
	prepare := func(session string, statements ...string) step {
		id := xid(session)
		return in(session, append(append([]string{"XA START " + id}, statements...), "XA END "+id, "XA PREPARE "+id)...)
	}
	ordered := needs{mysql: "8.0.30", why: "until MySQL 8.0.30 XA stops its tables"}
	outcomes := log("XA: prepared, committed and rolled back", ordered, setup, []step{
		prepare("x", "INSERT INTO a VALUES (3, 'x')", "UPDATE a SET v = 'xx' WHERE id = 1", "INSERT INTO b VALUES (2)", "DELETE FROM b WHERE id = 2"), do("INSERT INTO a VALUES (4, 'between')"),
		prepare("y", "INSERT INTO b VALUES (7)"), do("INSERT INTO a VALUES (5, 'between')"), in("x", "XA COMMIT "+xid("x")), do("UPDATE a SET v = 'later' WHERE id = 1"),
		prepare("z", "DELETE FROM a WHERE id = 2"), in("z", "XA ROLLBACK "+xid("z")), in("y", "XA COMMIT "+xid("y")), do("UPDATE a SET v = 'end' WHERE id = 2"),
	}, "a", "b")
	apart := log("XA: the outcome comes from another session", ordered, setup, []step{
		prepare("x", "UPDATE a SET v = 'x'"), prepare("y", "DELETE FROM b"), leave("x"), leave("y"), eventually("XA ROLLBACK " + xid("x")), eventually("XA COMMIT " + xid("y")), do("INSERT INTO b VALUES (8)", "UPDATE a SET v = 'end' WHERE id = 1"),
	}, "a", "b")
	open := log("XA: prepared before a restart of the program, ended while it is down and later", ordered, setup, []step{
		prepare("x", "INSERT INTO a VALUES (3, 'x')", "UPDATE a SET v = 'x' WHERE id = 1"), prepare("y", "DELETE FROM a WHERE id = 2"), prepare("z", "INSERT INTO b VALUES (9)"), do("INSERT INTO a VALUES (6, 'more')"),
	}, "a", "b")
	open.down = []step{do("INSERT INTO a VALUES (7, 'down')"), in("x", "XA COMMIT "+xid("x")), do("UPDATE a SET v = 'down' WHERE id = 1")}
	open.again = []step{in("y", "XA ROLLBACK "+xid("y")), do("INSERT INTO a VALUES (8, 'again')"), in("z", "XA COMMIT "+xid("z"))}
	one := log("XA: one phase", everywhere, setup, steps("XA START "+xid("one"), "INSERT INTO a VALUES (3, 'x')", "UPDATE b SET id = 5", "XA END "+xid("one"), "XA COMMIT "+xid("one")+" ONE PHASE", "INSERT INTO b VALUES (6)"), "a", "b")
	old := scenario{
		item: "log", name: "XA: prepared, committed and rolled back", needs: needs{mysqlUntil: "8.0.30", mariadb: never}, setup: setup, once: true,
		steps:   []step{prepare("x", "UPDATE a SET v = 'x'"), in("x", "XA COMMIT "+xid("x")), do("INSERT INTO b VALUES (2)")},
		outcome: outcome{equal: []string{"b"}, stops: map[string]string{"a": "XA"}},
	}
	return []scenario{outcomes, apart, open, one, old}
}

// xid is the name of a session's XA transaction.
func xid(session string) string { return "'{db}','" + session + "',7" }

// eventually repeats a statement that the server refuses until another session's end has come to it.
func eventually(statement string) step {
	return func(ctx context.Context, x *stage) (err error) {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if err = do(statement)(ctx, x); err == nil {
				return nil
			}
		}
		return err
	}
}

func gtidScenarios() []scenario {
	setup := steps("CREATE TABLE t (id int PRIMARY KEY, v int)", "CREATE TABLE u (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1)", "INSERT INTO u VALUES (1, 1)")
	tagged := log("tagged GTIDs", needs{mysql: "8.3", mariadb: never}, setup, steps(
		"SET SESSION gtid_next = 'AUTOMATIC:cdc_tag'", "INSERT INTO t VALUES (2, 2)", "UPDATE u SET v = 7", "SET SESSION gtid_next = 'AUTOMATIC:other'", "DELETE FROM t WHERE id = 1", "SET SESSION gtid_next = AUTOMATIC", "INSERT INTO t VALUES (3, 3)",
		"SET SESSION gtid_next = 'AUTOMATIC:cdc_tag'", "INSERT INTO u VALUES (2, 2)", "SET SESSION gtid_next = AUTOMATIC", "UPDATE t SET v = v + 1"), "t", "u")
	tagged.check = logs("the log has no GTID with a tag", "SELECT @@GLOBAL.gtid_executed LIKE '%cdc_tag%'")
	foreign := log("gaps in the GTIDs, and other servers' ones", onlyMySQL, setup, []step{
		func(ctx context.Context, x *stage) error {
			var own string
			if err := x.pool.QueryRowContext(ctx, "SELECT @@server_uuid").Scan(&own); err != nil {
				return err
			}
			for _, name := range []string{"0e1f2a3b-0000-0000-0000-00000000c0df", own} {
				for _, n := range []int{5000, 5002, 9000} {
					gtid := fmt.Sprintf("%s:%d", name, n+len(x.db))
					err := do("SET gtid_next = '"+gtid+"'", fmt.Sprintf("INSERT INTO t VALUES (%d, 0) ON DUPLICATE KEY UPDATE v = v + 1", n), "SET gtid_next = AUTOMATIC", "UPDATE u SET v = v + 1")(ctx, x)
					if err != nil {
						return err
					}
				}
			}
			return nil
		},
	}, "t", "u")
	domains := log("several domains, interleaved", onlyMariaDB, setup, []step{
		in("one", "SET SESSION gtid_domain_id = 1"), in("two", "SET SESSION gtid_domain_id = 2"),
		interleaved(20, "one", "two", "INSERT INTO t VALUES (%d, 1)", "UPDATE u SET v = %d"), in("one", "DELETE FROM t WHERE id % 3 = 0"), in("two", "INSERT INTO u SELECT id + 500, v FROM t"),
		do("UPDATE t SET v = 0"), interleaved(20, "two", "one", "REPLACE INTO t VALUES (%d, 2)", "UPDATE u SET v = %d"),
	}, "t", "u")
	domains.down = []step{interleaved(10, "one", "two", "REPLACE INTO t VALUES (%d, 3)", "UPDATE u SET v = %d")}
	zero := log("events without their end position", needs{mysql: never, mariadb: "11.4"}, setup, steps(
		"BEGIN", "INSERT INTO t VALUES (2, 2), (3, 3)", "INSERT INTO u VALUES (2, 2)", "UPDATE t SET v = v + 1", "COMMIT", "DELETE FROM u WHERE id = 1", "UPDATE t SET id = id + 10"), "t", "u")
	return []scenario{tagged, foreign, domains, zero}
}

// interleaved lets two sessions write in turns; each statement is given the number of the round.
func interleaved(rounds int, one, two, first, second string) step {
	return func(ctx context.Context, x *stage) error {
		for i := range rounds {
			a, b := first, second
			if strings.Contains(a, "%d") {
				a = fmt.Sprintf(a, 10+i)
			}
			if err := errors.Join(in(one, a)(ctx, x), in(two, fmt.Sprintf(b, i))(ctx, x)); err != nil {
				return err
			}
		}
		return nil
	}
}

// logs holds that the server did what the scenario is about: the query's value must be true.
func logs(otherwise, query string) func(x *stage) error {
	return func(x *stage) error {
		var done bool
		if err := x.pool.QueryRow(query).Scan(&done); err != nil || !done {
			return errors.Join(errors.New(otherwise), err)
		}
		return nil
	}
}
