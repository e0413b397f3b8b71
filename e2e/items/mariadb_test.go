package items

// mariadbForms are scenarios of what MariaDB alone has.
func mariadbForms() []scenario {
	const ddl = "4 DDL: forms of MariaDB"
	two := rows("(id int PRIMARY KEY, a varchar(10), b int)", "(1, 'x', 1), (2, NULL, NULL)")
	list := []scenario{
		{
			name: "IF EXISTS and IF NOT EXISTS of columns and tables", setup: two,
			steps: steps("ALTER TABLE t ADD COLUMN IF NOT EXISTS a date, ADD COLUMN IF NOT EXISTS c int", "INSERT INTO t VALUES (3, 'c', 3, 3)", "ALTER TABLE t DROP COLUMN IF EXISTS nosuch, DROP COLUMN IF EXISTS b", "ALTER TABLE t MODIFY COLUMN IF EXISTS a varchar(20), MODIFY IF EXISTS nosuch int", "ALTER TABLE t CHANGE IF EXISTS nosuch z int, CHANGE IF EXISTS c cc bigint",
				"ALTER TABLE IF EXISTS nosuch DROP a", "ALTER TABLE IF EXISTS t ADD d int", "INSERT INTO t VALUES (4, 'd', 4, 4)", "CREATE INDEX IF NOT EXISTS i ON t (a)", "CREATE OR REPLACE INDEX i ON t (cc)", "DROP INDEX IF EXISTS nosuch ON t", "ALTER TABLE t ADD KEY IF NOT EXISTS i (d), DROP KEY IF EXISTS nosuch", "DROP TABLE IF EXISTS nosuch", "UPDATE t SET d = 9"),
			outcome: equal("t"),
		},
		{
			name: "RENAME COLUMN IF EXISTS, RENAME TABLE IF EXISTS", needs: needs{mariadb: "10.5.2"}, setup: two,
			steps:   steps("ALTER TABLE t RENAME COLUMN IF EXISTS a TO aa, RENAME COLUMN IF EXISTS nosuch TO b2", "INSERT INTO t VALUES (3, 'c', 3)", "RENAME TABLE IF EXISTS nosuch TO v, t TO u", "INSERT INTO u VALUES (4, 'd', 4)"),
			outcome: outcome{equal: []string{"u"}, gone: []string{"t", "v"}},
		},
		{
			name: "CREATE OR REPLACE TABLE", setup: two,
			steps:   steps("INSERT INTO t VALUES (3, 'c', 3)", "CREATE OR REPLACE TABLE t (k varchar(9) PRIMARY KEY, v date)", "INSERT INTO t VALUES ('k', '2026-01-01')", "CREATE OR REPLACE TABLE u LIKE t", "INSERT INTO u VALUES ('u', NULL)", "CREATE OR REPLACE TABLE t (PRIMARY KEY (k)) SELECT k, 5 AS n FROM u", "INSERT INTO t VALUES ('more', 6)", "CREATE OR REPLACE TABLE u LIKE t", "INSERT INTO u VALUES ('last', 1)"),
			outcome: equal("t", "u"),
		},
		{
			name: "system versioning is added, and dropped", setup: two,
			steps:   steps("ALTER TABLE t ADD SYSTEM VERSIONING", "UPDATE t SET b = 5", "DELETE FROM t WHERE id = 2", "ALTER TABLE t DROP SYSTEM VERSIONING", "INSERT INTO t VALUES (3, 'c', 3)"),
			again:   steps("UPDATE t SET b = 7"),
			outcome: stops("ADD SYSTEM VERSIONING"),
		},
		{
			name: "system versioning from the start", setup: rows("(id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING", "(1, 1)"),
			once: true, steps: steps("UPDATE t SET a = 2", "CREATE TABLE u (id int PRIMARY KEY) WITH SYSTEM VERSIONING", "INSERT INTO u VALUES (1)"),
			outcome: outcome{refused: map[string]string{"t": "system-versioned|system versioning|SYSTEM VERSIONING"}, ended: map[string]string{"u": "(?i)system.version"}},
		},
		{
			name: "sequences: made, changed, named anew", setup: append(two, do("CREATE SEQUENCE s")),
			steps: steps("SELECT NEXTVAL(s)", "ALTER SEQUENCE s RESTART 50", "SELECT NEXTVAL(s)", "CREATE OR REPLACE SEQUENCE s START 7 INCREMENT 2", "CREATE TABLE u (id int PRIMARY KEY DEFAULT NEXTVAL(s), v int)", "INSERT INTO u (v) VALUES (1), (2)", "SELECT SETVAL(s, 100)", "INSERT INTO u (v) VALUES (3)", "ALTER TABLE s COMMENT 'x'", "RENAME TABLE s TO s2", "ALTER TABLE u ALTER id SET DEFAULT 5",
				"DROP SEQUENCE s2", "INSERT INTO t VALUES (3, 'c', 3)"),
			outcome: outcome{equal: []string{"t", "u"}, gone: []string{"s2"}, ended: map[string]string{"s": "it is a sequence"}},
		},
		{
			name: "ONLINE, WAIT and NOWAIT, SET STATEMENT", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)", "CREATE TABLE v (id int PRIMARY KEY)", "INSERT INTO v VALUES (1)")),
			steps: []step{ // the server itself holds a table for moments, and NOWAIT fails then
				do("ALTER ONLINE TABLE t ADD c int", "ALTER TABLE t WAIT 5 ADD d int"), eventually("ALTER TABLE t NOWAIT DROP c"),
				do("SET STATEMENT max_statement_time = 60, lock_wait_timeout = 5 FOR ALTER TABLE t ADD e int", "INSERT INTO t VALUES (3, 'c', 3, 3, 3)", "RENAME TABLE u WAIT 5 TO u2", "INSERT INTO u2 VALUES (2)"),
				eventually("TRUNCATE TABLE u2 NOWAIT"), do("INSERT INTO u2 VALUES (3)", "DROP TABLE v WAIT 3", "CREATE INDEX i ON t (b) WAIT 3"), eventually("DROP INDEX i ON t NOWAIT"), do("UPDATE t SET e = 5"),
			},
			outcome: outcome{equal: []string{"t", "u2"}, gone: []string{"u", "v"}},
		},
		{
			name: "ALTER IGNORE TABLE", setup: rows("(id int PRIMARY KEY, b int)", "(1, 1), (2, 1)"),
			steps:   steps("ALTER IGNORE TABLE t ADD UNIQUE KEY (b)", "INSERT INTO t VALUES (3, 3)"),
			outcome: stops("ALTER IGNORE TABLE deletes rows"),
		},
		{
			name: "CONVERT PARTITION TO TABLE, and back", needs: needs{mariadb: "10.7"}, setup: rows("(id int PRIMARY KEY, a int) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))", "(1, 1), (11, 1)"),
			steps:   steps("ALTER TABLE t CONVERT PARTITION p0 TO TABLE u", "INSERT INTO u VALUES (2, 2)", "CREATE TABLE v LIKE u", "INSERT INTO v VALUES (21, 21)", "ALTER TABLE t CONVERT TABLE v TO PARTITION p2 VALUES LESS THAN (30)"),
			outcome: outcome{stops: map[string]string{"t": "CONVERT moves rows between tables"}, equal: []string{"u"}, gone: []string{"v"}},
		},
		{
			name: "periods of an application", setup: rows("(id int, a date NOT NULL, b date NOT NULL, v int, PRIMARY KEY (id, a))", "(1, '2026-01-01', '2026-12-31', 1)"),
			steps:   steps("ALTER TABLE t ADD PERIOD FOR app (a, b)", "UPDATE t FOR PORTION OF app FROM '2026-03-01' TO '2026-04-01' SET v = 2", "DELETE FROM t FOR PORTION OF app FROM '2026-10-01' TO '2026-11-01'", "ALTER TABLE t DROP PERIOD FOR app", "INSERT INTO t VALUES (2, '2027-01-01', '2027-02-01', 3)"),
			outcome: equal("t"),
		},
		{
			name: "a statement that is not understood, on this and on another table", setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)", "CREATE TABLE out_x (id int PRIMARY KEY)")),
			steps:   steps("SET SESSION sql_mode = 'ORACLE'", "ALTER TABLE out_x ADD c VARCHAR2(9)", "ALTER TABLE t ADD c VARCHAR2(9)", "SET SESSION sql_mode = DEFAULT", "UPDATE t SET c = 'x'", "INSERT INTO u VALUES (2)"),
			again:   steps("UPDATE t SET c = 'y'"),
			outcome: outcome{equal: []string{"u"}, stops: map[string]string{"t": "the statement is not understood"}},
		},
		{
			name:    "sql_mode ORACLE",
			steps:   steps("SET SESSION sql_mode = 'ORACLE'", `CREATE TABLE t (id NUMBER(9) PRIMARY KEY, a VARCHAR2(10), b CLOB, c RAW(5), d DATE, e NUMBER)`, "INSERT INTO t VALUES (1, 'a', 'b', 'c', '2026-01-02 03:04:05', 1.5)", "ALTER TABLE t ADD f DATE", "UPDATE t SET f = '2026-05-06 07:08:09'"),
			outcome: equal("t"),
		},
	}
	for i := range list {
		list[i].item, list[i].needs.mysql = ddl, never
	}
	return list
}
