package migrate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A tool is a migration under way by a program that waits, before its end, for as long as a file is there.
type tool struct {
	name string
	flag string
	cmd  *exec.Cmd
	said bytes.Buffer
	done chan error
}

// ghOst migrates a table with gh-ost, which copies and then waits before it swaps.
func ghOst(t *testing.T, s *servers.Server, db, table, alter string) *tool {
	t.Helper()
	dir := servers.Folder(t, "gh-ost")
	wait := flag(t, dir)
	s.Exec(t, "UPDATE performance_schema.setup_instruments SET enabled = 'YES' WHERE name = 'wait/lock/metadata/sql/mdl'") // it asks for it
	return run(t, "gh-ost", wait, "--allow-on-master", "--host="+s.Host, fmt.Sprintf("--port=%d", s.Port), "--user="+s.User, "--database="+db, "--table="+table,
		"--alter="+alter, "--approve-renamed-columns", "--ok-to-drop-table", "--default-retries=1000", "--cut-over-lock-timeout-seconds=8", "--heartbeat-interval-millis=100", "--max-lag-millis=60000",
		"--serve-socket-file="+filepath.Join(dir, "socket"), "--throttle-additional-flag-file="+filepath.Join(dir, "throttle"),
		"--postpone-cut-over-flag-file="+wait, "--execute")
}

// ptOsc migrates a table with pt-online-schema-change, which waits before it copies.
func ptOsc(t *testing.T, s *servers.Server, db, table, alter string) *tool {
	t.Helper()
	wait := flag(t, servers.Folder(t, "pt-osc"))
	return run(t, "pt-osc", wait, "--alter="+alter, "--no-check-alter", "--recursion-method=none", "--chunk-size=200", "--max-load=Threads_running=1000", "--critical-load=Threads_running=1000",
		"--plugin="+toolPath(t, "pt-osc-wait.pm"),
		"--tries=create_triggers:1000:0.1,drop_triggers:1000:0.1,copy_rows:1000:0.1,swap_tables:1000:0.1,update_foreign_keys:10:1", "--execute",
		fmt.Sprintf("h=%s,P=%d,u=%s,D=%s,t=%s", s.Host, s.Port, s.User, db, table))
}

func run(t *testing.T, name, flag string, args ...string) *tool {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the tools and real servers: not with -short")
	}
	script := toolPath(t, name+".sh")
	if out, err := exec.CommandContext(t.Context(), script, "install").CombinedOutput(); err != nil {
		t.Fatalf("install %s: %v: %s", name, err, out)
	}
	x := &tool{name: name, flag: flag, cmd: exec.CommandContext(t.Context(), script, append([]string{"run"}, args...)...), done: make(chan error, 1)}
	x.cmd.Stdout, x.cmd.Stderr = &x.said, &x.said
	x.cmd.Env = append(os.Environ(), "PT_OSC_WAIT="+flag)
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { x.done <- x.cmd.Wait() }() // ends with the program, which ends with the test
	return x
}

// toolPath is where a tool is.
func toolPath(t *testing.T, name string) string {
	t.Helper()
	p, err := filepath.Abs("../tools/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// release lets the tool come to its end.
func (x *tool) release(t *testing.T) {
	t.Helper()
	if err := os.Remove(x.flag); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// wait waits until the tool has ended well. gh-ost makes its file itself when it starts, so that is taken away again.
func (x *tool) wait(t *testing.T) {
	t.Helper()
	e2e.Until(t, patience, x.name+" ends", func() bool {
		x.release(t)
		select {
		case err := <-x.done:
			if err != nil {
				t.Fatalf("%s: %v:\n%s", x.name, err, x.said.String())
			}
			return true
		default:
			return false
		}
	})
}
