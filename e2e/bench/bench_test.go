// Package bench owns the figures of `make bench`: how many rows a second the program copies, and what that costs,
// beside the servers' own clients in the same run. Each figure comes from a process of its own.
//
// One line per figure:
//
//	bench NAME rows_per_s=N cpu_s_per_mrow=N rss_mb=N [limit=N ratio=N] [cpu_limit=N]
//
// limit is the rows per second to be reached, ratio how often it was; cpu_limit is what cpu_s_per_mrow may be. A row is
// a change: what a sink makes of it, such as two images or a tombstone, does not count. CDCSYNC_BENCH_ROWS,
// CDCSYNC_BENCH_CHANGES and CDCSYNC_BENCH_UPDATES change the sizes. CDCSYNC_BENCH_PROFILE is a folder that gets a CPU
// profile of each figure's process.
package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// size is a number from the environment.
func size(b *testing.B, variable string, otherwise int64) int64 {
	b.Helper()
	if text := os.Getenv(variable); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatalf("%s: %v", variable, err)
		}
		return n
	}
	return otherwise
}

// cost is what a process needed.
type cost struct {
	cpu  time.Duration
	wall time.Duration
	rss  int64 // the largest resident memory, in bytes; 0: not known
}

func spent(cmd *exec.Cmd, wall time.Duration) cost {
	return cost{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: wall}
}

// A figure is what was measured, beside what is to be reached.
type figure struct {
	name  string
	rows  int64
	wall  time.Duration
	cost  cost
	limit float64 // rows per second; 0: none
	cpu   float64 // CPU seconds per million rows; 0: no limit
}

func (f figure) rate() float64 { return float64(f.rows) / f.wall.Seconds() }

// report prints the line of a figure.
func report(f figure) {
	limits := ""
	if f.limit > 0 {
		limits += fmt.Sprintf(" limit=%.0f ratio=%.2f", f.limit, f.rate()/f.limit)
	}
	if f.cpu > 0 {
		limits += fmt.Sprintf(" cpu_limit=%.2f", f.cpu)
	}
	fmt.Printf("bench %s rows_per_s=%.0f cpu_s_per_mrow=%.2f rss_mb=%d%s\n",
		f.name, f.rate(), f.cost.cpu.Seconds()/float64(f.rows)*1e6, f.cost.rss>>20, limits)
}

// beside is the memory that the program allows itself beside the budget, as cmd/cdcsync does.
func beside(sink string) int64 {
	const runtime, kafka = 96 << 20, 64 << 20
	if sink == Kafka {
		return runtime + kafka
	}
	return runtime
}

// run does a task in a process of its own.
func run(b *testing.B, t task) (tally, cost) {
	b.Helper()
	t.Dir = servers.Folder(b, "bench")
	if t.Budget == 0 {
		t.Budget = 64 << 20
		if t.Baseline != "" { // holds what it will send
			t.Budget = 1 << 30
		}
	}
	if t.Interval == 0 {
		t.Interval = intervals[t.Sink]
	}
	if dir := os.Getenv("CDCSYNC_BENCH_PROFILE"); dir != "" {
		name := b.Name() + "-" + t.Sink + "-" + t.Database
		if t.Baseline != "" {
			name = b.Name() + "-client-" + t.Baseline + "-" + t.Database
		}
		t.Profile = filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".pprof")
	}
	text, err := json.Marshal(t)
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text), "GOMEMLIMIT="+strconv.FormatInt(t.Budget+beside(t.Sink), 10))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%+v: %v", t, err)
	}
	var got tally
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		b.Fatalf("%+v: %v: %s", t, err, out.Bytes())
	}
	c := spent(cmd, time.Since(began))
	if got.CPU > 0 {
		c.cpu = got.CPU
	}
	c.rss, got.Dir = got.RSS, t.Dir
	return got, c
}

// client runs a program of MariaDB's.
func client(b *testing.B, args ...string) cost {
	b.Helper()
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(b.Context(), filepath.Join(filepath.Dir(here), "..", "servers", "mariadb-client.sh"), args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %v", args, err)
	}
	return spent(cmd, time.Since(began))
}

// A lab is a server with the tables of the benchmarks.
type lab struct {
	*servers.Server
	task task
}

func newLab(b *testing.B) *lab {
	b.Helper()
	s := servers.MariaDB(b, "10.11", "--innodb-buffer-pool-size=1G", "--max-binlog-size=1G", "--innodb-log-file-size=512M")
	s.Exec(b, "CREATE USER cdc@'%' IDENTIFIED BY 'bench'", "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc@'%'")
	return &lab{s, task{Port: s.Port, User: "cdc", Password: "bench"}}
}

// unlogged runs statements that leave no trace in the log.
func (l *lab) unlogged(b *testing.B, statements ...string) {
	b.Helper()
	l.Exec(b, "USE mysql; SET sql_log_bin=0; "+strings.Join(statements, "; ")+"; SET sql_log_bin=1")
}

// position is where the log ends, at the beginning of a new file.
func (l *lab) position(b *testing.B) (file string, pos int64) {
	b.Helper()
	l.Exec(b, "FLUSH BINARY LOGS")
	return l.Value(b, "SHOW MASTER STATUS"), 4
}

// BenchmarkIdle is the memory of a process that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	l := newLab(b)
	l.Exec(b, "CREATE DATABASE idle", "CREATE TABLE idle.narrow "+narrow)
	for _, t := range []task{l.into(Iceberg, ""), l.into(ClickHouse, servers.ClickHouse(b).HTTPAddr), l.into(Kafka, servers.Kafka(b).Seeds())} {
		t.Database, t.Idle = "idle", 5*time.Second
		_, c := run(b, t)
		fmt.Printf("bench idle-%s rss_mb=%d cpu_ms_per_s=%.1f limit_mb=120\n", t.Sink, c.rss>>20, c.cpu.Seconds()*1000/c.wall.Seconds())
	}
}

// into is a task whose sink is at an address.
func (l *lab) into(kind, addr string) task {
	t := l.task
	t.Sink, t.Addr = kind, addr
	return t
}
