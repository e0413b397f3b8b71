package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

var jaasOption = regexp.MustCompile(`(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))`)

// parseJAAS reads the options of Java's "MODULE required username="u" password="p";". Its error has nothing of the text.
func parseJAAS(text string) (map[string]string, error) {
	options := map[string]string{}
	if text == "" {
		return options, nil
	}
	module, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if !strings.HasSuffix(module, "LoginModule") {
		return nil, errors.New(`does not begin with a login module, like org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`)
	}
	for _, m := range jaasOption.FindAllStringSubmatch(rest, -1) {
		options[m[1]] = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(m[2]) + m[3]
	}
	return options, nil
}

func (c *Config) usesSASL() bool { return strings.HasPrefix(c.property("security.protocol"), "SASL_") }
func (c *Config) usesTLS() bool  { return strings.HasSuffix(c.property("security.protocol"), "SSL") }

func (c *Config) checkSASL(ps *problems) {
	mechanism := c.property("sasl.mechanism")
	given := mechanism != "" || c.property("sasl.jaas.config") != "" || c.SASLUsername != "" || c.SASLToken != "" || c.SASLTokenFile != ""
	switch {
	case c.usesSASL() && mechanism == "":
		ps.say("properties.sasl.mechanism", "required by properties.security.protocol: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
	case !c.usesSASL() && given:
		ps.say("properties.security.protocol", "is not SASL_SSL or SASL_PLAINTEXT, so the user that is given would not be told to the broker")
	case !c.usesSASL():
	case mechanism == "OAUTHBEARER":
		c.checkToken(ps)
	default:
		if user, password := c.user(); user == "" || password == "" {
			ps.say("sasl.username", "required with sasl.password by %s; or both in properties.sasl.jaas.config", mechanism)
		}
	}
}

func (c *Config) checkToken(ps *problems) {
	options, err := parseJAAS(c.property("sasl.jaas.config"))
	if err != nil {
		return // said already
	}
	endpoint := c.property("sasl.oauthbearer.token.endpoint.url")
	if endpoint != "" && options["clientId"] == "" {
		ps.say("properties.sasl.jaas.config", `names no clientId and clientSecret for the token endpoint`)
	}
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http") {
		ps.say("properties.sasl.oauthbearer.token.endpoint.url", "write an address with https")
	}
	if endpoint == "" && c.SASLToken == "" && c.SASLTokenFile == "" {
		ps.say("sasl.token", "required by OAUTHBEARER: the token, or sasl.token.file, or properties.sasl.oauthbearer.token.endpoint.url")
	}
}

func (c *Config) checkTLS(ps *problems) {
	for key := range c.Properties {
		if strings.HasPrefix(key, "ssl.") && !c.usesTLS() {
			ps.say("properties.security.protocol", "is not SSL or SASL_SSL, so properties.%s has no use", key)
			return
		}
	}
	if _, err := c.tls(); c.usesTLS() && err != nil {
		ps.say("properties.security.protocol", "%v", err)
	}
}

// user is the one of PLAIN and SCRAM.
func (c *Config) user() (name, password string) {
	if c.SASLUsername != "" {
		return c.SASLUsername, c.SASLPassword.Reveal()
	}
	options, err := parseJAAS(c.property("sasl.jaas.config"))
	if err != nil {
		return "", ""
	}
	return options["username"], options["password"]
}

// mechanism is how the client logs in, nil without SASL.
func (c *Config) mechanism() sasl.Mechanism {
	if !c.usesSASL() {
		return nil
	}
	user, password := c.user()
	switch c.property("sasl.mechanism") {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := c.token(ctx)
			return oauth.Auth{Token: token}, err
		})
	}
}

// token returns a bearer token for one login. An error has nothing of a secret.
func (c *Config) token(ctx context.Context) (string, error) {
	switch {
	case c.SASLToken != "":
		return c.SASLToken.Reveal(), nil
	case c.SASLTokenFile != "":
		text, err := os.ReadFile(c.SASLTokenFile)
		if err != nil {
			return "", fmt.Errorf("read sasl.token.file: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	token, err := c.askToken(ctx)
	if err != nil {
		return "", fmt.Errorf("ask %s for a token: %w", c.property("sasl.oauthbearer.token.endpoint.url"), err)
	}
	return token, nil
}

// askToken asks by OAuth's client credentials grant (RFC 6749, section 4.4).
func (c *Config) askToken(ctx context.Context) (string, error) {
	options, err := parseJAAS(c.property("sasl.jaas.config"))
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope := options["scope"]; scope != "" {
		form.Set("scope", scope)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.property("sasl.oauthbearer.token.endpoint.url"), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(url.QueryEscape(options["clientId"]), url.QueryEscape(options["clientSecret"]))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the answer is %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil || answer.Token == "" {
		return "", errors.New("the answer has no access_token")
	}
	return answer.Token, nil
}

// tls is the configuration of encrypted connections, nil without TLS.
func (c *Config) tls() (*tls.Config, error) {
	if !c.usesTLS() {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := c.trust(t); err != nil {
		return nil, err
	}
	return t, c.identify(t)
}

// trust sets whose certificates are believed.
func (c *Config) trust(t *tls.Config) error {
	pem, err := c.pem("ssl.truststore.certificates", "ssl.truststore.location")
	if err != nil {
		return err
	}
	if pem != nil {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("properties.ssl.truststore.location holds no certificate in PEM: a Java keystore is exported with keytool -exportcert -rfc")
		}
	}
	if v, set := c.Properties["ssl.endpoint.identification.algorithm"]; set && v == "" {
		believeAnyName(t)
	}
	return nil
}

// registryTLS is the configuration of connections to the schema registry, nil as the system trusts.
func (c *Config) registryTLS() (*tls.Config, error) {
	if c.RegistryCA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.RegistryCA)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", c.RegistryCA)
	}
	return t, nil
}

// believeAnyName checks who signed the broker's certificate, and not for which host, as Java does for an empty
// ssl.endpoint.identification.algorithm.
func believeAnyName(t *tls.Config) {
	t.InsecureSkipVerify = true // the name only: VerifyConnection does the rest
	t.VerifyConnection = func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: t.RootCAs, Intermediates: between})
		return err
	}
}

// identify sets the client's own certificate, if it has one.
func (c *Config) identify(t *tls.Config) error {
	chain, err := c.pem("ssl.keystore.certificate.chain", "ssl.keystore.location")
	if err != nil || chain == nil {
		return err
	}
	key := chain // one file may have both
	if v := c.property("ssl.keystore.key"); v != "" {
		key = []byte(v)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return errors.New("properties.ssl.keystore.location: no certificate and unencrypted private key in PEM that fit")
	}
	t.Certificates = []tls.Certificate{pair}
	return nil
}

// pem is a text from a property, or from the file that another names.
func (c *Config) pem(text, location string) ([]byte, error) {
	if v := c.property(text); v != "" {
		return []byte(v), nil
	}
	name := c.property(location)
	if name == "" {
		return nil, nil
	}
	p, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("properties.%s: %w", location, err)
	}
	return p, nil
}
