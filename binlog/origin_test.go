package binlog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// TestStream_Origin holds that rows and schema changes say which transaction they are of, as the server names it, and
// that the changes of a transaction are numbered over all its tables.
func TestStream_Origin(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		stream := open(t, s, db, from)
		script(t, s, db, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)",
			"BEGIN; INSERT INTO a VALUES (1),(2); INSERT INTO b VALUES (1); SAVEPOINT p; INSERT INTO a VALUES (3); ROLLBACK TO p; "+
				"UPDATE a SET id=9 WHERE id=2; DELETE FROM b; COMMIT")
		end := head(t, s)
		events := until(t, stream, end)
		defer freeAll(events)
		numbers := map[string][]uint32{}
		var origins []schema.Origin
		for _, ev := range events {
			if c := ev.Schema; c != nil && (c.Origin.Seq != ev.Txn.Seq || c.Time == 0 || c.Origin.File == "") {
				t.Errorf("change of %s: got origin %+v, time %d", c.Name(), c.Origin, c.Time)
			}
			if ev.Rows != nil {
				numbers[ev.Rows.Table.Name.Table] = slices.Clone(ev.Rows.Orders)
				origins = append(origins, ev.Rows.Origin)
			}
		}
		if got, want := fmt.Sprint(numbers), "map[a:[1 2 4 4] b:[3 5]]"; got != want {
			t.Errorf("numbers: got %s, want %s", got, want)
		}
		if len(origins) != 2 || origins[0] != origins[1] {
			t.Fatalf("got origins %+v, want one twice", origins)
		}
		o := origins[0]
		if gtid := string(o.AppendGTID(nil)); !strings.Contains(string(end), strings.TrimSuffix(gtid, fmt.Sprint(o.Number))) || o.Number == 0 {
			t.Errorf("the transaction is %s, the log ends at %s", gtid, end)
		}
		if id := s.Value(t, "SELECT @@server_id"); fmt.Sprint(o.ServerID) != id || !strings.Contains(string(end), o.File) {
			t.Errorf("got server %d, file %s, want server %s, log %s", o.ServerID, o.File, id, end)
		}
		if (o.Thread == 0) != (s.Flavour == servers.FlavourMariaDB) { // MariaDB's GTID event stands for BEGIN
			t.Errorf("got thread %d", o.Thread)
		}
	})
}
