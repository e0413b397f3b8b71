// Package mysql reads MySQL and MariaDB: catalog and chunks by SQL, changes by package binlog.
//
// A chunk is read by the binary protocol straight into columns, over a connection that go-mysql has logged in. It is
// read in a view of which the server can say what it holds, in one of three ways:
//
//	MariaDB               the place up to which transactions are committed before the SELECT, the end of the log after it:
//	                      what is between is unknown
//	MySQL, gtid_mode=ON   gtid_executed before the SELECT, the end of the log after it: what is between is unknown
//	MySQL without GTIDs   a row committed to the signal table before the SELECT: what is before that is seen
package mysql

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// A Source is one MySQL or MariaDB server.
type Source struct {
	cfg    Config
	log    *slog.Logger
	tls    *tls.Config // as agreed with the server; nil: in the clear
	server server      // that answered last, when Resume asked; connections to another one are not used
	oracle oracle      // how chunks get their views; nil when the server offers no way

	mu    sync.Mutex // guards the fields below
	idle  []*conn
	shut  bool
	metas map[metaKey]*meta
	paces map[schema.Name]*pace
	fresh freshFile

	snapshots sync.Mutex // held while a consistent snapshot is opened and its position is read
}

var _ source.Source = (*Source)(nil)

// Open connects to the server and learns what it is. The error says which step did not work, and never has the password.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Source, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{cfg: cfg, log: log}
	c, err := s.greet(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.meet(ctx, c); err != nil {
		return nil, err
	}
	log.Debug("connected", "server", s.server.String())
	return s, nil
}

// meet makes the server at the other end of a new connection the one that is read, and keeps the connection.
func (s *Source) meet(ctx context.Context, c *conn) error {
	srv, err := inspect(ctx, c)
	if err != nil {
		c.close()
		return err
	}
	if known := s.server.vars != nil; !known || srv.identity() != s.identity() {
		s.forget()
	}
	s.server = srv
	s.oracle = s.chooseOracle()
	c.server = srv.identity()
	s.put(c)
	return nil
}

// forget drops what is known of the server that was read so far, and the connections to it.
func (s *Source) forget() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.fresh = nil, freshFile{}
	s.metas, s.paces = map[metaKey]*meta{}, map[schema.Name]*pace{}
	s.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
}

// Close closes the connections that no one uses.
func (s *Source) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.shut = nil, true
	s.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
	return nil
}

// Describe names the server for people: MariaDB 10.11.18 at db:3306.
func (s *Source) Describe() string { return s.server.String() + " at " + s.cfg.address() }
