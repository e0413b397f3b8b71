package items

// creations are scenarios of CREATE TABLE in its forms.
func creations() []scenario {
	const ddl = "4 DDL: CREATE TABLE"
	model := rows("(id int PRIMARY KEY, a varchar(9) CHARACTER SET latin1, b int NOT NULL DEFAULT 3)", "(1, 'ä', 1)")
	return []scenario{
		{
			item: ddl, name: "LIKE a captured table", setup: model,
			steps:   steps("CREATE TABLE u LIKE t", "INSERT INTO u VALUES (1, 'ü', 2)", "ALTER TABLE t DROP b", "CREATE TABLE v (LIKE t)", "INSERT INTO v VALUES (1, 'ö')", "INSERT INTO t VALUES (2, 'ö')", "CREATE TABLE IF NOT EXISTS v LIKE u", "INSERT INTO v VALUES (2, 'ö')"),
			outcome: equal("t", "u", "v"),
		},
		{
			item: ddl, name: "LIKE a table that is not captured", setup: steps("CREATE TABLE out_t (id int PRIMARY KEY, a varchar(9) CHARACTER SET latin1)", "INSERT INTO out_t VALUES (1, 'x')"),
			steps:   steps("CREATE TABLE u LIKE out_t", "INSERT INTO u VALUES (1, 'ü')", "INSERT INTO u SELECT id + 1, a FROM u"),
			again:   steps("INSERT INTO u VALUES (7, 'again')"),
			outcome: equal("u"),
		},
		{
			item: ddl, name: "IF NOT EXISTS of a table that is there", setup: model,
			steps:   steps("CREATE TABLE IF NOT EXISTS t (other int, shape date)", "INSERT INTO t VALUES (2, 'x', 2)", "CREATE TABLE IF NOT EXISTS u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)", "CREATE TABLE IF NOT EXISTS u (id bigint PRIMARY KEY, v int)", "INSERT INTO u VALUES (2)"),
			outcome: equal("t", "u"),
		},
		{
			item: ddl, name: "AS SELECT", needs: needs{mysql: "8.0.21", why: "refused where GTIDs are on"}, setup: model,
			steps:   steps("CREATE TABLE u (PRIMARY KEY (id)) AS SELECT id, a, b + 1 AS c FROM t", "INSERT INTO u VALUES (7, 'x', 7)", "CREATE TABLE v (z int DEFAULT 5, id int PRIMARY KEY) SELECT id, a FROM t", "INSERT INTO v (id) VALUES (8)"),
			again:   steps("UPDATE u SET c = 9", "UPDATE v SET a = 'y'"),
			outcome: equal("t", "u", "v"),
		},
		{
			item: ddl, name: "temporary tables that hide captured ones", setup: model,
			steps: []step{
				in("temp", "CREATE TEMPORARY TABLE t (z int)", "INSERT INTO t VALUES (1), (1)", "ALTER TABLE t ADD y int", "UPDATE t SET y = 1", "TRUNCATE TABLE t"), do("INSERT INTO t VALUES (2, 'b', 2)"),
				in("temp", "DROP TEMPORARY TABLE t", "INSERT INTO t VALUES (3, 'c', 3)", "CREATE TEMPORARY TABLE t (z int)", "CREATE TEMPORARY TABLE u LIKE t"), leave("temp"), do("INSERT INTO t VALUES (4, 'd', 4)"),
			},
			outcome: equal("t"),
		},
		{
			item: ddl, name: "types by all their names",
			steps: steps("CREATE TABLE t (id serial PRIMARY KEY, a int1, b int2, c int3, d int4, e int8, f middleint unsigned, g integer, h dec(6,2), i fixed(5), j numeric(4,1), k double precision, l real, m bool, n boolean, o char varying(9), p character varying(9), q national varchar(9), "+
				"r nvarchar(9), s nchar(4), t long varchar, u long varbinary, v char(3) byte, w varchar(9) binary, x character(4) ascii, y varchar(9) unicode, z float(7,3), aa tinyint(1), bb int(5) zerofill, cc char, dd bit, ee year, ff blob(70000), gg text(300), hh character(3), ii long)",
				"INSERT INTO t VALUES (1, -1, -2, -3, -4, -5, 6, 7, 8.25, 9, 10.5, 11.5, 12.25, true, false, 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 1234.5, 1, 42, 'c', b'1', 2026, 'ff', 'gg', 'h', 'ii')", "INSERT INTO t (id) VALUES (2)", "UPDATE t SET h = 1, w = 'é', y = 'é' WHERE id = 2"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "options, keys and constraints of all kinds", setup: steps("CREATE TABLE parent (id int PRIMARY KEY, v int)", "INSERT INTO parent VALUES (1, 1)"),
			steps: steps("CREATE TABLE t (id int NOT NULL AUTO_INCREMENT COMMENT 'key, with comma', p int REFERENCES parent (id), s varchar(20) NOT NULL DEFAULT 'it''s \"x\"' COLLATE utf8mb4_bin, d timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), "+
				"g int GENERATED ALWAYS AS (p * (2 + 1)) STORED COMMENT 'g', CONSTRAINT `c 1` CHECK (p > 0 AND s <> ')'), KEY k1 (s(5), p DESC), UNIQUE KEY `u(1)` (id, p) USING BTREE, FULLTEXT KEY ft (s), CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id) ON DELETE RESTRICT ON UPDATE NO ACTION, PRIMARY KEY (id) USING BTREE COMMENT 'x') "+
				"ENGINE=InnoDB AUTO_INCREMENT 100 DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT='a (b, c) '';', ROW_FORMAT=DYNAMIC, MAX_ROWS 1000 STATS_PERSISTENT=1 KEY_BLOCK_SIZE 0",
				"INSERT INTO t (p, s, d) VALUES (1, 'a', '2026-01-01 00:00:00.123')", "UPDATE t SET s = 'b'"),
			outcome: equal("t", "parent"),
		},
		{
			item: ddl, name: "without a primary key",
			steps:   steps("CREATE TABLE t (id int, a int)", "INSERT INTO t VALUES (1, 1), (1, 1)", "CREATE TABLE u (id int NOT NULL UNIQUE, a int)", "INSERT INTO u VALUES (1, 1)"),
			outcome: equal("t", "u"),
		},
	}
}
