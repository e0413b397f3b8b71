package items

// spellings are scenarios of statements in odd dress: comments, quotes, modes of the session.
func spellings() []scenario {
	const ddl = "4 DDL: spelling"
	two := rows("(id int PRIMARY KEY, a varchar(10), b int)", "(1, 'x', 1), (2, NULL, NULL)")
	return []scenario{
		{
			item: ddl, name: "comments in odd places", setup: two,
			steps: steps("/* ApplicationName=DBeaver 24 - SQLEditor <x.sql> */ ALTER TABLE t ADD c int", "-- a comment; DROP TABLE t\nALTER /* b */ TABLE/**/`t`/* */ADD/* d date, */d/*x*/int# end\n", "/*!40101 ALTER TABLE t ADD e int */", "ALTER TABLE t /*!40000 ADD f int, */ ADD g int /*!99999 , ADD nosuch int */",
				"/*+ hint */ alter\ttable\n\tt\r\n add H int", "/* a *//* b */INSERT INTO t VALUES (3, 'c', 3, 3, 3, 3, 3, 3, 3)", "ALTER TABLE t ADD i int COMMENT '/* no comment', ADD j int COMMENT \"-- nor 'this' # or that\"", "UPDATE t SET i = 1, j = 2", "   ALTER TABLE t DROP c   ", "ALTER TABLE t ADD k int DEFAULT - 1", "INSERT INTO t (id) VALUES (4)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "comments that MariaDB alone reads", setup: two,
			steps:   steps("ALTER TABLE t ADD c int /*M! , ADD d int */ /*M!100100 , ADD e int */ /*!50701 , ADD f int */", "INSERT INTO t (id, c) VALUES (3, 3)"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "ANSI_QUOTES and NO_BACKSLASH_ESCAPES", setup: two,
			steps: steps("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", `ALTER TABLE "t" ADD "c ""d" varchar(9) DEFAULT '\' COMMENT 'x\', ADD "e" enum('a\b','"')`, `INSERT INTO t (id, e) VALUES (3, 'a\b')`, `CREATE TABLE "u" ("id" int PRIMARY KEY, v varchar(9) DEFAULT 'n\n')`, `INSERT INTO u (id) VALUES (1)`,
				"SET SESSION sql_mode = DEFAULT", `ALTER TABLE t ADD f varchar(9) DEFAULT "it\'s \"\\" COMMENT "x"`, "INSERT INTO t (id) VALUES (4)"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "REAL_AS_FLOAT", setup: two,
			steps:   steps("SET SESSION sql_mode = 'REAL_AS_FLOAT'", "ALTER TABLE t ADD c real", "UPDATE t SET c = 0.1"),
			outcome: stops("the log has float .* the known shape Float64"),
		},
		{
			item: ddl, name: "TIMESTAMP columns as the server reads them",
			steps:   steps("CREATE TABLE t (id int PRIMARY KEY, a timestamp, b timestamp NULL, c timestamp NULL DEFAULT '2020-01-01')", "INSERT INTO t (id, a) VALUES (1, '2026-01-01')", "INSERT INTO t (id, a, b) VALUES (2, '2026-01-01', '2026-01-02')", "ALTER TABLE t MODIFY b timestamp NULL, ADD d int", "UPDATE t SET d = 4"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "explicit_defaults_for_timestamp by session", needs: needs{mariadb: "10.5"},
			steps:   steps("SET SESSION explicit_defaults_for_timestamp = OFF", "CREATE TABLE t (id int PRIMARY KEY, a timestamp)", "INSERT INTO t (id) VALUES (1)", "SET SESSION explicit_defaults_for_timestamp = ON", "CREATE TABLE u (id int PRIMARY KEY, a timestamp)", "INSERT INTO u (id) VALUES (1), (2)"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "several statements in one text", setup: two,
			steps:   steps("ALTER TABLE t ADD c int; INSERT INTO t VALUES (3, 'c;', 3, 3); ALTER TABLE t DROP b; UPDATE t SET c = 5; CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "prepared, in procedures and by events", setup: two,
			steps:   steps("SET @q = 'ALTER TABLE t ADD c int'", "PREPARE s FROM @q", "EXECUTE s", "DEALLOCATE PREPARE s", "CREATE PROCEDURE p () BEGIN ALTER TABLE t ADD d int; INSERT INTO t VALUES (3, 'c', 3, 3, 3); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); END", "CALL p()", "DROP PROCEDURE p", "UPDATE t SET d = 1"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "another default database", setup: two,
			steps:   steps("USE mysql", "ALTER TABLE `{db}`.t ADD c int", "INSERT INTO {db}.t VALUES (3, 'c', 3, 3)", "RENAME TABLE {db} . t TO `{db}`.`u`", "CREATE TABLE {db}.v LIKE {db}.u", "INSERT INTO {db}.v VALUES (1, 'v', 1, 1)", "USE `{db}`"),
			outcome: outcome{equal: []string{"u", "v"}, gone: []string{"t"}},
		},
		{
			item: ddl, name: "lower_case_table_names = 1", needs: needs{mysqlUntil: "8.0"}, config: lowerNames, setup: steps("CREATE TABLE Tab (Id int PRIMARY KEY, A varchar(9))", "INSERT INTO TAB VALUES (1, 'x')", "CREATE TABLE Other (id int PRIMARY KEY)", "INSERT INTO other VALUES (1)"),
			steps:   steps("ALTER TABLE TAB ADD B int, CHANGE a AA varchar(9)", "INSERT INTO tab VALUES (2, 'y', 2)", "RENAME TABLE Tab TO New_Tab", "UPDATE NEW_tab SET b = 5", "CREATE TABLE Third LIKE NEW_TAB", "INSERT INTO THIRD VALUES (1, 'z', 1)", "DROP TABLE OTHER", "TRUNCATE TABLE THIRD", "INSERT INTO third VALUES (2, 'zz', 2)"),
			outcome: outcome{equal: []string{"new_tab", "third"}, gone: []string{"tab", "other"}},
		},
	}
}
