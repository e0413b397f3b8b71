// Package migrate changes tables with the real gh-ost and pt-online-schema-change, while they are written to and copied.
package migrate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/source"
)

// patience is how long a tool, or a pipeline, may take for what takes seconds on a machine that does nothing else.
const patience = 5 * time.Minute

// alter is a change that touches each column: one is added, one widened, one renamed and widened, one moved and widened,
// one dropped, one gets a label.
const alter = "ADD COLUMN c INT NOT NULL DEFAULT 7 AFTER id, MODIFY a BIGINT, CHANGE note text2 VARCHAR(80), MODIFY d DECIMAL(12,2) FIRST, " +
	"DROP COLUMN gone, MODIFY e ENUM('x','y','z')"

// option follows migrations.
var option = e2e.Settings{"source.scan.parse.online.schema.changes.enabled": `"true"`}

// TestMigrate migrates two tables at once, under load, with a program that is killed meanwhile. With the option on there is
// one copy of each table, the first, and the tables are equal at the end.
func TestMigrate(t *testing.T) {
	mysql := func(t *testing.T) *servers.Server { return servers.SharedMySQL(t, "9.7") }
	mariadb := func(t *testing.T) *servers.Server { return servers.SharedMariaDB(t, "10.11") }
	for _, tt := range []struct {
		name   string
		server func(*testing.T) *servers.Server
		target func(*testing.T) e2e.Target
	}{
		{"mysql/iceberg", mysql, func(*testing.T) e2e.Target { return e2e.Iceberg{} }},
		{"mysql/clickhouse", mysql, func(t *testing.T) e2e.Target { return e2e.ClickHouse{Server: servers.SharedClickHouse(t)} }},
		{"mysql/kafka", mysql, func(t *testing.T) e2e.Target { return e2e.Kafka{Cluster: servers.SharedKafka(t)} }},
		{"mariadb/iceberg", mariadb, func(*testing.T) e2e.Target { return e2e.Iceberg{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.server(t)
			m := begin(t, s, tt.target(t), option)
			d := m.pipe.Run(t)
			m.pipe.Equal(t, patience, m.tables...)
			load := m.write(t)
			tools := m.start(t)
			m.pending(t, len(tools))
			load.more(t)
			d.Kill(t)
			for _, tool := range tools {
				tool.release(t)
			}
			d = m.pipe.Run(t)
			m.logs(t, "followed a migration", 1)
			d.Kill(t)
			d = m.pipe.Run(t)
			for _, tool := range tools {
				tool.wait(t)
			}
			m.finish(t, d, load)
			m.copies(t, 0)
			m.history(t)
		})
	}
}

// TestMigrate_Copying has the migrations done before the first row is copied: the log brings them while the tables are
// being copied in the shape that the server has by then.
func TestMigrate_Copying(t *testing.T) {
	m := begin(t, servers.SharedMySQL(t, "9.7"), e2e.Iceberg{}, option)
	d := m.pipe.Run(t, "CDCSYNC_FAULT=pipeline.after-register:1")
	if !d.Ended(patience) || !d.Killed() {
		t.Fatalf("the program has not registered its tables, and died of it as it should:\n%s", m.pipe.Log(40))
	}
	load := m.write(t)
	tools := m.start(t)
	load.more(t)
	for _, tool := range tools {
		tool.release(t)
		tool.wait(t)
	}
	d = m.pipe.Run(t)
	m.logs(t, "followed a migration", 2)
	m.finish(t, d, load)
	m.copies(t, 0)
}

// TestMigrate_Off has the tables copied anew at the swap, as is the default.
func TestMigrate_Off(t *testing.T) {
	m := begin(t, servers.SharedMySQL(t, "9.7"), e2e.Iceberg{}, nil)
	d := m.pipe.Run(t)
	m.pipe.Equal(t, patience, m.tables...)
	load := m.write(t)
	tools := m.start(t)
	load.more(t)
	for _, tool := range tools {
		tool.release(t)
		tool.wait(t)
	}
	m.logs(t, "to be copied anew", 2)
	m.finish(t, d, load)
	m.copies(t, 2)
	if text := m.pipe.Log(1 << 20); strings.Contains(text, "followed a migration") {
		t.Error("a migration was followed though the option is off")
	}
}

// A migrating is a pipeline whose tables are migrated.
type migrating struct {
	server *servers.Server
	pipe   *e2e.Pipeline
	db     string
	tables []string
}

// rows is how many each table has at the beginning.
const rows = 3_000

func begin(t *testing.T, s *servers.Server, target e2e.Target, settings e2e.Settings) *migrating {
	t.Helper()
	db := s.Database(t)
	m := &migrating{server: s, db: db, tables: []string{"orders", "items"}}
	for _, name := range m.tables {
		s.Exec(t, fmt.Sprintf("CREATE TABLE %s.%s (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, note VARCHAR(40), d DECIMAL(8,2), gone INT, e ENUM('x','y')) CHARACTER SET utf8mb4", db, name),
			fmt.Sprintf("INSERT INTO %s.%s (a, note, d, gone, e) VALUES (1,'one',1.5,1,'x'), (2,'two',-2.5,2,'y'), (NULL,NULL,NULL,NULL,NULL), (4,'four',0,4,'x')", db, name))
		for n := 4; n < rows; n *= 2 {
			s.Exec(t, fmt.Sprintf("INSERT INTO %s.%s (a, note, d, gone, e) SELECT a + id, LEFT(CONCAT(note, id), 40), d, gone, e FROM %[1]s.%[2]s LIMIT %d", db, name, rows-n))
		}
	}
	m.pipe = e2e.PipelineTo(t, target, s, db, settings)
	m.pipe.Set(t, e2e.Settings{"pipeline.commit.interval": "1s", "source.tables": fmt.Sprintf(`"%s.(orders|items)"`, db)})
	return m
}

// start has both tables migrated, each by a tool that waits before its end.
func (m *migrating) start(t *testing.T) []*tool {
	t.Helper()
	other := ghOst
	if m.server.Flavour == servers.FlavourMariaDB { // which gh-ost does not know
		other = ptOsc
	}
	return []*tool{other(t, m.server, m.db, "orders", alter), ptOsc(t, m.server, m.db, "items", alter)}
}

// pending waits until the position that is saved has so many migrations under way.
func (m *migrating) pending(t *testing.T, n int) {
	t.Helper()
	e2e.Until(t, patience, "migrations are pending in the saved position", func() bool {
		out, _, code := m.pipe.Command(t, "state", "-o", "json")
		var state struct {
			Position source.Position `json:"position"`
		}
		if code != 0 || json.Unmarshal([]byte(out), &state) != nil || state.Position == "" {
			return false
		}
		p, err := binlog.ParsePosition(state.Position)
		if err != nil {
			t.Fatal(err)
		}
		ready := 0
		for _, m := range p.Migrations {
			if m.Why != "" {
				t.Fatalf("the migration of %s will not be followed: %s", m.Table, m.Why)
			}
			if m.Alter != nil {
				ready++
			}
		}
		return ready == n
	})
}

// logs waits until the program has said something so many times, in all its lives.
func (m *migrating) logs(t *testing.T, what string, times int) {
	t.Helper()
	e2e.Until(t, patience, fmt.Sprintf("the program says %q %d times", what, times), func() bool {
		text := m.pipe.Log(1 << 20)
		if strings.Contains(text, "did not follow a migration") {
			t.Fatalf("a migration was not followed:\n%s", m.pipe.Log(40))
		}
		return strings.Count(text, what) >= times
	})
}

// finish stops the load, compares, ends the program in an orderly way, and compares again.
func (m *migrating) finish(t *testing.T, d *e2e.Daemon, load *load) {
	t.Helper()
	load.more(t)
	t.Logf("%d statements were written", load.stop())
	m.pipe.Equal(t, patience, m.tables...)
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	m.pipe.Equal(t, 0, m.tables...)
}

// copies holds how many times tables were copied after the first time.
func (m *migrating) copies(t *testing.T, anew int) {
	t.Helper()
	if got := strings.Count(m.pipe.Log(1<<20), "to be copied anew"); got != anew {
		t.Errorf("tables were copied anew %d times, want %d:\n%s", got, anew, m.pipe.Log(80))
	}
}

// history holds that the state lists the changes as it does any other.
func (m *migrating) history(t *testing.T) {
	t.Helper()
	out, said, code := m.pipe.Command(t, "state", "-o", "json")
	if code != 0 {
		t.Fatalf("state: %s", said)
	}
	var state struct {
		Changes []struct {
			Statement string `json:"statement"`
		} `json:"changes"`
	}
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, c := range state.Changes {
		if strings.Contains(c.Statement, "DROP COLUMN gone") {
			found++
		}
	}
	if found != len(m.tables) {
		t.Errorf("the state lists %d of the changes, want %d: %s", found, len(m.tables), out)
	}
}

// flag makes a file for as long as a tool is to wait.
func flag(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "wait")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
