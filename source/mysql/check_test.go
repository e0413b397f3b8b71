package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// finds checks a source and looks for a finding of a level whose texts have these parts.
func finds(t *testing.T, s *Source, tables []*schema.Table, level schema.Level, parts ...string) {
	t.Helper()
	findings, err := s.Check(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	ok := slices.ContainsFunc(findings, func(f schema.Finding) bool {
		all := f.What + "\n" + f.Why + "\n" + f.Fix
		for _, p := range parts {
			if !strings.Contains(all, p) {
				return false
			}
		}
		return f.Level == level && (level == schema.Fine || f.Why != "" && f.Fix != "")
	})
	if !ok {
		t.Errorf("no finding of level %d with %q in:\n%s", level, parts, spell(findings))
	}
}

func spell(findings []schema.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%d %s | %s | %s\n", f.Level, f.What, f.Why, f.Fix)
	}
	return b.String()
}

// TestCheck_Fine finds nothing to complain of at a server as it should be.
func TestCheck_Fine(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY)", database))
		s := open(t, srv)
		findings, err := s.Check(t.Context(), []*schema.Table{tableOf(t, s, database, "t")})
		if err != nil {
			t.Fatal(err)
		}
		if len(findings) < 6 {
			t.Errorf("only %d things were looked at", len(findings))
		}
		for _, f := range findings {
			if f.Level == schema.Problem {
				t.Errorf("a problem: %+v", f)
			}
		}
	})
}

// TestCheck_Variables changes one variable after another of a private server.
func TestCheck_Variables(t *testing.T) {
	cases := []struct {
		variable, value string
		level           schema.Level
		parts           []string
		flavour         servers.Flavour
	}{
		{"binlog_format", "'STATEMENT'", schema.Problem, []string{"binlog_format is STATEMENT", "SET GLOBAL binlog_format = 'ROW'"}, ""},
		{"binlog_row_image", "'MINIMAL'", schema.Problem, []string{"binlog_row_image is MINIMAL", "SET GLOBAL binlog_row_image = 'FULL'"}, ""},
		{"binlog_row_metadata", "'MINIMAL'", schema.Warning, []string{"binlog_row_metadata", "SET GLOBAL binlog_row_metadata = 'FULL'"}, ""},
		{"binlog_row_value_options", "'PARTIAL_JSON'", schema.Fine, []string{"PARTIAL_JSON"}, servers.FlavourMySQL},
		{"binlog_checksum", "'NONE'", schema.Warning, []string{"binlog_checksum is NONE"}, ""},
		{"binlog_expire_logs_seconds", "3600", schema.Warning, []string{"1.0 hours", "SET GLOBAL binlog_expire_logs_seconds = 604800"}, ""},
		{"binlog_order_commits", "OFF", schema.Warning, []string{"binlog_order_commits is OFF"}, servers.FlavourMySQL},
		{"gtid_mode", "'ON_PERMISSIVE'", schema.Problem, []string{"gtid_mode is ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON"}, servers.FlavourMySQL},
	}
	servers.EachPrivate(t, func(t *testing.T, srv *servers.Server) {
		for _, c := range cases {
			t.Run(c.variable, func(t *testing.T) {
				if c.flavour != "" && c.flavour != srv.Flavour {
					t.Skip("the server has no such variable")
				}
				s := open(t, srv)
				if _, known := s.server.vars[c.variable]; !known {
					t.Skip("the server has no such variable")
				}
				old := srv.Value(t, "SELECT @@GLOBAL."+c.variable)
				srv.Exec(t, fmt.Sprintf("SET GLOBAL %s = %s", c.variable, c.value))
				finds(t, open(t, srv), nil, c.level, c.parts...)
				if _, err := strconv.Atoi(old); err != nil {
					old = literal(old)
				}
				srv.Exec(t, fmt.Sprintf("SET GLOBAL %s = %s", c.variable, old))
			})
		}
	})
}

// TestCheck_Log looks at servers that cannot serve a log.
func TestCheck_Log(t *testing.T) {
	t.Run("off", func(t *testing.T) {
		srv := servers.MySQL(t, "8.0", "--skip-log-bin", "--gtid-mode=OFF")
		finds(t, open(t, srv), nil, schema.Problem, "log_bin is OFF", "log_bin=binlog")
	})
	t.Run("filtered", func(t *testing.T) {
		srv := servers.MariaDB(t, "10.11", "--binlog-do-db=other")
		srv.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
		s := open(t, srv)
		finds(t, s, []*schema.Table{tableOf(t, s, "shop", "t")}, schema.Problem, "database shop", "binlog_do_db")
	})
}

// TestCheck_ServerID gives the reader the id that the server has.
func TestCheck_ServerID(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		cfg := configOf(srv)
		id := srv.Value(t, "SELECT @@server_id")
		if err := cfg.ServerID.UnmarshalText([]byte(id)); err != nil {
			t.Fatal(err)
		}
		finds(t, openConfig(t, cfg), nil, schema.Problem, "server-id "+id, "choose another")
	})
}

// TestCheck_Grants logs in with too few privileges, and looks for the statements that grant them; then runs these.
func TestCheck_Grants(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		user := fmt.Sprintf("'few_%s'@'127.0.0.1'", srv.Flavour)
		srv.Exec(t, "DROP USER IF EXISTS "+user, "CREATE USER "+user+" IDENTIFIED BY 'pw'",
			fmt.Sprintf("CREATE TABLE %s.open (id INT PRIMARY KEY)", database),
			fmt.Sprintf("CREATE TABLE %s.shut (id INT PRIMARY KEY)", database),
			fmt.Sprintf("GRANT SELECT ON %s.open TO %s", database, user), fmt.Sprintf("GRANT INSERT ON %s.shut TO %s", database, user))
		root := open(t, srv)
		tables := []*schema.Table{tableOf(t, root, database, "open"), tableOf(t, root, database, "shut")}
		cfg := configOf(srv)
		cfg.Username, cfg.Password = strings.Split(user, "'")[1], "pw"
		s := openConfig(t, cfg)
		grants := []string{"GRANT REPLICATION SLAVE ON *.* TO " + user, "GRANT SELECT ON `" + database + "`.`shut` TO " + user}
		client := "REPLICATION CLIENT"
		if srv.Flavour == servers.FlavourMariaDB && s.server.number >= 100502 {
			client = "BINLOG MONITOR"
		}
		finds(t, s, tables, schema.Problem, grants[0])
		finds(t, s, tables, schema.Problem, grants[1])
		finds(t, s, tables, schema.Problem, "GRANT "+client+" ON *.* TO "+user)
		srv.Exec(t, append(grants, "GRANT "+client+" ON *.* TO "+user)...)
		findings, err := openConfig(t, cfg).Check(t.Context(), tables)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Level == schema.Problem {
				t.Errorf("with all grants there is a problem: %+v", f)
			}
		}
	})
}

// TestCheck_Tables looks at tables that cannot be copied with the full promise.
func TestCheck_Tables(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		exec := func(sql string) { srv.Exec(t, strings.ReplaceAll(sql, "DB.", database+".")) }
		exec("CREATE TABLE DB.parent (id INT PRIMARY KEY)")
		exec("CREATE TABLE DB.child (id INT PRIMARY KEY, p INT, CONSTRAINT gone FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)")
		exec("CREATE TABLE DB.old (id INT PRIMARY KEY) ENGINE=MyISAM")
		exec("CREATE TABLE DB.keyless (a INT)")
		cfg := configOf(srv)
		cfg.Cascades = CascadesWarn
		s := openConfig(t, cfg)
		d, err := s.Tables(t.Context(), inDatabase(database))
		if err != nil {
			t.Fatal(err)
		}
		if s.server.mariadb() || s.server.number < loggedCascades {
			finds(t, s, d.Tables, schema.Problem, "foreign key gone", database+".child", "ON DELETE CASCADE", "DROP FOREIGN KEY `gone`")
		}
		finds(t, s, d.Tables, schema.Warning, database+".old", "MyISAM", "ENGINE = InnoDB")
		if s.server.snapshot { // else it is among the refused
			finds(t, s, d.Tables, schema.Warning, database+".keyless", "no primary key", "ADD PRIMARY KEY")
		}
	})
}
