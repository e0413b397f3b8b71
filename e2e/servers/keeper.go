package servers

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

//go:embed *.sh
var scripts embed.FS

// The keeper outlives this process by a moment: when its standard input closes, which happens however this process
// ends, it kills the servers of the folder and removes the folder. It sweeps several times because a server may be on
// its way up at that moment.
const keep = `cat >/dev/null
for pause in 0 1 3; do
  sleep "$pause"
  for file in "$1"/*/pid; do
    dir=${file%/pid}
    if pid=$(cat "$file" 2>/dev/null) && grep -qsaF -- "$dir" "/proc/$pid/cmdline"; then kill -9 "$pid"; fi
  done
  for mounted in "$1"/*/mount; do umount -l "$mounted" 2>/dev/null; done
  rm -rf "$1" 2>/dev/null
done`

// A kept folder is that of all servers of this process, with the scripts in it.
type kept struct {
	root  string
	stdin io.Closer // of the keeper; held, because a collected pipe is a closed one
}

func keeper() (string, error) {
	k, err := start()
	return k.root, err
}

// start makes the folder and starts its keeper, once.
var start = sync.OnceValues(func() (kept, error) {
	root, err := os.MkdirTemp("", "cdcsync-servers-")
	if err != nil {
		return kept{}, fmt.Errorf("make folder for servers: %w", err)
	}
	if err := unpack(filepath.Join(root, "scripts")); err != nil {
		return kept{}, err
	}
	cmd := exec.Command("bash", "-c", keep, "keeper", root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt from the terminal must not end it first
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return kept{}, fmt.Errorf("start keeper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return kept{}, fmt.Errorf("start keeper: %w", err)
	}
	return kept{root, stdin}, nil
})

// Root is a folder that is removed soon after the test binary ends, however it ends.
func Root() (string, error) { return keeper() }

// Folder makes a folder that is removed when the test ends, or soon after the test binary does. A process whose id is
// in the folder's file `pid`, and whose command line names the folder, is killed then.
func Folder(t testing.TB, prefix string) string {
	t.Helper()
	root, err := keeper()
	if err != nil {
		t.Fatalf("make folder: %v", err)
	}
	dir, err := os.MkdirTemp(root, prefix+"-")
	if err != nil {
		t.Fatalf("make folder: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func unpack(dir string) error {
	files, err := scripts.ReadDir(".")
	if err != nil {
		return fmt.Errorf("list scripts: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpack scripts: %w", err)
	}
	for _, f := range files {
		text, err := scripts.ReadFile(f.Name())
		if err != nil {
			return fmt.Errorf("read script: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), text, 0o755); err != nil {
			return fmt.Errorf("unpack scripts: %w", err)
		}
	}
	return nil
}

// run runs a script. What it says is part of the error only; a first installation is announced on standard error, because
// it takes up to a minute.
func run(name string, env []string, args ...string) error {
	root, err := keeper()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.Command(filepath.Join(root, "scripts", name), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = &said
	if args[0] == "install" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// Cache is the folder where installed servers and tools are kept between runs.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	return filepath.Join(dir, "cdcsync-test"), nil
}

// CA returns the path of the certificate authority that signed the servers' TLS keys, for 127.0.0.1 and localhost.
func CA() (string, error) {
	cache, err := Cache()
	return filepath.Join(cache, "tls", "ca.pem"), err
}

// FreePort finds a port that nobody listens on, below those that the system gives to outgoing connections.
func FreePort() (int, error) {
	for range 100 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("probe port: %w", err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("find free port: 100 of them are taken")
}
