package warehouse

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestChange_StallsItsTable has ClickHouse unable to end a change of a table's column, as if the table were huge: no merge
// goes on there, and the rewriting of parts is one. Other tables and new ones flow on meanwhile, also when the program is
// killed and starts again; the table itself comes after when merges go on.
func TestChange_StallsItsTable(t *testing.T) {
	s, c := servers.Shared(t, servers.FlavourMySQL), servers.SharedClickHouse(t)
	db := s.Database(t)
	s.Exec(t,
		"CREATE TABLE "+db+".slow (id INT PRIMARY KEY, n INT)", "INSERT INTO "+db+".slow VALUES (1, 1), (2, 2)",
		"CREATE TABLE "+db+".brisk (id INT PRIMARY KEY, n INT)", "INSERT INTO "+db+".brisk VALUES (1, 1)")
	p := e2e.PipelineTo(t, e2e.ClickHouse{Server: c}, s, db, nil)
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "slow", "brisk")

	slow := "`" + db + "`.slow"
	c.Exec(t, "SYSTEM STOP MERGES "+slow)
	unended := func() bool {
		return c.Value(t, "SELECT count() FROM system.mutations WHERE database = '"+db+"' AND table = 'slow' AND NOT is_done") != "0"
	}
	s.Exec(t, "ALTER TABLE "+db+".slow MODIFY n BIGINT", "UPDATE "+db+".slow SET n = 5000000000 WHERE id = 2")
	e2e.Until(t, 30*time.Second, "a change that does not end", unended)
	s.Exec(t, "UPDATE "+db+".brisk SET n = 2", "CREATE TABLE "+db+".born (id INT PRIMARY KEY)", "INSERT INTO "+db+".born VALUES (1)")
	p.Equal(t, 30*time.Second, "brisk", "born")

	d.Kill(t)
	s.Exec(t, "UPDATE "+db+".brisk SET n = 3", "INSERT INTO "+db+".slow VALUES (3, 6000000000)", "ALTER TABLE "+db+".slow ADD m INT")
	d = p.Run(t)
	s.Exec(t, "ALTER TABLE "+db+".brisk ADD m INT", "INSERT INTO "+db+".brisk VALUES (2, 2, 2)", "INSERT INTO "+db+".born VALUES (2)")
	p.Equal(t, 30*time.Second, "brisk", "born")
	if !unended() {
		t.Error("the change has ended, so nothing was shown")
	}

	c.Exec(t, "SYSTEM START MERGES "+slow)
	s.Exec(t, "UPDATE "+db+".slow SET m = 7")
	p.Equal(t, 30*time.Second, "slow", "brisk", "born")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}
