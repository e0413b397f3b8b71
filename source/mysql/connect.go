package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/source"
)

// session makes a connection's settings independent of the server's. Text arrives as the bytes that the column stores
// (character_set_results), so that the log and the snapshot are decoded by the same code; instants are in UTC; identifiers
// and literals need one way of quoting only.
var session = []string{
	"SET NAMES utf8mb4",
	"SET SESSION character_set_results = NULL, time_zone = '+00:00', sql_mode = 'NO_BACKSLASH_ESCAPES', autocommit = 1, " +
		"net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 86400, sql_select_limit = 18446744073709551615",
	"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
}

// optional are settings that only some servers have.
var optional = []string{
	"SET SESSION max_execution_time = 0",                             // MySQL
	"SET SESSION max_statement_time = 0",                             // MariaDB
	"SET SESSION show_gipk_in_create_table_and_information_schema=1", // MySQL 8.0.30
	"SET SESSION information_schema_stats_expiry = 86400",            // MySQL 8
}

// greet opens the first connection and settles whether the source speaks TLS.
func (s *Source) greet(ctx context.Context) (*conn, error) {
	config, err := s.cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	s.tls = config
	c, err := s.dial(ctx)
	if err != nil && s.cfg.TLSMode == Prefer && !isServerError(err) && isTLSError(err) {
		s.tls = nil
		c, err = s.dial(ctx)
	}
	return c, err
}

// reach opens a connection to the server that is read. Behind a name or an address another one may answer by now.
func (s *Source) reach(ctx context.Context) (*conn, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if c.server, err = s.identify(ctx, c); err == nil && c.server != s.identity() {
		err = fmt.Errorf("%w: at %s answers server %s, the log was read from server %s", source.ErrTransient, s.cfg.address(), c.server, s.identity())
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// identify asks who is at the other end.
func (s *Source) identify(ctx context.Context, c *conn) (string, error) {
	variable := "@@server_uuid"
	if s.server.mariadb() {
		variable = "@@server_id"
	}
	id, err := c.value(ctx, "SELECT "+variable)
	if isServerError(err) {
		return "", nil // one of the other flavor
	}
	return id, err
}

// dial opens a connection, logs in, and prepares the session.
func (s *Source) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	start := time.Now()
	c, err := s.login(ctx)
	if err != nil {
		return nil, s.explain(err, time.Since(start))
	}
	if err := c.prepareSession(ctx); err != nil {
		c.close()
		return nil, fmt.Errorf("prepare the session at %s: %w", s.cfg.address(), err)
	}
	return c, nil
}

func (s *Source) login(ctx context.Context) (*conn, error) {
	var raw net.Conn
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		raw = nc
		deadline, _ := ctx.Deadline()
		return nc, nc.SetDeadline(deadline)
	}
	options := func(c *client.Conn) error {
		c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF)
		c.UnsetCapability(mysql.CLIENT_QUERY_ATTRIBUTES)
		c.SetAttributes(map[string]string{"program_name": "cdcsync"})
		if s.tls != nil {
			c.SetTLSConfig(s.tls.Clone())
		}
		return nil
	}
	gc, err := client.ConnectWithDialer(ctx, "tcp", s.cfg.address(), s.cfg.Username, s.cfg.Password.Reveal(), "", dialer, options)
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, err
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newConn(gc.Conn.Conn, gc.GetConnectionID()), nil
}

func (c *conn) prepareSession(ctx context.Context) error {
	for _, sql := range session {
		if err := c.exec(ctx, sql); err != nil {
			return err
		}
	}
	for _, sql := range optional {
		if err := c.exec(ctx, sql); err != nil && !isServerError(err) {
			return err
		}
	}
	return nil
}

// tlsConfig returns what the mode asks for; nil: no TLS.
func (c *Config) tlsConfig() (*tls.Config, error) {
	if c.TLSMode == Disable {
		return nil, nil
	}
	config := &tls.Config{ServerName: c.Hostname, MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites()}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca: %s has no PEM certificate", c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	if c.TLSMode != VerifyFull {
		config.InsecureSkipVerify = true // the mode asks for less than the library's check
	}
	if c.TLSMode == VerifyCA {
		config.VerifyConnection = verifyChain(config.RootCAs)
	}
	return config, nil
}

// cipherSuites are the library's own and, last, two without forward secrecy: servers built with OpenSSL 1.0 (MySQL up to
// 8.0.15) know nothing better that Go knows too, and without TLS there would be no secrecy at all.
func cipherSuites() []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384)
}

// verifyChain checks who signed the server's certificate, but not for which name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		return err
	}
}

// isTLSError says that no TLS could be agreed upon.
func isTLSError(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &record) || errors.As(err, &alert) || strings.Contains(err.Error(), "support TLS") ||
		strings.Contains(err.Error(), "tls: ")
}
