package items

// renames are scenarios of tables that change their name, and of names that change their table.
func renames() []scenario {
	const ddl = "4 DDL: names of tables"
	pair := steps("CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "INSERT INTO t VALUES (1, 'of t'), (2, 'x')", "CREATE TABLE u (id int PRIMARY KEY, b int, c int)", "INSERT INTO u VALUES (1, 10, 100)")
	return []scenario{
		{
			item: ddl, name: "RENAME TABLE, one and several", setup: pair,
			steps:   steps("RENAME TABLE t TO t1", "INSERT INTO t1 VALUES (3, 'of t1')", "RENAME TABLE t1 TO t2, u TO u1, t2 TO t3", "INSERT INTO t3 VALUES (4, 'of t3')", "UPDATE u1 SET b = 11", "ALTER TABLE t3 ADD c int", "UPDATE t3 SET c = 5 WHERE id = 1"),
			outcome: outcome{equal: []string{"t3", "u1"}, gone: []string{"t", "t1", "t2", "u"}},
		},
		{
			item: ddl, name: "RENAME TABLE swaps two tables", setup: pair,
			steps:   steps("RENAME TABLE t TO tmp, u TO t, tmp TO u", "INSERT INTO u VALUES (5, 'of u')", "INSERT INTO t VALUES (2, 20, 200)", "RENAME TABLE u TO tmp, t TO u, tmp TO t", "INSERT INTO t VALUES (6, 'of t')", "RENAME TABLE t TO tmp, u TO t, tmp TO u", "DELETE FROM u WHERE id = 1"),
			again:   steps("UPDATE t SET c = 1", "UPDATE u SET a = 'y'"),
			outcome: outcome{equal: []string{"t", "u"}, gone: []string{"tmp"}},
		},
		{
			item: ddl, name: "a swap in three statements", setup: pair,
			steps:   steps("RENAME TABLE t TO tmp", "INSERT INTO tmp VALUES (7, 'tmp')", "RENAME TABLE u TO t", "INSERT INTO t VALUES (2, 20, 200)", "ALTER TABLE tmp RENAME TO u", "INSERT INTO u VALUES (5, 'of u')"),
			outcome: outcome{equal: []string{"t", "u"}, gone: []string{"tmp"}},
		},
		{
			item: ddl, name: "ALTER TABLE RENAME, alone and with other clauses", setup: pair,
			steps:   steps("ALTER TABLE t RENAME t1", "INSERT INTO t1 VALUES (3, 'of t1')", "ALTER TABLE t1 ADD n int, RENAME AS t2, DROP a", "INSERT INTO t2 VALUES (4, 4)", "ALTER TABLE u RENAME TO `u 1`, ADD KEY (b)", "UPDATE `u 1` SET b = 0"),
			outcome: outcome{equal: []string{"t2", "u 1"}, gone: []string{"t", "t1", "u"}},
		},
		{
			item: ddl, name: "a table moves to another database", setup: append(pair, do("CREATE DATABASE `{new}`")),
			steps:   steps("RENAME TABLE t TO `{new}`.t", "INSERT INTO `{new}`.t VALUES (3, 'moved')", "ALTER TABLE u RENAME TO `{new}`.u2", "UPDATE `{new}`.u2 SET c = 7"),
			outcome: outcome{equal: []string{"{new}/t", "{new}/u2"}, gone: []string{"t", "u"}},
		},
		{
			item: ddl, name: "a name is given away, and a new table takes it", setup: pair,
			steps:   steps("RENAME TABLE t TO t_old", "CREATE TABLE t (id int PRIMARY KEY, z date)", "INSERT INTO t VALUES (1, '2026-01-01')", "INSERT INTO t_old VALUES (3, 'old')", "DROP TABLE u", "RENAME TABLE t_old TO u", "INSERT INTO u VALUES (4, 'of u')"),
			outcome: outcome{equal: []string{"t", "u"}, gone: []string{"t_old"}},
		},
		{
			item: ddl, name: "names with dots, backticks, blanks and letters of the world", setup: steps("CREATE TABLE `a.b` (id int PRIMARY KEY, `x.y` int, `z``z` int)", "INSERT INTO `a.b` VALUES (1, 1, 1)", "CREATE TABLE `tick``s` (`i d` int PRIMARY KEY)", "INSERT INTO `tick``s` VALUES (1)"),
			steps: steps("ALTER TABLE `a.b` ADD `é 漢` varchar(9) AFTER `x.y`, CHANGE `z``z` `z'\"z` bigint", "INSERT INTO `a.b` VALUES (2, 2, 'é', 2)", "RENAME TABLE `{db}`.`a.b` TO `{db}`.`ä.``b`", "UPDATE `ä.``b` SET `x.y` = 5 WHERE id = 1",
				"ALTER TABLE `tick``s` RENAME TO `Ünï 漢字`, ADD v int", "INSERT INTO `Ünï 漢字` VALUES (2, 2)", "CREATE TABLE `select` (`from` int PRIMARY KEY, `key` int)", "INSERT INTO `select` VALUES (1, 1)", "ALTER TABLE `select` DROP `key`, ADD `order` int"),
			outcome: outcome{equal: []string{"ä.`b", "Ünï 漢字", "select"}, gone: []string{"a.b", "tick`s"}},
		},
		{
			item: ddl, name: "DROP TABLE, of several and of none", setup: append(pair, do("CREATE TABLE keep (id int PRIMARY KEY)", "INSERT INTO keep VALUES (1)", "CREATE TABLE out_x (id int)")),
			steps:   steps("DROP TABLE IF EXISTS nosuch", "DROP TABLE IF EXISTS t, nosuch, out_x, u", "INSERT INTO keep VALUES (2)"),
			outcome: outcome{equal: []string{"keep"}, gone: []string{"t", "u"}},
		},
		{
			item: ddl, name: "DROP TABLE and CREATE TABLE of the same name", setup: pair,
			steps: steps("DROP TABLE t", "CREATE TABLE t (k varchar(20), n int, PRIMARY KEY (k))", "INSERT INTO t VALUES ('new', 1)", "DROP TABLE u", "CREATE TABLE u (id int PRIMARY KEY, b int, c int)", "INSERT INTO u VALUES (1, 11, 101), (9, 9, 9)", "DELETE FROM u WHERE id = 1",
				"DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "INSERT INTO t VALUES (2, 'third')"),
			again:   steps("UPDATE t SET a = 'again'"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "TRUNCATE TABLE", setup: append(pair, do("INSERT INTO u VALUES (2, 20, 200)")),
			steps:   steps("INSERT INTO t VALUES (9, 'gone')", "TRUNCATE TABLE t", "INSERT INTO t VALUES (1, 'new')", "TRUNCATE u", "TRUNCATE TABLE `{db}`.`t`", "INSERT INTO t VALUES (5, 'newer')"),
			outcome: outcome{equal: []string{"t"}, empty: []string{"u"}},
		},
		{
			item: ddl, name: "DROP DATABASE, and CREATE DATABASE again", setup: steps("CREATE DATABASE `{new}`", "CREATE TABLE `{new}`.a (id int PRIMARY KEY)", "INSERT INTO `{new}`.a VALUES (1)", "CREATE TABLE `{new}`.b (id int PRIMARY KEY, v int)", "INSERT INTO `{new}`.b VALUES (1, 1)"),
			steps:   steps("INSERT INTO `{new}`.a VALUES (2)", "DROP DATABASE `{new}`", "DROP DATABASE IF EXISTS `{new}`", "CREATE DATABASE `{new}`", "CREATE DATABASE IF NOT EXISTS `{new}`", "CREATE TABLE `{new}`.b (id int PRIMARY KEY, w date)", "INSERT INTO `{new}`.b VALUES (3, '2026-01-01')"),
			outcome: outcome{equal: []string{"{new}/b"}, gone: []string{"{new}/a"}},
		},
	}
}
