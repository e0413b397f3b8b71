package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// ChangeShapes copies a table that takes every kind of schema change, each with rows before and after it, and one without
// a key, of which some rows are the same.
func ChangeShapes(t *testing.T, target Target, s *servers.Server) {
	db := s.Database(t)
	exec := func(statements ...string) {
		for _, sql := range statements {
			s.Exec(t, strings.ReplaceAll(sql, "DB.", db+"."))
		}
	}
	exec("CREATE TABLE DB.keyless (a INT, b VARCHAR(20), d DECIMAL(10,2))",
		"INSERT INTO DB.keyless VALUES (1, 'x', 1.5), (1, 'x', 1.5), (1, 'x', 1.50), (2, NULL, NULL), (2, NULL, NULL), (3, '', 0)",
		"CREATE TABLE DB.items (id INT PRIMARY KEY, a INT, b VARCHAR(20), c DECIMAL(8,2))",
		"INSERT INTO DB.items VALUES (1, 1, 'one', 1.25), (2, NULL, NULL, NULL), (3, 3, '', -0.01)")
	p := PipelineTo(t, target, s, db, nil)
	d := p.Run(t)
	equal := func(tables ...string) {
		t.Helper()
		p.Equal(t, 30*time.Second, tables...)
	}
	equal("keyless", "items")
	exec("DELETE FROM DB.keyless WHERE a = 1 LIMIT 1", "UPDATE DB.keyless SET b = 'y' WHERE a = 2 LIMIT 1", "INSERT INTO DB.keyless VALUES (3, '', 0)",
		"ALTER TABLE DB.items ADD COLUMN e INT NOT NULL DEFAULT 7, ADD f VARCHAR(10) DEFAULT 'fill' AFTER a",
		"UPDATE DB.items SET e = 8 WHERE id = 1", "INSERT INTO DB.items (id, a) VALUES (4, 4)")
	equal("keyless", "items")
	exec("ALTER TABLE DB.items CHANGE b bb VARCHAR(30)", "UPDATE DB.items SET bb = 'two' WHERE id = 2",
		"ALTER TABLE DB.items CHANGE a aa BIGINT FIRST", "INSERT INTO DB.items (id, aa) VALUES (5, 5000000000)",
		"ALTER TABLE DB.items MODIFY c DECIMAL(12,2)", "UPDATE DB.items SET c = 1234567890.12 WHERE id = 3",
		"ALTER TABLE DB.items DROP COLUMN f", "ALTER TABLE DB.items ADD COLUMN f DATE DEFAULT '2020-02-02'", "DELETE FROM DB.items WHERE id = 2")
	equal("items")
	exec("ALTER TABLE DB.keyless ADD COLUMN g INT DEFAULT 5", "UPDATE DB.keyless SET g = 6 WHERE a = 3 LIMIT 1",
		"ALTER TABLE DB.items DROP COLUMN c, ADD COLUMN h DOUBLE", "RENAME TABLE DB.items TO DB.things",
		"INSERT INTO DB.things (id, h) VALUES (6, 0.5)", "UPDATE DB.things SET h = 1e300 WHERE id = 1")
	equal("keyless", "things")
	exec("TRUNCATE TABLE DB.things", "INSERT INTO DB.things (id) VALUES (1), (7)", "TRUNCATE TABLE DB.keyless", "INSERT INTO DB.keyless (a) VALUES (9), (9)")
	equal("keyless", "things")
	exec("DROP TABLE DB.things", "CREATE TABLE DB.things (id INT PRIMARY KEY, bb INT)", "INSERT INTO DB.things VALUES (1, 2)", "UPDATE DB.things SET bb = 3")
	equal("things")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	equal("keyless", "things")
}
