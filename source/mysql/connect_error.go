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
	"syscall"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/source"
)

// explain makes of what went wrong while connecting an error that says what to look at. Those that may pass by
// themselves wrap ErrTransient.
func (s *Source) explain(err error, took time.Duration) error {
	where := s.cfg.address()
	if e, ok := serverError(err); ok {
		return s.explainServer(e)
	}
	if e := s.explainTLS(err); e != nil {
		return e
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("connect to %s: no such host: check hostname: %w", where, err)
	case errors.As(err, &dns):
		return fmt.Errorf("%w: connect to %s: the name cannot be resolved now: %w", source.ErrTransient, where, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: connect to %s: connection refused: no server listens there; check port, and that the server runs and binds that address (skip_networking, bind_address)", source.ErrTransient, where)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("%w: connect to %s: no route to the host: check the network and hostname", source.ErrTransient, where)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("connect to %s: %w", where, context.Canceled)
	case isTimeout(err):
		return fmt.Errorf("%w: connect to %s: no answer after %v (connect.timeout): a firewall, or a server that hangs", source.ErrTransient, where, took.Round(100*time.Millisecond))
	case strings.Contains(err.Error(), "auth plugin"):
		return fmt.Errorf("log in to %s as %s: %w: use an account with mysql_native_password, caching_sha2_password, sha256_password or ed25519", where, s.cfg.Username, err)
	case strings.Contains(err.Error(), "protocol version"):
		return fmt.Errorf("connect to %s: what answers there does not speak MySQL's protocol (%w): check port", where, err)
	}
	return fmt.Errorf("%w: connect to %s: %w", source.ErrTransient, where, err)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() ||
		strings.Contains(err.Error(), "i/o timeout")
}

// serverError finds the server's own answer in an error of the library or of this package.
func serverError(err error) (*sqlError, bool) {
	if own, ok := errors.AsType[*sqlError](err); ok {
		return own, true
	}
	if theirs, ok := errors.AsType[*mysql.MyError](err); ok {
		return &sqlError{theirs.Code, theirs.State, theirs.Message}, true
	}
	return nil, false
}

func isServerError(err error) bool {
	_, ok := serverError(err)
	return ok
}

// explainServer explains a refusal to log in.
func (s *Source) explainServer(e *sqlError) error {
	who := s.cfg.Username + "@" + s.cfg.address()
	switch e.code {
	case 1044, 1045, 1698:
		hint := "check username and password, and that the account may log in from this machine"
		if s.tls == nil {
			hint += "; a server with require_secure_transport answers so as well: try tls.mode: require"
		}
		return fmt.Errorf("log in as %s: access denied (%w): %s", who, e, hint)
	case 1130:
		return fmt.Errorf("log in as %s: the server lets no one in from this machine (%w): create the account for this host, as in CREATE USER %s@'%%'", who, e, literal(s.cfg.Username))
	case 1129:
		return fmt.Errorf("log in as %s: the server blocked this machine after too many errors (%w): run FLUSH HOSTS there", who, e)
	case 3159:
		return fmt.Errorf("log in as %s: the server requires TLS (%w): set tls.mode: verify-full", who, e)
	case 3118, 4151:
		return fmt.Errorf("log in as %s: the account is locked (%w): run ALTER USER %s ACCOUNT UNLOCK", who, e, literal(s.cfg.Username))
	case 1820, 1862:
		return fmt.Errorf("log in as %s: the password has expired (%w): set a new one with ALTER USER", who, e)
	case 1040, 1203, 1226:
		return fmt.Errorf("%w: log in as %s: no connection is free (%w): raise max_connections or the account's limit", source.ErrTransient, who, e)
	case 1053, 1927:
		return fmt.Errorf("%w: log in as %s: %w", source.ErrTransient, who, e)
	}
	return fmt.Errorf("log in as %s: %w", who, e)
}

// explainTLS explains which check of TLS did not hold; nil when err is of another kind.
func (s *Source) explainTLS(err error) error {
	where := s.cfg.address()
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case strings.Contains(err.Error(), "support TLS"):
		return fmt.Errorf("connect to %s: the server has no TLS, but tls.mode is %s: configure the server (ssl_cert, ssl_key), or set tls.mode: prefer: %w", where, s.cfg.TLSMode, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("connect to %s: the server's certificate is signed by an authority that is not known here: set tls.ca to the file of its certificate: %w", where, err)
	case errors.As(err, &hostname):
		return fmt.Errorf("connect to %s: the server's certificate is for other names (%s), not for %s: use one of them as hostname, or tls.mode: verify-ca", where, certNames(hostname.Certificate), hostname.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("connect to %s: the server's certificate is valid from %v to %v only (this machine's clock says %v): renew it", where, invalid.Cert.NotBefore, invalid.Cert.NotAfter, time.Now().UTC().Truncate(time.Second))
	case errors.As(err, &invalid):
		return fmt.Errorf("connect to %s: the server's certificate is not valid: %w", where, err)
	case errors.As(err, &alert):
		return fmt.Errorf("connect to %s: the server refused TLS, or the client's certificate (tls.cert): %w", where, err)
	case strings.Contains(err.Error(), "tls: "):
		return fmt.Errorf("connect to %s: no TLS could be agreed upon: %w", where, err)
	}
	return nil
}

func certNames(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "CN=" + cert.Subject.CommonName + ", which is not looked at"
	}
	return strings.Join(names, ", ")
}
