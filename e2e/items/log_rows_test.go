package items

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestItems_Rows plays what transactions do to rows, logged as rows with whole images.
func TestItems_Rows(t *testing.T) {
	play(t, append(rowScenarios(), transactionScenarios()...))
}

// log is a scenario of the log's events.
func log(name string, n needs, setup, play []step, equal ...string) scenario {
	return scenario{item: "log", name: name, needs: n, setup: setup, steps: play, outcome: outcome{equal: equal}}
}

var everywhere = needs{}

func rowScenarios() []scenario {
	const (
		table = "CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int DEFAULT 0, UNIQUE KEY (v))"
		three = "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)"
	)
	return []scenario{
		log("hot row", everywhere, steps(table, three), []step{
			many(150, func(i int) string { return fmt.Sprintf("UPDATE t SET n = n + %d WHERE id = 1", i) }),
			do("BEGIN"), many(300, func(i int) string { return fmt.Sprintf("UPDATE t SET n = %d WHERE id = 2", i) }), do("COMMIT"),
		}, "t"),
		log("update of a key", everywhere, steps(table, three), steps(
			"UPDATE t SET id = 10 WHERE id = 1", "UPDATE t SET id = id + 100 ORDER BY id DESC", "UPDATE t SET id = 1, v = 'z' WHERE id = 102", "INSERT INTO t VALUES (102, 'b', 0)",
		), "t"),
		log("keys swapped in one transaction", everywhere, steps(table, three), steps(
			"BEGIN", "UPDATE t SET id = -1 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 2", "UPDATE t SET id = 2 WHERE id = -1", "COMMIT",
			"BEGIN", "UPDATE t SET id = -id", "UPDATE t SET id = 4 + id", "COMMIT", // 1, 2, 3 are 3, 2, 1 then
		), "t"),
		log("REPLACE", everywhere, steps(table, three), steps(
			"REPLACE INTO t VALUES (1, 'new', 9)", "REPLACE INTO t VALUES (4, 'b', 4)", "REPLACE INTO t VALUES (4, 'c', 5)", "REPLACE INTO t (id, v) SELECT id + 1, v FROM (SELECT * FROM t) o",
		), "t"),
		log("INSERT ... ON DUPLICATE KEY UPDATE", everywhere, steps(table, three), steps(
			"INSERT INTO t VALUES (1, 'x', 1) ON DUPLICATE KEY UPDATE v = 'dup', n = n + 1", "INSERT INTO t VALUES (7, 'b', 1) ON DUPLICATE KEY UPDATE id = 70",
			"INSERT INTO t VALUES (3, 'c', 3) ON DUPLICATE KEY UPDATE n = 3", "INSERT INTO t VALUES (8, 'q', 1), (8, 'r', 2), (9, 's', 3) ON DUPLICATE KEY UPDATE n = n + 100",
			"INSERT IGNORE INTO t VALUES (8, 'never', 0), (11, 'eleven', 0)",
		), "t"),
		log("DELETE and INSERT of a key in one transaction", everywhere, steps(table, three), steps(
			"BEGIN", "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again', 0)", "COMMIT",
			"BEGIN", "INSERT INTO t VALUES (5, 'short', 0)", "DELETE FROM t WHERE id = 5", "COMMIT",
			"BEGIN", "INSERT INTO t VALUES (6, 'six', 0)", "DELETE FROM t WHERE id = 6", "INSERT INTO t VALUES (6, 'six again', 1)", "UPDATE t SET n = 2 WHERE id = 6", "COMMIT",
			"BEGIN", "DELETE FROM t", "INSERT INTO t VALUES (2, 'a', 0), (3, 'b', 0)", "DELETE FROM t WHERE id = 2", "COMMIT",
		), "t"),
		log("zero dates, odd values under odd sql_modes", everywhere,
			steps(loose, "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, d date, dt datetime(3), ts timestamp NULL, n tinyint, c varchar(3), e enum('x','y'))",
				"INSERT INTO t VALUES (NULL, '0000-00-00', '0000-00-00', '0000-00-00', 1, 'abc', 'x')"),
			steps("INSERT INTO t VALUES (NULL, '2026-00-10', '2026-02-00', 0, 999, 'cut to fit', 'no label')", "UPDATE t SET d = '2026-13-45', n = -999",
				"SET SESSION sql_mode = 'ALLOW_INVALID_DATES'", "INSERT INTO t VALUES (NULL, '2026-02-31', '2026-02-30 12:00:00', NULL, 0, '', 'y')",
				"SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'", "INSERT INTO t (id, c) VALUES (0, 'nil')",
				`SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'`, `INSERT INTO "t" (id, c) VALUES (77, '\' || 'x')`, `ALTER TABLE "t" ADD "a b" varchar(9) DEFAULT '\n'`, `INSERT INTO "t" (id) VALUES (78)`),
			"t"),
		log("time zones of sessions", everywhere, steps("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, ts timestamp(3) NULL, dt datetime)", "INSERT INTO t VALUES (NULL, now(3), now())"),
			steps("SET time_zone = '+05:30'", "INSERT INTO t VALUES (NULL, '2026-03-29 02:30:00.5', '2026-03-29 02:30:00')", "SET time_zone = '-12:00'", "INSERT INTO t VALUES (NULL, '2026-03-29 02:30:00.5', now())",
				"UPDATE t SET ts = ts + INTERVAL 1 SECOND", "SET time_zone = 'SYSTEM'", "INSERT INTO t VALUES (NULL, '2038-01-01 00:00:00', now())", "SET time_zone = '+13:00'", "UPDATE t SET dt = ts WHERE id = 2"),
			"t"),
		log("tables of several character sets in one statement", everywhere,
			steps("CREATE TABLE a (id varchar(20) CHARACTER SET latin1 PRIMARY KEY, v varchar(20) CHARACTER SET utf16)", "CREATE TABLE b (id varchar(20) CHARACTER SET gbk PRIMARY KEY, v text)", "INSERT INTO a VALUES ('é', '日'), ('x', '😀')", "INSERT INTO b VALUES ('中', 'é')"),
			steps("INSERT INTO b SELECT '文', v FROM a WHERE id = 'é'", "UPDATE a, b SET a.v = b.v, b.v = a.v WHERE a.id = 'x' AND b.id = '中'", "DELETE a, b FROM a JOIN b WHERE a.id = 'x' AND b.id = '中'", "INSERT INTO a VALUES ('ü', 'ü')", "INSERT INTO b VALUES ('字', 'ü')"),
			"a", "b"),
	}
}

// many runs n statements, numbered from 0, in the scenario's own session.
func many(n int, statement func(i int) string) step {
	list := make([]string, n)
	for i := range list {
		list[i] = statement(i)
	}
	return do(list...)
}

func transactionScenarios() []scenario {
	const two = "CREATE TABLE a (id int PRIMARY KEY, v int)"
	b := strings.Replace(two, "TABLE a", "TABLE b", 1)
	rows := []string{two, b, "INSERT INTO a VALUES (1, 1), (2, 2)", "INSERT INTO b VALUES (1, 1)"}
	return []scenario{
		log("empty transactions", everywhere, steps(rows...), []step{
			do("BEGIN", "COMMIT", "BEGIN", "UPDATE a SET v = v", "COMMIT", "UPDATE a SET v = 9 WHERE id = 999", "INSERT IGNORE INTO a VALUES (1, 5)", "BEGIN", "INSERT INTO a VALUES (9, 9)", "ROLLBACK"),
			mysql("SET gtid_next = '0e1f2a3b-0000-0000-0000-00000000c0de:7'", "BEGIN", "COMMIT", "SET gtid_next = AUTOMATIC"),
			do("INSERT INTO a VALUES (3, 3)"),
		}, "a", "b"),
		log("transactions over several tables", everywhere, steps(rows...), steps(
			"BEGIN", "INSERT INTO a VALUES (3, 3)", "INSERT INTO b VALUES (3, 3)", "UPDATE a, b SET a.v = 7, b.v = 8 WHERE a.id = b.id", "DELETE a, b FROM a JOIN b ON a.id = b.id WHERE a.id = 3", "UPDATE a SET v = v + 1", "COMMIT",
		), "a", "b"),
		log("savepoints and partial rollbacks", everywhere, steps(rows...), steps(
			"BEGIN", "INSERT INTO a VALUES (3, 3)", "SAVEPOINT `s 1`", "INSERT INTO a VALUES (4, 4)", "UPDATE b SET v = 0", "ROLLBACK TO `s 1`", "INSERT INTO b VALUES (4, 4)", "SAVEPOINT s2", "DELETE FROM a",
			"ROLLBACK TO SAVEPOINT s2", "RELEASE SAVEPOINT s2", "INSERT INTO a VALUES (5, 5)", "COMMIT",
			"BEGIN", "INSERT INTO a VALUES (6, 6)", "SAVEPOINT x", "INSERT INTO a VALUES (7, 7)", "ROLLBACK",
		), "a", "b"),
		{
			item: "log", name: "a statement that fails in the middle", setup: steps(rows...),
			steps: []step{
				do("BEGIN", "INSERT INTO a VALUES (3, 3)"), fails("INSERT INTO a VALUES (4, 4), (5, 5), (1, 1)"), do("INSERT INTO b VALUES (4, 4)", "COMMIT"),
				fails("INSERT INTO a VALUES (6, 6), (1, 1)"),
			},
			outcome: outcome{equal: []string{"a", "b"}},
		},
		log("temporary tables", everywhere, steps(rows...), []step{
			do("CREATE TEMPORARY TABLE tmp (id int PRIMARY KEY)", "INSERT INTO tmp VALUES (1), (50)", "INSERT INTO a SELECT id + 49, 0 FROM tmp", "DROP TEMPORARY TABLE tmp"),
			in("shadow", "CREATE TEMPORARY TABLE b LIKE a", "INSERT INTO b VALUES (77, 77)", "ALTER TABLE b ADD more int", "UPDATE b SET v = 0", "INSERT INTO a SELECT id, v FROM b", "TRUNCATE TABLE b"), leave("shadow"),
			do("INSERT INTO b VALUES (5, 5)", "CREATE TEMPORARY TABLE a SELECT * FROM b", "DELETE FROM a", "DROP TABLE a", "INSERT INTO a VALUES (6, 6)"),
		}, "a", "b"),
		log("long transactions, open over the whole copy", everywhere, append(steps(rows...),
			in("long", "BEGIN", "INSERT INTO a VALUES (100, 1)", "UPDATE a SET v = 50 WHERE id = 1", "DELETE FROM a WHERE id = 2", "UPDATE b SET id = 60 WHERE id = 1"),
			in("undone", "BEGIN", "INSERT INTO a VALUES (200, 2)"),
			in("repeatable", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "INSERT INTO b VALUES (300, 3)"),
		), []step{
			do("INSERT INTO a VALUES (101, 1)"), in("long", "INSERT INTO a VALUES (102, 1)"), do("INSERT INTO b VALUES (103, 1)"), in("long", "COMMIT"),
			in("undone", "ROLLBACK"), do("UPDATE a SET v = v + 1"), in("repeatable", "INSERT INTO b VALUES (1300, 3)", "COMMIT"), do("DELETE FROM b WHERE id = 103"),
		}, "a", "b"),
		log("transactions of 100,000 rows", everywhere, steps("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v int, c varchar(40))", "INSERT INTO t (v, c) VALUES (1, 'one'), (2, 'two'), (3, 'three')"), steps(
			"CREATE TABLE {db}.out_numbers (n int PRIMARY KEY)", "INSERT INTO out_numbers VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
			"INSERT INTO t (v, c) SELECT a.n, concat('row ', b.n, c.n, d.n, e.n) FROM out_numbers a, out_numbers b, out_numbers c, out_numbers d, out_numbers e",
			"UPDATE t SET v = v + 1, c = concat(c, '!')", "DELETE FROM t WHERE v % 2 = 0", "BEGIN", "UPDATE t SET id = -id", "DELETE FROM t WHERE v > 3", "INSERT INTO t (id, v, c) VALUES (1, 1, 'again')", "COMMIT",
		), "t"),
		{
			item: "log", name: "rotation storm", setup: steps(rows...),
			steps: []step{storm(60, "FLUSH BINARY LOGS", func(i int) []string {
				return []string{"BEGIN", fmt.Sprintf("INSERT INTO a VALUES (%d, 0)", 10+i), fmt.Sprintf("UPDATE b SET v = %d", i), fmt.Sprintf("DELETE FROM a WHERE id = %d", 10+i/2), "COMMIT"}
			})},
			outcome: outcome{equal: []string{"a", "b"}},
		},
	}
}

// storm writes while another session runs a statement again and again.
func storm(rounds int, statement string, write func(i int) []string) step {
	return func(ctx context.Context, x *stage) error {
		conn, err := x.session(ctx, "storm")
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { // ends with ctx
			for ctx.Err() == nil {
				if _, err := conn.ExecContext(context.WithoutCancel(ctx), statement); err != nil {
					ended <- err
					return
				}
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			ended <- nil
		}()
		for i := range rounds {
			if err = do(write(i)...)(ctx, x); err != nil {
				break
			}
		}
		cancel()
		return errors.Join(err, <-ended)
	}
}
