package items

// charsetChanges are scenarios of character sets. Values have characters that each of them spells in its own way.
func charsetChanges() []scenario {
	const ddl = "4 DDL: character sets"
	latin := rows("(id int PRIMARY KEY, a varchar(20) CHARACTER SET latin1, b text CHARACTER SET utf8mb4, c char(5) CHARACTER SET ucs2)", "(1, 'äöü €', 'ä 漢 😀', 'éß'), (2, NULL, '', 'x')")
	return []scenario{
		{
			item: ddl, name: "of a column", setup: latin,
			steps: steps("INSERT INTO t VALUES (3, 'ñ', 'ñ', 'ñ')", "ALTER TABLE t MODIFY a varchar(20) CHARACTER SET utf8mb4", "INSERT INTO t VALUES (4, 'ñ 😀', 'ñ', 'ñ')",
				"ALTER TABLE t MODIFY c char(5) CHARACTER SET latin1", "INSERT INTO t VALUES (5, 'ñ', 'ñ', 'ñ')", "UPDATE t SET a = 'ü€', c = 'ü€' WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "of a column, characters are lost", setup: latin,
			steps:   steps("SET SESSION sql_mode = ''", "ALTER TABLE t MODIFY b text CHARACTER SET latin1", "INSERT INTO t VALUES (3, 'ñ', 'ñ', 'ñ')"),
			outcome: stops("characters that latin1 does not have are lost"),
		},
		{
			item: ddl, name: "CONVERT TO of a table", setup: latin,
			steps:   steps("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO t VALUES (3, 'ñ 😀', 'ñ', 'ñ😀')", "UPDATE t SET a = 'ü€漢' WHERE id = 1"),
			again:   steps("INSERT INTO t VALUES (6, 'ñ 😀', 'ñ', 'ñ😀')"),
			outcome: stops("CONVERT TO CHARACTER SET rewrites all text"),
		},
		{
			item: ddl, name: "CONVERT TO of a table without text", setup: rows("(id int PRIMARY KEY, b varbinary(9))", "(1, 'x')"),
			steps:   steps("ALTER TABLE t CONVERT TO CHARACTER SET latin1", "INSERT INTO t VALUES (3, 'y')", "ALTER TABLE t ADD a varchar(9)", "UPDATE t SET a = 'äöü'"),
			outcome: stops("CONVERT TO CHARACTER SET rewrites all text"),
		},
		{
			item: ddl, name: "the default of a table, for columns to come", setup: rows("(id int PRIMARY KEY, a varchar(20)) CHARACTER SET latin1", "(1, 'äöü €'), (2, NULL)"),
			steps: steps("ALTER TABLE t ADD b varchar(20)", "INSERT INTO t VALUES (3, 'ñ', 'äöü €')", "ALTER TABLE t DEFAULT CHARACTER SET utf8mb4", "INSERT INTO t VALUES (4, 'ñ', 'äöü €')",
				"ALTER TABLE t ADD c varchar(20)", "INSERT INTO t VALUES (5, 'ñ', 'ä', 'ä 漢 😀')", "ALTER TABLE t COLLATE latin1_bin, ADD d varchar(20) DEFAULT 'ö'", "UPDATE t SET d = 'ü€' WHERE id < 3"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "the default of a database, for tables to come", setup: steps("CREATE DATABASE `{new}` CHARACTER SET utf8mb4"),
			steps: steps("CREATE TABLE `{new}`.a (id int PRIMARY KEY, c varchar(20))", "INSERT INTO `{new}`.a VALUES (1, 'äöü € 😀')", "ALTER DATABASE `{new}` CHARACTER SET latin1",
				"CREATE TABLE `{new}`.b (id int PRIMARY KEY, c varchar(20))", "INSERT INTO `{new}`.b VALUES (1, 'äöü €')", "ALTER TABLE `{new}`.b ADD d varchar(20)", "INSERT INTO `{new}`.b VALUES (2, 'ß', 'äöü €')",
				"USE `{new}`", "ALTER DATABASE COLLATE = utf8mb4_bin", "CREATE TABLE c (id int PRIMARY KEY, c varchar(20))", "INSERT INTO c VALUES (1, 'äöü € 😀')", "USE `{db}`"),
			outcome: equal("{new}/a", "{new}/b", "{new}/c"),
		},
		{
			item: ddl, name: "of a database that comes with its tables",
			steps: steps("CREATE DATABASE `{new}` DEFAULT CHARACTER SET = 'latin1'", "CREATE TABLE `{new}`.a (id int PRIMARY KEY, c varchar(20), d varchar(20) CHARACTER SET cp1250)", "INSERT INTO `{new}`.a VALUES (1, 'äöü €', 'łąä')",
				"CREATE TABLE `{new}`.b (id int PRIMARY KEY, c varchar(20)) COLLATE utf8mb4_bin", "INSERT INTO `{new}`.b VALUES (1, '漢 😀')", "CREATE TABLE `{new}`.d LIKE `{new}`.a", "INSERT INTO `{new}`.d VALUES (1, 'äöü €', 'łąä')"),
			outcome: equal("{new}/a", "{new}/b", "{new}/d"),
		},
		{
			item: ddl, name: "statements in every character set of a client",
			setup:   rows("(id int PRIMARY KEY, a varchar(20))", "(1, 'x')"),
			steps:   []step{inEveryCharset, do("SET NAMES utf8mb4", "INSERT INTO t (id, a) VALUES (2, 'last')")},
			outcome: equal("t", "words"),
		},
	}
}
