package items

// columnChanges are scenarios of columns that come, go and move.
func columnChanges() []scenario {
	const ddl = "4 DDL: columns"
	two := rows("(id int PRIMARY KEY, a varchar(10), b int)", "(1, 'x', 1), (2, NULL, NULL)")
	return []scenario{
		{
			item: ddl, name: "ADD COLUMN, with positions, several at once",
			setup: rows("(id int PRIMARY KEY, a varchar(10))", "(1, 'x'), (2, NULL)"),
			steps: steps(
				"INSERT INTO t VALUES (3, 'before')", "ALTER TABLE t ADD b int FIRST", "INSERT INTO t VALUES (7, 4, 'b')",
				"ALTER TABLE t ADD COLUMN (c varchar(5), d date)", "UPDATE t SET c = 'c', d = '2026-01-02' WHERE id < 3",
				"ALTER TABLE t ADD e decimal(8,2) AFTER id, ADD f blob", "INSERT INTO t VALUES (8, 5, 1.25, 'b', 'c', NULL, 'f')"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "ADD COLUMN with a constant default", setup: two,
			steps: steps(
				"ALTER TABLE t ADD c int NOT NULL DEFAULT 7, ADD d varchar(9) DEFAULT 'é''x', ADD e datetime NOT NULL DEFAULT '2020-01-02 03:04:05', ADD f decimal(8,3) DEFAULT -1.5",
				"INSERT INTO t (id) VALUES (3)", "UPDATE t SET c = 8 WHERE id = 1",
				"ALTER TABLE t ADD g int NOT NULL, ADD h varchar(9) NOT NULL, ADD i enum('p','q') NOT NULL, ADD j binary(3) NOT NULL, ADD k double NOT NULL DEFAULT 2.5, ADD l time NOT NULL, ADD m bit(3) NOT NULL DEFAULT b'101', ADD n year NOT NULL DEFAULT 2001",
				"INSERT INTO t (id, g, h, j, l) VALUES (4, 1, 'h', 'j', '01:02:03')", "DELETE FROM t WHERE id = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "ADD COLUMN with a default that changes", setup: two,
			steps:   steps("ALTER TABLE t ADD c timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP", "INSERT INTO t (id) VALUES (3)"),
			outcome: stops("default that only the server knows"),
		},
		{
			item: ddl, name: "ADD COLUMN with an expression as default", needs: needs{mysql: "8.0.22", why: "refused where GTIDs are on"}, setup: two,
			steps:   steps("ALTER TABLE t ADD c varchar(40) DEFAULT (concat(a, 'x'))", "INSERT INTO t (id) VALUES (3)"),
			outcome: stops("default that only the server knows"),
		},
		{
			item: ddl, name: "ADD COLUMN AUTO_INCREMENT", setup: two,
			steps:   steps("ALTER TABLE t ADD n int AUTO_INCREMENT UNIQUE", "INSERT INTO t (id) VALUES (3)"),
			outcome: stops("numbers the rows"),
		},
		{
			item: ddl, name: "DROP COLUMN, and one of that name again", setup: two,
			steps: steps("INSERT INTO t VALUES (3, 'gone', 3)", "ALTER TABLE t DROP a", "INSERT INTO t VALUES (4, 4)",
				"ALTER TABLE t ADD a int", "UPDATE t SET a = 5 WHERE id < 3", "ALTER TABLE t DROP COLUMN a, ADD COLUMN a date AFTER id", "UPDATE t SET a = '2026-01-01' WHERE id = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "CHANGE COLUMN: name, type and place", setup: two,
			steps: steps("ALTER TABLE t CHANGE a `a b` varchar(20), CHANGE COLUMN b b bigint FIRST", "INSERT INTO t VALUES (5000000000, 3, 'a b')",
				"ALTER TABLE t CHANGE `a b` B2 varchar(30) AFTER b", "UPDATE t SET B2 = 'y' WHERE id = 1"),
			outcome: outcome{equal: []string{"t"}, columns: map[string]string{"t": "b long, B2 string, id long!"}},
		},
		{
			item: ddl, name: "CHANGE COLUMN: two trade their names", setup: rows("(id int PRIMARY KEY, a varchar(10), b varchar(10))", "(1, 'a', 'b'), (2, NULL, 'c')"),
			steps:   steps("ALTER TABLE t CHANGE a b varchar(10), CHANGE b a varchar(10)", "INSERT INTO t (id, a, b) VALUES (3, 'a', 'b')", "UPDATE t SET a = 'new' WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "RENAME COLUMN, also in a ring", needs: needs{mysql: "8.0.3", mariadb: "10.5.2"},
			setup: rows("(id int PRIMARY KEY, a varchar(10), b varchar(10), c varchar(10))", "(1, 'a', 'b', 'c'), (2, NULL, 'c', 'd')"),
			steps: steps("ALTER TABLE t RENAME COLUMN a TO d", "UPDATE t SET d = 'new' WHERE id = 1",
				"ALTER TABLE t RENAME COLUMN d TO b, RENAME COLUMN b TO c, RENAME COLUMN c TO d", "INSERT INTO t VALUES (3, 'x', 'y', 'z')", "UPDATE t SET d = NULL WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "MODIFY moves columns, the key too", setup: two,
			steps: steps("ALTER TABLE t MODIFY b int FIRST", "INSERT INTO t VALUES (3, 3, 'c')", "ALTER TABLE t MODIFY id int AFTER a, MODIFY b int AFTER id", "INSERT INTO t VALUES ('d', 4, 4)",
				"UPDATE t SET b = 9 WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "INSTANT: columns come anywhere, and go", needs: needs{mysql: "8.0.29", mariadb: "10.5"}, setup: two,
			steps: steps("ALTER TABLE t ADD c int DEFAULT 5, ALGORITHM=INSTANT", "INSERT INTO t (id, c) VALUES (3, 6)", "ALTER TABLE t ADD d varchar(5) FIRST, ALGORITHM=INSTANT", "UPDATE t SET d = 'd' WHERE id = 1",
				"ALTER TABLE t DROP a, ALGORITHM=INSTANT", "INSERT INTO t (id, b, d) VALUES (4, 4, 'x')", "ALTER TABLE t ADD a int AFTER id, ALGORITHM=INSTANT", "UPDATE t SET a = 1, b = NULL WHERE id < 3", "DELETE FROM t WHERE id = 4"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "INSTANT: a column is added at the end", needs: needs{mysql: "8.0.12"}, setup: two,
			steps:   steps("ALTER TABLE t ADD c varchar(9) DEFAULT 'of old', ALGORITHM=INSTANT", "INSERT INTO t (id) VALUES (3)", "UPDATE t SET b = 5 WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "INSTANT: columns are moved", needs: needs{mysql: never, mariadb: "10.5"}, setup: two,
			steps:   steps("ALTER TABLE t MODIFY b int AFTER id, ALGORITHM=INSTANT", "INSERT INTO t VALUES (3, 3, 'three')", "UPDATE t SET b = 5 WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "defaults are set and dropped", setup: rows("(id int PRIMARY KEY, a varchar(10) DEFAULT 'old', b int NOT NULL DEFAULT 1)", "(1, 'x', 1)"),
			steps: steps("ALTER TABLE t ALTER a SET DEFAULT 'new', ALTER COLUMN b SET DEFAULT -5", "INSERT INTO t (id) VALUES (2)", "ALTER TABLE t ALTER a DROP DEFAULT", "INSERT INTO t (id, a) VALUES (3, 'y')",
				"ALTER TABLE t MODIFY a varchar(10) DEFAULT 'again'", "INSERT INTO t (id) VALUES (4)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "NOT NULL becomes NULL, and back", setup: rows("(id int PRIMARY KEY, a varchar(10) NOT NULL, b int)", "(1, 'x', 1), (2, 'y', 2)"),
			steps: steps("ALTER TABLE t MODIFY a varchar(10) NULL", "INSERT INTO t VALUES (3, NULL, 3)", "ALTER TABLE t MODIFY b int NOT NULL", "INSERT INTO t VALUES (4, NULL, 4)",
				"DELETE FROM t WHERE a IS NULL", "ALTER TABLE t MODIFY a varchar(10) NOT NULL", "UPDATE t SET a = 'z' WHERE id = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "NULL becomes NOT NULL over rows with NULL", setup: two,
			steps:   steps("SET SESSION sql_mode = ''", "ALTER TABLE t MODIFY b int NOT NULL", "INSERT INTO t VALUES (3, 'c', 3)"),
			outcome: stops("NULL becomes the zero of the type"),
		},
		{
			item: ddl, name: "INVISIBLE columns", needs: needs{mysql: "8.0.23"}, setup: rows("(id int PRIMARY KEY, a varchar(10), h int INVISIBLE)", "(1, 'x'), (2, NULL)"),
			steps:   steps("UPDATE t SET h = 5 WHERE id = 1", "ALTER TABLE t ADD i int INVISIBLE", "INSERT INTO t (id, i) VALUES (3, 3)", "ALTER TABLE t MODIFY h int", "INSERT INTO t VALUES (4, 'd', 4)", "ALTER TABLE t MODIFY a varchar(10) INVISIBLE", "INSERT INTO t VALUES (5, 5)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "generated columns: written, dropped", setup: rows("(id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a * 2) STORED)", "(1, 5, DEFAULT, DEFAULT), (2, NULL, DEFAULT, DEFAULT)"),
			steps: steps("INSERT INTO t (id, a) VALUES (3, 7)", "UPDATE t SET a = 8 WHERE id = 1", "ALTER TABLE t DROP v", "INSERT INTO t (id, a) VALUES (4, 9)", "ALTER TABLE t DROP s, ADD b int", "INSERT INTO t VALUES (5, 1, 2)"),
			// A virtual column is not read: the log has it only where an index needs it.
			outcome: equal("t"),
		},
		{
			item: ddl, name: "generated columns: added", setup: two,
			steps:   steps("ALTER TABLE t ADD g int AS (b + 1) STORED", "INSERT INTO t (id, b) VALUES (3, 3)"),
			outcome: stops("computes a value for each row"),
		},
		{
			item: ddl, name: "several clauses of all kinds in one statement", setup: rows("(id int PRIMARY KEY, a varchar(10), b int, c int, d int, KEY kb (b))", "(1, 'x', 1, 2, 3), (2, NULL, NULL, NULL, NULL)"),
			steps: steps("ALTER TABLE t DROP COLUMN c, ADD COLUMN e varchar(5) NOT NULL DEFAULT 'e' FIRST, CHANGE d dd bigint AFTER id, MODIFY a varchar(30), DROP KEY kb, ADD INDEX (e), ALTER b SET DEFAULT 3, COMMENT = 'x, ADD y int', ENGINE=InnoDB, ADD KEY kb (b, a)",
				"INSERT INTO t (id, a, dd) VALUES (3, 'a longer text', 5000000000)", "UPDATE t SET e = 'f' WHERE id = 2"),
			outcome: equal("t"),
		},
	}
}
