package servers

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEach_DatabasesApart(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		a, b := s.Database(t), s.Database(t)
		s.Exec(t, "CREATE TABLE "+a+".t (a int)", "CREATE TABLE "+b+".t (a int)", "INSERT INTO "+a+".t VALUES (7)")
		if n := s.Value(t, "SELECT count(*) FROM "+b+".t"); n != "0" {
			t.Errorf("a row of database %s is in %s", a, b)
		}
		for variable, want := range map[string]string{"log_bin": "1", "binlog_format": "ROW", "time_zone": "+00:00"} {
			if got := s.Value(t, "SELECT @@"+variable); got != want {
				t.Errorf("%s is %q, want %q", variable, got, want)
			}
		}
	})
}

func TestServer_KillAndRestart(t *testing.T) {
	check := func(t *testing.T, s *Server) {
		name := s.Database(t)
		s.Exec(t, "CREATE TABLE "+name+".t (a int primary key)", "INSERT INTO "+name+".t VALUES (7)")
		s.Kill9(t)
		if err := s.DB(t).Ping(); err == nil {
			t.Fatal("a killed server answers")
		}
		s.Restart(t)
		if got := s.Value(t, "SELECT a FROM "+name+".t"); got != "7" {
			t.Errorf("row after kill and restart: %q, want 7", got)
		}
		if got := s.Value(t, "SELECT @@max_connections"); got != "77" {
			t.Errorf("max_connections %s, want the option of the test", got)
		}
	}
	t.Run("mariadb", func(t *testing.T) { check(t, MariaDB(t, "10.11", "--max-connections=77")) })
	t.Run("mysql", func(t *testing.T) { check(t, MySQL(t, "9.7", "--max-connections=77")) })
}

// TestKeeper_KilledBinary holds that a server does not outlive a test binary that is killed: it starts itself again as
// a process that only starts a server, kills that, and waits for the server to go.
func TestKeeper_KilledBinary(t *testing.T) {
	if os.Getenv("SERVERS_TEST_CHILD") != "" {
		s := SharedMariaDB(t, "10.11")
		_, _ = os.Stdout.WriteString("DIR " + s.Dir + "\n")
		select {}
	}
	if testing.Short() {
		t.Skip("needs a real server: not with -short")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeeper_KilledBinary$")
	cmd.Env = append(os.Environ(), "SERVERS_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		dir, _ = strings.CutPrefix(lines.Text(), "DIR ")
	}
	pid, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for {
		line, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline")
		_, err := os.Stat(dir)
		if len(line) == 0 && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("server %s still runs or %s is still there", pid, dir)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
