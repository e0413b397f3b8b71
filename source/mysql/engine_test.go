package mysql

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestTables_Engines refuses tables whose rows are in other tables, or nowhere.
func TestTables_Engines(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.part (id INT PRIMARY KEY) ENGINE=MyISAM", database),
			fmt.Sprintf("CREATE TABLE %s.merged (id INT PRIMARY KEY) ENGINE=MERGE UNION=(%[1]s.part)", database))
		d, err := open(t, srv).Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Tables) != 1 || d.Tables[0].Name.Table != "part" || len(d.Refused) != 1 {
			t.Fatalf("captured %v, refused %v", d.Tables, d.Refused)
		}
		mustSay(t, d.Refused[0], "keeps no rows of its own", database+".merged")
	})
}
