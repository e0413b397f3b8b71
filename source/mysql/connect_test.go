package mysql

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/source"
)

// refuses opens a source that must not open, and looks for parts of the message.
func refuses(t *testing.T, cfg Config, transient bool, parts ...string) {
	t.Helper()
	s, err := Open(t.Context(), cfg, nil)
	if err == nil {
		_ = s.Close()
		t.Fatal("the source opens")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want a message with %q", err, part)
		}
	}
	if secret := cfg.Password.Reveal(); secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the message has the password: %q", err)
	}
	if errors.Is(err, source.ErrTransient) != transient {
		t.Errorf("transient is %t, want %t: %v", !transient, transient, err)
	}
}

func TestOpen_Unreachable(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Username, cfg.Password, cfg.Hostname = "cdc", "s3cret-canary", "127.0.0.1"
	t.Run("refused", func(t *testing.T) {
		port, err := servers.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		cfg.Port = port
		refuses(t, cfg, true, "connection refused", fmt.Sprint(port))
	})
	t.Run("no such host", func(t *testing.T) {
		cfg := cfg
		cfg.Hostname = "no-such-host.invalid"
		_, err := Open(t.Context(), cfg, nil)
		if err == nil || !strings.Contains(err.Error(), "no-such-host.invalid") || !strings.Contains(err.Error(), "no such host") && !strings.Contains(err.Error(), "cannot be resolved") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("silent", func(t *testing.T) {
		l := listen(t, func(net.Conn) {})
		cfg := cfg
		cfg.Port, cfg.ConnectTimeout = l, 200*time.Millisecond
		refuses(t, cfg, true, "no answer", "connect.timeout")
	})
	t.Run("not mysql", func(t *testing.T) {
		l := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("\x10\x00\x00\x00HTTP/1.1 400 Bad")) })
		cfg := cfg
		cfg.Port = l
		refuses(t, cfg, false, "does not speak MySQL's protocol")
	})
	t.Run("cancelled", func(t *testing.T) {
		l := listen(t, func(net.Conn) {})
		cfg := cfg
		cfg.Port, cfg.ConnectTimeout = l, 300*time.Millisecond
		refuses(t, cfg, true, "connect to 127.0.0.1")
	})
}

// listen serves each connection with f and keeps it open until the test ends.
func listen(t *testing.T, f func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when the listener is closed
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, c)
			f(c)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

func TestOpen_Account(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		mysql := srv.Flavour == servers.FlavourMySQL
		srv.Exec(t, "DROP USER IF EXISTS 'reader'@'127.0.0.1', 'away'@'10.1.2.3', 'locked'@'127.0.0.1'",
			"CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY 'right-canary'",
			"CREATE USER 'locked'@'127.0.0.1' IDENTIFIED BY 'right-canary' ACCOUNT LOCK")
		cfg := configOf(srv)
		cfg.Username, cfg.Password = "reader", "wrong-canary"
		t.Run("wrong password", func(t *testing.T) {
			refuses(t, cfg, false, "access denied", "reader@127.0.0.1", "username and password")
		})
		t.Run("locked", func(t *testing.T) {
			cfg := cfg
			cfg.Username, cfg.Password = "locked", "right-canary"
			refuses(t, cfg, false, "locked", "ACCOUNT UNLOCK")
		})
		t.Run("right", func(t *testing.T) {
			cfg := cfg
			cfg.Password = "right-canary"
			s := openConfig(t, cfg)
			if mysql != (s.server.flavour == mysqlFlavour) {
				t.Errorf("the server is taken for %v", s.server.flavour)
			}
			cfg.TLSMode = Disable // caching_sha2_password needs the server's key then
			openConfig(t, cfg)
		})
	})
}

func TestOpen_TLS(t *testing.T) {
	ca, err := servers.CA()
	if err != nil {
		t.Fatal(err)
	}
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		cfg := configOf(srv)
		if open(t, srv).server.vars["have_ssl"] == "DISABLED" {
			t.Skip("the server has no TLS")
		}
		t.Run("verify-full", func(t *testing.T) {
			cfg := cfg
			cfg.TLSMode, cfg.TLSCA = VerifyFull, ca
			s := openConfig(t, cfg)
			err := s.with(t.Context(), func(c *conn) error {
				rows, err := c.query(t.Context(), "SHOW STATUS LIKE 'Ssl_version'")
				if err == nil && !strings.HasPrefix(rows[0][1], "TLS") {
					t.Errorf("the connection has TLS version %q", rows[0][1])
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		t.Run("verify-ca under another name", func(t *testing.T) {
			cfg := cfg
			cfg.TLSMode, cfg.TLSCA, cfg.Hostname = VerifyCA, ca, "127.0.0.2"
			if _, err := net.DialTimeout("tcp", cfg.address(), time.Second); err != nil {
				cfg.Hostname = "127.0.0.1"
			}
			openConfig(t, cfg)
		})
		t.Run("unknown authority", func(t *testing.T) {
			for _, mode := range []TLSMode{VerifyCA, VerifyFull} {
				cfg := cfg
				cfg.TLSMode = mode
				refuses(t, cfg, false, "authority that is not known", "tls.ca")
			}
		})
		t.Run("file of the authority is missing", func(t *testing.T) {
			cfg := cfg
			cfg.TLSMode, cfg.TLSCA = VerifyFull, "no-such-file.pem"
			refuses(t, cfg, false, "tls.ca", "no-such-file.pem")
		})
	})
}

func TestOpen_TLSRequired(t *testing.T) {
	srv := servers.MySQL(t, "9.7")
	cfg := configOf(srv)
	if open(t, srv).server.vars["have_ssl"] == "DISABLED" {
		t.Skip("the server has no TLS")
	}
	srv.Exec(t, "SET GLOBAL require_secure_transport = ON")
	openConfig(t, cfg)
	cfg.TLSMode = Disable
	refuses(t, cfg, false, "requires TLS", "tls.mode")
}

func TestOpen_NoTLS(t *testing.T) {
	srv := servers.MariaDB(t, "10.11", "--skip-ssl")
	cfg := configOf(srv)
	openConfig(t, cfg) // prefer goes without
	cfg.TLSMode = Require
	refuses(t, cfg, false, "has no TLS", "tls.mode")
}

func TestConfig_Check(t *testing.T) {
	good := DefaultConfig()
	good.Hostname, good.Username = "db", "cdc"
	if p := good.Check(); len(p) != 0 {
		t.Errorf("a good configuration has problems: %v", p)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		keys   []string
	}{
		"nothing given":              {func(c *Config) { c.Hostname, c.Username = "", "" }, []string{"hostname", "username"}},
		"port":                       {func(c *Config) { c.Port = 70000 }, []string{"port"}},
		"specific without offset":    {func(c *Config) { c.StartupMode = SpecificOffset }, []string{"scan.startup.mode"}},
		"offset without mode":        {func(c *Config) { c.OffsetFile = "binlog.000001" }, []string{"scan.startup.specific-offset"}},
		"pos without file":           {func(c *Config) { c.StartupMode, c.OffsetPos = SpecificOffset, 100 }, []string{"scan.startup.specific-offset.pos"}},
		"file and gtids":             {func(c *Config) { c.StartupMode, c.OffsetFile, c.OffsetGTIDs = SpecificOffset, "b.1", "0-1-2" }, []string{"scan.startup.specific-offset"}},
		"bad pos":                    {func(c *Config) { c.StartupMode, c.OffsetFile, c.OffsetPos = SpecificOffset, "b.1", 2 }, []string{"scan.startup.specific-offset.pos"}},
		"skip":                       {func(c *Config) { c.StartupMode, c.OffsetFile, c.SkipRows = SpecificOffset, "b.1", 2 }, []string{"scan.startup.specific-offset"}},
		"timestamp missing":          {func(c *Config) { c.StartupMode = FromTimestamp }, []string{"scan.startup.timestamp-millis"}},
		"timestamp without mode":     {func(c *Config) { c.TimestampMillis = 5 }, []string{"scan.startup.timestamp-millis"}},
		"half a client certificate":  {func(c *Config) { c.TLSCert = "x" }, []string{"tls.cert"}},
		"certificates without TLS":   {func(c *Config) { c.TLSMode, c.TLSCA = Disable, "x" }, []string{"tls.mode"}},
		"authority without checking": {func(c *Config) { c.TLSCA = "x" }, []string{"tls.ca"}},
		"signal table":               {func(c *Config) { c.SignalTable = "nodot" }, []string{"signal.table"}},
		"boolean":                    {func(c *Config) { c.TinyintIsBool = true }, []string{"treat-tinyint1-as-boolean.enabled"}},
		"no schema changes":          {func(c *Config) { c.SchemaChanges = false }, []string{"schema-change.enabled"}},
		"no chunks":                  {func(c *Config) { c.Incremental = false }, []string{"scan.incremental.snapshot.enabled"}},
		"append only":                {func(c *Config) { c.AppendOnly = true }, []string{"scan.read-changelog-as-append-only.enabled"}},
		"many": {func(c *Config) { c.Port, c.ChunkRows, c.ConnectTimeout = 0, -1, 0 },
			[]string{"port", "connect.timeout", "scan.incremental.snapshot.chunk.size"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			problems := cfg.Check()
			if len(problems) != len(c.keys) {
				t.Fatalf("got %v, want problems of %v", problems, c.keys)
			}
			for i, key := range c.keys {
				if problems[i].Key != key || len(problems[i].Text) < 15 {
					t.Errorf("got %v, want one of %s", problems[i], key)
				}
			}
		})
	}
}

func TestConfig_Warnings(t *testing.T) {
	cfg := DefaultConfig()
	if w := cfg.Warnings(); len(w) != 0 {
		t.Errorf("the defaults have warnings: %v", w)
	}
	cfg.JDBC = map[string]string{"useSSL": "true"}
	cfg.Debezium = map[string]string{"snapshot.mode": "x"}
	cfg.ServerTimeZone = "Europe/Berlin"
	cfg.NewlyAdded, cfg.NewlyAddedInLog, cfg.ChunkKeyColumn = "true", "false", `shop\.t:id`
	w := strings.Join(cfg.Warnings(), "\n")
	for _, key := range []string{"jdbc.properties.useSSL", "debezium.snapshot.mode", "server-time-zone",
		"scan.newly-added-table.enabled", "scan.binlog.newly-added-table.enabled", "scan.incremental.snapshot.chunk.key-column"} {
		if !strings.Contains(w, key) {
			t.Errorf("no warning of %s in %q", key, w)
		}
	}
}

func TestServerIDs(t *testing.T) {
	for text, want := range map[string]ServerIDs{"5400": {5400, 5400}, "5400-5403": {5400, 5403}, " 1 - 2 ": {1, 2}} {
		var s ServerIDs
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is %v, %v, want %v", text, s, err, want)
		}
	}
	for _, text := range []string{"", "0", "x", "5-4", "4294967296", "-1", "1-2-3"} {
		var s ServerIDs
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, s)
		}
	}
	id, err := ServerIDs{}.pick()
	if err != nil || id < 1<<20 {
		t.Errorf("a random id is %d, %v", id, err)
	}
}
