package servers

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

// PrintLog prints log files as the client of the server's flavour does, row by row: mysqlbinlog or mariadb-binlog -vv. Not
// every server's package has its own client, so it is that of MySQL 9.7 or MariaDB 10.11, which read the logs of all
// versions that the tests have.
func (s *Server) PrintLog(t testing.TB, files ...string) []byte {
	t.Helper()
	command, err := logClient(s.Flavour)
	if err != nil {
		t.Fatalf("find the client of %s: %v", s.Flavour, err)
	}
	args := append(command[1:], "-vv", "--base64-output=decode-rows")
	cmd := exec.CommandContext(t.Context(), command[0], append(args, files...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("print the log: %v: %s", err, said.String())
	}
	return out
}

// logClient installs what prints a flavour's log, and returns the command.
func logClient(f Flavour) ([]string, error) {
	if f == FlavourMariaDB {
		const name = "mariadb-client.sh"
		root, err := keeper()
		if err != nil {
			return nil, err
		}
		return []string{filepath.Join(root, "scripts", name), "mariadb-binlog"}, run(name, nil, "install")
	}
	const version = "9.7"
	if err := run("mysql.sh", []string{"MYSQL=" + version}, "install"); err != nil {
		return nil, err
	}
	cache, err := Cache()
	return []string{filepath.Join(cache, "mysql-"+version, "usr", "bin", "mysqlbinlog"), "--no-defaults"}, err
}
