package items

// partitionChanges are scenarios of partitions, whose rows come and go without a trace in the log.
func partitionChanges() []scenario {
	const ddl = "4 DDL: partitions"
	const ranges = " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)"
	setup := rows("(id int PRIMARY KEY, a varchar(9))"+ranges, "(1, 'one'), (11, 'two'), (21, 'three')")
	return []scenario{
		{
			item: ddl, name: "DROP PARTITION", setup: setup,
			steps:   steps("ALTER TABLE t DROP PARTITION p0, p1", "INSERT INTO t VALUES (1, 'new')"),
			again:   steps("UPDATE t SET a = 'x'"),
			outcome: stops("DROP PARTITION deletes rows"),
		},
		{
			item: ddl, name: "TRUNCATE PARTITION", setup: setup,
			steps:   steps("ALTER TABLE t TRUNCATE PARTITION p0", "INSERT INTO t VALUES (2, 'new')"),
			outcome: stops("TRUNCATE PARTITION deletes rows"),
		},
		{
			item: ddl, name: "TRUNCATE PARTITION ALL", setup: setup,
			steps:   steps("ALTER TABLE t TRUNCATE PARTITION ALL", "INSERT INTO t VALUES (2, 'new')"),
			outcome: stops("TRUNCATE PARTITION deletes rows"),
		},
		{
			item: ddl, name: "EXCHANGE PARTITION", setup: append(setup, do("CREATE TABLE u (id int PRIMARY KEY, a varchar(9))", "INSERT INTO u VALUES (5, 'other')", "CREATE TABLE out_u LIKE u", "INSERT INTO out_u VALUES (12, 'foreign')")),
			steps:   steps("ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u", "INSERT INTO u VALUES (13, 'new')", "ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE out_u"),
			again:   steps("INSERT INTO u VALUES (14, 'newer')", "INSERT INTO t VALUES (14, 'newer')"),
			outcome: outcome{stops: map[string]string{"t": "EXCHANGE PARTITION swaps rows", "u": "EXCHANGE PARTITION swaps rows"}},
		},
		{
			item: ddl, name: "EXCHANGE PARTITION of a table that is not captured", setup: steps("CREATE TABLE out_t (id int PRIMARY KEY, a varchar(9))"+ranges, "INSERT INTO out_t VALUES (1, 'one')", "CREATE TABLE u (id int PRIMARY KEY, a varchar(9))", "INSERT INTO u VALUES (5, 'other')"),
			steps:   steps("ALTER TABLE out_t EXCHANGE PARTITION p0 WITH TABLE u"),
			again:   steps("INSERT INTO u VALUES (7, 'new')"),
			outcome: outcome{stops: map[string]string{"u": "EXCHANGE PARTITION swaps rows"}},
		},
		{
			item: ddl, name: "REORGANIZE PARTITION", setup: setup,
			steps:   steps("ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION q0 VALUES LESS THAN (5), PARTITION q1 VALUES LESS THAN (20))", "INSERT INTO t VALUES (2, 'new')", "UPDATE t SET a = 'x' WHERE id = 11"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "PARTITION BY, ADD, COALESCE, REBUILD, REMOVE PARTITIONING", setup: rows("(id int PRIMARY KEY, a varchar(9))", "(1, 'one'), (11, 'two')"),
			steps: steps("ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 3", "INSERT INTO t VALUES (2, 'new')", "ALTER TABLE t ADD PARTITION PARTITIONS 2", "ALTER TABLE t REBUILD PARTITION p0, p1", "UPDATE t SET a = 'x' WHERE id = 11",
				"ALTER TABLE t COALESCE PARTITION 1", "ALTER TABLE t ANALYZE PARTITION p0", "ALTER TABLE t OPTIMIZE PARTITION ALL", "INSERT INTO t VALUES (3, 'new')", "ALTER TABLE t ADD b int PARTITION BY KEY (id) PARTITIONS 2", "INSERT INTO t VALUES (4, 'four', 4)",
				"ALTER TABLE t REMOVE PARTITIONING", "DELETE FROM t WHERE id = 1"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "ADD PARTITION to ranges and lists", setup: rows("(id int PRIMARY KEY, a varchar(9)) PARTITION BY LIST (id) (PARTITION p0 VALUES IN (1, 2), PARTITION p1 VALUES IN (11))", "(1, 'one'), (11, 'two')"),
			steps:   steps("ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES IN (21, 22) COMMENT = 'x, y')", "INSERT INTO t VALUES (22, 'new')"),
			outcome: equal("t"),
		},
		{
			item: ddl, name: "tablespaces are discarded and imported", setup: append(rows("(id int PRIMARY KEY, a varchar(9))", "(1, 'one'), (11, 'two')"), do("CREATE TABLE keep (id int PRIMARY KEY)", "INSERT INTO keep VALUES (1)")),
			once: true, steps: steps("ALTER TABLE t DISCARD TABLESPACE"),
			down:    steps("DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "INSERT INTO t VALUES (3, 'three')"),
			outcome: outcome{equal: []string{"keep"}, stops: map[string]string{"t": "DISCARD TABLESPACE"}},
		},
	}
}
