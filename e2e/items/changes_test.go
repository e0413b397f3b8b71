package items

// typeChanges are scenarios of columns that become another type.
func typeChanges() []scenario {
	const ddl = "4 DDL: types of columns"
	return []scenario{
		{
			item: ddl, name: "types are widened", setup: rows("(id int PRIMARY KEY, a tinyint, b smallint unsigned, c varchar(5), d decimal(5,2), e float, f datetime, g varbinary(4), h tinytext)",
				"(1, -128, 65535, 'x', 1.25, 0.1, '2026-01-01 00:00:00', 'ab', 'h'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"),
			steps: steps("ALTER TABLE t MODIFY a int, MODIFY b int unsigned", "INSERT INTO t (id, a, b) VALUES (3, 2147483647, 4294967295)",
				"ALTER TABLE t MODIFY c text, MODIFY d decimal(20,2), MODIFY e double, MODIFY g blob, MODIFY h longtext", "INSERT INTO t VALUES (4, 1, 1, repeat('c', 1000), 123456789012345678.25, 0.1, '2026-02-03 04:05:06', repeat('g', 300), 'h')",
				"UPDATE t SET a = 7, d = -1.5 WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "the type of a key column is widened", setup: rows("(id int, k varchar(5), v int, PRIMARY KEY (k, id))", "(1, 'a', 1), (2, 'b', 2)"),
			steps:   steps("ALTER TABLE t MODIFY id bigint, MODIFY k varchar(50)", "INSERT INTO t VALUES (5000000000, repeat('k', 50), 3)", "UPDATE t SET v = 9", "DELETE FROM t WHERE id = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "types are narrowed in strict mode", setup: rows("(id int PRIMARY KEY, a int, c varchar(50))", "(1, 5, 'x'), (2, NULL, NULL)"),
			steps:   steps("ALTER TABLE t MODIFY c varchar(10)", "INSERT INTO t VALUES (3, 3, '0123456789')", "UPDATE t SET c = 'new' WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "values are cut to fit", setup: rows("(id int PRIMARY KEY, c varchar(50))", "(1, 'a long text'), (2, NULL)"),
			steps:   steps("SET SESSION sql_mode = ''", "ALTER TABLE t MODIFY c varchar(4)", "INSERT INTO t VALUES (3, 'four')"),
			outcome: stops("values are cut to fit"),
		},
		{
			item: ddl, name: "another kind of type", setup: rows("(id int PRIMARY KEY, a int)", "(1, 5), (2, NULL)"),
			steps:   steps("ALTER TABLE t MODIFY a varchar(20)", "INSERT INTO t VALUES (3, 'three')"),
			outcome: stops("values are converted from"),
		},
		{
			item: ddl, name: "fewer fractions of a second", setup: rows("(id int PRIMARY KEY, a datetime(6))", "(1, '2026-01-01 00:00:00.999999')"),
			steps:   steps("ALTER TABLE t MODIFY a datetime", "INSERT INTO t VALUES (2, '2026-01-01')"),
			outcome: stops("fractions of a second are rounded"),
		},
		{
			item: ddl, name: "ENUM and SET: labels are added", setup: rows("(id int PRIMARY KEY, a enum('x','y'), b set('p','q'))", "(1, 'x', 'p'), (2, 'y', 'p,q')"),
			steps: steps("ALTER TABLE t MODIFY a enum('x','y','z''s'), MODIFY b set('p','q','r')", "INSERT INTO t VALUES (3, 'z''s', 'q,r')",
				"ALTER TABLE t MODIFY a enum('w','x','é','y','z''s')", "INSERT INTO t VALUES (4, 'w', 'p'), (5, 'é', '')", "UPDATE t SET b = 'r' WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "ENUM: a label is taken away", setup: rows("(id int PRIMARY KEY, a enum('x','y','z'))", "(1, 'x'), (2, 'y')"),
			steps:   steps("ALTER TABLE t MODIFY a enum('x','y')", "INSERT INTO t VALUES (3, 'y')"),
			outcome: stops("a label is taken away"),
		},
		{
			item: ddl, name: "a type that Iceberg cannot widen to", setup: rows("(id int PRIMARY KEY, a int unsigned)", "(1, 5), (2, NULL)"),
			steps:   steps("ALTER TABLE t MODIFY a bigint unsigned", "INSERT INTO t VALUES (3, 18446744073709551615)"),
			outcome: stops("Iceberg|long|decimal"),
		},
	}
}

// keyChanges are scenarios of keys.
func keyChanges() []scenario {
	const ddl = "4 DDL: keys"
	const why = "key"
	return []scenario{
		{
			item: ddl, name: "the primary key becomes another one", setup: rows("(id int NOT NULL, b int NOT NULL, c int, PRIMARY KEY (id))", "(1, 10, 1), (2, 20, 2)"),
			steps:   steps("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, b)", "INSERT INTO t VALUES (1, 11, 3)", "UPDATE t SET c = 5 WHERE id = 1"),
			again:   steps("INSERT INTO t VALUES (1, 12, 4)", "DELETE FROM t WHERE b = 20"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "the primary key is dropped", needs: onlyMySQL, setup: rows("(id int PRIMARY KEY, b int)", "(1, 10), (2, 20)"),
			steps:   steps("ALTER TABLE t DROP PRIMARY KEY", "INSERT INTO t VALUES (1, 10)", "DELETE FROM t", "INSERT INTO t VALUES (3, 3)", "ALTER TABLE t ADD PRIMARY KEY (id)"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "the primary key is dropped", needs: onlyMariaDB, setup: rows("(id int PRIMARY KEY, b int)", "(1, 10), (2, 20)"),
			steps:   steps("ALTER TABLE t DROP PRIMARY KEY", "INSERT INTO t VALUES (1, 10)"),
			again:   steps("INSERT INTO t VALUES (1, 10), (5, 5)"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "a table without a key gets one", needs: needs{mysql: never, why: "tables without a key are refused"}, setup: rows("(id int NOT NULL, b int)", "(1, 10), (2, 20)"),
			steps:   steps("INSERT INTO t VALUES (3, 30)", "ALTER TABLE t ADD PRIMARY KEY (id)", "INSERT INTO t VALUES (4, 40)", "UPDATE t SET b = 1 WHERE id = 2"),
			again:   steps("UPDATE t SET b = 2 WHERE id = 3"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "a table without a key is refused, until it has one", needs: needs{mariadb: never, why: "tables without a key are copied"}, setup: rows("(id int NOT NULL, b int)", "(1, 10), (2, 20)"),
			once: true, steps: steps("INSERT INTO t VALUES (3, 30)"),
			outcome: outcome{refused: map[string]string{"t": "key"}},
		},
		{
			item: ddl, name: "a unique key serves, then a primary key comes", setup: rows("(id int NOT NULL, b int NOT NULL, c int, UNIQUE KEY u (b))", "(1, 10, 1), (2, 20, 2)"),
			steps:   steps("UPDATE t SET c = 7 WHERE id = 1", "ALTER TABLE t ADD PRIMARY KEY (id)", "INSERT INTO t VALUES (3, 30, 3)", "UPDATE t SET b = 21, c = 8 WHERE id = 2"),
			again:   steps("UPDATE t SET b = 22 WHERE id = 2"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "a unique key serves, and another one takes its place", setup: rows("(id int NOT NULL, b int NOT NULL, c int, UNIQUE KEY u (b), UNIQUE KEY v (id))", "(1, 10, 1), (2, 20, 2)"),
			steps:   steps("UPDATE t SET c = 7 WHERE id = 1", "ALTER TABLE t DROP KEY u", "INSERT INTO t VALUES (3, 30, 3)", "UPDATE t SET b = 30, c = 8 WHERE id = 2"),
			again:   steps("UPDATE t SET b = 22 WHERE id = 2"),
			outcome: stops(why),
		},
		{
			item: ddl, name: "unique keys beside the primary key come and go", setup: rows("(id int PRIMARY KEY, b int NOT NULL, c int)", "(1, 10, 1), (2, 20, 2)"),
			steps:   steps("ALTER TABLE t ADD UNIQUE KEY u (b)", "UPDATE t SET c = 7, b = 11 WHERE id = 1", "CREATE UNIQUE INDEX v ON t (c)", "DROP INDEX u ON t", "INSERT INTO t VALUES (3, 20, 3)", "ALTER TABLE t DROP INDEX v"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "a key column gets another name", setup: rows("(id int PRIMARY KEY, b int)", "(1, 10), (2, 20)"),
			steps:   steps("ALTER TABLE t CHANGE id ident int NOT NULL", "INSERT INTO t VALUES (3, 30)", "UPDATE t SET b = 9 WHERE ident = 1", "DELETE FROM t WHERE ident = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "the key's columns in another order", setup: rows("(a int, b int, c int, PRIMARY KEY (a, b))", "(1, 10, 1), (2, 20, 2)"),
			steps:   steps("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)", "INSERT INTO t VALUES (3, 30, 3)", "UPDATE t SET c = 9 WHERE a = 1"),
			again:   steps("DELETE FROM t WHERE a = 2"),
			outcome: equal("t"),
		},
	}
}
