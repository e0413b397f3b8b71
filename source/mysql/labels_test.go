package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestTables_WideLabels has labels that the server's catalogue shows as question marks.
func TestTables_WideLabels(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		srv.Exec(t,
			"CREATE TABLE "+database+".t (id INT PRIMARY KEY, e ENUM('🦊','x','?') CHARACTER SET utf8mb4, s SET('a','b🐘') CHARACTER SET utf16)",
			"CREATE TABLE "+database+".unused (id INT PRIMARY KEY, e ENUM('🦊','x') CHARACTER SET utf8mb4)",
			"CREATE TABLE "+database+".narrow (id INT PRIMARY KEY, e ENUM('?') CHARACTER SET latin1)",
			"INSERT INTO "+database+".t VALUES (1, '🦊', 'a'), (2, 'x', 'b🐘'), (3, '?', NULL)")
		s := open(t, srv)
		d, err := s.Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		full := strings.EqualFold(s.server.vars["binlog_row_metadata"], "FULL")
		if !full && (len(d.Refused) != 1 || d.Refused[0].Table.Table != "unused" || !strings.Contains(d.Refused[0].Err.Error(), "binlog_row_metadata")) {
			t.Errorf("got %v refused, want the table whose label no row has", d.Refused)
		}
		if full && len(d.Refused) != 0 {
			t.Errorf("got %v refused", d.Refused)
		}
		table := tableOf(t, s, database, "t")
		if e, set := table.Columns[1].Labels, table.Columns[2].Labels; !slices.Equal(e, []string{"🦊", "x", "?"}) || !slices.Equal(set, []string{"a", "b🐘"}) {
			t.Errorf("got the labels %q and %q", e, set)
		}
	})
}
