package items

// ignored are scenarios of statements that change neither shapes nor rows, and of those that nobody understands.
func ignored() []scenario {
	const ddl = "4 DDL: ignored"
	two := rows("(id int PRIMARY KEY, a varchar(10), b int)", "(1, 'x', 1), (2, NULL, NULL)")
	return []scenario{
		{
			item: ddl, name: "indexes", setup: two,
			steps: steps("CREATE INDEX i ON t (a)", "ALTER TABLE t ADD KEY j (b, a), ADD FULLTEXT f (a)", "ALTER TABLE t DROP INDEX i, DROP KEY j", "CREATE UNIQUE INDEX u ON t (b)", "INSERT INTO t VALUES (3, 'c', 3)", "DROP INDEX u ON t", "CREATE INDEX i USING BTREE ON `{db}`.t (a(3)) COMMENT 'x' ALGORITHM=INPLACE LOCK=NONE",
				"ALTER TABLE t DISABLE KEYS", "ALTER TABLE t ENABLE KEYS", "UPDATE t SET a = 'y' WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "constraints and foreign keys", setup: append(two, do("CREATE TABLE parent (id int PRIMARY KEY)", "INSERT INTO parent VALUES (1), (3)")),
			steps: []step{
				do("ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES parent (id) ON DELETE NO ACTION", "INSERT INTO t VALUES (3, 'c', 3)", "ALTER TABLE t DROP FOREIGN KEY fk", "ALTER TABLE t ADD CONSTRAINT ck CHECK (b < 100)", "UPDATE t SET b = 3 WHERE id = 2"),
			},
			outcome: equal("t", "parent"),
		},
		{
			item: ddl, name: "options, rebuilds, ALGORITHM and LOCK", setup: two,
			steps: steps("ALTER TABLE t ENGINE=InnoDB", "ALTER TABLE t FORCE", "ALTER TABLE t COMMENT 'DROP COLUMN a', AUTO_INCREMENT=50", "ALTER TABLE t ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=0", "INSERT INTO t VALUES (3, 'c', 3)", "ALTER TABLE t ADD c int, ALGORITHM=INPLACE, LOCK=NONE", "ALTER TABLE t ALGORITHM=COPY, LOCK=SHARED, ADD d int", "INSERT INTO t VALUES (4, 'd', 4, 4, 4)",
				"ALTER TABLE t", "OPTIMIZE TABLE t", "ANALYZE TABLE t", "CHECK TABLE t", "REPAIR TABLE t", "LOCK TABLES t WRITE", "UPDATE t SET c = 9", "UNLOCK TABLES", "FLUSH TABLES t"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "views, triggers, routines and events", setup: append(two, do("CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, what varchar(20))", "INSERT INTO log VALUES (1, 'first')")),
			steps: steps("CREATE VIEW v AS SELECT id, a FROM t", "CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v AS SELECT id FROM t", "ALTER VIEW v AS SELECT a FROM t", "RENAME TABLE v TO w", "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO log (what) VALUES (concat('insert ', NEW.id))",
				"INSERT INTO t VALUES (3, 'c', 3)", "CREATE PROCEDURE p (n int) BEGIN UPDATE t SET b = n; DELETE FROM log WHERE id = 1; END", "CALL p(7)", "CREATE FUNCTION f (n int) RETURNS int DETERMINISTIC RETURN n + 1", "INSERT INTO t VALUES (f(3), 'f', 0)", "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO DELETE FROM t", "ALTER EVENT e DISABLE",
				"DROP EVENT e", "DROP FUNCTION f", "DROP PROCEDURE p", "DROP TRIGGER tr", "DROP VIEW w", "INSERT INTO t VALUES (5, 'e', 5)"),
			outcome: equal("t", "log"),
		},
		{
			item: ddl, name: "users, roles and servers", needs: needs{mysql: "8.0"}, setup: two,
			steps: []step{
				do("CREATE USER u@`{db}` IDENTIFIED BY 'ALTER TABLE t DROP a'", "CREATE ROLE `r_{db}`", "GRANT SELECT ON `{db}`.* TO `r_{db}`", "GRANT `r_{db}` TO u@`{db}`"),
				mysql("SET DEFAULT ROLE `r_{db}` TO u@`{db}`", "ALTER USER u@`{db}` IDENTIFIED BY 'x'"), mariadb("SET DEFAULT ROLE `r_{db}` FOR u@`{db}`", "SET PASSWORD FOR u@`{db}` = PASSWORD('x')"),
				do("RENAME USER u@`{db}` TO v@`{db}`", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM v@`{db}`", "DROP USER v@`{db}`", "DROP ROLE `r_{db}`", "INSERT INTO t VALUES (3, 'c', 3)"),
				do("CREATE SERVER `s_{db}` FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')", "DROP SERVER `s_{db}`", "FLUSH PRIVILEGES", "UPDATE t SET b = 4"),
			},
			outcome: equal("t"),
		},
		{
			item: ddl, name: "users", needs: onlyMySQL, setup: two,
			steps:   steps("CREATE USER `u`@`{db}` IDENTIFIED BY 'ALTER TABLE t DROP a'", "GRANT SELECT ON `{db}`.* TO `u`@`{db}`", "RENAME USER `u`@`{db}` TO `v`@`{db}`", "ALTER USER `v`@`{db}` PASSWORD EXPIRE", "DROP USER `v`@`{db}`", "INSERT INTO t VALUES (3, 'c', 3)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "spatial reference systems", needs: needs{mysql: "8.0.4", mariadb: never}, setup: two,
			steps: steps("CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 990001 NAME '{db}' DEFINITION 'GEOGCS[\"{db}\",DATUM[\"World Geodetic System 1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.017453292519943278],AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]'",
				"INSERT INTO t VALUES (3, 'c', 3)", "DROP SPATIAL REFERENCE SYSTEM IF EXISTS 990001", "UPDATE t SET b = 5"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "JSON duality views, libraries", needs: needs{mysql: "9.4", mariadb: never}, setup: two,
			steps: steps("CREATE JSON DUALITY VIEW jv AS SELECT JSON_DUALITY_OBJECT('_id': id, 'a': a) FROM t", "INSERT INTO t VALUES (3, 'c', 3)", "ALTER JSON DUALITY VIEW jv AS SELECT JSON_DUALITY_OBJECT('_id': id, 'b': b) FROM t", "DROP VIEW jv", "CREATE LIBRARY l LANGUAGE JAVASCRIPT AS $$ export function f() { return 'ALTER TABLE t DROP a'; } $$", "DROP LIBRARY l",
				"INSERT INTO t VALUES (4, 'd', 4)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "tablespaces and resource groups", needs: needs{mysql: "8.0.14", mariadb: never}, setup: two,
			steps:   steps("CREATE TABLESPACE `ts_{db}` ADD DATAFILE 'ts_{db}.ibd'", "ALTER TABLE t TABLESPACE `ts_{db}`", "INSERT INTO t VALUES (3, 'c', 3)", "ALTER TABLE t TABLESPACE innodb_file_per_table", "DROP TABLESPACE `ts_{db}`", "CREATE UNDO TABLESPACE `un_{db}` ADD DATAFILE 'un_{db}.ibu'", "ALTER UNDO TABLESPACE `un_{db}` SET INACTIVE", "UPDATE t SET b = 6"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "DDL of tables that are not captured", setup: append(two, do("CREATE TABLE out_x (id int PRIMARY KEY, a int)", "CREATE DATABASE `{other}`", "CREATE TABLE `{other}`.t (id int PRIMARY KEY, a int)")),
			steps:   steps("ALTER TABLE out_x DROP a, ADD z date", "ALTER TABLE `{other}`.t DROP a", "TRUNCATE `{other}`.t", "INSERT INTO t VALUES (3, 'c', 3)", "RENAME TABLE `{other}`.t TO `{other}`.u, out_x TO out_y", "ALTER TABLE `{other}`.u ADD y int", "DROP TABLE out_y, `{other}`.u", "USE `{other}`", "CREATE TABLE t (id int)", "DROP TABLE t", "DROP DATABASE `{other}`", "INSERT INTO `{db}`.t VALUES (4, 'd', 4)", "USE `{db}`"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "statements that the server refuses", setup: two,
			steps: []step{
				fails("ALTER TABLE t DROP nosuch"), fails("ALTER TABLE t MODIFY a int, ADD UNIQUE (nosuch)"), fails("RENAME TABLE t TO u, nosuch TO v"), fails("CREATE TABLE t (id int)"),
				do("INSERT INTO t VALUES (3, 'c', 3)"), fails("ALTER TABLE t ADD c int, ADD c int"), fails("DROP TABLE nosuch"), do("UPDATE t SET b = 8"),
			},
			outcome: equal("t"),
		},
		{
			item: ddl, name: "DROP TABLE that goes half the way", needs: needs{mysql: never, why: "it goes all the way, or not at all"}, setup: append(two, do("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")),
			steps:   []step{fails("DROP TABLE u, nosuch"), do("INSERT INTO t VALUES (3, 'c', 3)")},
			outcome: outcome{equal: []string{"t"}, gone: []string{"u"}},
		},
	}
}
