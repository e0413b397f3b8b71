package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// login is a way to log in at the secure listener.
func login(t testing.TB, c *servers.KafkaCluster, mechanism string, more map[string]string) func(*Config) {
	t.Helper()
	ca, err := servers.CA()
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *Config) {
		cfg.Properties["bootstrap.servers"] = option.Secret(c.SecureAddr)
		cfg.Properties["security.protocol"] = "SASL_SSL"
		cfg.Properties["sasl.mechanism"] = option.Secret(mechanism)
		cfg.Properties["ssl.truststore.type"] = "PEM"
		cfg.Properties["ssl.truststore.location"] = option.Secret(ca)
		for k, v := range more {
			cfg.Properties[k] = option.Secret(v)
		}
	}
}

func jaas(module, options string) map[string]string {
	return map[string]string{"sasl.jaas.config": "org.apache.kafka.common.security." + module + "LoginModule required " + options + ";"}
}

// allow lets a user do what the sink needs.
func allow(t testing.TB, c *servers.KafkaCluster, user, prefix string) *kadm.Client {
	t.Helper()
	admin := kadm.NewClient(newTestClient(t, c.Addrs()))
	topics := []kadm.ACLOperation{kadm.OpRead, kadm.OpWrite, kadm.OpCreate, kadm.OpDescribe, kadm.OpDescribeConfigs}
	rules := []*kadm.ACLBuilder{
		kadm.NewACLs().Topics(prefix, "cdcsync."+prefix).ResourcePatternType(kadm.ACLPatternPrefixed).Operations(topics...).Allow("User:" + user).AllowHosts(),
		kadm.NewACLs().TransactionalIDs("cdcsync."+prefix).ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite, kadm.OpDescribe).Allow("User:" + user).AllowHosts(),
	}
	for _, r := range rules {
		if _, err := admin.CreateACLs(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return admin
}

// tokenServer answers one client as an identity provider does.
func tokenServer(t testing.TB, id, secret string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u != id || p != secret || r.FormValue("grant_type") != "client_credentials" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": servers.UnsecuredJWT(servers.KafkaUser, time.Hour)})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestSink_Secure writes and reads by each way to log in, with no more rights than the documents say, and is refused with
// another secret; then a right is taken away in the middle of it.
func TestSink_Secure(t *testing.T) {
	c := servers.KafkaSecure(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(servers.UnsecuredJWT(servers.KafkaUser, time.Hour)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	user := fmt.Sprintf("username=%q password=%q", servers.KafkaUser, servers.KafkaSecret)
	endpoint := jaas("oauthbearer.OAuthBearer", `clientId="cdc" clientSecret="s3cret"`)
	endpoint["sasl.oauthbearer.token.endpoint.url"] = tokenServer(t, "cdc", "s3cret")
	for name, change := range map[string]func(*Config){
		"PLAIN":         login(t, c, "PLAIN", jaas("plain.Plain", user)),
		"SCRAM-SHA-256": login(t, c, "SCRAM-SHA-256", jaas("scram.Scram", user)),
		"SCRAM-SHA-512": func(cfg *Config) {
			login(t, c, "SCRAM-SHA-512", nil)(cfg)
			cfg.SASLUsername, cfg.SASLPassword = servers.KafkaUser, servers.KafkaSecret
		},
		"OAUTHBEARER token": func(cfg *Config) {
			login(t, c, "OAUTHBEARER", nil)(cfg)
			cfg.SASLToken = option.Secret(servers.UnsecuredJWT(servers.KafkaUser, time.Hour))
		},
		"OAUTHBEARER file": func(cfg *Config) {
			login(t, c, "OAUTHBEARER", nil)(cfg)
			cfg.SASLTokenFile = token
		},
		"OAUTHBEARER endpoint": login(t, c, "OAUTHBEARER", endpoint),
		"SSL":                  mutual(t, c),
	} {
		t.Run(name, func(t *testing.T) {
			st, table := newStore(t, c.Addrs(), change), shape("orders")
			who := servers.KafkaUser
			if name == "SSL" {
				who = "CN=cdc"
			}
			admin := allow(t, c, who, st.name)
			s := opened(t, st, 1, table)
			if err := commitOne(t, s, 1, one(table, 10, 1, "x")); err != nil {
				t.Fatal(err)
			}
			if _, rows := st.Rows(t, table.Name); len(rows) != 1 {
				t.Errorf("got rows %q", rows)
			}
			for _, f := range s.Check(t.Context()) {
				if f.Level == schema.Problem {
					t.Errorf("check: %+v", f)
				}
			}
			if name == "PLAIN" {
				revoked(t, s, table, admin)
			}
		})
	}
	t.Run("wrong", func(t *testing.T) {
		st := newStore(t, c.Addrs(), login(t, c, "PLAIN", jaas("plain.Plain", `username="cdc" password="canary-3141"`)))
		err := st.open(t).Start(t.Context(), 1)
		if !errors.Is(err, sink.ErrTransient) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want an error without the password", err)
		}
	})
}

// mutual is TLS with a certificate of the client's.
func mutual(t testing.TB, c *servers.KafkaCluster) func(*Config) {
	t.Helper()
	ca, err := servers.CA()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := servers.ClientKey()
	if err != nil {
		t.Fatal(err)
	}
	chain, err1 := os.ReadFile(cert)
	secret, err2 := os.ReadFile(key)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return func(cfg *Config) {
		cfg.Properties["bootstrap.servers"] = option.Secret(c.TLSAddr)
		cfg.Properties["security.protocol"] = "SSL"
		cfg.Properties["ssl.truststore.location"] = option.Secret(ca)
		cfg.Properties["ssl.keystore.certificate.chain"] = option.Secret(chain)
		cfg.Properties["ssl.keystore.key"] = option.Secret(secret)
	}
}

// revoked takes away the right to write to the table's topic: the table stops with the reason.
func revoked(t *testing.T, s *Sink, table *schema.Table, admin *kadm.Client) {
	t.Helper()
	deny := kadm.NewACLs().Topics(s.TopicOf(table.Name)).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite).
		Deny("User:" + servers.KafkaUser).DenyHosts()
	if _, err := admin.CreateACLs(t.Context(), deny); err != nil {
		t.Fatal(err)
	}
	stops(t, s, table, "TOPIC_AUTHORIZATION_FAILED")
}

// No way of printing a configuration gives its secrets away.
func TestConfig_HidesSecrets(t *testing.T) {
	const canary = "canary-3141"
	cfg := DefaultConfig()
	cfg.Properties = map[string]option.Secret{"sasl.jaas.config": canary, "bootstrap.servers": canary + ":1,", "linger.ms": canary, canary: "x"}
	delete(cfg.Properties, canary)
	cfg.SASLPassword, cfg.SASLToken, cfg.RegistryPassword, cfg.RegistryToken = canary, canary, canary, canary
	cfg.ClaimProperties = map[string]option.Secret{"s3.secret-access-key": canary}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "config", cfg)
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "p", cfg, nil)
	if printed := fmt.Sprintf("%v %+v %#v %s %v %v %v", cfg, cfg, cfg, text, cfg.Check(), cfg.Warnings(), err) + log.String(); strings.Contains(printed, canary) {
		t.Errorf("got the secret in %s", printed)
	}
}
