package servers

import (
	"database/sql"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// ReplicaOptions have a MariaDB server log what it replicates. MySQL does so anyway, but for 5.7.
const ReplicaOptions = "--log-slave-updates=ON"

// Follow makes s a replica of another server, by GTIDs. What s has in its log already, it does not fetch again.
func (s *Server) Follow(t testing.TB, primary *Server) {
	t.Helper()
	switch {
	case s.Flavour == FlavourMariaDB:
		s.Exec(t, "SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos",
			fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_USE_GTID=slave_pos, "+
				"MASTER_CONNECT_RETRY=1, MASTER_SSL_VERIFY_SERVER_CERT=0", primary.Host, primary.Port, primary.User), "START SLAVE")
	case s.words() == "SLAVE":
		s.Exec(t, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_AUTO_POSITION=1, MASTER_CONNECT_RETRY=1",
			primary.Host, primary.Port, primary.User), "START SLAVE")
	default:
		s.Exec(t, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_AUTO_POSITION=1, "+
			"SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1", primary.Host, primary.Port, primary.User), "START REPLICA")
	}
}

// words is how the server calls a replica.
func (s *Server) words() string {
	if s.Flavour == FlavourMariaDB || strings.HasPrefix(s.Version, "5.") || s.Version == "8.0.15" {
		return "SLAVE"
	}
	return "REPLICA"
}

// Await waits until a replica has all that the primary has now.
func (s *Server) Await(t testing.TB, primary *Server) {
	t.Helper()
	have, wait, done := "gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET", "0"
	if s.Flavour == FlavourMariaDB {
		have, wait = "gtid_binlog_pos", "MASTER_GTID_WAIT"
	}
	gtids := strings.ReplaceAll(primary.Value(t, "SELECT @@GLOBAL."+have), "\n", "")
	if got := s.Value(t, fmt.Sprintf("SELECT %s('%s', 180)", wait, gtids)); got != done {
		t.Fatalf("the replica has not come to %s in time: see %s", gtids, s.Log())
	}
}

// Promote ends replication: from now on the server is a primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.Halt(t)
	s.Exec(t, "RESET "+s.words()+" ALL")
}

// Halt stops replication where it is.
func (s *Server) Halt(t testing.TB) {
	t.Helper()
	s.Exec(t, "STOP "+s.words())
}

// Resume goes on with replication that was stopped.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.Exec(t, "START "+s.words())
}

// At is the server as it is reached at another address, such as that of a proxy. It is not to be stopped or restarted.
func (s *Server) At(t testing.TB, addr string) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	there := &Server{
		Process: &Process{Addr: addr, Port: number, Dir: s.Dir, script: s.script, env: s.env, args: s.args, first: s.first},
		Flavour: s.Flavour, Version: s.Version, Host: host, User: s.User,
	}
	if there.pool, err = sql.Open("mysql", there.DSN("")); err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(func() { _ = there.pool.Close() })
	return there
}
