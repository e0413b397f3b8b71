package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/e2e/verify"
)

// TestVerifier_FindsCorruption holds the judge to its task: from tables that were copied and are equal, the source is
// changed behind the copy's back, in every way in which a copy can be wrong, and each must be found and named.
func TestVerifier_FindsCorruption(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	db := s.Database(t)
	corruptions := []struct{ table, how, finds string }{
		{"lost", "INSERT INTO lost VALUES (9, 9, 'x', 'y', 1.5, NULL)", "missing: id=9"},
		{"invented", "DELETE FROM invented WHERE id=2", "extra: id=2"},
		{"stale", "UPDATE stale SET a='newer' WHERE id=3", "changed: id=3 a"},
		{"duplicate", "DELETE FROM duplicate WHERE id=2", "duplicate key: g=1"},
		{"swapped", "UPDATE swapped SET a=b, b='x0' WHERE id=1", "changed: id=1 a"},
		{"emptied", "UPDATE emptied SET a=NULL WHERE id=4", "changed: id=4 a"},
		{"filled", "UPDATE filled SET b='' WHERE id=5", "changed: id=5 b"},
		{"rounded", "UPDATE rounded SET v=v+1e-12 WHERE id=1", "changed: id=1 v"},
		{"moved", "UPDATE moved SET id=77 WHERE id=1", "missing: id=77"},
		{"spelled", "UPDATE spelled SET a='X0' WHERE id=1", "changed: id=1 a"},
		{"padded", "UPDATE padded SET a='x0 ' WHERE id=1", "changed: id=1 a"},
		{"column", "ALTER TABLE `column` ADD z int", "column z: not in the Iceberg table"},
		{"void", "DELETE FROM void", "extra: id=1"},
		{"same", "", ""},
	}
	pairs := make([]verify.Pair, len(corruptions))
	for i, c := range corruptions {
		s.Exec(t,
			"CREATE TABLE "+db+".`"+c.table+"` (id int PRIMARY KEY, g int, a varchar(20) COLLATE utf8mb4_general_ci, b varchar(20), v double, n int)",
			"INSERT INTO "+db+".`"+c.table+"` VALUES (1,1,'x0','y',0.1,NULL),(2,1,'x','0y',2,NULL),(3,3,'old','',3,3),(4,4,'','b',4,4),(5,5,'e',NULL,5,5)")
		pairs[i] = verify.Pair{Namespace: db, Table: c.table, Database: db, Source: c.table}
		if c.table == "duplicate" {
			pairs[i].Key = "g"
		}
	}
	p := NewPipeline(t, s, db, Settings{"source.scan.startup.mode": "snapshot"})
	d := p.Run(t)
	if !d.Ended(60*time.Second) || d.ExitCode() != 0 {
		t.Fatalf("the snapshot did not end:\n%s", p.Log(40))
	}
	pairs[3].Key = ""
	verify.All(t, p.Catalog(), s, pairs...)
	pairs[3].Key = "g"
	for _, c := range corruptions {
		if c.how != "" {
			s.Exec(t, "USE "+db+"; "+c.how)
		}
	}
	results, err := verify.Run(t.Context(), p.Catalog(), s, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range corruptions {
		err := results[i].Err(pairs[i])
		switch {
		case c.how == "" && err != nil:
			t.Errorf("%s: a fault was found where none is: %v", c.table, err)
		case c.how != "" && (err == nil || !strings.Contains(err.Error(), c.finds)):
			t.Errorf("%s: %q was not found: %v", c.table, c.finds, err)
		}
	}
	vacuous(t, p, s, db)
}

// vacuous holds that nothing compared with nothing is no success.
func vacuous(t *testing.T, p *Pipeline, s *servers.Server, db string) {
	t.Helper()
	nothing := []verify.Pair{
		{Namespace: db, Table: "same", Database: db, Source: "nosuch"},
		{Namespace: db, Table: "nosuch", Database: db, Source: "same"},
	}
	results, err := verify.Run(t.Context(), p.Catalog(), s, nothing...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err(nothing[i]) == nil {
			t.Errorf("a comparison without %v succeeded", nothing[i])
		}
	}
	if err := (verify.Result{Columns: 3}).Err(nothing[0]); err == nil {
		t.Error("a comparison of two empty tables succeeded")
	}
}
