package mysql

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// reader is the configuration of an account that has the rights that the README names and no more.
func reader(t *testing.T, srv *servers.Server, database string) Config {
	t.Helper()
	user := "reader_" + database[max(0, len(database)-20):]
	srv.Exec(t, fmt.Sprintf("DROP USER IF EXISTS %s@'%%'", user), fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY 'a-Secret1'", user), fmt.Sprintf("GRANT SELECT ON %s.* TO %s@'%%'", database, user),
		fmt.Sprintf("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO %s@'%%'", user))
	cfg := configOf(srv)
	cfg.Username, cfg.Password = user, "a-Secret1"
	return cfg
}

// TestTables_Cascades refuses tables that foreign keys change without logging it, and no others.
func TestTables_Cascades(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		exec := func(sql string) { srv.Exec(t, strings.ReplaceAll(sql, "DB.", database+".")) }
		exec("CREATE TABLE DB.parent (id INT PRIMARY KEY)")
		for name, rule := range map[string]string{"gone": "ON DELETE CASCADE", "nulled": "ON DELETE SET NULL", "moved": "ON UPDATE CASCADE", "held": "ON DELETE RESTRICT", "plain": ""} {
			exec(fmt.Sprintf("CREATE TABLE DB.%s (id INT PRIMARY KEY, p INT, CONSTRAINT fk_%[1]s FOREIGN KEY (p) REFERENCES DB.parent (id) %s)", name, rule))
		}
		cfg := reader(t, srv, database)
		s := openConfig(t, cfg)
		d, err := s.Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		want := "gone moved nulled"
		if !s.server.mariadb() && s.server.number >= loggedCascades {
			want = ""
		}
		var got []string
		for _, r := range d.Refused {
			got = append(got, r.Table.Table)
			for _, part := range []string{"fk_" + r.Table.Table, "DROP FOREIGN KEY", "foreign-key.cascades: warn"} {
				if !strings.Contains(r.Error(), part) {
					t.Errorf("%v does not say %q", r, part)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("refused %q, want %q", got, want)
		}
		cfg.Cascades = CascadesWarn
		if d, err = openConfig(t, cfg).Tables(t.Context(), inDatabase(database)); err != nil || len(d.Refused) > 0 || len(d.Tables) != 6 {
			t.Errorf("with warn: got %d tables, refused %v, %v", len(d.Tables), d.Refused, err)
		}
	})
}

// TestStream_Cascades stops tables that get such a foreign key after they were found, or while the log is followed.
func TestStream_Cascades(t *testing.T) {
	srv := servers.SharedMariaDB(t, "10.11")
	database := srv.Database(t)
	srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.parent (id INT PRIMARY KEY)", database), fmt.Sprintf("CREATE TABLE %s.early (id INT PRIMARY KEY, p INT)", database))
	var log bytes.Buffer
	for _, mode := range []Cascades{CascadesRefuse, CascadesWarn} {
		cfg := configOf(srv)
		cfg.Cascades = mode
		s, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		start, err := s.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if mode == CascadesRefuse {
			tables := []*schema.Table{tableOf(t, s, database, "early")}
			srv.Exec(t, fmt.Sprintf("ALTER TABLE %s.early ADD CONSTRAINT fk_early FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE", database),
				fmt.Sprintf("CREATE TABLE %s.late (id INT PRIMARY KEY, p INT, CONSTRAINT fk_late FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL)", database))
			stream, err := s.Stream(t.Context(), start.Position, tables, inDatabase(database))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"early", "early", "late"} { // at the start, and when the log tells of it
				if e := nextStop(t, stream); e.Table.Table != name || !strings.Contains(e.Error(), "fk_"+name) {
					t.Errorf("stopped %v, want %s", e, name)
				}
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		} else {
			stream, err := s.Stream(t.Context(), start.Position, []*schema.Table{tableOf(t, s, database, "early")}, inDatabase(database))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "key=fk_early") {
				t.Errorf("no warning names the key: %s", log.String())
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStream_CascadesLater stops a table that gets such a foreign key, and no other shape, while the log is followed: the
// rows that the server deletes by it are not in the log.
func TestStream_CascadesLater(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		exec := func(sql string) { srv.Exec(t, strings.ReplaceAll(sql, "DB.", database+".")) }
		exec("CREATE TABLE DB.parent (id INT PRIMARY KEY)")
		var tables []*schema.Table
		s := openConfig(t, configOf(srv))
		if !s.server.mariadb() && s.server.number >= loggedCascades {
			t.Skip("the server logs what foreign keys do")
		}
		for _, name := range []string{"held", "checked", "gone", "again"} {
			exec("CREATE TABLE DB." + name + " (id INT PRIMARY KEY, p INT)")
			tables = append(tables, tableOf(t, s, database, name))
		}
		start, err := s.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream, err := s.Stream(t.Context(), start.Position, tables, inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		exec("ALTER TABLE DB.held ADD FOREIGN KEY (p) REFERENCES DB.parent (id) ON DELETE RESTRICT")
		exec("ALTER TABLE DB.checked ADD CONSTRAINT positive CHECK (p > 0)")
		for _, name := range []string{"gone", "again"} {
			exec(fmt.Sprintf("ALTER TABLE DB.%s ADD CONSTRAINT fk_%[1]s FOREIGN KEY (p) REFERENCES DB.parent (id) ON DELETE CASCADE", name))
			if e := nextStop(t, stream); e.Table.Table != name || !strings.Contains(e.Error(), "fk_"+name) {
				t.Errorf("stopped %v, want %s", e, name)
			}
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
}

// nextStop reads a stream up to the stop of a table.
func nextStop(t *testing.T, stream source.Stream) *schema.TableError {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		ev, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ev.Rows.Free()
		if ev.Schema != nil && ev.Schema.Before == ev.Schema.After {
			t.Errorf("a change of nothing is told: %s", ev.Schema.Statement)
		}
		if ev.Stopped != nil {
			return ev.Stopped
		}
	}
	t.Fatal("no table was stopped")
	return nil
}

func TestCascadesIn(t *testing.T) {
	const create = "CREATE TABLE `t` (\n  `a` int(11) DEFAULT NULL COMMENT 'x\\n  CONSTRAINT `no` FOREIGN KEY (`a`) REFERENCES `b` (`c`) ON DELETE CASCADE',\n" +
		"  KEY `k` (`a`),\n  CONSTRAINT `c``1` FOREIGN KEY (`a`, `b(`) REFERENCES `other`.`p` (`x`, `y`) ON DELETE RESTRICT ON UPDATE SET NULL,\n" +
		"  CONSTRAINT bare FOREIGN KEY (a) REFERENCES p (x) ON UPDATE CASCADE,\n  CONSTRAINT \"q\" FOREIGN KEY (\"a\") REFERENCES \"p\" (\"x\") ON DELETE CASCADE ON UPDATE NO ACTION,\n" +
		"  CONSTRAINT `held` FOREIGN KEY (`a`) REFERENCES `p` (`x`) ON DELETE NO ACTION,\n  CONSTRAINT `ck` CHECK (`a` > 0)\n) ENGINE=InnoDB"
	var got []string
	for _, k := range cascadesIn(schema.Name{Namespace: "n", Table: "t"}, create) {
		got = append(got, k.name+"|"+k.parent+"|"+k.rule)
	}
	want := "c`1|`other`.`p`|ON UPDATE SET NULL; bare|p|ON UPDATE CASCADE; q|\"p\"|ON DELETE CASCADE"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
