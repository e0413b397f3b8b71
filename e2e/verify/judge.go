package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A Judge is the running program that compares. What it has read of a log of records stays with it, so that it only reads
// on when it is asked again. It is used by one goroutine.
type Judge struct {
	sink   Sink
	source *servers.Server
	*program
	unbind func() bool // from the context whose end ends the program
}

// A program is the process that compares. It takes questions about any sink and source.
type program struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	said bytes.Buffer
}

// idle are programs that have judged and may judge again: to start one takes as long as to compare some tables. They end
// with the test binary.
var idle = make(chan *program, 4)

// Start starts a judge of tables in sink whose sources are on a server.
func Start(ctx context.Context, sink Sink, source *servers.Server) (*Judge, error) {
	j := &Judge{sink: sink, source: source}
	select {
	case j.program = <-idle:
	default:
		var err error
		if j.program, err = begin(); err != nil {
			return nil, fmt.Errorf("start judge: %w", err)
		}
	}
	j.unbind = context.AfterFunc(ctx, func() { _ = j.cmd.Process.Kill() })
	return j, nil
}

func begin() (*program, error) {
	tool, err := script()
	if err != nil {
		return nil, err
	}
	p := &program{cmd: exec.Command(tool, "run", "verify.py")}
	p.cmd.Stderr = &p.said
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	return p, p.cmd.Start()
}

// Compare compares tables with their sources as they are now; an error means that the judge itself did not work.
func (j *Judge) Compare(pairs ...Pair) ([]Result, error) {
	results := make([]Result, len(pairs))
	enc := json.NewEncoder(j.in)
	for i, p := range pairs {
		if err := enc.Encode(j.request(p)); err != nil {
			return nil, j.failed("ask judge", err)
		}
		if err := j.out.Decode(&results[i]); err != nil {
			return nil, j.failed("read judge's answer", err)
		}
		results[i].Lint = slices.DeleteFunc(results[i].Lint, j.sink.pardons)
	}
	return results, nil
}

// failed ends a judge that does not answer, and adds what it said to the error.
func (j *Judge) failed(doing string, err error) error {
	j.unbind()
	_ = j.cmd.Process.Kill()
	_ = j.cmd.Wait() // it was killed
	return fmt.Errorf("%s: %w: %s", doing, err, j.said.Bytes())
}

// Close ends the judge. One that has read records ends its program, too: they may be of topics that are made anew.
func (j *Judge) Close() error {
	if _, reads := j.sink.(Kafka); j.unbind() && !reads {
		select {
		case idle <- j.program:
			return nil
		default:
		}
	}
	if err := j.in.Close(); err != nil {
		return fmt.Errorf("end judge: %w", err)
	}
	if err := j.cmd.Wait(); err != nil {
		return fmt.Errorf("end judge: %w: %s", err, j.said.Bytes())
	}
	return nil
}

func (j *Judge) request(p Pair) map[string]any {
	r := map[string]any{"namespace": p.Namespace, "table": p.Table}
	set := func(name, value string) {
		if value != "" {
			r[name] = value
		}
	}
	for name, value := range j.sink.flags() {
		set(name, value)
	}
	set("key", p.Key)
	set("where", p.Where)
	set("ignore", p.Ignore)
	if p.Source != "" {
		r["source"] = "mysql://" + j.source.User + "@" + j.source.Addr + "/" + url.PathEscape(p.Database) + "/" + url.PathEscape(p.Source)
	}
	renamed := []string{}
	for from, to := range p.Renamed {
		renamed = append(renamed, from+"="+to)
	}
	r["map"] = renamed
	return r
}

// script finds the judge's program, upwards of the folder in which the test runs.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find judge: %w", err)
	}
	for {
		path := filepath.Join(dir, "e2e", "tools", "verify.sh")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find judge: no e2e/tools/verify.sh above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
