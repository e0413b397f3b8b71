package items

import "testing"

// TestItems_Alter plays the clauses of ALTER TABLE.
func TestItems_Alter(t *testing.T) {
	play(t, []scenario{
		{
			item: "DDL", name: "ADD COLUMN, with positions, several at once",
			setup: steps("CREATE TABLE t (id int PRIMARY KEY, a varchar(10))", "INSERT INTO t VALUES (1, 'x'), (2, NULL)"),
			steps: steps(
				"INSERT INTO t VALUES (3, 'before')", "ALTER TABLE t ADD b int FIRST", "INSERT INTO t VALUES (7, 4, 'b')",
				"ALTER TABLE t ADD COLUMN (c varchar(5), d date)", "UPDATE t SET c = 'c', d = '2026-01-02' WHERE id < 3",
				"ALTER TABLE t ADD e decimal(8,2) AFTER id, ADD f blob", "INSERT INTO t VALUES (8, 5, 1.25, 'b', 'c', NULL, 'f')"),
			outcome: outcome{equal: []string{"t"}},
		},
		{
			item: "DDL", name: "DROP PARTITION",
			setup:   steps("CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)", "INSERT INTO t VALUES (1), (11)"),
			steps:   steps("ALTER TABLE t DROP PARTITION p0", "INSERT INTO t VALUES (12)"),
			outcome: outcome{stops: map[string]string{"t": "DROP PARTITION deletes rows"}},
		},
	})
}
