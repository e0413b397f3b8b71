package ddl

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestParse_Logged reads the statements that real servers log, which are not always as they were sent.
func TestParse_Logged(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		w := newWitness(t, s)
		made := "CREATE TABLE b AS SELECT * FROM a"
		if early(s) { // which refuse it where GTIDs are on
			made = "CREATE TABLE b LIKE a"
		}
		for _, q := range []string{
			"CREATE TABLE a (id int PRIMARY KEY, v varchar(9) DEFAULT 'x''y')", made, "CREATE TABLE c LIKE a",
			"CREATE TEMPORARY TABLE tmp (id int)", "INSERT INTO tmp VALUES (1)", "INSERT INTO a SELECT id, 'z' FROM tmp", "DROP TEMPORARY TABLE tmp",
			"CREATE VIEW v AS SELECT * FROM a", "CREATE PROCEDURE p() BEGIN UPDATE a SET v = 'q'; DROP TABLE IF EXISTS c; END", "CALL p()", "DROP PROCEDURE p",
			"CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.v = 'w'", "DROP TRIGGER tr", "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
			"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO TRUNCATE a", "DROP EVENT e", "CREATE USER IF NOT EXISTS u1 IDENTIFIED BY 'secret'", "GRANT SELECT ON *.* TO u1",
			"ALTER USER u1 IDENTIFIED BY 'x'", "REVOKE SELECT ON *.* FROM u1", "DROP USER u1", "ANALYZE TABLE a", "OPTIMIZE TABLE a", "REPAIR TABLE a", "FLUSH TABLES",
			"RENAME TABLE b TO b2, a TO b", "TRUNCATE b", "ALTER TABLE b ADD n int /*!80023 INVISIBLE */, COMMENT 'it''s'", "CREATE INDEX i ON b (v)",
			"XA START 'x'", "INSERT INTO b (id) VALUES (7)", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'", "DROP VIEW v", "DROP TABLE IF EXISTS b, b2, nope",
			"CREATE DATABASE ddl_logged", "ALTER DATABASE ddl_logged CHARACTER SET latin1", "DROP DATABASE ddl_logged",
		} {
			w.mustExec(q)
		}
		kinds := map[Kind]int{}
		for _, text := range w.logged() {
			for _, st := range Parse(text, w.mode) {
				kinds[st.Kind]++
				if st.Kind == NotUnderstood || st.Kind == DML || st.Create != nil && st.Create.Select {
					t.Errorf("%s: got %s: %s", text, st.Kind, st.Reason)
				}
			}
		}
		for k := CreateTable; k <= DropDatabase; k++ {
			if kinds[k] == 0 {
				t.Errorf("the log has no %s: %v", k, kinds)
			}
		}
	})
}

// early are the versions of MySQL before 8.0.20 that the tests may run on.
func early(s *servers.Server) bool {
	return s.Flavour == servers.FlavourMySQL && (s.Version == "5.7" || s.Version == "8.0.15")
}

// logged returns the statements of the log that were run with the witness's database.
func (w *witness) logged() []string {
	w.Helper()
	rows, err := w.conn.QueryContext(w.Context(), "SHOW BINLOG EVENTS")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var texts []string
	for rows.Next() {
		var file, kind, info string
		var pos, server, end int64
		if err := rows.Scan(&file, &pos, &kind, &server, &end, &info); err != nil {
			w.Fatal(err)
		}
		text, ours := strings.CutPrefix(info, "use `"+w.mode.Database+"`; ")
		if kind == "Query" && (ours || !strings.HasPrefix(info, "use ")) {
			texts = append(texts, text)
		}
	}
	return texts
}
