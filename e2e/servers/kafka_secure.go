package servers

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The users of [KafkaSecure], who have the same password. The first is allowed nothing but what the test allows; the
// second may do all. Over TLS with the certificate of [ClientKey] the user is CN=cdc.
const (
	KafkaUser   = "cdc"
	KafkaAdmin  = "admin"
	KafkaSecret = "secret"
)

// KafkaSecure starts a private broker with access control, which ends with the test. It listens at SecureAddr for
// SASL_SSL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with [UnsecuredJWT]), at TLSAddr for SSL with a client's
// certificate, and at Addrs for whoever sets it up: there all is allowed. [CA] signed its key. The properties, key=value,
// are added to server.properties.
func KafkaSecure(t testing.TB, properties ...string) *KafkaCluster {
	t.Helper()
	skipShort(t)
	if err := run("kafka.sh", nil, "install"); err != nil {
		t.Fatalf("install Kafka: %v", err)
	}
	files, err := secureKeys()
	if err != nil {
		t.Fatalf("read keys of servers: %v", err)
	}
	var p *Process
	err = onFreePorts([]int{1, 2, 3}, func(port int) (err error) {
		if p, err = newProcess("kafka.sh", port, "KAFKA_FORMAT="+scramUsers()); err != nil {
			return err
		}
		files["extra.properties"] = strings.Join(append(secureProperties(p), properties...), "\n")
		if err = p.write(files); err != nil {
			return err
		}
		return p.startOrKill()
	})
	if err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	p.end(t)
	return &KafkaCluster{
		Brokers: []*KafkaBroker{{Process: p, ID: 1}}, SecureAddr: loopback(p.Port + 2), TLSAddr: loopback(p.Port + 3),
	}
}

func scramUsers() string {
	var words []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		for _, user := range []string{KafkaUser, KafkaAdmin} {
			words = append(words, "--add-scram", mechanism+"=[name="+user+",password="+KafkaSecret+"]")
		}
	}
	return strings.Join(words, " ")
}

// secureKeys are the files with the keys of the broker, by name.
func secureKeys() (map[string]string, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	text := map[string]string{}
	for _, name := range []string{"server.key", "server.pem", "ca.pem"} {
		content, err := os.ReadFile(filepath.Join(cache, "tls", name))
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		text[name] = string(content)
	}
	return map[string]string{"kafka.pem": text["server.key"] + text["server.pem"], "ca.pem": text["ca.pem"]}, nil
}

func secureProperties(p *Process) []string {
	const login, kafka = "listener.name.sasl_ssl.", "org.apache.kafka.common.security."
	return []string{
		"listeners=PLAINTEXT://" + p.Addr + ",CONTROLLER://" + loopback(p.Port+1) +
			",SASL_SSL://" + loopback(p.Port+2) + ",SSL://" + loopback(p.Port+3),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + filepath.Join(p.Dir, "kafka.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + filepath.Join(p.Dir, "ca.pem"),
		"listener.name.ssl.ssl.client.auth=required",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS;User:" + KafkaAdmin, // nobody logs in to the first listeners
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		login + "plain.sasl.jaas.config=" + kafka + `plain.PlainLoginModule required user_` + KafkaUser + `="` + KafkaSecret +
			`" user_` + KafkaAdmin + `="` + KafkaSecret + `";`,
		login + "scram-sha-256.sasl.jaas.config=" + kafka + "scram.ScramLoginModule required;",
		login + "scram-sha-512.sasl.jaas.config=" + kafka + "scram.ScramLoginModule required;",
		login + "oauthbearer.sasl.jaas.config=" + kafka + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
	}
}

// UnsecuredJWT makes a token that [KafkaSecure] takes as that user's, valid from now on for a lifetime of whole seconds.
func UnsecuredJWT(user string, lifetime time.Duration) string {
	now := time.Now().Unix()
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, now, now+int64(lifetime/time.Second))
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
}

// ClientKey returns the paths of a certificate for a client named cdc, which [CA] signed, and of its key.
func ClientKey() (certificate, key string, err error) {
	cache, err := Cache()
	return filepath.Join(cache, "tls", "client.pem"), filepath.Join(cache, "tls", "client.key"), err
}
