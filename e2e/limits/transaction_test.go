package limits

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// server is a private MariaDB that takes large transactions.
func server(t *testing.T) *servers.Server {
	t.Helper()
	return servers.MariaDB(t, "10.11", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=1G", "--max-binlog-size=1G", "--sql-mode=")
}

// TestTransaction inserts, updates and deletes millions of rows, each in one transaction, within the memory budget.
func TestTransaction(t *testing.T) {
	s := server(t)
	db := s.Database(t)
	rows := size(300_000, 2_000_000)
	s.Exec(t, "CREATE TABLE "+db+".t (id bigint PRIMARY KEY, k int NOT NULL, c varchar(60), v decimal(12,2))",
		"INSERT INTO "+db+".t VALUES (0, 0, 'first', 0)")
	m := newMarker(t, s, db)
	settings, most := e2e.Settings{}, int64(300<<20)
	if rows < 2_000_000 { // the rows are several times the budget either way
		settings["pipeline.memory.budget"], most = "16MiB", 230<<20
	}
	p := e2e.NewPipeline(t, s, db, settings)
	d := p.Run(t)
	copied(t, p, d, 2)
	idle := d.RSS(t)
	for _, change := range []struct{ name, statement string }{
		{"insert", "INSERT INTO " + db + ".t SELECT seq, seq%%1000, concat('some text of row ', seq), seq/100 FROM mysql.seq_1_to_%d"},
		{"update", "UPDATE " + db + ".t SET k = k+1, c = concat(c, '!') WHERE id <= %d"},
		{"delete", "DELETE FROM " + db + ".t WHERE id %% 2 = 0 AND id <= %d"},
	} {
		began := time.Now()
		s.Exec(t, fmt.Sprintf(change.statement, rows))
		ran := time.Since(began)
		took := m.pass(t, p, d, 3*time.Minute)
		t.Logf("%s of %d rows: %v at the server, in Iceberg %v later; peak RSS %d MB, %d MB after the start", change.name, rows, ran, took, mb(d.RSS(t)), mb(idle))
	}
	if rss := d.RSS(t); rss > most {
		t.Errorf("peak RSS %d MB, want at most %d MB", mb(rss), mb(most))
	}
	r := p.Equal(t, time.Minute, "t", "marker")
	if r[0].SourceRows != rows/2 {
		t.Errorf("%d rows compared, want %d", r[0].SourceRows, rows/2)
	}
	ends(t, p, d)
}

// TestMemory_Flat copies tables of one and of three (ten) million rows: the memory must not follow the size.
func TestMemory_Flat(t *testing.T) {
	s := server(t)
	small := size(150_000, 1_000_000)
	large := size(3*small, 10*small)
	peak := map[int]int64{}
	for _, rows := range []int{small, large} {
		db := s.Database(t)
		s.Exec(t, "CREATE TABLE "+db+".t (id bigint PRIMARY KEY, k int NOT NULL, c varchar(60), v decimal(12,2))")
		for from := 1; from <= rows; from += 1_000_000 {
			s.Exec(t, fmt.Sprintf("INSERT INTO %s.t SELECT seq, seq%%1000, concat('some text of row ', seq), seq/100 FROM mysql.seq_%d_to_%d", db, from, min(rows, from+999_999)))
		}
		p := e2e.NewPipeline(t, s, db, e2e.Settings{
			"pipeline.memory.budget": "32MiB", "source.scan.incremental.snapshot.chunk.size": "", "source.scan.startup.mode": "snapshot",
		})
		began := time.Now()
		d := p.Run(t)
		for !d.Ended(20 * time.Millisecond) {
			peak[rows] = max(peak[rows], running(t, p))
			if time.Since(began) > 5*time.Minute {
				t.Fatal("the snapshot does not end")
			}
		}
		if d.ExitCode() != 0 {
			t.Fatalf("cdcsync ended with code %d:\n%s", d.ExitCode(), p.Log(30))
		}
		if peak[rows] == 0 {
			t.Fatal("no memory was read")
		}
		t.Logf("%d rows in %v, peak RSS %d MB", rows, time.Since(began), mb(peak[rows]))
		if rows == small {
			p.Equal(t, 0, "t")
		}
	}
	if more := peak[large] - peak[small]; more > 60<<20 {
		t.Errorf("peak RSS %d MB for %d rows, %d MB for %d", mb(peak[small]), small, mb(peak[large]), large)
	}
}
