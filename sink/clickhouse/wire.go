package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// A block is rows in columns, in the form in which both protocols carry them.
type block interface {
	rows() int
	// native appends the block in the format Native to parts, some of them made in head, of which the first one has all.
	native(parts [][]byte, head []byte) (allParts [][]byte, grown []byte)
	input() proto.Input // for the native protocol
}

// An insertion is one INSERT of one block. Trying it again sends the same bytes under the same token.
type insertion struct {
	into  string // INSERT INTO ... (...), without FORMAT or VALUES
	token string // insert_deduplication_token
	exact bool   // the server must not convert types
	block block
}

// A setting is a ClickHouse setting of one query.
type setting struct{ name, value string }

// settings are those of every insert: the block is a part of its own, whole or not at all, and is durable when the server answers.
func (in *insertion) settings() []setting {
	convert := "1"
	if in.exact {
		convert = "0"
	}
	return []setting{
		{"async_insert", "0"}, {"insert_deduplicate", "1"}, {"insert_deduplication_token", in.token},
		{"max_insert_threads", "1"}, {"max_insert_block_size", "1000000000"}, {"max_insert_block_size_bytes", "0"},
		{"min_insert_block_size_rows", "0"}, {"min_insert_block_size_bytes", "0"}, {"max_block_size", "1000000000"},
		{"max_partitions_per_insert_block", "0"}, {"input_format_parallel_parsing", "0"},
		{"input_format_native_allow_types_conversion", convert}, {"input_format_null_as_default", "0"},
	}
}

// An inserter sends blocks.
type inserter interface {
	insert(ctx context.Context, id string, in *insertion) error
	close() error
}

// An endpoint is where the server is and how to talk to it, by both libraries.
type endpoint struct {
	addr     string // host:port
	user     string
	password string
	tls      *tls.Config // nil: none
	protocol Protocol
	packing  compress.Method
	settings []setting // of the configuration
}

// newEndpoint reads the configuration, and the files of certificates that it names.
func newEndpoint(cfg *Config) (endpoint, error) {
	e := endpoint{
		addr: net.JoinHostPort(cfg.Hostname, strconv.Itoa(cfg.port())), user: cfg.Username, password: cfg.Password.Reveal(),
		protocol: cfg.Protocol, packing: packingOf(cfg),
	}
	for name, value := range cfg.Settings {
		e.settings = append(e.settings, setting{name, value})
	}
	slices.SortFunc(e.settings, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	var err error
	if cfg.TLS {
		e.tls, err = tlsConfig(cfg)
	}
	return e, err
}

// port is the one that is configured, or the protocol's own.
func (c *Config) port() int {
	switch {
	case c.Port != 0:
		return int(c.Port)
	case c.Protocol == Native && c.TLS:
		return 9440
	case c.Protocol == Native:
		return 9000
	case c.TLS:
		return 8443
	}
	return 8123
}

func packingOf(cfg *Config) compress.Method {
	switch {
	case cfg.Compression == ZSTD:
		return compress.ZSTD
	case cfg.Compression == LZ4, cfg.Compression == Auto && !loopback(cfg.Hostname):
		return compress.LZ4
	}
	return compress.None
}

// loopback says that a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func tlsConfig(cfg *Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if t.ServerName == "" {
		t.ServerName = cfg.Hostname
	}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read tls.ca: the file has no certificate in PEM form")
		}
	}
	if cfg.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Certificate, cfg.Key)
		if err != nil {
			return nil, fmt.Errorf("read tls.certificate and tls.key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
