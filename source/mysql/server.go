package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/source"
)

// A flavour is whose server it is.
type flavour uint8

const (
	mysqlFlavour flavour = iota
	percona
	mariadb
)

func (f flavour) String() string { return [...]string{"MySQL", "Percona Server", "MariaDB"}[f] }

// A server is what does not change while it runs.
type server struct {
	flavour  flavour
	version  string // as it says itself
	number   int    // 80036 for 8.0.36, 101106 for 10.11.6
	vars     map[string]string
	snapshot bool // a consistent snapshot says where in the log it is
}

func (s *server) String() string { return s.flavour.String() + " " + s.version }

func (s *server) mariadb() bool { return s.flavour == mariadb }

// gtids says that each transaction has a GTID that the server can be asked for. ON_PERMISSIVE lets some go without.
func (s *server) gtids() bool { return s.flavour != mariadb && s.on("gtid_mode") }

// logsUpdates is the setting whether a replica logs what it replicates.
func (s *server) logsUpdates() string {
	if v, known := s.vars["log_replica_updates"]; known {
		return v
	}
	return s.vars["log_slave_updates"]
}

// on says that a variable is switched on.
func (s *server) on(name string) bool {
	v := s.vars[name]
	return v == "1" || strings.EqualFold(v, "ON")
}

// inspect asks the server what it is.
func inspect(ctx context.Context, c *conn) (server, error) {
	s := server{vars: map[string]string{}}
	rows, err := c.query(ctx, "SELECT VERSION(), @@version_comment")
	if err != nil {
		return s, fmt.Errorf("ask for the server's version: %w", err)
	}
	s.version, s.flavour = rows[0][0], flavourOf(rows[0][0], rows[0][1])
	s.number = versionNumber(s.version)
	if rows, err = c.query(ctx, "SHOW GLOBAL VARIABLES"); err != nil {
		return s, fmt.Errorf("ask for the server's variables: %w", err)
	}
	for _, r := range rows {
		s.vars[strings.ToLower(r[0])] = r[1]
	}
	s.snapshot = s.flavour == mariadb
	if s.flavour == percona {
		rows, err := c.query(ctx, "SHOW STATUS LIKE 'binlog_snapshot_file'")
		if err != nil {
			return s, fmt.Errorf("ask for the snapshot's position: %w", err)
		}
		s.snapshot = len(rows) > 0
	}
	return s, nil
}

func flavourOf(version, comment string) flavour {
	switch all := strings.ToLower(version + " " + comment); {
	case strings.Contains(all, "mariadb"):
		return mariadb
	case strings.Contains(all, "percona"):
		return percona
	}
	return mysqlFlavour
}

// versionNumber reads 8.0.36-log as 80036.
func versionNumber(version string) int {
	n := 0
	version, _, _ = strings.Cut(version, "-")
	parts := strings.SplitN(version, ".", 3)
	for i := range 3 {
		v := 0
		if i < len(parts) {
			v, _ = strconv.Atoi(strings.TrimRightFunc(parts[i], func(r rune) bool { return r < '0' || r > '9' }))
		}
		n = n*100 + v
	}
	return n
}

// statusSQL shows the end of the log.
func (s *server) statusSQL() string {
	switch {
	case s.flavour != mariadb && s.number >= 80200:
		return "SHOW BINARY LOG STATUS"
	case s.flavour == mariadb && s.number >= 100502:
		return "SHOW BINLOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// A status is the end of the log.
type status struct {
	file string
	pos  uint64
}

// head asks for the end of the log.
func (s *Source) head(ctx context.Context, c *conn) (status, error) {
	rows, err := c.query(ctx, s.server.statusSQL())
	if err != nil {
		return status{}, fmt.Errorf("ask for the end of the log: %w", err)
	}
	if len(rows) == 0 || len(rows[0]) < 2 {
		return status{}, fmt.Errorf("%w: the server writes no binary log: set log_bin and restart it", source.ErrPositionLost)
	}
	pos, err := strconv.ParseUint(rows[0][1], 10, 64)
	if err != nil {
		return status{}, fmt.Errorf("end of the log %q: %w", rows[0][1], err)
	}
	return status{file: rows[0][0], pos: pos}, nil
}
